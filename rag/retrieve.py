"""Candidates for a question: dense and lexical lists, fused."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.moment import Moment
from index.near import NEAR, in_common, runs_of_text
from index.rankings import Ranking
from index.types import Filters, StoredPassage

CANDIDATES = 100  # from each side
DENSE_WEIGHT = 0.5  # of the convex combination; docs/decisions/0008 has the measurements
COPIES = 3  # versions of nearly the same passage that may stand among the first: enough to cite who agrees
DIGITS = 6  # scores that differ by less are ties: the last bits depend on how a product was summed
TERMS = 2  # raise it when `index.lexical.terms` makes something else of a question
FUSION = f"convex:{DENSE_WEIGHT}:{CANDIDATES}:{TERMS}:{COPIES}"  # what a calibration depends on


class Retrieved(NamedTuple):
    """A passage that was found, its fused `score`, and how it stands on either side by itself.

    `similarity` is the cosine of question and passage, or the dense list's last where that lacks the passage.
    `term_share` is the passage's BM25 score in parts of the greatest, 0..1: 0 where the lexical list lacks the passage,
    1 where nothing has any.
    """

    stored: StoredPassage
    score: float
    similarity: float
    term_share: float


def min_max(ranking: Ranking) -> dict[int, float]:
    """Scale scores to 0..1: (s - min) / (max - min). Where all are equal each becomes 1."""
    if not ranking:
        return {}
    scores = [score for _, score in ranking]
    low, spread = min(scores), max(scores) - min(scores)
    return {passage: (score - low) / spread if spread > 0 else 1.0 for passage, score in ranking}


def fuse(dense: Ranking, lexical: Ranking, dense_weight: float = DENSE_WEIGHT) -> dict[int, float]:
    """Convex combination of min-max scaled scores; a passage missing from a list has 0 there.

    score(p) = w * dense(p) + (1 - w) * lexical(p), after Bruch, Gai & Ingber, "An Analysis of Fusion Functions for
    Hybrid Retrieval", TOIS 2023. If one list is empty the other counts alone, so that scores keep to 0..1.
    """
    sides: list[tuple[float, Mapping[int, float]]] = [
        (dense_weight, min_max(dense)),
        (1 - dense_weight, min_max(lexical)),
    ]
    present = [(weight, scores) for weight, scores in sides if scores]
    total = sum(weight for weight, _ in present)
    fused: dict[int, float] = {}
    for weight, scores in present:
        for passage, score in scores.items():
            fused[passage] = fused.get(passage, 0.0) + weight / total * score
    return {passage: round(score, DIGITS) for passage, score in fused.items()}


def retrieve(
    moment: Moment, question: str, vector: NDArray[np.float32], depth: int, filters: Filters
) -> list[Retrieved]:
    """Return at most `depth` passages, by their fused scores, best first but for what `uncrowded` puts last.

    `vector` is the question's, a unit row of shape (dimension,). Filters act before ranking. Ties go to the earlier
    (source, start).
    """
    found = moment.rankings(question, vector, max(CANDIDATES, depth), filters)
    ranked = uncrowded(_best_first(moment, fuse(found.dense, found.lexical), depth), depth)
    cosine, bm25 = dict(found.dense), dict(found.lexical)
    least, most = min(cosine.values(), default=0.0), max(bm25.values(), default=0.0)
    return [
        Retrieved(
            stored,
            score,
            cosine.get(stored.passage_id, least),
            bm25.get(stored.passage_id, 0.0) / most if most > 0 else 1.0,
        )
        for stored, score in ranked
    ]


def uncrowded(ranked: Iterable[tuple[StoredPassage, float]], depth: int) -> list[tuple[StoredPassage, float]]:
    """Return the first `depth` passages, of those that are nearly the same no more than `COPIES`.

    A story that every paper prints leaves room for others beside it. Where there are none, its further versions follow
    after all else, whatever their scores. Nearly the same is what shares `NEAR` of its runs of five words. Exact copies
    of one that stands among the first stay beside it: they are read once, and all cited.
    """
    first: list[tuple[StoredPassage, float]] = []
    further: list[tuple[StoredPassage, float]] = []
    seen: dict[str, frozenset[str]] = {}
    runs: set[str] = set()  # of all that is in `seen`; most passages share none, and need not be held against each
    for pair in ranked:
        text = pair[0].passage.text
        own = seen.get(text) or runs_of_text(text)
        repeats = text not in seen and not runs.isdisjoint(own)
        if repeats and sum(in_common(own, other) >= NEAR for other in seen.values()) >= COPIES:
            further.append(pair)
            continue
        first.append(pair)
        seen[text] = own
        runs |= own
        if len(first) == depth:
            break
    return (first + further)[:depth]


def _best_first(moment: Moment, scores: Mapping[int, float], step: int) -> Iterator[tuple[StoredPassage, float]]:
    """Yield all passages, read `step` at a time and those that tie with the last of these; ties as in `retrieve`."""
    waiting = sorted(scores, key=lambda passage: (-scores[passage], passage))
    while waiting:
        last = scores[waiting[min(step, len(waiting)) - 1]]
        some = [passage for passage in waiting if scores[passage] >= last]
        waiting = waiting[len(some) :]
        read = [(stored, scores[stored.passage_id]) for stored in moment.stored_passages(some)]
        yield from sorted(read, key=lambda pair: (-pair[1], pair[0].source, pair[0].passage.start))
