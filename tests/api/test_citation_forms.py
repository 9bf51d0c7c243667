"""Citations in the forms that other tools read, beside ours."""

import json
from uuid import UUID

import pytest
from fakes import AnySpanReader, answerer_over, new_store, put
from guarded import CLIMBED
from hypothesis import given, settings
from hypothesis import strategies as st
from library import EIGER

from api.citation_forms import with_form
from api.client import Client
from api.schemas import AskReply
from index.types import document_id_of
from rag.answer import Request

FLOWS = "Where does the river Nile flow through?"
FORMS = ("char_location", "web_annotation")


def ask(client, form=None, question=CLIMBED, **more):
    body = {"question": question, **more} | ({"citation_form": form} if form else {})
    return client.post("/v1/ask", json=body).json()


def all_citations(reply):
    return [*reply["citations"], *(one for other in reply["alternatives"] for one in other["citations"])]


def same(reply):
    """The reply without what is never the same twice."""
    return {**reply, "timings_ms": None}


def test_a_reply_that_no_form_was_asked_of_has_no_key_more(client):
    plain = ask(client)
    assert same(ask(client, "pincite")) == same(plain)
    for citation in all_citations(plain):
        assert not citation.keys() & set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_one_key_more_in_each_citation_and_changes_nothing_else(client, form):
    reply = ask(client, form, min_confidence=0)
    forms = [citation.pop(form) for citation in all_citations(reply)]
    assert len(forms) > len(reply["citations"])  # those of the other answers too
    assert same(reply) == same(ask(client, min_confidence=0))


def test_a_char_location_has_the_keys_that_llm_interfaces_give_it(client):
    start = EIGER.index("Charles Barrington")
    first, second = [citation["char_location"] for citation in ask(client, "char_location")["citations"]]
    assert first == {
        "type": "char_location",
        "cited_text": "Charles Barrington",
        "document_index": 0,
        "document_title": "The Eiger",
        "start_char_index": start,
        "end_char_index": start + len("Charles Barrington"),
    }
    assert second == {**first, "document_index": 1}


def test_a_documents_index_is_one_number_for_the_whole_reply_in_the_order_of_first_citation(client):
    found = all_citations(ask(client, "char_location", question="Who was first to climb or cook?", min_confidence=0))
    numbers = {one["document_id"]: one["char_location"]["document_index"] for one in found}
    assert [one["char_location"]["document_index"] for one in found] == [numbers[one["document_id"]] for one in found]
    assert list(numbers.values()) == list(range(len(numbers)))
    assert len(numbers) >= 2


def test_a_web_annotation_targets_the_document_by_two_selectors(client):
    citation = ask(client, "web_annotation")["citations"][0]
    annotation = citation["web_annotation"]
    assert list(annotation) == ["@context", "id", "type", "motivation", "target"]
    assert annotation["@context"] == "http://www.w3.org/ns/anno.jsonld"
    assert (annotation["type"], annotation["motivation"]) == ("Annotation", "highlighting")
    quoted, placed = annotation["target"]["selector"]
    assert quoted == {"type": "TextQuoteSelector", "exact": citation["quote"]} | {
        key: citation[key] for key in ("prefix", "suffix")
    }
    assert placed == {"type": "TextPositionSelector", "start": citation["start"], "end": citation["end"]}
    assert annotation["target"]["source"] == "alps/copy.txt"


def test_the_id_of_an_annotation_is_an_iri_that_is_the_same_for_the_same_place_alone(client):
    first, second = [one["web_annotation"]["id"] for one in ask(client, "web_annotation")["citations"]]
    again = ask(client, "web_annotation")["citations"][0]["web_annotation"]["id"]
    assert first == again != second
    assert UUID(first).urn == first


def test_the_source_of_an_annotation_is_an_iri_whatever_a_document_is_called(tmp_path):
    (tmp_path / "a.txt").write_text(EIGER)
    with new_store(tmp_path / "store") as store:
        put(store, tmp_path / "a.txt", "12:30 news/Zürich & <b>.txt")
        reply = with_form(AskReply.model_validate(answerer_over(store).ask(CLIMBED)), "web_annotation")
    source = reply.citations[0].web_annotation["target"]["source"]
    assert source == "12%3A30%20news/Z%C3%BCrich%20%26%20%3Cb%3E.txt"


@settings(max_examples=60)
@given(st.text("ab.? \n\r\U00013000e\u0301ZW", min_size=1, max_size=200), st.text("abZ", min_size=1, max_size=5))
def test_the_places_of_every_form_are_the_quote_in_the_documents_text(tmp_path_factory, text, question):
    folder = tmp_path_factory.mktemp("forms")
    (folder / "a.txt").write_bytes(f"{text}\nABC".encode())
    with new_store(folder / "store") as store:
        document = put(store, folder / "a.txt", "a.txt")
        answer = answerer_over(store, 0.0, AnySpanReader()).ask_all([Request(question)])
        reply = AskReply.model_validate(next(answer).answer)
    for citation in all_citations(with_form(reply, "char_location").model_dump()):
        found = citation["char_location"]
        assert document.text[found["start_char_index"] : found["end_char_index"]] == found["cited_text"]
        assert found["cited_text"] == citation["quote"]
    for citation in all_citations(with_form(reply, "web_annotation").model_dump()):
        quoted, placed = citation["web_annotation"]["target"]["selector"]
        start, end = placed["start"], placed["end"]
        assert document.text[start:end] == quoted["exact"]
        assert document.text[:start].endswith(quoted["prefix"])
        assert document.text[end:].startswith(quoted["suffix"])


def test_a_form_that_there_is_not_is_refused(client):
    refused = client.post("/v1/ask", json={"question": CLIMBED, "citation_form": "bibtex"})
    assert refused.status_code == 422
    assert "citation_form" in refused.json()["detail"]


def test_the_lines_of_a_batch_have_forms_of_their_own(client):
    lines = [{"question": CLIMBED}, *({"question": CLIMBED, "citation_form": form} for form in FORMS)]
    content = "\n".join(map(json.dumps, lines)).encode()
    reply = client.post("/v1/batch", content=content, headers={"content-type": "application/x-ndjson"})
    found = [json.loads(line)["citations"][0].keys() & set(FORMS) for line in reply.content.splitlines()]
    assert found == [set(), {"char_location"}, {"web_annotation"}]


def test_a_stream_ends_with_the_form_that_was_asked_for(client):
    body = {"question": CLIMBED, "citation_form": "char_location"}
    reply = client.post("/v1/ask", json=body, headers={"accept": "text/event-stream"})
    answer = json.loads(reply.text.split("event: answer\ndata: ")[1])
    assert answer["citations"] == ask(client, "char_location")["citations"]


def test_a_saved_reply_is_verified_whatever_form_it_has(client):
    for form in FORMS:
        citations = ask(client, form)["citations"]
        results = client.post("/v1/citations/verify", json={"citations": citations}).json()["results"]
        assert {result["status"] for result in results} == {"ok"}


def test_the_python_client_asks_for_a_form(service_url):
    with Client(service_url) as client:
        citation = client.ask(FLOWS, citation_form="char_location")["citations"][0]
    assert citation["char_location"]["cited_text"] == "Khartoum"
    assert citation["document_id"] == document_id_of("rivers/nile.txt")


@pytest.fixture
def service_url(kept):
    from served import served

    from api.app import create_app

    with served(create_app(answerer_over(kept))) as url:
        yield url
