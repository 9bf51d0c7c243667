"""A large corpus from a small one: passages with vectors that lie as real ones do, and texts of real words.

A vector is a point between a real passage's and that of one of its nearest neighbours, plus noise as long as the
distance to it: so the crowd has the real one's clusters, and its density grows with the count. A text is two runs of
words of two real passages: terms have their real frequencies, and hardly a text comes twice.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.types import Document, Metadata, Passage

PER_DOCUMENT = 20  # passages, about as many as a long article has
_NEIGHBOURS = 16
_RUN = 45  # words of each of the two runs
_BLOCK = 2_048
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Real:
    """Passages that are grown from: their words and unit rows, and the numbers of each one's nearest neighbours."""

    words: list[list[str]]
    rows: Rows  # (passages, dimension)
    neighbours: NDArray[np.int64]  # (passages, _NEIGHBOURS)

    @classmethod
    def of(cls, texts: list[str], rows: Rows) -> "Real":
        """Find the neighbours by comparing all with all."""
        found = []
        for first in range(0, len(rows), _BLOCK):
            cosines = rows[first : first + _BLOCK] @ rows.T
            cosines[np.arange(len(cosines)), first + np.arange(len(cosines))] = -1
            found.append(np.argpartition(-cosines, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS])
        return cls([text.split() for text in texts], rows, np.concatenate(found))


def vectors(real: Real, count: int, rng: np.random.Generator) -> Rows:
    """Return `count` unit rows."""
    from_ = rng.integers(len(real.rows), size=count)
    to = real.neighbours[from_, rng.integers(_NEIGHBOURS, size=count)]
    step = real.rows[to] - real.rows[from_]
    noise = rng.standard_normal(step.shape, np.float32)
    noise *= np.linalg.norm(step, axis=1, keepdims=True) / np.sqrt(step.shape[1])
    grown: Rows = real.rows[from_] + rng.random((count, 1), np.float32) * step + noise
    grown /= np.linalg.norm(grown, axis=1, keepdims=True)
    return grown


def documents(
    real: Real, first: int, count: int, rng: np.random.Generator
) -> Iterator[tuple[Document, list[Passage], Rows]]:
    """Yield `count` documents, numbered from `first`, each of PER_DOCUMENT passages, with the passages' rows."""
    for number in range(first, first + count):
        texts = [_text(real, rng) for _ in range(PER_DOCUMENT)]
        text = "\n\n".join(texts)
        source = f"{number % 100:02}/{number:07}.txt"
        document = Document(
            source, text, hashlib.sha256(text.encode()).hexdigest(), "utf-8", 0, "text/plain", metadata=Metadata()
        )
        yield document, _passages(document, texts), vectors(real, PER_DOCUMENT, rng)


def _text(real: Real, rng: np.random.Generator) -> str:
    runs = []
    for number in rng.integers(len(real.words), size=2):
        words = real.words[number]
        start = int(rng.integers(max(1, len(words) - _RUN)))
        runs.append(" ".join(words[start : start + _RUN]))
    return " ".join(runs)


def _passages(document: Document, texts: list[str]) -> list[Passage]:
    passages, start = [], 0
    for text in texts:
        passages.append(Passage(document.document_id, start, start + len(text), text, ""))
        start += len(text) + 2
    return passages
