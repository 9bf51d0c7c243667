"""Ways to fuse a dense and a lexical list, for comparison with the one that the product uses.

Each takes the two lists, best first, and the dense side's weight; a passage missing from a list gets nothing from it.
"""

from collections.abc import Callable, Mapping
from functools import partial

from index.rankings import Ranking
from rag.retrieve import fuse, min_max

LOWEST_COSINE, LOWEST_BM25 = -1.0, 0.0
Scores = Mapping[int, float]
Fusion = Callable[[Ranking, Ranking, float], dict[int, float]]


def above(floor: float, ranking: Ranking) -> dict[int, float]:
    """Scale scores by the lowest that is possible, not the lowest found: (s - floor) / (max - floor)."""
    return {passage: (score - floor) / (ranking[0][1] - floor) for passage, score in ranking}


def reciprocal(k: int, ranking: Ranking) -> dict[int, float]:
    """Score by rank alone: 1 / (k + rank), ranks from 1 (Cormack, Clarke & Buettcher, SIGIR 2009, with k = 60)."""
    return {passage: 1 / (k + rank) for rank, (passage, _) in enumerate(ranking, start=1)}


def weighted(
    dense_scale: Callable[[Ranking], Scores],
    lexical_scale: Callable[[Ranking], Scores],
    dense: Ranking,
    lexical: Ranking,
    weight: float,
) -> dict[int, float]:
    """Return weight * dense + (1 - weight) * lexical, each list scaled first."""
    fused: dict[int, float] = {}
    for share, scores in ((weight, dense_scale(dense)), (1 - weight, lexical_scale(lexical))):
        for passage, score in scores.items():
            fused[passage] = fused.get(passage, 0.0) + share * score
    return fused


FUSIONS: dict[str, Fusion] = {
    "product": fuse,
    "min-max": partial(weighted, min_max, min_max),
    "zero-bm25": partial(weighted, min_max, partial(above, LOWEST_BM25)),
    "theoretical": partial(weighted, partial(above, LOWEST_COSINE), partial(above, LOWEST_BM25)),
    "zero-zero": partial(weighted, partial(above, 0.0), partial(above, LOWEST_BM25)),
    "rrf": partial(weighted, partial(reciprocal, 60), partial(reciprocal, 60)),
}
