"""The examples of the first page: made from the documents by rule, shown where they are answered from there."""

import pytest
from conftest import service
from fakes import WINDOW, NameReader, WordEncoder, answerer_over, new_store, put
from fastapi.testclient import TestClient
from test_pages import Page
from waiting import wait_for

from api.app import create_app
from api.example_questions import candidates
from api.examples import ASKED, SHOWN, Examples
from index.chunk_limits import ChunkLimits
from index.originals import put_bytes, remove_document
from index.types import Document, Field, Mark, Metadata, document_id_of


def document(text, marks=(), source="a.txt", **metadata):
    return Document(source, text, "0" * 64, "utf-8", 0, "text/plain", marks, Metadata(**metadata))


def asked(*documents):
    return [(made.question, documents[0].text[made.start : made.end]) for made in candidates(documents)]


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("The Louvre was opened in 1793.", "When was the Louvre opened?", "1793"),
        ("The Treaty of Rome was signed on 25.", None, None),
        ("The Treaty of Rome was signed on March 25, 1957.", "When was the Treaty of Rome signed?", "March 25, 1957"),
        ("The Peace Talks were held in Geneva.", "Where were the Peace Talks held?", "Geneva"),
        ("The Peace Talks were held in June.", None, None),
        ("After the SCO was founded in 2001, it grew.", "When was the SCO founded?", "2001"),
        ("The Eiffel Tower was designed by Stephen Sauvestre.", "Who designed the Eiffel Tower?", "Stephen Sauvestre"),
        ("The telephone was invented by Bell.", None, None),  # a word, and no name
        ("It was founded in 1952.", None, None),
        ("Talks were held in Geneva.", None, None),  # a capital that only the sentence gives it
        ("Later Stalin was born in 1878.", None, None),
        ("The mayor of Paris was born in Lyon.", None, None),  # not: where was Paris born?
        ("The Louvre was not opened in 1790.", None, None),
        ("The Louvre was opened. In 1793 it rained.", None, None),
    ],
)
def test_a_sentence_becomes_a_question_only_where_it_is_plain(sentence, question, answer):
    assert asked(document(f"A title\n\n{sentence}\n")) == ([(question, answer)] if question else [])


def test_a_name_without_an_article_is_one_where_its_capital_stands_within_a_sentence_too():
    assert asked(document("Harvard was founded in 1636.\n")) == []
    told = asked(document("Harvard was founded in 1636. Many live near Harvard.\n"))
    assert told == [("When was Harvard founded?", "1636")]


def test_no_question_is_made_of_what_is_not_part_of_the_article():
    text = "The Share Button was built in 1999.\n"
    assert asked(document(text, marks=(Mark(0, len(text), "share buttons"),))) == []


def test_a_document_is_asked_about_what_it_states_of_itself_and_not_of_what_it_does_not():
    text = "The Eiger\n\nBy Grace Tell\n"
    title, author = Field("The Eiger", 0, 9), Field("Grace Tell", 14, 24)
    said = document(text, title=title, author=author, published=Field("1858-08"))
    assert asked(said) == [("Who wrote “The Eiger”?", "Grace Tell")]
    assert asked(document(text, author=author)) == []


def test_what_documents_tell_comes_before_what_they_are_and_they_take_turns():
    told = "The {} was opened in 1793. The {} was built in 1190.\n"
    title, author = Field("The Louvre", 0, 10), Field("Louvre", 4, 10)
    first = document(told.format("Louvre", "Louvre"), title=title, author=author)
    second = document(told.format("Bastille", "Bastille"), source="b.txt")
    assert [made.question for made in candidates([first, second])] == [
        "When was the Louvre opened?",
        "When was the Bastille opened?",
        "When was the Louvre built?",
        "When was the Bastille built?",
        "Who wrote “The Louvre”?",
    ]


def test_every_question_names_a_place_that_the_text_has(kept):
    with kept.snapshot() as snapshot:
        for made in candidates(stored.document for stored in snapshot.iter_documents()):
            assert snapshot.document(made.document_id).document.text[made.start : made.end].strip()


def offered(client):
    """What the first page offers as examples, as (question, link)."""
    page = Page(client.get("/"))
    return [(text, attrs["href"]) for attrs, text in page.all("a") if attrs["href"].startswith("/?")]


def put_text(store, source, text):
    put_bytes(store, WordEncoder(), ChunkLimits(WINDOW), source, text.encode())


def test_an_example_is_shown_only_where_its_answer_comes_from_the_place_that_it_was_made_from(own, store, tmp_path):
    # "Who wrote “The Eiger”?" is one as well, which these models answer with whom the article names first.
    text = "The <b>Bell</b> Carillon\n\nwritten by Anna Klok\n"
    path = tmp_path / "bells.txt"
    path.write_text(text)
    said = Metadata(title=Field("The <b>Bell</b> Carillon", 0, 24), author=Field("Anna Klok", 37, 46))
    put(store, path, "bells.txt", said)
    wait_for(lambda: offered(own))
    ((question, link),) = offered(own)
    assert question == "Who wrote “The <b>Bell</b> Carillon”?"
    assert Page(own.get(link)).text("p", **{"class": "quote"}) == "Anna Klok"


def test_examples_change_with_the_documents_and_none_outlives_its_own(tmp_path):
    with new_store(tmp_path) as store, service(store) as client:
        put_text(store, "bells.txt", "The Mechelen Carillon was built in 1674.\n")
        assert offered(client) == []  # not asked yet
        wait_for(lambda: offered(client))
        assert [question for question, _ in offered(client)] == ["When was the Mechelen Carillon built?"]
        remove_document(store, document_id_of("bells.txt"))
        put_text(store, "louvre.txt", "The Louvre Palace was opened in 1793.\n")
        assert offered(client) == []
        wait_for(lambda: offered(client))
        assert [question for question, _ in offered(client)] == ["When was the Louvre Palace opened?"]


def test_a_few_examples_are_found_with_a_few_questions_asked_once(tmp_path):
    class Counts(NameReader):
        read_pairs = 0

        def read(self, pairs):
            self.read_pairs += len(pairs)
            return super().read(pairs)

    reader = Counts()
    with new_store(tmp_path) as store:
        for number in range(ASKED + 5):
            put_text(store, f"{number}.txt", f"The Bridge Number{number} was opened in {1700 + number}.\n")
        examples = Examples(answerer_over(store, reader=reader))
        with store.snapshot() as snapshot:
            generation = snapshot.generation
        assert examples.at(generation) == ()
        examples.prepare()  # is under way already
        wait_for(lambda: len(examples.at(generation)) == SHOWN)
        examples.stop()
        assert reader.read_pairs <= ASKED * 10  # passages that are read for a question
        examples.at(generation + 1)
        assert reader.read_pairs <= ASKED * 10  # nothing is asked any more


def test_a_reader_that_fails_leaves_the_page_without_examples(tmp_path, caplog):
    class Fails(NameReader):
        def read(self, pairs):
            raise RuntimeError("no memory")

    with new_store(tmp_path) as store:
        put_text(store, "bells.txt", "The Mechelen Carillon was built in 1674.\n")
        with TestClient(create_app(answerer_over(store, reader=Fails()))) as client:
            assert offered(client) == []
            wait_for(lambda: "no examples could be found" in caplog.text)
            assert client.get("/").status_code == 200


def test_what_is_asked_for_examples_is_not_counted_as_asked_by_people(tmp_path):
    with new_store(tmp_path) as store, service(store) as client:
        put_text(store, "bells.txt", "The Mechelen Carillon was built in 1674.\n")
        wait_for(lambda: offered(client))
        assert 'pincite_questions_total{outcome="answered"} 0.0' in client.get("/metrics").text
