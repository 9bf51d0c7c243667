"""A plain BM25 with every knob that Tantivy fixes, to see whether one of them is worth having.

score(p) = sum over terms of idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |p| / mean |p|)), with
idf = log(1 + (N - n + 0.5) / (n + 0.5)): Tantivy's own formula, which has k1 = 1.2, b = 0.75, and rounds lengths.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

from index.lexical import LONGEST_TERM
from index.types import Passage, StoredPassage

Analyze = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Knobs:
    """Settings of a lexical index and its questions. `stop_words` are left out of: nothing, questions, all texts."""

    k1: float = 1.2
    b: float = 0.75
    context_weight: int = 1  # how often title and headings count
    stop_words: Literal["nothing", "questions", "all"] = "nothing"  # Tantivy's English ones
    stems: bool = True
    repeats: bool = False  # whether a term counts as often as the question has it


def analyzer(stop_words: bool, stems: bool) -> Analyze:
    """Return what cuts a text into terms, as `index.lexical` does but for stop words left out, or stems not taken."""
    builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase()).filter(Filter.ascii_fold())
    builder = builder.filter(Filter.remove_long(LONGEST_TERM))
    if stop_words:
        builder = builder.filter(Filter.stopword("english"))
    if stems:
        builder = builder.filter(Filter.stemmer("english"))
    analyze: Analyze = builder.build().analyze
    return analyze


class PlainBM25:
    """Ranks passages, held in memory, by their ids."""

    def __init__(self, passages: Sequence[StoredPassage], knobs: Knobs) -> None:
        """Index passages with their titles and headings."""
        self._knobs = knobs
        self._analyze = analyzer(knobs.stop_words == "all", knobs.stems)
        self._analyze_question = analyzer(knobs.stop_words != "nothing", knobs.stems)
        counts = [self._counts(stored.passage, knobs.context_weight) for stored in passages]
        self._ids = np.array([stored.passage_id for stored in passages], np.int64)
        lengths = np.array([count.total() for count in counts], np.float64)
        damping = knobs.k1 * (1 - knobs.b + knobs.b * lengths / lengths.mean())
        rows: dict[str, list[tuple[int, int]]] = {}
        for row, count in enumerate(counts):
            for term, times in count.items():
                rows.setdefault(term, []).append((row, times))
        self._postings: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for term, pairs in rows.items():
            at, times = np.array(pairs, np.int64).T
            idf = np.log(1 + (len(counts) - len(at) + 0.5) / (len(at) + 0.5))
            self._postings[term] = (at, idf * times * (knobs.k1 + 1) / (times + damping[at]))

    def _counts(self, passage: Passage, context_weight: int) -> Counter[str]:
        return Counter(self._analyze(passage.context) * context_weight + self._analyze(passage.text))

    def search(self, text: str, k: int) -> list[tuple[int, float]]:
        """Return at most `k` (passage_id, score) pairs that share a term with `text`, best first; ties by id."""
        scores = np.zeros(len(self._ids))
        # A question of stop words alone is asked as it is.
        wanted = Counter(self._analyze_question(text) or self._analyze(text))
        for term, times in wanted.items():
            if term in self._postings:
                at, gains = self._postings[term]
                scores[at] += gains * times if self._knobs.repeats else gains
        found = np.flatnonzero(scores)
        best = found[np.lexsort((self._ids[found], -scores[found]))][:k]
        return [(int(self._ids[row]), float(scores[row])) for row in best]
