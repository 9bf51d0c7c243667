"""Characters <-> bytes, lines, columns, words. The only import of `regex`, which knows Unicode's text boundaries."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from index.sentences import sentence_bounds

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_WORD_BREAK = regex.compile(r"\b", flags=regex.WORD)  # WORD: the default word boundaries of UAX #29
_CLUSTER = regex.compile(r"\X")
# Whatever stands around them, a word begins or ends here. Most answers need no more, and UAX #29 takes its time.
_BEGINS = re.compile(r"(?<=[ \n(\"])[A-Za-z0-9]")
_ENDS = re.compile(r"(?<=[A-Za-z0-9])(?:[ \n]|[.,;:!?)\"](?:[ \n]|\Z))")

# Boundaries are judged in aligned blocks, each seen with a margin on both sides, so that the verdict on a position
# depends on the text alone and never on where the search began.
_BLOCK = 128
_MARGIN = 64
_REACH = 256  # characters a span grows at most to find the end of its word
_CUT_REACH = 64  # characters given up at most for a cut between words


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span lies in a file: bytes (0-based, end exclusive, BOM counted) and the line and column of its start.

    Line and column are 1-based and count characters. All four are None where the text was extracted from the file.
    """

    byte_start: int | None
    byte_end: int | None
    line: int | None
    column: int | None


def locate(text: str, start: int, end: int, encoding: str | None, bom_bytes: int) -> Place:
    """Return where `text[start:end]` lies in the file that `text` was decoded from.

    Lines end at LF, CRLF or CR only. Raises ValueError if the span does not lie in the text.
    """
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"span {start}:{end} does not lie in a text of {len(text)} characters")
    if encoding is None:
        return Place(None, None, None, None)
    byte_start = bom_bytes + len(text[:start].encode(encoding))
    byte_end = byte_start + len(text[start:end].encode(encoding))
    # Between CR and LF the line has not ended yet.
    seen = start - 1 if text[start - 1 : start + 1] == "\r\n" else start
    breaks = text.count("\n", 0, seen) + text.count("\r", 0, seen) - text.count("\r\n", 0, seen)
    line_start = max(text.rfind("\n", 0, seen), text.rfind("\r", 0, seen)) + 1
    return Place(byte_start, byte_end, breaks + 1, start - line_start + 1)


def line_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield each line's (start, end) without its line break (LF, CRLF or CR), the last one included."""
    start = 0
    for found in _LINE_BREAK.finditer(text):
        yield start, found.start()
        start = found.end()
    yield start, len(text)


def widen(text: str, start: int, end: int, lo: int, hi: int) -> tuple[int, int]:
    """Widen a span to whole words (UAX #29) and whole grapheme clusters, never beyond [lo, hi].

    Looks at a bounded neighbourhood only, so a word of more than some hundred characters may stay cut, though not
    inside a cluster. Widening twice gives what widening once gives. Raises ValueError unless lo <= start <= end <= hi.
    """
    if not 0 <= lo <= start <= end <= hi <= len(text):
        raise ValueError(f"need 0 <= lo <= start <= end <= hi <= {len(text)}, got {lo} <= {start} <= {end} <= {hi}")
    return _settle(lambda at: _leftward(text, at, lo), start), _settle(lambda at: _rightward(text, at, hi), end)


def sentence_at(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span of the sentence, or run of sentences, that holds `text[start:end]`; no whitespace at its ends.

    Looks 2,000 characters to either side: a longer sentence is cut there, between words.
    """
    found_start, found_end = sentence_bounds(text, start, end, reach=2_000)
    if found_start > 0 and start - found_start >= 2_000:
        found_start = min(start, break_after(text, found_start, start))
    if found_end < len(text) and found_end - end >= 2_000:
        found_end = max(end, break_before(text, found_end, end))
    while found_start < start and text[found_start].isspace():
        found_start += 1
    while found_end > end and text[found_end - 1].isspace():
        found_end -= 1
    return found_start, found_end


def break_before(text: str, at: int, lo: int) -> int:
    """Return the last place in (lo, at] where the text may be cut: between words, else between grapheme clusters.

    `at` itself where there is no such place near it.
    """
    return next((b for b in _breaks(text, max(lo + 1, at - _CUT_REACH), at) if b > lo), at)


def break_after(text: str, at: int, hi: int) -> int:
    """Return the first place in [at, hi) where the text may be cut: between words, else between grapheme clusters.

    `at` itself where there is no such place near it.
    """
    return next((b for b in _breaks(text, at, min(hi - 1, at + _CUT_REACH), last=False) if b < hi), at)


def _breaks(text: str, lo: int, hi: int, last: bool = True) -> Iterator[int]:
    """Yield the best place to cut in [lo, hi]: the last (or first) word boundary, then cluster boundary."""
    words, clusters = _boundaries(text, lo, hi)
    for found in (words, clusters):
        if found:
            yield max(found) if last else min(found)


def _settle(step: Callable[[int], int], at: int) -> int:
    while (moved := step(at)) != at:
        at = moved
    return at


def _leftward(text: str, at: int, lo: int) -> int:
    if at == lo or _BEGINS.match(text, at):
        return at
    nearest = max(lo, at - _REACH)
    words, clusters = _boundaries(text, nearest, at)
    if nearest == lo:  # the passage begins here: its edge counts as a word's
        words.add(lo)
    return max(words or clusters or {at})


def _rightward(text: str, at: int, hi: int) -> int:
    if at == hi or _ENDS.match(text, at):
        return at
    nearest = min(hi, at + _REACH)
    words, clusters = _boundaries(text, at, nearest)
    if nearest == hi:
        words.add(hi)
    return min(words or clusters or {at})


def _boundaries(text: str, lo: int, hi: int) -> tuple[set[int], set[int]]:
    """Return the word boundaries (those that split no cluster) and the cluster boundaries in [lo, hi]."""
    words: set[int] = set()
    clusters: set[int] = set()
    for block in range(lo // _BLOCK, hi // _BLOCK + 1):
        first = max(0, block * _BLOCK - _MARGIN)
        part = text[first : (block + 1) * _BLOCK + _MARGIN]
        inside = range(max(lo, block * _BLOCK), min(hi + 1, (block + 1) * _BLOCK))
        clusters.update(b for b in _starts(_CLUSTER, part, first) if b in inside)
        words.update(b for b in _starts(_WORD_BREAK, part, first) if b in inside and (b in clusters))
    if lo == 0:
        words.add(0)
        clusters.add(0)
    if hi == len(text):
        words.add(hi)
        clusters.add(hi)
    return words, clusters


def _starts(pattern: regex.Pattern[str], part: str, first: int) -> Iterator[int]:
    return (first + found.start() for found in pattern.finditer(part))
