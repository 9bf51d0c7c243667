"""One reply against its gold question: scores by hand, and which part is to blame."""

import math

import pytest

from rag.calibrate import Sample
from rag.gold import Evidence, GoldQuestion
from rag.judge import (
    answer_measures,
    candidate_right,
    citation_measures,
    is_gold_passage,
    retrieval_measures,
    sample,
    stage,
)
from rag.types import Answer, Asked, Citation, FoundPassage, StoreInfo, Timings

INDEXED = {"a.txt", "b.txt", "c.txt"}


def question(answers=("the Nile",), sources=("a.txt",), evidence=(), answerable=True):
    return GoldQuestion("q", "Which river?", tuple(answers), tuple(sources), tuple(evidence), answerable, ())


UNANSWERABLE = question(answers=(), sources=(), answerable=False)


def passage(source, start=0, text="It is the Nile."):
    return FoundPassage(0, source, source, None, start, start + len(text), text, 1.0)


def citation(source, start=0, end=4):
    none = {
        "byte_start": None,
        "byte_end": None,
        "line": None,
        "column": None,
        "page": None,
        "title": None,
        "url": None,
    }
    rest = {"document_id": source, "sha256": "", "quote": "Nile", "prefix": "", "suffix": "", "verified": True}
    return Citation(source=source, start=start, end=end, **none, **rest)


def answer(given, candidate=None, citations=(), passages=()):
    return Answer(
        question="Which river?",
        answer=given,
        sentence=given,
        confidence=0.5,
        calibrated=True,
        citations=tuple(citations),
        alternatives=(),
        passages=tuple(passages),
        timings_ms=Timings(0, 0, 0, 0),
        store=StoreInfo(1, 1, 1, "e", "r"),
        candidate=given if candidate is None else candidate,
        candidate_score=1.5,
        candidate_citations=(),
    )


def asked(reply, ranking=()):
    return Asked(reply, tuple(ranking))


def test_a_given_answer_is_scored_and_an_abstention_scores_nothing_even_if_its_candidate_is_right():
    scores = answer_measures(question(answers=["Nile", "river Nile"]), answer("Nile delta"))
    assert (scores["exact_match"], scores["has_answer_rate"]) == (0, 1)
    assert scores["f1"] == scores["overall_f1"] == pytest.approx(2 * (1 / 2) * 1 / (1 / 2 + 1))
    withheld = answer_measures(question(), answer(None, candidate="Nile"))
    assert set(withheld.values()) == {0.0}


def test_an_abstention_on_an_answerable_question_scores_nothing_even_where_the_answer_normalises_to_nothing():
    assert answer_measures(question(answers=["A"]), answer(None))["f1"] == 0
    assert answer_measures(question(answers=["A"]), answer("a"))["f1"] == 1


@pytest.mark.parametrize(("given", "score"), [(None, 1.0), ("Nile", 0.0), ("the", 0.0)])
def test_on_an_unanswerable_question_abstaining_alone_is_right(given, score):
    names = ["no_answer_accuracy", "overall_exact_match", "overall_f1"]
    assert answer_measures(UNANSWERABLE, answer(given)) == dict.fromkeys(names, score)


def test_a_candidate_is_right_from_an_f1_of_one_half():
    assert candidate_right(question(answers=["Nile"]), "Nile in Africa flows"[:14])  # 1 of 3 tokens: 2/4
    assert not candidate_right(question(answers=["Nile"]), "Nile in Africa flows")  # 1 of 4 tokens: 2/5
    assert candidate_right(question(), None) is False
    assert candidate_right(UNANSWERABLE, "Nile") is False
    assert candidate_right(question(answers=(), evidence=[Evidence("a.txt", 0, 1)]), "Nile") is None


def test_retrieval_counts_sources_by_their_first_passage_and_hits_by_passage():
    ranking = [passage("c.txt"), passage("c.txt", 50), passage("b.txt", text="Nothing."), passage("a.txt")]
    scores = retrieval_measures(question(sources=["a.txt", "b.txt"]), ranking)
    found, ideal = 1 / math.log2(2 + 1) + 1 / math.log2(3 + 1), 1 / math.log2(1 + 1) + 1 / math.log2(2 + 1)
    assert scores == {
        "source_hit@1": 0,
        "source_hit@5": 1,
        "source_hit@10": 1,
        "recall@5": 2 / 2,
        "recall@10": 2 / 2,
        "mrr@10": 1 / 2,
        "ndcg@10": pytest.approx(found / ideal),
        "passage_hit@1": 0,
        "passage_hit@5": 1,
        "passage_hit@10": 1,
    }


def test_passages_after_the_tenth_count_for_nothing():
    scores = retrieval_measures(question(), [passage("b.txt", 20 * i) for i in range(10)] + [passage("a.txt")])
    assert set(scores.values()) == {0.0}


def test_retrieval_of_nothing_scores_zero_but_without_gold_sources_it_is_not_measured():
    assert set(retrieval_measures(question(), []).values()) == {0.0}
    assert retrieval_measures(question(sources=()), [passage("a.txt")]) == {}
    assert retrieval_measures(question(answers=(), answerable=False), [passage("a.txt")]) == {}


def test_a_passage_is_gold_if_it_shares_a_character_with_evidence_in_its_source():
    gold = question(evidence=[Evidence("a.txt", 10, 20)])
    assert is_gold_passage(gold, passage("a.txt", start=19, text="no answer"))
    assert not is_gold_passage(gold, passage("a.txt", start=20))
    assert not is_gold_passage(gold, passage("a.txt", start=1, text="123456789"))
    assert not is_gold_passage(gold, passage("b.txt", start=10))


def test_without_evidence_a_passage_is_gold_if_it_holds_an_accepted_answer_as_whole_words():
    assert is_gold_passage(question(), passage("a.txt", text="It is, of course, THE Nile!"))
    assert not is_gold_passage(question(), passage("a.txt", text="Juvenile; the Niles."))
    assert not is_gold_passage(question(answers=["the"]), passage("a.txt", text="the"))
    assert not is_gold_passage(question(), passage("b.txt"))
    assert is_gold_passage(question(sources=()), passage("b.txt"))


def test_citations_are_right_by_evidence_where_their_source_has_some_else_by_source():
    gold = question(sources=["a.txt", "b.txt"], evidence=[Evidence("a.txt", 0, 4)])
    given = [citation("a.txt", 2, 6), citation("a.txt", 4, 8), citation("b.txt"), citation("c.txt")]
    assert citation_measures(gold, answer("Nile", citations=given)) == {
        "citation_precision": 2 / 4,
        "citation_recall": 2 / 2,
    }


def test_an_abstention_has_no_citation_precision_and_a_recall_of_zero():
    assert citation_measures(question(), answer(None)) == {"citation_recall": 0}


@pytest.mark.parametrize(
    "gold", [UNANSWERABLE, question(sources=()), question(answers=(), evidence=[Evidence("a.txt", 0, 4)])]
)
def test_citations_are_not_judged_where_nobody_knows_the_right_ones(gold):
    assert citation_measures(gold, answer("Nile", citations=[citation("a.txt")])) == {}


WRONG = passage("b.txt", text="Nothing.")
HIT = passage("a.txt")


@pytest.mark.parametrize(
    ("gold", "reply", "ranking", "blamed"),
    [
        (question(), answer("Nile", passages=[HIT]), [HIT], "ok"),
        (question(), answer("Nile", passages=[WRONG]), [WRONG], "ok"),  # right is right, wherever it was found
        (question(), answer(None, "Nile", passages=[HIT]), [HIT], "withheld"),
        (question(), answer("Congo", passages=[HIT]), [HIT], "missed"),
        (question(), answer(None, "Congo", passages=[HIT]), [HIT], "missed"),
        (question(), answer("Congo", passages=[WRONG]), [WRONG, HIT], "not_read"),
        (question(), answer("Congo", passages=[WRONG]), [WRONG], "not_retrieved"),
        (question(), answer("Congo", passages=[WRONG]), [WRONG] * 10 + [HIT], "not_retrieved"),
        (question(), answer("Congo", passages=[WRONG] * 10 + [HIT]), [WRONG] * 10 + [HIT], "missed"),
        (question(), answer(None), [], "not_retrieved"),
        (question(sources=["gone.txt"]), answer("Congo", passages=[WRONG]), [WRONG], "not_indexed"),
        (question(sources=["gone.txt", "a.txt"]), answer("Congo", passages=[HIT]), [HIT], "missed"),
        (question(sources=["gone.txt"]), answer("Nile", passages=[HIT]), [HIT], "ok"),
        (question(sources=()), answer("Congo", passages=[HIT]), [HIT], "missed"),
        (UNANSWERABLE, answer(None, "Nile"), [HIT], "ok"),
        (UNANSWERABLE, answer("Nile"), [HIT], "answered_unanswerable"),
        (question(answers=(), evidence=[Evidence("a.txt", 0, 4)]), answer(None, passages=[HIT]), [HIT], "ok"),
        (question(answers=(), evidence=[Evidence("a.txt", 0, 4)]), answer("Nile"), [HIT], "not_read"),
    ],
)
def test_the_first_part_that_failed_is_to_blame(gold, reply, ranking, blamed):
    assert stage(gold, asked(reply, ranking), INDEXED) == blamed


def test_a_calibration_learns_the_score_and_whether_the_candidate_is_right_given_or_withheld():
    assert sample(question(), answer(None, candidate="the Nile")) == Sample(1.5, True, 1.0)
    assert sample(question(), answer("Rhine")) == Sample(1.5, False, 0.0)


def test_on_an_unanswerable_question_every_candidate_is_wrong():
    assert sample(UNANSWERABLE, answer("Nile")) == Sample(1.5, False, None)
