"""Where a document's passages may lie: runs of text without marks and rules, each under its path of headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from index.front_matter import front_matter_span
from index.marks import plain_line
from index.offsets import line_spans
from index.types import Document

_LONGEST = 500  # characters of a heading or rule; a longer line is text
_ATX = re.compile(r" {0,3}(?P<level>#{1,6})(?:[ \t]+(?P<title>.*?))?(?:[ \t]+#+)?[ \t]*")
_RULE = re.compile(r" {0,3}(?:(?P<sign>[-*_])(?:[ \t]*(?P=sign)){2,}|={3,})[ \t]*")
_UNDERLINE = re.compile(r" {0,3}(?:(?P<first>=+)|-{3,})[ \t]*")
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})")
_VISIBLE = re.compile(r"\S")
_NO_TITLE = re.compile(r"\s*(?:[-*+>|#]\s|\d+[.)]\s|\|)")


@dataclass(frozen=True, slots=True)
class Region:
    """A run of text that passages may not leave: `headings` (spans of whole lines) first, then text up to `end`.

    `path` holds the titles of the headings above it, the outermost first, its own included.
    """

    headings: tuple[tuple[int, int], ...]
    body: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    """A span that ends a region: a heading (`level` 1 to 6) or what belongs to none (`level` 0)."""

    start: int
    end: int
    level: int = 0
    title: str = ""


def regions(document: Document) -> Iterator[Region]:
    """Yield the regions of a document in order; together they hold all text but marks, rules and whitespace."""
    text = document.text
    path: list[tuple[int, str]] = []
    headings: list[_Cut] = []
    body = 0

    def region(end: int) -> Iterator[Region]:
        if headings or _has_text(text, body, end):
            spans = tuple((heading.start, heading.end) for heading in headings)
            yield Region(spans, body, end, tuple(title for _, title in path if title))

    for cut in _cuts(document):
        deeper = headings and cut.level > headings[-1].level
        if not (deeper and not _has_text(text, body, cut.start)):
            yield from region(cut.start)
            headings = []
        if cut.level:
            path = [above for above in path if above[0] < cut.level] + [(cut.level, cut.title)]
            headings.append(cut)
        body = cut.end
    yield from region(len(text))


def _has_text(text: str, start: int, end: int) -> bool:
    return bool(_VISIBLE.search(text, start, end))


def _cuts(document: Document) -> list[_Cut]:
    """Return marks, headings and rules in order; a heading or rule that touches a mark is part of the mark."""
    marks = [_Cut(mark.start, mark.end) for mark in document.marks]
    merged: list[_Cut] = []
    for cut in sorted([*marks, *_structure(document)], key=lambda cut: cut.start):  # stable: marks stay first
        if merged and cut.start < merged[-1].end:
            if merged[-1].level:
                merged[-1] = cut
            continue
        merged.append(cut)
    return merged


def _structure(document: Document) -> Iterator[_Cut]:
    if document.encoding is None:  # what looks like Markdown in it is text
        for heading in document.headings:
            title = " ".join(document.text[heading.start : heading.end].split())
            yield _Cut(heading.start, heading.end, heading.level, title)
    else:
        yield from _written_structure(document)


def _written_structure(document: Document) -> Iterator[_Cut]:
    """Yield the headings and rules that the text itself writes, as Markdown does."""
    text = document.text
    block = front_matter_span(text) if document.media_type == "text/markdown" else None
    fence = ""
    before: list[tuple[int, int]] = []  # the lines of the paragraph so far
    for start, end in line_spans(text):
        line = text[start : min(end, start + _LONGEST + 1)]
        if opened := _FENCE.match(line):
            fence = _toggled(fence, opened["fence"])
        cut = None if fence or opened or len(line) > _LONGEST else _cut(text, start, line, before)
        if cut and block and cut.start < block[1]:
            cut = _Cut(start, end) if _RULE.fullmatch(line) else None  # YAML: `#` is a comment, `---` an end
        if cut:
            yield cut
        before = [] if cut or not line.strip() else [*before[-1:], (start, end)]


def _toggled(fence: str, found: str) -> str:
    if not fence:
        return found
    return "" if found[0] == fence[0] and len(found) >= len(fence) else fence


def _cut(text: str, start: int, line: str, before: list[tuple[int, int]]) -> _Cut | None:
    end = start + len(line)
    if atx := _ATX.fullmatch(line):
        return _Cut(start, end, len(atx["level"]), plain_line(atx["title"] or ""))
    if len(before) == 1 and (underline := _UNDERLINE.fullmatch(line)):
        title = text[before[0][0] : before[0][1]]
        if len(title) <= _LONGEST and not _NO_TITLE.match(title):
            return _Cut(before[0][0], end, 1 if underline["first"] else 2, plain_line(title))
    return _Cut(start, end) if _RULE.fullmatch(line) else None
