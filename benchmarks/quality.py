"""How right the answers of any system are, by Pincite's own measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.rivals.protocol import Text
from rag.gold import GoldQuestion
from rag.judge import is_gold_passage
from rag.metrics import Metric, estimate, exact_match, f1
from rag.types import FoundPassage


@dataclass(slots=True)
class Replies:
    """What one system said and found, by the id of the question."""

    answers: dict[str, str | None] = field(default_factory=dict)
    best: dict[str, str | None] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)


def judge(gold: Sequence[GoldQuestion], replies: Replies, passages: Mapping[str, Text]) -> dict[str, Metric]:
    """Return what can be measured of the questions that were answered, each with its interval.

    `f1` and `exact_match` are over answerable questions, an abstention scores 0; `f1 forced` is of the best that a
    system had to say; `no answer right` is over unanswerable ones, `overall f1` over all (the SQuAD v2.0 rule).
    `passage_hit@10` is over answerable questions: a passage that overlaps the evidence is among those found.
    """
    asked = [one for one in gold if one.id in replies.answers]
    answerable = [one for one in asked if one.answerable and one.answers]
    given = {one.id: replies.answers[one.id] for one in asked}
    abstained = [float(given[one.id] is None) for one in asked if not one.answerable]
    scores = [_f1(given[one.id], one) for one in answerable]
    told = any(replies.best.values())
    samples = {
        "exact_match": [exact_match(given[one.id] or "", one.answers) for one in answerable],
        "f1": scores,
        "f1 forced": [_f1(replies.best[one.id], one) for one in answerable] if told else [],
        "no answer right": abstained,
        "overall f1": scores + abstained if abstained else [],
        "passage_hit@10": [_hit(one, replies.found[one.id], passages) for one in answerable if one.id in replies.found],
    }
    return {name: estimate(values) for name, values in samples.items() if values}


def _f1(answer: str | None, gold: GoldQuestion) -> float:
    return 0.0 if answer is None else f1(answer, gold.answers)


def _hit(gold: GoldQuestion, found: Sequence[str], passages: Mapping[str, Text]) -> float:
    return float(any(is_gold_passage(gold, _as_found(passages[one])) for one in found))


def _as_found(passage: Text) -> FoundPassage:
    source, _, start = passage.id.rpartition(":")
    begin = int(start)
    return FoundPassage(
        passage_id=0, document_id="", source=source, title=None,
        start=begin, end=begin + len(passage.text), text=passage.text, score=0.0,
    )  # fmt: skip
