"""Confirmed answers made into gold questions: what is taken as evidence, what is left out and said so."""

import pytest
from fakes import answerer_over, new_store, put

from api.schemas import AskReply
from index.errors import UsageError
from index.types import document_id_of
from rag.documents import StoredDocuments
from rag.gold import Evidence, parse_gold
from rag.goldnew import new_gold

NILE = "The long river Nile ends near Alexandria."
WHERE, BREAD = "Where does the long river Nile end?", "Who bakes the sourdough bread of Mars?"


@pytest.fixture
def answerer(tmp_path):
    with new_store(tmp_path / "store") as store:
        for source, text in (("nile.txt", NILE), ("old.txt", f"old maps agree: {NILE}")):
            (tmp_path / source).write_text(text)
            put(store, tmp_path / source, source)
        yield answerer_over(store)


@pytest.fixture
def make(answerer):
    def make(saved, there=()):
        with answerer.store.snapshot() as snapshot:
            return new_gold(saved, StoredDocuments(snapshot), there)

    return make


@pytest.fixture
def ask(answerer):
    """A reply as `--json` prints it."""

    def ask(question, **more):
        reply = AskReply.model_validate(answerer.ask(question), from_attributes=True)
        return reply.model_dump(mode="json") | more

    return ask


def test_an_answer_becomes_a_question_with_its_citations_as_evidence(make, ask):
    (gold,) = make(ask(WHERE)).questions
    start = NILE.index("Alexandria")
    assert (gold.question, gold.answers, gold.answerable, gold.tags) == (WHERE, ("Alexandria",), True, ())
    assert set(gold.evidence) == {
        Evidence("nile.txt", start, start + 10),
        Evidence("old.txt", start + len("old maps agree: "), start + len("old maps agree: ") + 10),
    }
    assert set(gold.sources) == {"nile.txt", "old.txt"}


def test_no_answer_becomes_an_unanswerable_question(make, ask):
    reply = ask(BREAD)
    assert reply["answer"] is None
    made = make(reply)
    (gold,) = made.questions
    assert (gold.question, gold.answers, gold.sources, gold.evidence) == (BREAD, (), (), ())
    assert not gold.answerable
    assert made.skipped == []


def test_a_citation_that_does_not_hold_is_left_out_and_said(make, ask):
    reply = ask(WHERE)
    reply["citations"][1]["start"] -= 1
    reply["citations"][1]["end"] -= 1
    made = make([ask(BREAD), reply])
    assert [len(gold.evidence) for gold in made.questions] == [0, 1]
    assert made.skipped == ["answer [1]: the citation “Alexandria” is moved, and left out"]


def test_an_answer_of_which_no_citation_holds_is_left_out(make, ask, answerer):
    reply = ask(WHERE)
    with answerer.store.write() as writer:
        for source in ("nile.txt", "old.txt"):
            writer.remove(document_id_of(source))
    made = make(reply)
    assert made.questions == []
    assert made.skipped == [
        "the answer: the citation “Alexandria” is missing, and left out",
        "the answer: the citation “Alexandria” is missing, and left out",
        "the answer: no citation stands as it was, so it is left out; ask the question again",
    ]
    assert len(make({**reply, "citations": []}).skipped) == 1


def test_a_question_that_failed_is_left_out(make, ask):
    made = make([{"id": "1", "error": {"status": 422}}, ask(WHERE)])
    assert made.skipped == ["answer [0] is an error; ask the question again"]
    assert len(made.questions) == 1


def test_a_question_that_is_there_or_came_before_is_passed_over(make, ask):
    there = parse_gold('{"id": "1", "question": "where does a long river nile end", "answers": ["x"]}', "g")
    made = make([ask(WHERE), ask(BREAD), ask(BREAD)], there)
    assert ([gold.question for gold in made.questions], made.known, made.skipped) == ([BREAD], 2, [])


def test_the_id_is_the_replys_own_where_it_is_free_else_one_of_the_question(make, ask):
    there = parse_gold('{"id": "1", "question": "?", "answers": ["x"]}', "g")
    (taken, numbered) = make([ask(WHERE, id="1"), ask(BREAD, id=7)], there).questions
    (alone,) = make(ask(WHERE)).questions
    assert taken.id == alone.id
    assert taken.id.startswith("q-")
    assert numbered.id == "7"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": None}, r"answer \[0\]: question is missing"),
        ({"question": " "}, r"answer \[0\]: question is ' '"),
        ({"question": "x" * 1001}, r"answer \[0\]: question has 1001 characters"),
        ({"answer": 3}, r"answer \[0\]: answer is 3"),
        ({"citations": None}, r"answer \[0\]: citations is missing"),
        ({"citations": [{}]}, r"answer \[0\]: citations\[0\]: quote is missing"),
    ],
)
def test_a_malformed_reply_is_refused_with_its_place_and_fault(make, ask, change, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        make([ask(WHERE) | change])
