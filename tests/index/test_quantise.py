import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from api.build import build_embedder, build_reader
from api.settings import Settings
from index.models import SAMPLE
from index.runtime import has_int8
from rag.read import Piece

SEEDS = Path(__file__).parents[2] / "seeds"
TEXTS = [
    "The harbour froze in the winter of 1709, and no ship left it before the end of March.",
    "Milk is heated to 72 degrees Celsius for fifteen seconds, then cooled at once.",
    "Nobody knows who carved the stones; the oldest are dated to the ninth century.",
    "A tax on salt was raised twice in ten years and fell hardest on those who cured fish.",
]


def test_what_int8_is_fitted_to_are_questions_on_the_seed_articles():
    articles = [path.read_text("utf-8") for path in SEEDS.glob("*.txt")]
    asked = {json.loads(line)["question"] for line in (SEEDS / "gold.jsonl").read_text("utf-8").splitlines()}
    pairs = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    assert {pair["question"] for pair in pairs} == asked
    assert all(any(pair["passage"] in article for article in articles) for pair in pairs)


def test_vectors_in_int8_are_those_of_fp32_but_for_a_hundredth(exact_embedder):
    small = build_embedder(Settings(precision="int8"))
    assert small.info.precision == "int8"
    cosines = (small.encode_passages(TEXTS) * exact_embedder.encode_passages(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.99


def test_an_int8_vector_does_not_depend_on_what_is_embedded_beside_it():
    small = build_embedder(Settings(precision="int8"))
    together = small.encode_passages(TEXTS)
    assert all(np.array_equal(small.encode_passages([text])[0], row) for text, row in zip(TEXTS, together, strict=True))


def test_answers_in_int8_are_those_of_fp32(exact_reader):
    small = build_reader(Settings(precision="int8"))
    asked = ["When did the harbour freeze?", "How long is milk heated?", "How old are the stones?", "What was taxed?"]
    pairs = [(question, (Piece(text, 0),)) for question, text in zip(asked, TEXTS, strict=True)]
    for one, other in zip(small.read(pairs), exact_reader.read(pairs), strict=True):
        assert one.quote == other.quote
        assert one.margin == pytest.approx(other.margin, abs=1.5)


CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.exists(), reason="the system does not list a processor's instructions")
def test_int8_is_taken_where_the_system_lists_instructions_for_it_and_nowhere_else():
    found = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text("utf-8"), re.MULTILINE)
    listed = set(found[1].split() if found else ())
    known = bool(listed & {"avx512_vnni", "avx512_bf16", "amx_bf16"})
    assert has_int8() is known
    for model in (build_embedder(Settings()), build_reader(Settings())):
        assert (model.info.precision == "int8") is known


@pytest.mark.parametrize(
    ("bf16", "features", "known"),
    [(False, {}, False), (False, {"AVX512VNNI": False}, False), (False, {"AVX512VNNI": True}, True), (True, {}, True)],
)
def test_what_is_known_of_a_processor_decides_and_int8_elsewhere_is_warned_of(
    bf16, features, known, monkeypatch, caplog
):
    monkeypatch.setattr("index.runtime.has_bf16", lambda: bf16)
    monkeypatch.setattr("index.processor.__cpu_features__", features)
    assert has_int8() is known
    build_embedder(Settings(precision="int8"))
    assert ("not known to add without overflow" in caplog.text) is not known


@pytest.fixture
def own_cache(tmp_path):
    """A cache with the embedder prepared in it, in both forms, and nothing compiled."""
    plain, small = build_embedder(Settings(precision="fp32")), build_embedder(Settings(precision="int8"))
    for folder in (plain.folder, small.folder):
        shutil.copytree(folder, tmp_path / "models" / folder.name, ignore=shutil.ignore_patterns("compiled-*"))
    return tmp_path


def test_a_model_that_was_compiled_before_gives_the_same_and_a_damaged_one_is_compiled_again(own_cache):
    settings = Settings(precision="int8", cache=own_cache)
    first = build_embedder(settings)
    expected = first.encode_query(TEXTS[0])
    (kept,) = first.folder.glob("compiled-*.blob")
    written = kept.stat()
    assert np.array_equal(build_embedder(settings).encode_query(TEXTS[0]), expected)
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    kept.write_bytes(kept.read_bytes()[:1_000_000])
    assert np.array_equal(build_embedder(settings).encode_query(TEXTS[0]), expected)
    assert kept.stat().st_size > 1_000_000
    assert [path.name for path in first.folder.glob("compiled-*")] == [kept.name]


def test_where_nothing_can_be_kept_the_model_is_compiled_each_time(own_cache, monkeypatch):
    def full(partial, final):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("index.runtime.publish", full)
    embedder = build_embedder(Settings(precision="fp32", cache=own_cache))
    assert np.isclose(np.linalg.norm(embedder.encode_query(TEXTS[0])), 1)
    assert not list(embedder.folder.glob("compiled-*"))


def test_a_question_alone_on_all_cores_has_the_vector_that_it_has_as_a_passage(embedder):
    assert np.allclose(embedder.encode_query(TEXTS[0]), embedder.encode_passages(TEXTS[:1])[0], atol=1e-6)
