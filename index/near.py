"""Texts that are nearly the same: syndicated copies, reprints, drafts."""

import re
from collections.abc import Iterator, Sequence

from index.types import Document

NEAR = 0.7  # share of the five-word runs of both texts that they have in common (Jaccard), from which they are copies
_RUN = 5  # words
_LEAST = 20  # words; shorter texts say too little to be anyone's copy
_MOST = 20_000  # words that are compared, from the beginning
# Scripts that do not put spaces between words: each character counts as one.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]|[^\W\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]+")
# In ASCII, where this is ten times as fast: what stands between words becomes a space.
_BETWEEN = {code: " " for code in range(128) if not _WORD.match(chr(code))}


def in_common(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the share of all runs that are in both (Jaccard), 0 to 1; 0 where either has none."""
    shared = len(first & second)
    return shared / (len(first) + len(second) - shared) if shared else 0.0


def runs(document: Document) -> frozenset[str]:
    """Return the runs of five words outside the marks; none for a very short text."""
    words = [word for _, word in zip(range(_MOST), _words(document), strict=False)]
    return _runs(words) if len(words) >= _LEAST else frozenset()


def runs_of_text(text: str) -> frozenset[str]:
    """Return the runs of five words of a passage; of a shorter one, all its words as one."""
    folded = text.casefold()
    return _runs(folded.translate(_BETWEEN).split() if folded.isascii() else _WORD.findall(folded))


def _runs(words: Sequence[str]) -> frozenset[str]:
    if len(words) < _RUN:
        return frozenset([" ".join(words)])
    return frozenset(map(" ".join, zip(*(words[at:] for at in range(_RUN)), strict=False)))


def _words(document: Document) -> Iterator[str]:
    """Yield the words outside the marks: what sites put around a story differs."""
    start = 0
    for first, last in [*((mark.start, mark.end) for mark in document.marks), (len(document.text), 0)]:
        for word in _WORD.finditer(document.text, start, first):
            yield word.group().casefold()
        start = last
