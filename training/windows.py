"""Questions and texts -> windows of tokens, and windows -> batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from training.mix import Reading, Unit
from training.similar import holds_answer, in_words

_BLOCK = 2_000  # units tokenised at a time: bounds the memory
_POOL = 40  # batches whose units are sorted by length together: little padding, yet mixed


@dataclass(frozen=True, slots=True)
class Window:
    """A window to learn from: token `start` to `end`, inclusive, is the answer; 0 and 0 where it holds none."""

    ids: NDArray[np.int32]  # (tokens,)
    types: NDArray[np.int8]  # (tokens,): 0 question, 1 text
    text: NDArray[np.bool_]  # (tokens,): True where an answer may lie
    start: int
    end: int


Group = tuple[Window, ...]  # windows that compete for one answer; where one holds it, it is the first


class Cutter:
    """Cuts readings into windows as the reader does: [CLS] question [SEP] text [SEP]."""

    def __init__(self, tokenizer: Tokenizer, size: int, stride: int) -> None:
        """Take a tokenizer (a copy is made); `size` tokens a window, `stride` of them shared with the next."""
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(size, stride=stride, strategy="only_second")
        self._questions = Tokenizer.from_str(tokenizer.to_str())
        self._questions.no_padding()
        self._questions.no_truncation()  # "only_second" refuses a long text that stands alone
        self._question_tokens = size // 4

    def groups(self, units: Sequence[Unit]) -> list[Group]:
        """Return a group for each unit; a unit whose answer fits no window, or is no token, is left out."""
        groups: list[Group] = []
        for first in range(0, len(units), _BLOCK):
            block = units[first : first + _BLOCK]
            pairs = [(self._cut(reading.question), reading.text) for unit in block for reading in unit]
            encodings = iter(self._tokenizer.encode_batch(pairs))
            for unit in block:
                cut = [_windows(reading, next(encodings)) for reading in unit]
                if all(cut):
                    groups.append(tuple(window for windows in cut for window in windows))
        return groups

    def _cut(self, question: str) -> str:
        if len(question) <= self._question_tokens:  # a token is at least a character
            return question
        offsets = self._questions.encode(question, add_special_tokens=False).offsets
        return question if len(offsets) <= self._question_tokens else question[: offsets[self._question_tokens - 1][1]]


def _windows(reading: Reading, first: Encoding) -> list[Window]:
    """Return the window that shows most around the reading's place, and one beside it that lacks every answer."""
    encodings = [first, *first.overflowing]
    if reading.place is None:
        return [_window(encodings[0], None)]
    held = [(encoding, span) for encoding in encodings if (span := _tokens(encoding, reading.place))]
    if not held:
        return []
    best, span = max(held, key=lambda pair: _room(*pair))
    chosen = [_window(best, span if reading.answered else None)]
    others = [e for e in encodings if _lacks(e, reading)] if reading.answered else []
    return chosen + [_window(other, None) for other in others[:1]]


def _text_range(encoding: Encoding) -> tuple[int, int]:
    sequences = encoding.sequence_ids
    if 1 not in sequences:
        return 0, -1
    return sequences.index(1), len(sequences) - 1 - sequences[::-1].index(1)


def _tokens(encoding: Encoding, place: tuple[int, int]) -> tuple[int, int] | None:
    """Return the first and last token of the characters `place` of the text, if the window holds them all."""
    low, high = _text_range(encoding)
    offsets = encoding.offsets  # a copy each time it is asked for
    if high < low or place[0] < offsets[low][0] or place[1] > offsets[high][1]:
        return None
    inside = [i for i in range(low, high + 1) if _overlap(offsets[i], place)]
    return (inside[0], inside[-1]) if inside else None


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _room(encoding: Encoding, span: tuple[int, int]) -> int:
    low, high = _text_range(encoding)
    return min(span[0] - low, high - span[1])


def _lacks(encoding: Encoding, reading: Reading) -> bool:
    low, high = _text_range(encoding)
    if high < low or reading.place is None:
        return False
    begin, end = encoding.offsets[low][0], encoding.offsets[high][1]
    shown = reading.text[begin:end]
    return not _overlap((begin, end), reading.place) and not holds_answer(reading.accepted, shown, in_words(shown))


def _window(encoding: Encoding, span: tuple[int, int] | None) -> Window:
    text = np.array([sequence == 1 for sequence in encoding.sequence_ids])
    start, end = span or (0, 0)
    return Window(np.array(encoding.ids, np.int32), np.array(encoding.type_ids, np.int8), text, start, end)


def batches(groups: Sequence[Group], tokens: int, rng: Random) -> list[list[Group]]:
    """Return batches of at most about `tokens` tokens, padding counted; groups stay whole, lengths alike, order drawn.

    A group that is larger than a batch is a batch of its own.
    """
    order = list(groups)
    rng.shuffle(order)
    per_pool = max(1, _POOL * tokens // max(1, sum(padded([group]) for group in order) // max(1, len(order))))
    made: list[list[Group]] = []
    for first in range(0, len(order), per_pool):
        batch: list[Group] = []
        for group in sorted(order[first : first + per_pool], key=_longest):
            if batch and padded([*batch, group]) > tokens:
                made.append(batch)
                batch = []
            batch.append(group)
        made.append(batch)
    rng.shuffle(made)
    return made


def _longest(group: Group) -> int:
    return max(len(window.ids) for window in group)


def padded(batch: Sequence[Group]) -> int:
    """Return the number of tokens of a batch, padding counted: windows times the longest."""
    return sum(len(group) for group in batch) * max(_longest(group) for group in batch)
