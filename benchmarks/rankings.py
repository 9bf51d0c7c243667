"""Questions -> rankings of passages: dense, lexical, fused and read again, by the product's own parts."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.bm25 import Knobs, PlainBM25
from benchmarks.fusion import FUSIONS
from index.rankings import Ranking, with_ties
from index.snapshot import Snapshot
from index.types import StoredPassage
from rag.candidates import reading_text
from rag.read import Reads

DEPTH = 1_000  # passages in either list: they are of 100 distinct documents at least, or nearly


@dataclass(frozen=True, slots=True)
class Fuse:
    """How two lists become one. `candidates` are taken from the top of each."""

    fusion: str
    dense_weight: float
    candidates: int

    def __call__(self, dense: Ranking, lexical: Ranking) -> Ranking:
        """Return the fused scores, in no order."""
        scores = FUSIONS[self.fusion](self._top(dense), self._top(lexical), self.dense_weight)
        return list(scores.items())

    def _top(self, ranking: Ranking) -> Ranking:
        return with_ties(lambda k: ranking[:k], self.candidates)


def nearest(snapshot: Snapshot, vectors: Sequence[NDArray[np.float32]]) -> list[Ranking]:
    """Return the dense list of each question."""
    return [snapshot.nearest(vector, DEPTH) for vector in vectors]


def matching(snapshot: Snapshot, questions: Sequence[str], knobs: Knobs | None) -> list[Ranking]:
    """Return the lexical list of each question, by Tantivy, or by `PlainBM25` where knobs are given."""
    search: Callable[[str, int], Ranking] = snapshot.matching
    if knobs:
        search = PlainBM25(list(passages(snapshot).values()), knobs).search
    return [search(question, DEPTH) for question in questions]


def passages(snapshot: Snapshot) -> dict[int, StoredPassage]:
    """Return all passages by id, of a store that was filled in one go: it numbers them from 1."""
    ids = range(1, snapshot.passages + 1)
    return dict(zip(ids, snapshot.stored_passages(ids), strict=True))


def ordered(ranking: Ranking, known: Mapping[int, StoredPassage]) -> list[StoredPassage]:
    """Return the passages, best first; ties go to (source, start), as in `rag.retrieve`."""
    places = [(-score, known[passage].source, known[passage].passage.start, passage) for passage, score in ranking]
    return [known[place[-1]] for place in sorted(places)]


def margins(
    snapshot: Snapshot, reader: Reads, question: str, ranked: Sequence[StoredPassage]
) -> tuple[list[float], float]:
    """Return the reader's margin in each passage (-inf where it finds nothing), and the milliseconds spent reading."""
    documents = {one.passage.document_id: snapshot.document(one.passage.document_id) for one in ranked}
    texts = [reading_text(stored, one.passage) for one in ranked if (stored := documents[one.passage.document_id])]
    began = time.perf_counter()
    spans = reader.read([(question, text) for text in texts])
    spent = (time.perf_counter() - began) * 1000
    return [span.margin if span else -np.inf for span in spans], spent


def reread(ranked: Sequence[StoredPassage], margin: Sequence[float], weight: float) -> list[StoredPassage]:
    """Return the passages, of which the first have margins, by weight * sigmoid(margin) + (1 - weight) * (1 - r / n).

    r is the rank from 0 of the n that were read: so 1 is the reader alone, and 0 changes nothing.
    """
    n = len(margin)
    sure = 1 / (1 + np.exp(-np.clip(margin, -50, 50)))
    scores = weight * sure + (1 - weight) * (1 - np.arange(n) / max(1, n))
    return [ranked[row] for row in np.argsort(-scores, kind="stable")] + list(ranked[n:])
