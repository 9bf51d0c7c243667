import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from index.errors import ModelError, UsageError
from index.models import sha256_of
from training.average import average

ROOT = Path(__file__).parents[2]
WEIGHTS = "model.safetensors"


def variant(reader, out, change):
    """A copy of a reader whose tensors were put through `change`."""
    shutil.copytree(reader, out)
    save_file({name: change(name, tensor) for name, tensor in load_file(out / WEIGHTS).items()}, out / WEIGHTS)
    return out


def test_each_weight_is_the_mean_of_the_readers_and_the_card_says_of_which(small_reader, tmp_path):
    more = variant(small_reader, tmp_path / "more", lambda _, tensor: tensor + np.float32(3))
    (more / "README.md").write_text("# More\n\n## Data\n\nnone\n")
    out = average([small_reader, more, more], tmp_path / "out")
    before, after = load_file(small_reader / WEIGHTS), load_file(out / WEIGHTS)
    assert after.keys() == before.keys()
    for name, tensor in after.items():
        assert tensor.dtype == np.float16
        # (x + (x + 3) + (x + 3)) / 3 = x + 2, in fp16: 10 bits behind the point
        assert np.allclose(tensor, before[name] + 2, rtol=2**-10)
    card = (out / "README.md").read_text()
    for folder in (out, small_reader, more):
        assert sha256_of(folder / WEIGHTS) in card
    assert "\n### More\n\n#### Data\n\nnone\n" in card
    assert "It has no card." in card


def test_the_mean_is_a_reader_that_pincite_takes(small_reader, tmp_path):
    command = [sys.executable, "-m", "training.average", str(small_reader), str(small_reader), "--out"]
    done = subprocess.run([*command, str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["architectures"] == ["BertForQuestionAnswering"]
    again = subprocess.run([*command, str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert again.stderr == f"{tmp_path / 'out'}: holds a model already; name another folder\n"


def test_one_reader_has_no_mean(small_reader, tmp_path):
    with pytest.raises(UsageError, match="name two or more"):
        average([small_reader], tmp_path / "out")


def test_readers_that_do_not_match_are_refused_and_nothing_is_written(small_reader, tmp_path):
    wider = variant(small_reader, tmp_path / "wider", lambda _, tensor: np.concatenate([tensor, tensor]))
    other = variant(small_reader, tmp_path / "other", lambda _, tensor: tensor)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["another"] = len(tokenizer["model"]["vocab"])
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    split = variant(small_reader, tmp_path / "split", lambda _, tensor: tensor)
    (split / WEIGHTS).rename(split / "model-00001-of-00001.safetensors")
    for folder, reason in ((wider, "other names or shapes"), (other, "other tokens"), (split, "in one file")):
        with pytest.raises(UsageError, match=reason):
            average([small_reader, folder], tmp_path / "out")
    (split / "model-00001-of-00001.safetensors").rename(split / WEIGHTS)
    (split / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"tokenizer\.json"):
        average([small_reader, split], tmp_path / "out")
    with pytest.raises(ModelError, match=r"no config\.json"):
        average([small_reader, tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
