"""The fourth promise with the real models: what else is asked at the same time changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answer import Request
from rag.gold import load_gold
from rag.types import Timings

OTHERS = 63
NONE = Timings(0, 0, 0, 0)


@pytest.fixture(scope="module")
def questions(request):
    gold = load_gold(request.config.rootpath / "seeds" / "gold.jsonl")
    return [question.question for question in gold]


@pytest.fixture(scope="module")
def alone(seed_answerer, questions):
    return {question: seed_answerer.ask(question, top_k=3) for question in questions[:8]}


@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_a_question_gets_the_same_answer_alone_and_among_63_others(seed_answerer, questions, alone, data):
    asked = data.draw(st.sampled_from(sorted(alone)))
    place = data.draw(st.integers(0, OTHERS))
    others = data.draw(st.permutations(questions))[:OTHERS]
    batch = [*others[:place], asked, *others[place:]]
    replies = list(seed_answerer.ask_all([Request(question, top_k=3) for question in batch]))
    assert replace(replies[place].answer, timings_ms=NONE) == replace(alone[asked], timings_ms=NONE)


def test_eight_at_once_get_what_each_gets_alone(seed_answerer, alone):
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda question: seed_answerer.ask(question, top_k=3), alone))
    assert [replace(one, timings_ms=NONE) for one in replies] == [
        replace(alone[one.question], timings_ms=NONE) for one in replies
    ]
