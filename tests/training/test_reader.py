import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from index.errors import UsageError
from index.models import converted, find_reader, sha256_of
from index.runtime import has_bf16
from rag.read import Piece, Reader
from training.reader import CHECKPOINT, Job, Settings, learning_rate, train

ROOT = Path(__file__).parents[2]
CITIES = ["Oslo", "Lima", "Cairo", "Delhi", "Quito", "Accra", "Turin", "Perth"]
SETTINGS = Settings(window=96, stride=24, batch_tokens=400, rate=1e-3, seed=5)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """A file of 48 labelled questions."""
    path = tmp_path_factory.mktemp("data") / "cities.jsonl"
    rows = []
    for number in range(48):
        city, year = CITIES[number % 8], 1900 + number
        context = f"It is said that in {year} the first fair of {city} was held. Nobody went to fair number {number}."
        answers = [{"text": city, "start": context.index(city)}]
        row = {"title": city, "context": context, "question": f"Where was the fair of {year} held?"}
        rows.append(json.dumps({**row, "id": str(number), "answers": answers if number % 6 else []}))
    path.write_text("\n".join(rows))
    return path


def job(questions, init, out, settings=SETTINGS):
    return Job((questions,), init, out, {"cities": "made up; CC0"}, checkpoint_minutes=60, settings=settings)


@pytest.fixture(scope="module")
def unbroken(questions, small_reader, tmp_path_factory):
    return train(job(questions, small_reader, tmp_path_factory.mktemp("unbroken") / "out"))


def command(questions, init, out):
    options = {
        "--window": 96,
        "--stride": 24,
        "--batch-tokens": 400,
        "--rate": 1e-3,
        "--seed": 5,
        "--precision": "bf16",
    }
    words = [str(word) for pair in options.items() for word in pair]
    paths = ["--train", str(questions), "--init", str(init), "--out", str(out), "--checkpoint-minutes", "0"]
    return [sys.executable, "-m", "training.reader", *paths, *words]


def test_a_run_killed_half_way_and_started_again_gives_the_weights_of_an_unbroken_one(
    questions, small_reader, unbroken, tmp_path
):
    out = tmp_path / "out"
    process = subprocess.Popen(command(questions, small_reader, out), cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (out / CHECKPOINT).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert (out / CHECKPOINT).exists(), "killed in the middle of the run"
    assert not (out / "model.safetensors").exists()
    train(job(questions, small_reader, out))
    assert sha256_of(out / "model.safetensors") == sha256_of(unbroken / "model.safetensors")
    assert not (out / CHECKPOINT).exists()


def test_the_folder_that_a_run_makes_is_a_reader(unbroken, tmp_path):
    files = find_reader(str(unbroken), unbroken, "")
    reader = Reader(files, converted(files, "reader", tmp_path, lambda _: None))
    (span,) = reader.read([("Where was it held?", (Piece("The fair was held in Oslo. " * 60, 0),))])
    assert span is not None
    assert span.quote


def test_the_card_names_data_licence_settings_and_the_hash_of_the_weights(unbroken, questions):
    card = (unbroken / "README.md").read_text("utf-8")
    assert f"| cities.jsonl | 40 | 8 | made up; CC0 | `{sha256_of(questions)[:16]}` |" in card
    assert sha256_of(unbroken / "model.safetensors") in card
    assert "| seed | 5 |" in card
    assert "| rate | 0.001 |" in card


@pytest.mark.parametrize(("asked", "taken"), [("auto", "bf16" if has_bf16() else "fp32"), ("fp32", "fp32")])
def test_a_run_is_in_the_precision_asked_for_or_in_what_the_processor_has(
    questions, small_reader, tmp_path, asked, taken
):
    subprocess.run([*command(questions, small_reader, tmp_path / "out"), "--precision", asked], cwd=ROOT, check=True)
    assert f"| precision | {taken} |" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_weights_are_fp16_and_the_tokenizer_neither_cuts_nor_pads(unbroken):
    assert json.loads((unbroken / "config.json").read_text("utf-8"))["dtype"] == "float16"
    tokenizer = json.loads((unbroken / "tokenizer.json").read_text("utf-8"))
    assert (tokenizer["truncation"], tokenizer["padding"]) == (None, None)


def test_a_checkpoint_of_other_settings_is_refused(questions, small_reader, unbroken, tmp_path):
    import torch

    (tmp_path / "out").mkdir()
    torch.save({"progress": ["other", 1, 1, 1.0]}, tmp_path / "out" / CHECKPOINT)
    with pytest.raises(UsageError, match="made with other data or settings"):
        train(job(questions, small_reader, tmp_path / "out"))


def test_a_damaged_checkpoint_is_refused(questions, small_reader, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(UsageError, match="no checkpoint that can be read"):
        train(job(questions, small_reader, tmp_path / "out"))


def test_a_folder_that_holds_a_model_is_not_written_over(questions, small_reader, tmp_path):
    out = Path(shutil.copytree(small_reader, tmp_path / "out"))
    with pytest.raises(UsageError, match="holds a model already"):
        train(job(questions, small_reader, out))


def test_data_without_a_usable_question_is_refused(small_reader, tmp_path):
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(UsageError, match="no question could be used"):
        train(job(tmp_path / "none.jsonl", small_reader, tmp_path / "out"))


def test_the_rate_rises_for_six_percent_of_the_run_then_falls_to_nothing():
    settings = Settings(rate=1.0)
    shares = [0, 0.03, 0.06, 0.53, 1, 1.2]
    assert [learning_rate(settings, share) for share in shares] == [0, 0.03 / 0.06, 1, (1 - 0.53) / (1 - 0.06), 0, 0]
