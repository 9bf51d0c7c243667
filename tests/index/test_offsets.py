import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from index.offsets import Place, line_spans, locate, sentence_at, widen

ODD = st.text(st.sampled_from("ab Z9'-.,\t\n\r\f\x0b\x85\u2028é\u0301漢カナไท😀👨\u200d🇩🇪\xa0_"), max_size=60)


def place_by_hand(text, start):
    """Read character by character, as a person would with a finger on the page."""
    line = column = 1
    at = 0
    while at < start:
        if text[at] == "\r" and text[at + 1 : at + 2] == "\n":
            if at + 1 == start:  # between CR and LF: still on the line
                return line, column + 1
            at, line, column = at + 2, line + 1, 1
        elif text[at] in "\r\n":
            at, line, column = at + 1, line + 1, 1
        else:
            at, column = at + 1, column + 1
    return line, column


@given(ODD, st.data())
def test_a_place_is_what_reading_with_a_finger_gives(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    raw = b"\xef\xbb\xbf" + text.encode()
    place = locate(text, start, end, "utf-8", 3)
    assert raw[place.byte_start : place.byte_end].decode() == text[start:end]
    assert (place.line, place.column) == place_by_hand(text, start)


def test_lines_end_at_lf_crlf_and_cr_only():
    text = "one\ntwo\r\nthree\rfour\ffour\x0bfour\x85four\u2028four"
    assert locate(text, text.rindex("four"), len(text), "utf-8", 0).line == 4
    text = "a\r\nb\rc\n\nd\x85"
    assert [text[start:end] for start, end in line_spans(text)] == ["a", "b", "c", "", "d\x85"]


def test_columns_count_characters_and_bytes_count_bytes():
    assert locate("é😀x", 2, 3, "utf-8", 0) == Place(2 + 4, 2 + 4 + 1, 1, 3)
    assert locate("é😀x", 2, 3, "utf-16-le", 2) == Place(2 + 2 + 4, 2 + 2 + 4 + 2, 1, 3)


def test_extracted_text_has_no_place_in_the_file():
    assert locate("abc", 0, 1, None, 0) == Place(None, None, None, None)


def test_a_span_outside_the_text_is_refused():
    with pytest.raises(ValueError, match="does not lie in a text of 3 characters"):
        locate("abc", 1, 4, "utf-8", 0)


def widened(text, part, lo=0, hi=None):
    start = text.index(part)
    start, end = widen(text, start, start + len(part), lo, len(text) if hi is None else hi)
    return text[start:end]


@pytest.mark.parametrize(
    ("text", "part", "whole"),
    [
        ("in St. Petersburg, on Monday", "etersb", "Petersburg"),
        ("cost 3.14 euros", ".1", "3.14"),
        ("they can't go", "an", "can't"),
        ("中国和俄罗斯在上海", "俄罗", "俄罗"),  # Han does not swallow the line
        ("ฉันรักแมว", "รัก", "รัก"),  # nor does Thai
        ("cafe\u0301 x", "caf", "cafe\u0301"),
        ("a 👨\u200d👩\u200d👧 b", "\u200d", "👨\u200d👩\u200d👧"),
        ("two  words", "two", "two"),
        ("word, next", "word,", "word,"),
    ],
)
def test_a_span_grows_to_whole_words_and_clusters(text, part, whole):
    assert widened(text, part) == whole


def test_a_span_never_grows_beyond_its_bounds():
    assert widen("Petersburg", 3, 5, 2, 6) == (2, 6)


def test_a_giant_word_is_left_as_it_is_without_reading_it_all():
    assert widen("x" * 5_000_000, 2_000_000, 2_000_001, 0, 5_000_000) == (2_000_000, 2_000_001)


@given(st.text("ab1 \n.,;:!?()\"'_-\u0301\u200d\u05d0é", max_size=40), st.data())
def test_a_span_grows_to_the_nearest_boundaries_of_uax_29(text, data):
    start, end = sorted(data.draw(st.integers(0, len(text))) for _ in range(2))
    clusters = {found.start() for found in regex.finditer(r"\X", text)}
    words = {found.start() for found in regex.finditer(r"\b", text, flags=regex.WORD)} & clusters | {0, len(text)}
    nearest = max(at for at in words if at <= start), min(at for at in words if at >= end)
    assert widen(text, start, end, 0, len(text)) == nearest


@given(ODD, st.data())
def test_widening_twice_is_widening_once(text, data):
    lo, start, end, hi = sorted(data.draw(st.integers(0, len(text))) for _ in range(4))
    once = widen(text, start, end, lo, hi)
    assert lo <= once[0] <= start <= end <= once[1] <= hi
    assert widen(text, *once, lo, hi) == once


@given(st.integers(0, 900), st.integers(0, 900))
def test_widening_twice_is_widening_once_in_long_words(before, after):
    text = "e" * before + "\u0301\u0301" + "e" * after + " end"
    once = widen(text, before, before, 0, len(text))
    assert widen(text, *once, 0, len(text)) == once


def test_bounds_out_of_order_are_refused():
    with pytest.raises(ValueError, match="need 0 <= lo <= start"):
        widen("abc", 0, 1, 1, 3)


def sentence_around(text, part):
    start = text.index(part)
    start, end = sentence_at(text, start, start + len(part))
    return text[start:end]


def test_the_sentence_around_an_answer_has_no_whitespace_at_its_ends():
    text = "First things. In 2001, Mr. Lee met Gen. Smith in the U.S. capital.  Then they left.\n"
    assert sentence_around(text, "Smith") == "In 2001, Mr. Lee met Gen. Smith in the U.S. capital."
    assert sentence_around(text, "Then") == "Then they left."


def test_a_span_over_two_sentences_gives_both():
    assert sentence_around("One is. Two is. Three is.", "is. Two") == "One is. Two is."


def test_a_giant_sentence_is_cut_between_words_around_the_span():
    text = "word " * 100_000
    found = sentence_at(text, 250_000, 250_004)
    assert set(text[found[0] : found[1]].split()) == {"word"}
    assert found[1] - found[0] <= 2 * 2_000 + 4


@given(ODD, st.data())
def test_the_sentence_holds_the_span(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    first, last = sentence_at(text, start, end)
    assert 0 <= first <= start <= end <= last <= len(text)
