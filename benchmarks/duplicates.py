"""How many of the passages ranked first only repeat one that is ranked higher."""

import re
from collections.abc import Sequence
from functools import lru_cache

WORDS = 5  # in a shingle
ALIKE = 0.8  # Jaccard similarity of shingles from which two texts are near duplicates
_WORD = re.compile(r"\w+")


def near_duplicates(texts: Sequence[str]) -> float:
    """Return the share of texts that are near duplicates of an earlier one; 0.0 where there are none."""
    shingles = [shingles_of(text) for text in texts]
    repeated = sum(any(alike(one, other) for other in shingles[:row]) for row, one in enumerate(shingles))
    return repeated / len(texts) if texts else 0.0


def alike(one: frozenset[int], other: frozenset[int]) -> bool:
    """Tell whether the intersection of two sets is at least 0.8 of their union."""
    return len(one & other) >= ALIKE * len(one | other)


@lru_cache(maxsize=20_000)
def shingles_of(text: str) -> frozenset[int]:
    """Return the hashes of all runs of five words, of the whole text where it is shorter."""
    words = _WORD.findall(text.lower())
    return frozenset(hash(tuple(words[at : at + WORDS])) for at in range(max(1, len(words) - WORDS + 1)))
