"""SQuAD's normalisation, against the steps of its evaluation script written out again."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.normalise import normalise


def reference(text):
    text = "".join(character for character in text.lower() if character not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("The", ""),
        ("  The  Nile,\n a river ", "nile river"),
        ("theatre", "theatre"),
        ("U.S.A.", "usa"),
        ("vitamin A.", "vitamin"),  # punctuation goes first, so this A is an article
        ("well-known", "wellknown"),
        ("«Ä»", "«ä»"),  # ASCII punctuation alone
    ],
)
def test_case_punctuation_articles_and_spaces_do_not_count(text, expected):
    assert normalise(text) == expected


@given(st.text() | st.text(alphabet="aAnthe .,-\n\u00a0"))
def test_it_equals_the_published_steps(text):
    assert normalise(text) == reference(text)
