"""Extracted characters -> plain text. Imports nothing: the process that reads PDFs has to stay small."""

from collections.abc import Iterable

LONGEST = 32 * 2**20  # characters of an extracted text: a small file may unfold to any length
_NO_TEXT = dict.fromkeys([*range(9), 11, *range(14, 32), 127])


def printable(text: str) -> str:
    """Return a text without the characters that no text has: NUL and other controls, halves of surrogate pairs."""
    clean = text.translate(_NO_TEXT)
    return clean.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def one_line(words: Iterable[str]) -> str:
    """Return the words of some strings, each separated by one space."""
    return " ".join(" ".join(words).split())
