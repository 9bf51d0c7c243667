import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from api.build import build_embedder
from api.settings import Settings
from index.errors import ModelError
from index.models import default_embedder_folder
from index.runtime import has_bf16

TEXTS = [
    "",
    "hello world",
    "The SCO Regional Anti-Terrorist Structure was set up in Tashkent. " * 12,
    "naïve café 🦉",
    "中文双语",
]

REFERENCE = """
import json, sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
print(json.dumps(model.encode(json.load(sys.stdin), normalize_embeddings=True).tolist()))
"""


def test_vectors_are_those_of_sentence_transformers(exact_embedder):
    command = [sys.executable, "-c", REFERENCE, str(default_embedder_folder())]
    done = subprocess.run(command, input=json.dumps(TEXTS), capture_output=True, text=True, check=True)
    expected = np.array(json.loads(done.stdout.splitlines()[-1]), np.float32)
    assert np.abs(exact_embedder.encode_passages(TEXTS) - expected).max() < 1e-5
    if has_bf16():
        coarser = build_embedder(Settings(precision="bf16")).encode_passages(TEXTS)
        assert (coarser * expected).sum(axis=1).min() > 0.9995


def test_no_texts_give_no_rows_of_the_right_width(embedder):
    rows = embedder.encode_passages([])
    assert (rows.shape, rows.dtype) == ((0, embedder.info.dimension), np.float32)


def test_rows_have_unit_length_whatever_the_batch(embedder):
    rows = embedder.encode_passages([f"word {i} " * (i + 1) for i in range(40)])
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(40), abs=1e-6)


def test_a_text_gets_the_same_vector_alone_and_in_a_batch(embedder):
    alone = np.stack([embedder.encode_passages([text])[0] for text in TEXTS])
    assert np.array_equal(alone, embedder.encode_passages(TEXTS))


@pytest.mark.parametrize("precision", ["fp32", "int8", *(["bf16"] if has_bf16() else [])])
def test_many_texts_get_the_vectors_that_each_gets_alone(precision):
    # Where there are eight turns of four for every core, four of one padded length are computed together.
    embedder = build_embedder(Settings(precision=precision, threads=1))
    texts = [f"{number} ships " + "sailed north " * (number * 7 % 40) for number in range(70)]
    together = embedder.encode_passages(texts)
    alone = np.stack([embedder.encode_passages([text])[0] for text in texts])
    assert together == pytest.approx(alone, abs=1e-4)
    assert np.linalg.norm(alone[:, None] - alone, axis=2)[~np.eye(70, dtype=bool)].min() > 0.01


def test_a_passage_of_the_window_fits_and_one_token_more_is_refused_not_cut(embedder):
    embedder.encode_passages(["word " * embedder.window])
    with pytest.raises(ValueError, match="do not fit the window"):
        embedder.encode_passages(["word " * (embedder.window + 1)])


def test_the_tail_of_a_full_passage_counts(embedder):
    # The tokenizer that ships with this model cuts at 128 tokens without a word.
    body = "word " * (embedder.window - 1)
    one, other = embedder.encode_passages([body + "bread", body + "war"])
    assert float(one @ other) < 0.9999


def test_a_question_is_cut_between_tokens_where_one_character_is_several(embedder):
    korean = "나일강은어디에서끝나는가 대한민국의 수도는 어디이고 누가 그 다리를 지었는가 " * 30
    for start in range(0, 40, 3):
        question = korean[start : start + 1000]
        assert len(embedder.token_spans(question)) > embedder.window
        assert np.linalg.norm(embedder.encode_query(question)) == pytest.approx(1, abs=1e-6)


def test_a_question_longer_than_the_window_is_cut_at_it(embedder):
    long = "word " * (embedder.window + 100)
    assert embedder.encode_query(long) == pytest.approx(embedder.encode_query("word " * embedder.window), abs=1e-6)


# Two more tokens are the special ones, and lengths are padded to multiples of 16.
@pytest.mark.parametrize("words", [0, 1, 14, 15, 30, 31, 100])
def test_a_question_of_any_length_has_the_vector_of_the_same_text_as_a_passage(exact_embedder, words):
    text = " ".join(["bread", "war", "peace"][number % 3] for number in range(words))
    assert exact_embedder.encode_query(text) == pytest.approx(exact_embedder.encode_passages([text])[0], abs=1e-5)


def test_questions_embedded_by_many_threads_at_once_have_the_vectors_they_have_alone(embedder):
    texts = ["bread " * (number % 40 + 1) for number in range(120)]
    alone = [embedder.encode_query(text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(embedder.encode_query, texts))
    assert np.array_equal(alone, together)


def test_token_spans_are_where_the_tokens_stand(embedder):
    text = "Tashkent, 2001:\r\n naïve"
    spans = embedder.token_spans(text)
    assert [text[start:end] for start, end in spans] == ["Ta", "sh", "ken", "t", ",", "2001", ":", "naïve"]


def test_what_answers_never_loads_torch_or_a_converter():
    script = (
        "import sys; from pathlib import Path; from api.build import open_answerer, build_embedder, build_reader;"
        "from api.settings import Settings; s = Settings(); build_embedder(s).encode_query('x'); build_reader(s);"
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'sklearn', 'scipy', 'openvino.tools.ovc'}"
        " & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_precision_that_cannot_be_had_is_refused():
    with pytest.raises(ModelError, match="precision int4 cannot be had"):
        build_embedder(Settings.model_construct(**{**dict(Settings()), "precision": "int4"}))


FIRST = """
import sys, threading
from api.build import build_embedder
from api.settings import Settings
embedder = build_embedder(Settings())
sys.setswitchinterval(1e-6)
over = threading.Event()
def busy():
    while not over.is_set():
        open("/dev/null").close()
others = [threading.Thread(target=busy) for _ in range(2)]
for thread in others:
    thread.start()
print(len(embedder.encode_passages(["some words here"] * 8)))
over.set()
"""


def test_the_first_texts_of_a_process_are_embedded_by_all_workers_while_other_threads_are_busy():
    for _ in range(3):  # without a lock around the first, nine of ten such processes stood still for ever
        done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout == "8\n"
