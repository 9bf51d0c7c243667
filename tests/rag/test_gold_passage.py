"""A wrong answer's question, asked of the gold passage alone: whether the reader or the search is to blame."""

import pytest
from by_heart import GOLD, NILE, REPLIES, TEXT, ByHeart, Disk, gold, values

from rag.evaluate import evaluate
from rag.gold import Evidence


def wrong(*evidence, sources=("a.txt",), answers=("Nile",)):
    return gold("wrong", answers=answers, sources=sources, evidence=evidence)


def read_for(question, passages, reads="Nile"):
    """What is read for the question alone, and what its report says of that."""
    answerer = ByHeart(REPLIES, reads)
    report = evaluate(answerer, Disk(passages=passages), [question], run_info={})
    return answerer.read[0], report["questions"][0]["gold_passage"], report["metrics"].get("gold_passage_f1")


def test_a_wrong_answer_is_asked_again_of_the_gold_passage_alone_and_a_right_one_is_not():
    answerer = ByHeart(REPLIES, "Nile river")
    report = evaluate(answerer, Disk(), GOLD, run_info={})
    assert answerer.read == [[("withheld", TEXT), ("wrong", TEXT)]]  # together, like other questions
    passage = {"answer": "Nile river", "f1": 2 * 1 / (2 + 1)}
    assert [row["gold_passage"] for row in report["questions"]] == [None, passage, passage, None]
    assert values(report)["gold_passage_f1"] == (2 / 3, 2)


@pytest.mark.parametrize("quote", ["the Nile river", None])
def test_a_gold_passage_that_was_read_for_the_answer_is_not_read_again(quote):
    answerer = ByHeart(REPLIES, quotes=(quote,))
    report = evaluate(answerer, Disk(), GOLD, run_info={})
    assert answerer.read == [[]]
    passage = {"answer": quote, "f1": 2 * 1 / (2 + 1) if quote else 0.0}
    assert [row["gold_passage"] for row in report["questions"]] == [None, passage, passage, None]


def test_the_gold_passage_is_the_one_that_holds_the_most_evidence_the_first_of_equals():
    halves = ((0, NILE), (NILE - 4, len(TEXT)))
    assert read_for(wrong(Evidence("a.txt", NILE - 7, NILE + 4)), halves)[0] == [("wrong", "the Nile.")]
    assert read_for(wrong(Evidence("a.txt", NILE - 4, NILE)), halves)[0] == [("wrong", TEXT[:NILE])]


def test_without_evidence_the_gold_passage_is_the_first_that_holds_an_accepted_answer():
    passages = ((0, 5), (NILE, NILE + 4), (0, len(TEXT)))
    assert read_for(wrong(), passages)[0] == [("wrong", "Nile")]


def test_a_gold_passage_in_which_the_reader_finds_nothing_scores_0():
    _, passage, metric = read_for(wrong(), ((0, len(TEXT)),), reads=None)
    assert passage == {"answer": None, "f1": 0.0}
    assert (metric["value"], metric["n"]) == (0.0, 1)


@pytest.mark.parametrize(
    "question",
    [
        wrong(sources=("b.txt",)),  # not indexed
        wrong(sources=()),
        wrong(answers=("Rhine",)),  # in no passage
        wrong(Evidence("a.txt", 0, 3), answers=()),  # nothing to compare with
    ],
)
def test_a_question_without_a_gold_passage_or_an_accepted_answer_has_nothing_read_alone(question):
    read, passage, metric = read_for(question, ((0, len(TEXT)),))
    assert (read, passage, metric) == ([], None, None)
