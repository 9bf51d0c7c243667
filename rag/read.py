"""Question + text -> scored answer spans: an extractive head over windows, with offsets carried through."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from index.models import ModelFiles
from index.offsets import widen
from index.runtime import AUTO, ConvertedModel

MAX_ANSWER_TOKENS = 30  # as the default reader was trained and measured
MOST_LEAD = 15.0  # logits; a span without a rival has it too


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text to read: `text` lies at `start` in its document; None marks words of ours, never an answer."""

    text: str
    start: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """A candidate answer: `quote` lies at `start:end` of the text of piece number `piece`.

    `margin` is start + end logit of the span minus start + end logit of the null answer of the same window, so
    margins of different windows compare; above 0 the reader would rather answer than not. `lead` is start + end logit
    of the span minus that of the best one in its window that does not overlap it, at most `MOST_LEAD`.
    """

    piece: int
    start: int
    end: int
    quote: str
    margin: float
    lead: float = MOST_LEAD


@dataclass(frozen=True, slots=True)
class ReaderInfo:
    """What identifies a reader."""

    name: str
    sha256: str
    precision: str


class Reads(Protocol):
    """Finds answers in texts. The real reader and the test fake both satisfy it."""

    @property
    def info(self) -> ReaderInfo:
        """What the calibration's fingerprint records."""
        ...

    def read(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> list[Span | None]:
        """Return the best span of each (question, text); None where the text has no legal span."""
        ...


class Reader:
    """The default `Reads`: any converted question-answering model."""

    def __init__(self, files: ModelFiles, folder: Path, threads: int = 0, precision: str = AUTO) -> None:
        """Load the converted model in `folder`, made of `files` (`index.models.converted`)."""
        self._files = files
        self.folder = folder
        self._model = ConvertedModel(folder, threads, precision)
        self._model.make_ready()
        window = self._model.card.window
        self._question_tokens = window // 4
        # A tokenizer of its own, because one that truncates pairs refuses a long question alone.
        self._pairs = Tokenizer.from_str(self._model.tokenizer.to_str())
        self._pairs.enable_truncation(window, stride=window // 4, strategy="only_second")

    @property
    def info(self) -> ReaderInfo:
        """Return what the calibration's fingerprint records."""
        return ReaderInfo(self._files.name, self._files.sha256, self._model.precision)

    def read(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> list[Span | None]:
        """Return the best span of each (question, text); ties go to the earlier, then the shorter.

        A text that does not fit one window is read in several that overlap by a quarter. A question may take a
        quarter of a window; the rest of a longer one is not read.
        """
        windows, owners = self._windows(pairs)
        best: list[Span | None] = [None] * len(pairs)
        for window, owner, (starts, ends) in zip(windows, owners, self._model.run(windows), strict=True):
            span = best_span(window, starts, ends, pairs[owner][1])
            if span and _rank(span) < _rank(best[owner]):
                best[owner] = span
        return best

    def _windows(self, pairs: Sequence[tuple[str, tuple[Piece, ...]]]) -> tuple[list[Encoding], list[int]]:
        questions = {question: self._cut(question) for question in dict(pairs)}
        texts = [(questions[question], "".join(piece.text for piece in pieces)) for question, pieces in pairs]
        windows: list[Encoding] = []
        owners: list[int] = []
        for owner, first in enumerate(self._pairs.encode_batch(texts)):
            for window in (first, *first.overflowing):
                windows.append(window)
                owners.append(owner)
        return windows, owners

    def _cut(self, question: str) -> str:
        offsets = self._model.tokenizer.encode(question, add_special_tokens=False).offsets
        return question if len(offsets) <= self._question_tokens else question[: offsets[self._question_tokens - 1][1]]


def _rank(span: Span | None) -> tuple[float, int, int, int]:
    return (-span.margin, span.piece, span.start, span.end) if span else (np.inf, 0, 0, 0)


def best_span(
    window: Encoding, starts: NDArray[np.float32], ends: NDArray[np.float32], pieces: Sequence[Piece]
) -> Span | None:
    """Return the legal span of greatest start + end logit: inside one piece, in order, not too long.

    Start and end are chosen together (an argmax of each alone may put the end before the start). The span is
    widened to whole words. Returns None if no piece that has a place in the document lies in this window.
    """
    spans = _spans(window, "".join(piece.text for piece in pieces))
    piece_of = _piece_of_token(spans, pieces)
    legal = (piece_of[:, None] >= 0) & (_ahead(piece_of, -1) == piece_of[:, None])
    if not legal.any():
        return None
    scores = np.where(legal, starts[:, None] + _ahead(ends, -np.inf), -np.inf)
    first, extra = divmod(int(scores.argmax()), MAX_ANSWER_TOKENS)  # of equals: the earlier, then the shorter
    last = first + extra
    number = int(piece_of[first])
    begin, text = sum(len(piece.text) for piece in pieces[:number]), pieces[number].text
    start, end = widen(text, int(spans[first, 0]) - begin, int(spans[last, 1]) - begin, 0, len(text))
    score = float(scores[first, extra])
    lead = min(score - _best_apart(scores, first, last), MOST_LEAD)
    return Span(number, start, end, text[start:end], score - float(starts[0] + ends[0]), lead)


def _best_apart(scores: NDArray[np.float32], first: int, last: int) -> float:
    """Return the greatest score of a span that ends before token `first` or begins after `last`; -inf without one."""
    ends_before = np.add.outer(np.arange(first), np.arange(MAX_ANSWER_TOKENS)) < first
    before = scores[:first].max(initial=-np.inf, where=ends_before)
    return float(max(before, scores[last + 1 :].max(initial=-np.inf)))


def _ahead(values: NDArray[Any], beyond: float) -> NDArray[Any]:
    """Return shape (n, MAX_ANSWER_TOKENS): row i, column k is values[i + k], or `beyond` past the end."""
    padded = np.concatenate([values, np.full(MAX_ANSWER_TOKENS - 1, beyond, values.dtype)])
    return np.lib.stride_tricks.sliding_window_view(padded, MAX_ANSWER_TOKENS)


def _spans(window: Encoding, text: str) -> NDArray[np.int64]:
    """Return where each token lies in the text, shape (tokens, 2), without the space that some tokenizers count in.

    Tokens of the question, and special ones, lie nowhere: (0, 0).
    """
    spans = np.zeros((len(window.ids), 2), np.int64)
    for row, (sequence, (start, end)) in enumerate(zip(window.sequence_ids, window.offsets, strict=True)):
        if sequence != 1:
            continue
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        spans[row] = start, end
    return spans


def _piece_of_token(tokens: NDArray[np.int64], pieces: Sequence[Piece]) -> NDArray[np.int64]:
    """Return for each token's span the number of the piece it lies in whole; -1 for none and for words of ours."""
    bounds = np.cumsum([0, *(len(piece.text) for piece in pieces)])
    number = np.searchsorted(bounds, tokens[:, 0], side="right") - 1
    number = np.clip(number, 0, len(pieces) - 1)
    citable = np.array([piece.start is not None for piece in pieces])[number]
    inside = (tokens[:, 1] <= bounds[number + 1]) & (tokens[:, 1] > tokens[:, 0])
    return np.where(citable & inside, number, -1)
