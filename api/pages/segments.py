"""A text cut at the boundaries of its marks and of a cited span. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from index.types import Mark


@dataclass(frozen=True, slots=True)
class Segment:
    """A slice of a document's text; `label` says why it is no part of the article, None where it is."""

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
    """Return the segments of `text[start:end]` in order; where marks overlap, the first one's label holds."""
    found: list[Segment] = []
    done = start
    for mark in sorted(marks, key=lambda mark: (mark.start, mark.end)):
        lo, hi = max(mark.start, done), min(mark.end, end)
        if lo >= hi:
            continue
        if done < lo:
            found.append(Segment(text[done:lo], None))
        found.append(Segment(text[lo:hi], mark.label))
        done = hi
    if done < end:
        found.append(Segment(text[done:end], None))
    return tuple(found)
