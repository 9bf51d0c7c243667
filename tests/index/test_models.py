import contextlib
import json
import shutil
import subprocess
import sys

import pytest

from api.build import DEFAULT_READER, DEFAULT_READER_SHA256, build_reader
from api.settings import Settings
from index.errors import ModelError
from index.models import DEFAULT_EMBEDDER, converted, default_embedder_folder, find_embedder, find_reader, quantised
from rag.read import Piece, Reader

CONFIG = {"architectures": ["BertForQuestionAnswering"], "model_type": "bert"}


def reader_at(name):
    return find_reader(str(name), DEFAULT_READER, DEFAULT_READER_SHA256)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(b"not really")
    return tmp_path


def test_the_defaults_are_found_and_have_their_pinned_weights():
    assert find_embedder(DEFAULT_EMBEDDER).sha256.startswith("53aa5117")
    assert reader_at("").sha256 == DEFAULT_READER_SHA256


def test_a_default_reader_with_other_weights_is_refused(folder):
    with pytest.raises(ModelError, match="the weights are damaged"):
        find_reader("", folder, DEFAULT_READER_SHA256)


def test_a_folder_that_does_not_exist_is_named():
    with pytest.raises(ModelError, match=r"\./nowhere: no such folder"):
        find_embedder("./nowhere")


def test_a_folder_without_configuration_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json"):
        find_embedder(str(tmp_path))


def test_pickled_weights_are_refused_because_loading_them_can_run_code(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights only"):
        reader_at(folder)


def test_a_model_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights"):
        reader_at(folder)


def test_a_model_that_extracts_no_answers_is_no_reader(folder):
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(ModelError, match="BertForMaskedLM is no extractive"):
        reader_at(folder)


def test_a_hub_model_without_a_network_is_a_clear_refusal():
    with pytest.raises(ModelError, match="neither a folder nor a model that the hub gives"):
        find_embedder("nobody/no-such-model")


@pytest.mark.parametrize("prepare", [converted, quantised])
def test_damaged_weights_are_refused_with_the_converters_reason_and_leave_nothing(folder, tmp_path, prepare):
    cache = tmp_path / "cache"
    with pytest.raises(ModelError, match="cannot be used as reader"):
        prepare(reader_at(folder), "reader", cache, print)
    assert [path for path in cache.iterdir() if path.is_dir()] == []


def with_code(made, folder):
    """Copy a model into `folder`, with a module that leaves a file behind if it is ever imported; return that file."""
    shutil.copytree(made, folder)
    left = folder.with_name("it-ran")
    (folder / "evil.py").write_text(f"open({str(left)!r}, 'w').close()\n")
    return left


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize("model_type", ["bert", "evil"])
def test_code_in_the_folder_of_a_reader_is_not_run(tmp_path, monkeypatch, model_type):
    folder = tmp_path / "model"
    left = with_code(DEFAULT_READER, folder)
    classes = {"AutoConfig": "evil.Config", "AutoModelForQuestionAnswering": "evil.Model"}
    change(folder / "config.json", model_type=model_type, auto_map=classes)
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]})
    monkeypatch.chdir(folder)  # nor where it would be found by its name alone
    with contextlib.nullcontext() if model_type == "bert" else pytest.raises(ModelError, match="cannot be used"):
        converted(reader_at(folder), "reader", tmp_path / "cache", print)
    assert not left.exists()


def test_code_in_the_folder_of_an_embedder_is_not_run(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    left = with_code(default_embedder_folder(), folder)
    first, *others = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([first | {"type": "evil.Module"}, *others]))
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError, match="cannot be used as embedder"):
        converted(find_embedder(str(folder)), "embedder", tmp_path / "cache", print)
    assert not left.exists()


# Small and random, of the kinds that people name; made by transformers in a process of its own.
MAKE = """
import sys, transformers as t
from tokenizers import Tokenizer, models, pre_tokenizers, processors
kind, out = sys.argv[1:]
size = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=200)
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "nile", "ends", "in", "egypt", "where", "does", "end", "?", "."]
tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
second = ":0" if kind == "roberta" else ":1"
tokenizer.post_processor = processors.TemplateProcessing(
    "[CLS] $A [SEP]", f"[CLS] $A [SEP] $B{second} [SEP]{second}", [("[CLS]", 2), ("[SEP]", 3)])
names = ["input_ids", "attention_mask"] + (["token_type_ids"] if kind != "roberta" else [])
t.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
    sep_token="[SEP]", model_max_length=64, model_input_names=names).save_pretrained(out)
config, model = {"bert": (t.BertConfig, t.BertForQuestionAnswering), "electra": (t.ElectraConfig,
    t.ElectraForQuestionAnswering), "roberta": (t.RobertaConfig, t.RobertaForQuestionAnswering)}[kind]
model(config(**size, max_position_embeddings=66, pad_token_id=0)).save_pretrained(out)
"""


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_another_question_answering_model_works_as_the_reader(kind, tmp_path):
    made = tmp_path / kind
    subprocess.run([sys.executable, "-c", MAKE, kind, str(made)], check=True, capture_output=True)
    notes = []
    folder = converted(reader_at(made), "reader", tmp_path / "cache", notes.append)
    assert len(notes) == 1
    text = "the nile ends in egypt. " * 40  # several windows of 64 tokens
    (span,) = Reader(reader_at(made), folder).read([("where does the nile end?", (Piece(text, 0),))])
    assert text[span.start : span.end] == span.quote
    assert converted(reader_at(made), "reader", tmp_path / "cache", notes.append) == folder
    assert len(notes) == 1  # the second time there is nothing to prepare


def test_a_model_whose_loss_nobody_measured_is_not_in_int8_unless_that_is_asked_for(tmp_path):
    subprocess.run([sys.executable, "-c", MAKE, "bert", str(tmp_path / "own")], check=True, capture_output=True)
    own = {"reader": str(tmp_path / "own"), "cache": tmp_path / "cache"}
    assert build_reader(Settings(**own)).info.precision in {"bf16", "fp32"}
    small = build_reader(Settings(**own, precision="int8"))
    text = "the nile ends in egypt. " * 40
    (span,) = small.read([("where does the nile end?", (Piece(text, 0),))])
    assert (small.info.precision, text[span.start : span.end]) == ("int8", span.quote)


def test_another_tokenizer_with_the_same_weights_is_another_conversion(tmp_path):
    shutil.copytree(DEFAULT_READER, tmp_path / "a", ignore=shutil.ignore_patterns("calibration.json"))
    cache = tmp_path / "cache"
    first = converted(reader_at(tmp_path / "a"), "reader", cache, print)
    changed = (tmp_path / "a" / "tokenizer_config.json").read_text().replace("512", "256")
    (tmp_path / "a" / "tokenizer_config.json").write_text(changed + "\n")
    assert converted(reader_at(tmp_path / "a"), "reader", cache, print) != first
