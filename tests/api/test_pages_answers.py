"""What the ask page makes of an answer: what is marked, what is missing, what disagrees; the answer in two steps."""

import json
import re
import unicodedata

import pytest
from fakes import answerer_over, new_store, put
from fastapi.testclient import TestClient
from library import EIGER
from test_pages import CLIMBED, EIGER_ID, NILE_ID, Page, asked

from api.app import create_app
from api.pages.answers import missing_words, shown_answer, telling_words
from index.types import document_id_of

TOLD = "The mountain Eiger was first climbed by {}.\n"


def shown(store, question):
    answerer = answerer_over(store)
    with store.snapshot() as snapshot:
        return shown_answer(snapshot, answerer.ask(question), answerer.threshold(None))


def events(response):
    """The HTML of each event of a stream, by its name."""
    found = re.findall(r"event: (\w+)\ndata: (.*)\n", response.text)
    return {name: json.loads(data) for name, data in found}


def test_passages_have_the_cited_span_marked_and_nothing_else(kept):
    found = [item for item in shown(kept, CLIMBED).passages if item.passage.source.startswith("alps/")]
    assert [[part.text for part in item.segments if part.label == "answer"] for item in found] == [
        ["Charles Barrington"]
    ] * len(found)


def test_without_an_answer_the_words_of_the_question_are_marked(kept):
    found = shown(kept, "Which telescope discovered the river Nile?").passages
    nile = next(item for item in found if item.passage.document_id == NILE_ID)
    assert [part.text for part in nile.segments if part.label] == ["Nile", "river", "Nile"]


def test_words_that_say_how_a_question_asks_are_not_looked_for():
    assert telling_words("Which telescope, and when, discovered what the EU telescope saw in 16 nights?") == [
        *("telescope", "discovered", "eu", "16", "nights")
    ]


def test_words_that_no_passage_has_are_named_in_the_order_of_the_question(kept):
    found = shown(kept, "Which telescope discovered the river Nile?")
    assert found.missing == ("telescope", "discovered")
    assert missing_words("river", ()) == ("river",)


def test_words_with_combining_marks_are_whole_words_and_found_however_they_are_spelled(tmp_path):
    spelled = unicodedata.normalize("NFD", "The café of Zoë. हिन्दी is read here.")
    path = tmp_path / "cafe.txt"
    path.write_text(spelled)
    with new_store(tmp_path / "store") as store:
        put(store, path, "cafe.txt")
        found = shown(store, "Which CAFÉ teaches हिन्दी?")
    assert found.missing == ("teaches",)
    marked = [part.text for part in found.passages[0].segments if part.label]
    assert marked == [unicodedata.normalize("NFD", word) for word in ("café", "हिन्दी")]


def test_a_source_that_is_offered_is_found_though_its_name_looks_like_a_pattern(tmp_path):
    with new_store(tmp_path / "store") as store:
        for name in ("Report [2019].txt", "Report 2.txt"):
            (tmp_path / name).write_text(EIGER)
            put(store, tmp_path / name, name)
        client = TestClient(create_app(answerer_over(store)))
        offered = {attrs["label"]: attrs["value"] for attrs, _ in Page(client.get("/")).all("option")}
        assert offered == {"Report [2019].txt": "Report [[]2019].txt", "Report 2.txt": "Report 2.txt"}
        page = asked(client, source=offered["Report [2019].txt"])
    assert page.text("p", **{"class": "quote"}) == "Charles Barrington"


@pytest.fixture
def disputed(tmp_path):
    """Two articles that tell it otherwise."""
    with new_store(tmp_path / "store") as store:
        for name, climber in (("one.txt", "Charles Barrington"), ("two.txt", "Heinrich Harrer")):
            path = tmp_path / name
            path.write_text(TOLD.format(climber))
            put(store, path, name)
        yield store


def test_another_source_that_says_otherwise_as_surely_is_shown_beside_the_answer(disputed):
    page = asked(TestClient(create_app(answerer_over(disputed))))
    assert "Other sources say otherwise" in [text for _, text in page.all("h3")]
    assert "Heinrich Harrer" in page.text("section", **{"class": "disagreeing"})
    found = shown(disputed, CLIMBED)
    assert [other.quoted.citation.source for other in found.disagreeing] == ["two.txt"]


def test_another_answer_of_the_same_source_or_below_the_threshold_does_not_disagree(kept):
    found = shown(kept, CLIMBED)
    assert found.disagreeing == ()
    assert len(found.others) == len(found.answer.alternatives)


def test_the_answer_comes_in_two_steps_and_the_second_is_the_page(client):
    response = client.get("/answering", params={"q": CLIMBED})
    found = events(response)
    assert list(found) == ["passages", "answer"]
    assert "Reading" in found["passages"]
    assert "Charles Barrington" in found["passages"]
    whole = client.get("/", params={"q": CLIMBED}).text

    def without_times(page):
        return re.sub(r"[\d.]+ m?s\b", "", page)

    assert without_times(found["answer"]) == without_times(whole)


def test_line_breaks_of_a_quote_reach_the_script_as_they_are(client):
    found = events(client.get("/answering", params={"q": "Which river flows through the sign of Khartoum?"}))
    assert f"/read/{document_id_of('rivers/nile.txt')}" in found["passages"]
    assert "\r" in found["passages"]


@pytest.mark.parametrize("params", [{"q": ""}, {"q": "a", "date_from": "soon"}, {}])
def test_a_stream_that_cannot_begin_is_refused(client, params):
    assert client.get("/answering", params=params).status_code == 422


def test_a_stream_of_dates_that_make_no_sense_is_counted_as_refused_and_not_as_a_failure(own):
    own.get("/answering", params={"q": "a", "date_from": "soon"})
    counted = [line for line in own.get("/metrics").text.splitlines() if "requests_total{" in line]
    assert counted == ['pincite_requests_total{method="GET",route="/answering",status="422"} 1.0']


def test_a_reader_that_fails_ends_the_stream_with_an_error(own, store, monkeypatch):
    answerer = own.app.state.answerer
    monkeypatch.setattr(answerer.reader, "read", lambda pairs: 1 / 0)
    found = events(own.get("/answering", params={"q": CLIMBED}))
    assert list(found) == ["passages", "error"]
    assert "something went wrong" in found["error"]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"date_from": "2000-01-01"}, "No passage was found of these dates."),
        ({"date_from": "1858-01-01", "date_to": "1858-12-31"}, "Charles Barrington"),
        ({"source": "rivers/*"}, "Not in the documents"),
    ],
)
def test_filters_by_source_and_date_narrow_the_answer(client, filters, words):
    assert words in asked(client, **filters).text("main", id="main")


@pytest.mark.parametrize("filters", [{"date_from": "yesterday"}, {"date_from": "2020-01-02", "date_to": "2020-01-01"}])
def test_filters_that_make_no_sense_are_a_422_page_that_keeps_what_was_typed(client, filters):
    response = client.get("/", params={"q": CLIMBED, **filters})
    assert response.status_code == 422
    page = asked(client, **filters)
    assert "“Published from”" in page.text("p", id="error")
    assert page.all("input", id="date_from")[0][0]["value"] == filters["date_from"]
    assert page.all("input", id="q")[0][0]["value"] == CLIMBED


def test_a_citation_of_a_document_that_is_gone_is_shown_with_what_was_saved_around_it(own, store):
    answerer = answerer_over(store)
    answer = answerer.ask(CLIMBED)
    with store.write() as writer:
        writer.remove(EIGER_ID)
    with store.snapshot() as snapshot:
        places = shown_answer(snapshot, answer, 0.5).places
    gone = next(place for place in places if place.citation.document_id == EIGER_ID)
    at = EIGER.index("Charles")
    assert (gone.before, gone.publisher) == (EIGER[at - 32 : at], None)
