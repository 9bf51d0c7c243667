from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from training.mix import Reading
from training.windows import Cutter, Window, batches, padded

TOKENIZER = Tokenizer.from_file(str(Path(__file__).parents[2] / "rag" / "models" / "reader" / "tokenizer.json"))
WORDS = ["river", "treaty", "1,200", "Curie's", "émigré", "north-west", "(SCO)", "unanswerable"]


def cut(*unit, size=64, stride=16):
    return Cutter(TOKENIZER, size, stride).groups([unit])


def words_of(window):
    """The text under the target, as the tokenizer spells it back."""
    return TOKENIZER.decode(window.ids[window.start : window.end + 1].tolist())


def answered(question, text, answer):
    start = text.index(answer)
    return Reading(question, text, (start, start + len(answer)), True, (answer,))


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60), st.data())
def test_the_target_of_a_window_spells_the_answer_wherever_it_lies(words, data):
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 3, len(words) - 1)))
    before = " ".join(words[:first])
    start = len(before) + bool(before)
    answer = " ".join(words[first : last + 1])
    reading = Reading("Which?", " ".join(words), (start, start + len(answer)), True, (answer,))
    ((gold, *_),) = cut(reading)
    expected = TOKENIZER.encode(answer, add_special_tokens=False).ids
    assert gold.ids[gold.start : gold.end + 1].tolist() == expected
    assert gold.text[gold.start : gold.end + 1].all()
    assert len(gold.ids) <= 64


def test_a_window_begins_with_the_null_position_then_the_question_then_the_text():
    ((window,),) = cut(answered("Who?", "The Nile.", "Nile"))
    assert TOKENIZER.decode(window.ids.tolist(), skip_special_tokens=False) == "[CLS] who? [SEP] the nile. [SEP]"
    assert window.types.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert window.text.tolist() == [False] * 4 + [True] * 3 + [False]
    assert words_of(window) == "nile"


def test_a_near_miss_shows_the_same_window_and_answers_null():
    text = " ".join(["filler"] * 200 + ["Nile"] + ["filler"] * 200)
    gold = answered("Which river is it?", text, "Nile")
    ((first, *_, missed),) = cut(gold, Reading("Which lake is it?", text, gold.place, False))
    assert first.ids[-40:].tolist() == missed.ids[-40:].tolist()
    assert (missed.start, missed.end) == (0, 0)


def test_another_window_of_the_same_text_competes_if_it_lacks_every_answer():
    text = " ".join(["Nile", *["filler"] * 200])
    ((gold, other),) = cut(answered("Which?", text, "Nile"))
    assert words_of(gold) == "nile"
    assert (other.start, other.end) == (0, 0)
    assert "nile" not in TOKENIZER.decode(other.ids.tolist())
    for again in ("Nile", "nile"):  # an uncased reader does not tell them apart
        everywhere = " ".join(["Nile", *[*["filler"] * 9, again] * 10])
        assert len(cut(answered("Which?", everywhere, "Nile"))[0]) == 1


def test_a_unit_whose_answer_fits_no_window_is_left_out():
    text = " ".join(["word"] * 300)
    assert cut(Reading("Which?", text, (0, len(text)), True, (text,))) == []


def test_a_long_question_is_cut_to_a_quarter_of_the_window():
    ((window,),) = cut(answered("why " * 500, "The Nile.", "Nile"))
    assert (window.types == 0).sum() == 64 // 4 + 2  # and [CLS], [SEP]


def test_a_text_without_tokens_has_a_window_without_an_answer():
    ((window,),) = cut(Reading("Who?", "", None, False))
    assert not window.text.any()


def window(length):
    return Window(np.ones(length, np.int32), np.ones(length, np.int8), np.ones(length, np.bool_), 0, 0)


@given(st.lists(st.lists(st.integers(5, 60), min_size=1, max_size=4), max_size=40), st.integers(0, 9))
def test_batches_hold_every_group_once_and_whole_and_no_more_tokens_than_asked(lengths, seed):
    groups = [tuple(window(length) for length in group) for group in lengths]
    made = batches(groups, 300, Random(seed))
    assert sorted(map(id, (g for batch in made for g in batch))) == sorted(map(id, groups))
    assert all(len(batch) == 1 or padded(batch) <= 300 for batch in made)


@pytest.mark.parametrize(("lengths", "tokens"), [([(3,)], 3), ([(3, 5)], 2 * 5), ([(3, 5), (4,)], 3 * 5)])
def test_the_size_of_a_batch_counts_padding(lengths, tokens):
    assert padded([tuple(window(length) for length in group) for group in lengths]) == tokens
