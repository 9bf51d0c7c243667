"""What is made of a question to train on: its negatives and its distractors."""

from random import Random

import pytest

from index.errors import UsageError
from training.data import Answer, Example
from training.mix import Mix, Rates

QUESTION = "Where was the fair of 1900 held?"
CONTEXT = "The fair of 1900 was held in Oslo. Nothing else is known of it."
TWIN = "Nobody came. The fair of 1900 was the last that was held anywhere. It rained."
MOST_ALIKE = "The fair of 1900 was the last that was held anywhere."
NOTHING_ELSE = {"near_misses": 0.0, "headers": 0.0, "meta": 0.0}


def answered(context=CONTEXT, answer="Oslo", name="1"):
    return Example(name, "mine", "a", context, QUESTION, (Answer(answer, context.index(answer)),))


def given(context, name="n"):
    return Example(name, "mine", "b", context, QUESTION, ())


def units(examples, seed=0, **rates):
    return Mix(examples, Rates(**NOTHING_ELSE, **rates)).one_pass(Random(seed))


@pytest.mark.parametrize("most", [1, 4])
def test_a_question_gets_one_to_so_many_of_the_negatives_given_with_it(most):
    texts = [f"Text number {number} says nothing of it." for number in range(6)]
    counts = set()
    for seed in range(40):
        (unit,) = units([answered(), *map(given, texts)], seed, negatives=1, max_negatives=most)
        others = [reading.text for reading in unit[1:]]
        assert len(set(others)) == len(others)
        assert set(others) <= set(texts)
        assert not any(reading.answered for reading in unit[1:])
        counts.add(len(others))
    assert counts == set(range(1, most + 1))


def test_a_text_given_twice_is_one_negative():
    for seed in range(10):
        (unit,) = units([answered(), given(TWIN, "n"), given(TWIN, "m")], seed, negatives=1, max_negatives=4)
        assert [reading.text for reading in unit[1:]] == [TWIN]


def test_what_answers_the_question_elsewhere_is_no_similar_negative():
    oslo, lima = answered(), answered(CONTEXT.replace("Oslo", "Lima"), "Lima", "2")
    assert [len(unit) for unit in units([oslo, lima], negatives=1)] == [1, 1]
    # Of another question the same text is a negative of this one, which Lima does not answer.
    other = Example("2", "mine", "a", lima.context, "What is known?", (Answer("Nothing", CONTEXT.index("Nothing")),))
    assert sorted(len(unit) for unit in units([oslo, other], negatives=1)) == [1, 2]


def test_the_most_negatives_of_a_question_is_one_or_more():
    with pytest.raises(UsageError, match="give 1 or more"):
        Rates(max_negatives=0)


def test_a_distractor_is_the_sentence_of_a_negative_most_like_the_question_and_the_target_stays_in_place():
    seen = set()
    for seed in range(12):
        ((reading,),) = units([answered(), given(TWIN)], seed, negatives=0, distractors=1)
        assert reading.text[slice(*reading.place)] == "Oslo"
        seen.add(reading.text)
    assert seen == {f"{MOST_ALIKE} {CONTEXT}", f"{CONTEXT} {MOST_ALIKE}"}


@pytest.mark.parametrize(
    "negatives", [[], [""], ["oslo then. Oslo!"]], ids=["none", "empty", "answers in small letters"]
)
def test_where_no_sentence_will_do_there_is_no_distractor(negatives):
    ((reading,),) = units([answered(), *map(given, negatives)], negatives=0, distractors=1)
    assert reading.text == CONTEXT
