"""A text cut at the boundaries of its marks and of a cited span. Pure functions."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from index.types import Mark

EXCERPT = 420  # characters
_BEFORE = 140  # of them at most before the first mark
_WORD = 40  # characters looked at for the end of a word

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Segment:
    """A slice of a text; `label` is its mark's (why it is no part of the article, for one), None where it has none."""

    text: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A text in three parts, which joined are the text: `cited` is the highlighted span, empty if there is none."""

    before: tuple[Segment, ...]
    cited: tuple[Segment, ...]
    after: tuple[Segment, ...]


def shown(text: str, marks: Sequence[Mark], start: int, end: int) -> Shown:
    """Return the text with `text[start:end]` as its cited part; ValueError unless 0 <= start <= end <= len(text)."""
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"span {start}:{end} does not lie in a text of {len(text)} characters")
    return Shown(
        segments(text, marks, 0, start), segments(text, marks, start, end), segments(text, marks, end, len(text))
    )


def segments(text: str, marks: Sequence[Mark], start: int, end: int) -> tuple[Segment, ...]:
    """Return the segments of `text[start:end]` in order; where marks overlap, the label of the first given holds."""
    found: list[Segment] = []
    done = start
    for mark in _apart(marks, start, end):
        if done < mark.start:
            found.append(Segment(text[done : mark.start], None))
        found.append(Segment(text[mark.start : mark.end], mark.label))
        done = mark.end
    if done < end:
        found.append(Segment(text[done:end], None))
    return tuple(found)


def _apart(marks: Sequence[Mark], start: int, end: int) -> list[Mark]:
    """Return what each mark has of `start:end` that none before it has taken, by position."""
    taken: list[Mark] = []
    for mark in marks:
        at, last = max(mark.start, start), min(mark.end, end)
        while at < last:
            number = bisect_right(taken, at, key=lambda one: one.end)  # of the first that ends behind `at`
            free = min(taken[number].start, last) if number < len(taken) else last
            if at < free:
                taken.insert(number, Mark(at, free, mark.label))
            at = taken[number].end
    return taken


def excerpt(text: str, marks: Sequence[Mark]) -> tuple[Segment, ...]:
    """Return about `EXCERPT` characters of a text, cut between words, with its first mark in them; "…" where it is cut.

    A first mark that is longer than an excerpt is cut too.
    """
    first = min((mark.start for mark in marks), default=0)
    start = 0 if first <= _BEFORE or len(text) <= EXCERPT else _word_start(text, first - _BEFORE, first)
    end = len(text) if len(text) - start <= EXCERPT else _word_end(text, start + EXCERPT)
    found = segments(text, marks, start, end)
    before = (Segment("… ", None),) if start else ()
    return (*before, *found, Segment(" …", None)) if end < len(text) else (*before, *found)


def _word_start(text: str, at: int, most: int) -> int:
    space = _SPACE.search(text, at, most)
    return space.end() if space else at


def _word_end(text: str, at: int) -> int:
    space = _SPACE.search(text, at, at + _WORD)
    return space.start() if space else at if len(text) > at + _WORD else len(text)
