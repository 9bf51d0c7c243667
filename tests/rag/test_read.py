import json
import subprocess
import sys

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from api.build import DEFAULT_READER, build_reader
from api.settings import Settings
from rag.read import MAX_ANSWER_TOKENS, Piece, best_span

NILE = "The Nile flows north through eleven countries before it reaches the Mediterranean Sea near Alexandria."
CASES = [
    ("Where does the Nile end?", NILE),
    ("How many countries does the river cross?", NILE),
    ("Who invented bread?", NILE),
    ("When was the dam opened?", "Work began in 1960. The dam — built by ten thousand — was opened on 21 July 1970."),
    ("What did she say?", "“Naïve café owners,” she said,\r\n“pay twice.” 🦉 Nobody answered."),
    ("Where does the Nile end?", NILE + " Nothing of note happened that year. " * 150 + NILE),  # of several windows
]


def whole(text, start=0):
    return (Piece(text, start),)


# The obvious way, in a process of its own because torch is no part of what answers: every pair of tokens is tried, and
# of several windows the one counts whose best span is furthest above its own null answer.
REFERENCE = """
import json, sys, torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer
folder, longest, cases = sys.argv[1], int(sys.argv[2]), json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).eval()
for question, text in cases:
    size = model.config.max_position_embeddings
    cut = {"truncation": "only_second", "max_length": size, "stride": size // 4, "return_overflowing_tokens": True}
    windows = tokenizer(question, text, return_offsets_mapping=True, **cut)
    found = []
    for number, offsets in enumerate(windows["offset_mapping"]):
        names = ("input_ids", "token_type_ids", "attention_mask")
        with torch.no_grad():
            out = model(**{name: torch.tensor([windows[name][number]]) for name in names})
        start, end = out.start_logits[0].tolist(), out.end_logits[0].tolist()
        tokens = [i for i, s in enumerate(windows.sequence_ids(number)) if s == 1]
        pairs = [(start[i] + end[j], -i, -j) for i in tokens for j in tokens if 0 <= j - i < longest]
        score, i, j = max(pairs)
        found.append((score - start[0] - end[0], -number, offsets[-i][0], offsets[-j][1]))
    margin, window, start, end = max(found)
    print(json.dumps([margin, start, end, len(found)]))
"""


@pytest.fixture(scope="module")
def reference():
    command = [sys.executable, "-c", REFERENCE, str(DEFAULT_READER), str(MAX_ANSWER_TOKENS)]
    done = subprocess.run(command, input=json.dumps(CASES), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_best_span_and_its_margin_are_those_of_trying_every_pair_in_torch(exact_reader, reference):
    spans = exact_reader.read([(question, whole(text)) for question, text in CASES])
    assert [windows for *_, windows in reference[:-1]] == [1] * (len(CASES) - 1)
    assert reference[-1][-1] > 2
    for (_, text), span, (margin, start, end, _) in zip(CASES, spans, reference, strict=True):
        assert span.margin == pytest.approx(margin, abs=1e-3)
        assert span.quote == text[span.start : span.end]
        assert span.start <= start < end <= span.end  # widened to whole words at most


def test_nothing_to_read_gives_nothing(reader):
    assert reader.read([]) == []


def test_a_text_without_a_word_has_no_answer(reader):
    assert reader.read([("Who?", whole("")), ("Who?", whole(" \n\t"))]) == [None, None]


def test_texts_without_a_word_take_no_answer_from_the_others(reader):
    told, blank = [(question, whole(text)) for question, text in CASES], ("Who?", whole(" \n"))
    first, *others = reader.read(told)
    assert reader.read([blank, told[0], blank, *told[1:], blank]) == [None, first, None, *others, None]


def test_words_of_ours_are_never_an_answer(reader):
    pieces = (Piece("By Ada Miller.", None), Piece("Nobody knows.", 100))
    (span,) = reader.read([("Who wrote it?", pieces)])
    assert span.piece == 1


def test_an_answer_lies_inside_one_piece(reader):
    pieces = (Piece("The Nile ends in ", 0), Piece("Egypt near Alexandria.", 500))
    (span,) = reader.read([("Where does the Nile end?", pieces)])
    assert span.quote in pieces[span.piece].text
    assert pieces[span.piece].text[span.start : span.end] == span.quote


@pytest.mark.parametrize(("asked", "quote"), [("John Smith", "John Smith"), ("Paris", "Paris"), ("The", "The")])
def test_a_tokenizer_that_counts_the_space_before_a_word_loses_no_word_and_adds_no_space(asked, quote):
    texts = ("By ", "John Smith", "\n", "The capital of France is Paris.")
    pieces = [Piece(text, None if number % 2 == 0 and number < 3 else 0) for number, text in enumerate(texts)]
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    window = tokenizer.encode("Who?", whole_text := "".join(texts))
    at = whole_text.index(asked)
    held = [
        n for n, (a, b) in enumerate(window.offsets) if window.sequence_ids[n] == 1 and a < at + len(asked) and b > at
    ]
    assert any(whole_text[a].isspace() for a, b in window.offsets if b > a)
    starts, ends = np.zeros(len(window.ids), np.float32), np.zeros(len(window.ids), np.float32)
    starts[held[0]] = ends[held[-1]] = 9
    span = best_span(window, starts, ends, pieces)
    assert (span.quote, pieces[span.piece].text[span.start : span.end], span.margin) == (quote, quote, 18)


def test_a_byline_before_the_passage_is_answered_at_its_own_place(reader):
    pieces = (Piece("By ", None), Piece("Ada Miller", 40), Piece("\n", None), Piece(NILE, 300))
    (span,) = reader.read([("Who wrote this?", pieces)])
    assert (span.piece, span.quote) == (1, "Ada Miller")


def test_an_answer_beyond_the_first_window_is_found(reader):
    filler = "Nothing of note happened in the valley that year, and the records are silent about it. " * 60
    text = filler + "The old bridge was destroyed by a flood in 1887. " + filler
    (span,) = reader.read([("When was the old bridge destroyed by a flood?", whole(text))])
    assert (span.quote, span.start) == ("1887", text.index("1887"))


def test_a_question_longer_than_a_window_is_still_answered(reader):
    (span,) = reader.read([("where does the Nile end " * 200, whole(NILE))])
    assert span.quote in NILE


def test_alone_or_among_63_others_a_text_gets_the_same_span():
    reader = build_reader(Settings(threads=1))  # for one core these are enough that some are computed together
    others = [(f"Question number {i}?", whole(NILE[: 20 + i] * (i % 5 + 1))) for i in range(63)]
    for question, text in CASES:
        (alone,) = reader.read([(question, whole(text))])
        among = reader.read([*others[:31], (question, whole(text)), *others[31:]])[31]
        assert alone == among
