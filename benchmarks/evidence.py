"""How much of the evidence for a question lies in the passages ranked first, counted in characters."""

from collections.abc import Sequence
from itertools import accumulate

from index.types import StoredPassage
from rag.gold import GoldQuestion

BUDGET = 8_000  # characters: about what the reader is given, ten passages of 160 tokens


def evidence_measures(gold: GoldQuestion, ranked: Sequence[StoredPassage]) -> dict[str, float]:
    """Return recall and precision of the first 5 and 10 passages, and recall of those that fit 8,000 characters.

    Recall: share of the evidence's characters that lie in one of the passages. Precision: share of the passages'
    characters, each place counted once, that are evidence. Nothing where the question has no evidence.
    """
    wanted = {(span.source, at) for span in gold.evidence for at in range(span.start, span.end)}
    if not wanted:
        return {}
    measures = {}
    for k in (5, 10):
        read = characters(ranked[:k])
        measures[f"evidence_recall@{k}"] = len(wanted & read) / len(wanted)
        measures[f"evidence_precision@{k}"] = len(wanted & read) / len(read) if read else 0.0
    sizes = accumulate(len(one.passage.text) for one in ranked)
    fitting = sum(size <= BUDGET for size in sizes)
    return {**measures, "evidence_recall@8000c": len(wanted & characters(ranked[:fitting])) / len(wanted)}


def characters(ranked: Sequence[StoredPassage]) -> set[tuple[str, int]]:
    """Return the places (source, offset) that passages hold."""
    return {(one.source, at) for one in ranked for at in range(one.passage.start, one.passage.end)}
