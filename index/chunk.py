"""Document -> passages: runs of whole sentences that tile the text outside its marks."""

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from index.chunk_limits import ChunkLimits
from index.offsets import break_before
from index.sections import Region, regions
from index.sentences import sentences
from index.types import Document, Passage, TokenSpans

_LONGEST = 2_000  # characters of a passage, whatever its tokens: a tokenizer may see one giant word as one token
_PIECE = 20_000  # characters given to the tokenizer at once, about
_SLACK = 8  # tokens by which counts in running text and alone may differ
_VISIBLE = re.compile(r"\S")
_PARAGRAPH_END = re.compile(r"\s*+\Z|[^\S\r\n]*(?:\r\n?+|\n)[^\S\r\n]*[\r\n]")


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, or a part of one that is too long; a passage is a run of units."""

    start: int
    end: int
    tokens: int
    heading: bool
    ends_paragraph: bool


def chunk(document: Document, tokens: TokenSpans, limits: ChunkLimits) -> list[Passage]:
    """Return the document's passages in order of their start.

    Every character outside marks, whitespace and rules (`---`) lies in a passage. None crosses a mark, or a heading
    but at its beginning, has more tokens than the window, or is longer than 2,000 characters.
    """
    passages: list[Passage] = []
    for region in regions(document):
        context = _context(document, region, tokens, limits.window // 3)
        spent = len(tokens.token_spans(context + "\n")) if context else 0
        fit = _Fit(document, context, tokens, limits.window, limits.window - spent)
        for run in _packed(fit.units(region), limits, fit.room):
            passages += fit.passages(run[0].start, run[-1].end, _size(run))
    return passages


def _context(document: Document, region: Region, tokens: TokenSpans, room: int) -> str:
    """Return title and heading path, one a line, cut between words to at most `room` tokens."""
    title = document.metadata.title
    lines = [" ".join(line.split()) for line in ((title.value,) if title else ()) + region.path]
    if len(lines) > 1 and lines[0] == lines[1]:
        del lines[0]
    context = "\n".join(lines)[:_LONGEST]
    while context and len(spans := tokens.token_spans(context)) > room:
        cut = min(spans[room][0], len(context) - 1)
        context = context[: max(context.rfind(" ", 0, cut + 1), context.rfind("\n", 0, cut + 1), 0)].rstrip()
    return context


@dataclass(frozen=True, slots=True)
class _Fit:
    """Measures the text of one region, whose passages share a context that leaves `room` tokens of the window."""

    document: Document
    context: str
    tokens: TokenSpans
    window: int
    room: int

    def units(self, region: Region) -> Iterator[_Unit]:
        """Yield the region's units; each has at most `room` tokens and 2,000 characters."""
        for piece in _pieces(self.document.text, region):
            first, last = piece[0][0], piece[-1][1]
            starts = [first + start for start, _ in self.tokens.token_spans(self.document.text[first:last])]
            for start, end in piece:
                yield from self._cut(starts, start, end, region)

    def passages(self, start: int, end: int, size: int) -> Iterator[Passage]:
        """Yield the passage at `start:end`, whose units have `size` tokens.

        Tokens are counted in running text, and may be some more in the text that is embedded. So near the window that
        text is counted itself, and halved if it is too long.
        """
        text = self.document.text
        passage = Passage(self.document.document_id, start, end, text[start:end], self.context)
        close = size + _SLACK > self.room and end - start > 1
        if close and (exact := self._count(passage.embedding_text)) > self.window:
            middle = _last_break(text, start, (start + end) // 2)
            for span in (_trimmed(text, start, middle), _trimmed(text, middle, end)):
                if span:
                    yield from self.passages(*span, exact)
        else:
            yield passage

    def _cut(self, starts: list[int], start: int, end: int, region: Region) -> Iterator[_Unit]:
        """Yield the sentence at `start:end` as one unit, or as several where it is too long for one."""
        text = self.document.text
        begin = (_trimmed(text, start, end) or (start, end))[0]
        while span := _trimmed(text, start, end):
            first, last = span
            stop = self._reach(starts, first, last)
            start = stop if stop < last else end
            if begin < first or stop < last:  # a part: its own count, see `_reach`
                count = self._count(text[first:stop])
            else:
                count = bisect_left(starts, end) - bisect_left(starts, first)
            _, stop = _trimmed(text, first, stop) or span
            paragraph = bool(_PARAGRAPH_END.match(text, stop, region.end))
            yield _Unit(first, stop, max(1, count), first < region.body, paragraph)

    def _reach(self, starts: list[int], first: int, last: int) -> int:
        """Return how far from `first` towards `last` a unit may go: to `last`, or to the last fitting break."""
        text = self.document.text
        at = bisect_left(starts, first)
        limit = min(last, first + _LONGEST)
        if bisect_left(starts, last) - at > self.room:
            limit = min(limit, starts[at + self.room])
        if limit == last:
            return last
        stop = _last_break(text, first, limit)
        # A cut within a word may give more tokens than the word had.
        while stop - first > 1 and self._count(text[first:stop]) > self.room:
            stop = _last_break(text, first, (first + stop) // 2)
        return stop

    def _count(self, text: str) -> int:
        return len(self.tokens.token_spans(text))


def _pieces(text: str, region: Region) -> Iterator[list[tuple[int, int]]]:
    """Yield runs of sentences (giant ones cut) of about `_PIECE` characters: what the tokenizer gets at once."""
    piece: list[tuple[int, int]] = []
    for first, last in itertools.chain(region.headings, sentences(text, region.body, region.end)):
        while last - first > _PIECE:
            stop = _last_break(text, first, first + _PIECE)
            yield [*piece, (first, stop)]
            piece, first = [], stop
        piece.append((first, last))
        if last - piece[0][0] > _PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span without the whitespace at its ends, None if that is all there is."""
    first = _VISIBLE.search(text, start, end)
    if first is None:
        return None
    while text[end - 1].isspace():
        end -= 1
    return first.start(), end


def _last_break(text: str, start: int, limit: int) -> int:
    """Return the last good place in (start, limit] for a cut: at whitespace, else between words or clusters."""
    half = (start + limit) // 2
    space = max(text.rfind(sign, half, limit + 1) for sign in " \n\r")
    return space if space > start else max(start + 1, break_before(text, limit, start))


def _packed(units: Iterator[_Unit], limits: ChunkLimits, room: int) -> Iterator[list[_Unit]]:
    """Yield runs of units of about `target` tokens, ended with a paragraph where that leaves them half full.

    A run begins with the last sentences of the one before where they fit; headings always stay with what follows.
    """
    target = min(limits.target, room)
    run: list[_Unit] = []
    carried = 0  # units of the run that the one before has too
    for unit in units:
        if len(run) > carried and not _fits(run, unit, target, room):
            yield run
            run = _tail(run, limits.overlap_sentences)
            carried = len(run)
        if len(run) == carried and not _fits(run, unit, target, room):
            run, carried = [], 0
        run.append(unit)
        if unit.ends_paragraph and not unit.heading and 2 * _size(run) >= target:
            yield run
            run = _tail(run, limits.overlap_sentences)
            carried = len(run)
    if len(run) > carried:
        yield run


def _fits(run: list[_Unit], unit: _Unit, target: int, room: int) -> bool:
    most = room if all(each.heading for each in run) else target
    return not run or (_size(run) + unit.tokens <= most and unit.end - run[0].start <= _LONGEST)


def _tail(run: list[_Unit], sentences_kept: int) -> list[_Unit]:
    """Return the run's last units, never all of its text: a passage that another one holds would be of no use."""
    text = [unit for unit in run if not unit.heading]
    return text[-sentences_kept:] if 0 < sentences_kept < len(text) else []


def _size(run: list[_Unit]) -> int:
    return sum(unit.tokens for unit in run)
