"""One reply against what is right for it: pure functions from a gold question and a reply to numbers and blame.

A measure that a question cannot give (no sources, no answers, an abstention without citations) is absent, never 0.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, Protocol

from rag import metrics
from rag.calibrate import Sample
from rag.gold import GoldQuestion
from rag.normalise import normalise
from rag.types import Answer, Asked, Citation, FoundPassage

DEPTH = 10  # passages of the ranking that the retrieval measures look at, whatever number is read
RIGHT_F1 = 0.5  # token F1 from which a candidate counts as right: what confidence is the probability of
_HIT_DEPTHS = (1, 5, 10)
_RECALL_DEPTHS = (5, 10)

Stage = Literal["ok", "not_indexed", "not_retrieved", "not_read", "missed", "withheld", "answered_unanswerable"]


class _Span(Protocol):
    """What a passage and a citation have in common: a span of a source's text."""

    @property
    def source(self) -> str: ...

    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


def measures(gold: GoldQuestion, asked: Asked) -> dict[str, float]:
    """Return what this question adds to each metric, by the metric's name in the report."""
    return {
        **answer_measures(gold, asked.answer),
        **retrieval_measures(gold, asked.ranking),
        **citation_measures(gold, asked.answer),
    }


def answer_measures(gold: GoldQuestion, answer: Answer) -> dict[str, float]:
    """Return the scores of the answer given; nothing where the question has evidence alone.

    Abstaining is `answer.answer is None`. It scores 0 on an answerable question and 1 on an unanswerable one, where
    every answer scores 0: the SQuAD v2.0 rule, with None in the place of its empty string.
    """
    if not gold.answerable:
        abstained = float(answer.answer is None)
        return {"no_answer_accuracy": abstained, "overall_exact_match": abstained, "overall_f1": abstained}
    if not gold.answers:
        return {}
    given = answer.answer
    exact = 0.0 if given is None else metrics.exact_match(given, gold.answers)
    f1 = 0.0 if given is None else metrics.f1(given, gold.answers)
    return {
        "exact_match": exact,
        "f1": f1,
        "has_answer_rate": float(given is not None),
        "overall_exact_match": exact,
        "overall_f1": f1,
    }


def candidate_right(gold: GoldQuestion, candidate: str | None) -> bool | None:
    """Tell whether the best candidate, given or withheld, is right: F1 of at least 0.5 on an answerable question.

    On an unanswerable question none is; None where the question has evidence alone, so that nobody knows.
    """
    if gold.answerable and not gold.answers:
        return None
    return gold.answerable and candidate is not None and metrics.f1(candidate, gold.answers) >= RIGHT_F1


def sample(gold: GoldQuestion, answer: Answer) -> Sample | None:
    """Return what a calibration learns from a reply; None where nothing was found, or nobody knows what is right."""
    right = candidate_right(gold, answer.candidate)
    if answer.candidate is None or answer.candidate_score is None or right is None:
        return None
    f1 = metrics.f1(answer.candidate, gold.answers) if gold.answerable else None
    return Sample(answer.candidate_score, right, f1)


def retrieval_measures(gold: GoldQuestion, ranking: Sequence[FoundPassage]) -> dict[str, float]:
    """Return the scores of the first 10 passages before reading; nothing without a gold source.

    `source_hit` and `passage_hit` are over passages; recall, MRR and nDCG over distinct sources in order of their
    first passage.
    """
    if not (gold.answerable and gold.sources):
        return {}
    wanted = set(gold.sources)
    top = ranking[:DEPTH]
    ranked = list(dict.fromkeys(passage.source for passage in top))
    in_source = [passage.source in wanted for passage in top]
    holds = [is_gold_passage(gold, passage) for passage in top]
    return {
        **{f"source_hit@{k}": float(any(in_source[:k])) for k in _HIT_DEPTHS},
        **{f"recall@{k}": metrics.recall(wanted, ranked, k) for k in _RECALL_DEPTHS},
        "mrr@10": metrics.reciprocal_rank(wanted, ranked, 10),
        "ndcg@10": metrics.ndcg(wanted, ranked, 10),
        **{f"passage_hit@{k}": float(any(holds[:k])) for k in _HIT_DEPTHS},
    }


def is_gold_passage(gold: GoldQuestion, passage: FoundPassage) -> bool:
    """Tell whether the passage overlaps evidence.

    In a source without evidence: whether it holds an accepted answer as a run of normalised tokens. A question
    without sources accepts that from any source.
    """
    if (overlaps := _overlaps_evidence(gold, passage)) is not None:
        return overlaps
    if gold.sources and passage.source not in gold.sources:
        return False
    tokens = f" {normalise(passage.text)} "
    return any(f" {answer} " in tokens for answer in map(normalise, gold.answers) if answer)


def evidence_held(gold: GoldQuestion, passage: FoundPassage) -> int:
    """Return how many characters of the evidence that it overlaps most the passage holds; 0 without evidence there."""
    there = (evidence for evidence in gold.evidence if evidence.source == passage.source)
    shared = (min(passage.end, evidence.end) - max(passage.start, evidence.start) for evidence in there)
    return max([0, *shared])


def citation_measures(gold: GoldQuestion, answer: Answer) -> dict[str, float]:
    """Return precision (absent without citations) and recall (0 for an abstention) of the citations given.

    Both are absent where the question is unanswerable, has no accepted answers or has no sources.
    """
    if not (gold.answers and gold.sources):
        return {}
    right = [citation for citation in answer.citations if is_right_citation(gold, citation)]
    recall = len({citation.source for citation in right}) / len(gold.sources)
    precision = {"citation_precision": len(right) / len(answer.citations)} if answer.citations else {}
    return {**precision, "citation_recall": recall}


def is_right_citation(gold: GoldQuestion, citation: Citation) -> bool:
    """Tell whether the citation overlaps evidence; in a source without evidence, whether the source is a gold one."""
    overlaps = _overlaps_evidence(gold, citation)
    return citation.source in gold.sources if overlaps is None else overlaps


def _overlaps_evidence(gold: GoldQuestion, span: _Span) -> bool | None:
    """Return whether the span shares a character with evidence; None where its source has none."""
    there = [evidence for evidence in gold.evidence if evidence.source == span.source]
    if not there:
        return None
    return any(span.start < evidence.end and evidence.start < span.end for evidence in there)


def stage(gold: GoldQuestion, asked: Asked, indexed: AbstractSet[str]) -> Stage:
    """Return which part is to blame for the reply; the outcome is looked at first, then the way of the gold passage.

    Unanswerable: `ok` if abstained, else `answered_unanswerable`. Else a right candidate is `ok` or, if no answer was
    given, `withheld`. Else the first that holds: `not_indexed`, no gold source is among `indexed`; `not_retrieved`, no
    gold passage is among the first 10 or was read; `not_read`, none was read; `missed`, one was read and another
    answer preferred. A question with evidence alone is `ok` where its passage was read.
    """
    if not gold.answerable:
        return "ok" if asked.answer.answer is None else "answered_unanswerable"
    if candidate_right(gold, asked.answer.candidate):
        return "withheld" if asked.answer.answer is None else "ok"
    if gold.sources and indexed.isdisjoint(gold.sources):
        return "not_indexed"
    if _any_gold(gold, asked.answer.passages):
        return "missed" if gold.answers else "ok"
    return "not_read" if _any_gold(gold, asked.ranking[:DEPTH]) else "not_retrieved"


def _any_gold(gold: GoldQuestion, passages: Iterable[FoundPassage]) -> bool:
    return any(is_gold_passage(gold, passage) for passage in passages)
