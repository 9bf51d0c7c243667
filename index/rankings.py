"""Lists of passages, best first, and where they are cut: never between equals. Pure functions."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Ranking = Sequence[tuple[int, float]]  # (passage id, score), best first


class Rankings(NamedTuple):
    """What the two sides of retrieval found for one question."""

    dense: Ranking
    lexical: Ranking


@dataclass(frozen=True, slots=True)
class WordCounts:
    """In how many of so many passages each term of a question is: what makes a term weigh more or less in BM25."""

    passages: int
    holding: Mapping[str, int]

    @classmethod
    def of_all(cls, parts: Iterable["WordCounts"]) -> "WordCounts":
        """Return the counts of parts that have no passage in common."""
        passages, holding = 0, Counter[str]()
        for part in parts:
            passages += part.passages
            holding.update(part.holding)
        return cls(passages, dict(holding))


def with_ties(search: Callable[[int], Ranking], reach: int, beyond: int = 1) -> Ranking:
    """Return the first `reach` of a search, and all that tie with the last of them: no cut decides between equals.

    `beyond` as many are asked for at first: more spare a second search where equals are common.
    """
    k = reach + beyond
    while len(hits := search(k)) == k and hits[-1][1] == hits[reach - 1][1]:
        k *= 2
    return first_with_ties(hits, reach)


def first_with_ties(ranking: Ranking, reach: int) -> Ranking:
    """Cut a ranking that is long enough in the same way."""
    if len(ranking) <= reach:
        return ranking
    least = ranking[reach - 1][1]
    return [hit for hit in ranking if hit[1] >= least]


def merged(rankings: Sequence[Ranking], reach: int) -> Ranking:
    """Return the ranking that all rows together would have given, cut `with_ties`; equals go by id.

    Each part is cut `with_ties` at the same `reach`. A part's last score is never above that of the whole, for the
    whole has all that the part has: so every part brings all that belongs into the whole.
    """
    hits = [hit for ranking in rankings for hit in ranking]
    return first_with_ties(sorted(hits, key=lambda hit: (-hit[1], hit[0])), reach)
