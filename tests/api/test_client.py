"""The Python client: what a refusal becomes, long lists, lines that hold odd characters."""

import httpx2
import pytest
from fakes import answerer_over
from served import served

import api.client
from api.app import create_app
from api.client import Client, Refused


@pytest.fixture
def client(store):
    with served(create_app(answerer_over(store))) as url, Client(url) as client:
        yield client


def test_a_refusal_tells_its_status_and_what_is_wrong(client):
    with pytest.raises(Refused, match="422: question: is blank") as refusal:
        client.ask(" ")
    assert refusal.value.problem["errors"][0]["pointer"] == "#/question"
    with pytest.raises(Refused, match="404: there is no document") as refusal:
        client.delete("a?b")
    assert refusal.value.status == 404
    with pytest.raises(Refused, match="413"):
        list(client.batch({"question": "x"} for _ in range(10_001)))


def test_what_a_proxy_answers_is_a_refusal_too():
    client = Client()
    client._http = httpx2.Client(
        base_url="http://here", transport=httpx2.MockTransport(lambda _: httpx2.Response(502, text="<h1>no</h1>"))
    )
    with client, pytest.raises(Refused, match="502: no details were given"):
        client.ask("Who?")


def test_a_long_list_of_documents_is_fetched_page_by_page(client, monkeypatch):
    monkeypatch.setattr(api.client, "PAGE", 3)
    sources = [document["source"] for document in client.documents()]
    assert sources == ["<i>.txt", "alps/copy.txt", "alps/eiger.txt", "rivers/nile.txt"]


def test_a_batch_gives_back_lines_whatever_they_hold(client):
    odd = "Who\u2028 climbed\u0085 the Eiger?"
    [reply, problem] = client.batch([{"id": "a\u00e4", "question": odd}, {"id": 2, "question": ""}])
    assert (reply["id"], reply["question"]) == ("a\u00e4", odd)
    assert (problem["id"], problem["error"]["status"]) == (2, 422)


def test_a_document_that_was_put_is_answered_from_until_it_is_deleted(client):
    document = client.put("tea & cake.txt", b"The tea was brewed by Emily Post.")
    assert client.ask("Who brewed the tea?")["answer"] == "Emily Post"
    client.delete(document["document_id"])
    assert client.ask("Who brewed the tea?")["answer"] is None
