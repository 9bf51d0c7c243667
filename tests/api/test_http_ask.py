"""Asking and searching over HTTP: shapes, null rules and every refusal."""

import gzip
import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import answerer_over
from fastapi.testclient import TestClient
from library import EIGER

from api.app import LOOPBACK, create_app
from index.errors import StoreError
from index.lock import Locked
from rag.cite import VerificationError

CLIMBED = "Who first climbed the mountain Eiger?"
SURE = round(1 / (1 + math.exp(-4)), 4)  # four telling words, all of them in the text


def ask(client, **body):
    return client.post("/v1/ask", json=body)


def refused(response, status):
    """Assert that the response is a problem of this status, and return it."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert found["type"] == "about:blank"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert "\n" not in found["detail"]
    return found


def test_an_answer_is_a_quote_with_the_exact_places_that_hold_it(client):
    reply = ask(client, question=CLIMBED)
    assert reply.status_code == 200
    found = reply.json()
    assert list(found) == [
        *("question", "answer", "sentence", "confidence", "calibrated", "citations", "alternatives", "passages"),
        *("timings_ms", "store"),
    ]
    assert (found["question"], found["answer"]) == (CLIMBED, "Charles Barrington")
    assert found["sentence"] == "The mountain Eiger was first climbed by Charles Barrington."
    assert (found["confidence"], found["calibrated"]) == (SURE, True)
    assert [citation["source"] for citation in found["citations"]] == ["alps/copy.txt", "alps/eiger.txt"]
    start = EIGER.index("Charles")
    first = found["citations"][0]
    assert (first["start"], first["end"], first["byte_start"]) == (start, start + len("Charles Barrington"), start)
    assert (first["line"], first["column"], first["quote"]) == (3, 41, "Charles Barrington")
    assert (first["title"], first["url"], first["page"], first["verified"]) == ("The Eiger", None, None, True)
    assert set(found["timings_ms"]) == {"embed", "search", "read", "total"}
    assert found["store"] == {"generation": 4, "documents": 4, "passages": 4, "embedder": "words", "reader": "names"}


def test_citations_count_code_points_and_the_bytes_of_the_file_with_its_bom(own, tmp_path):
    citation = ask(own, question="Where does the river Nile flow through?").json()["citations"][0]
    text = own.get(f"/v1/documents/{citation['document_id']}/text").text
    data = (tmp_path / "files/rivers/nile.txt").read_bytes()
    assert text[citation["start"] : citation["end"]] == citation["quote"] == "Khartoum"
    assert data[citation["byte_start"] : citation["byte_end"]] == b"Khartoum"


def test_a_question_the_documents_do_not_answer_gets_null_and_the_nearest_passages(client):
    found = ask(client, question="Which telescope discovered seventeen planets?").json()
    assert (found["answer"], found["sentence"]) == (None, None)
    assert (found["citations"], found["alternatives"]) == ([], [])
    assert found["confidence"] < 0.5
    assert found["passages"]
    assert "candidate" not in json.dumps(found)


def test_an_empty_store_answers_null_with_nothing_nearby(empty):
    found = ask(empty, question=CLIMBED).json()
    assert (found["answer"], found["confidence"], found["passages"]) == (None, 0.0, [])


def test_a_confidence_of_0_gives_every_answer_and_one_of_1_none(client):
    assert ask(client, question="Which telescope discovered seventeen planets?", min_confidence=0).json()["answer"]
    assert ask(client, question=CLIMBED, min_confidence=1).json()["answer"] is None


def test_filters_restrict_which_documents_are_asked(client):
    found = ask(client, question=CLIMBED, filters={"source": "alps/c*"}).json()
    assert {passage["source"] for passage in found["passages"]} == {"alps/copy.txt"}
    dated = ask(client, question=CLIMBED, filters={"date_from": "1858-08-31", "date_to": "1858-12-31"}).json()
    assert {passage["source"] for passage in dated["passages"]} == {"alps/copy.txt", "alps/eiger.txt"}


def test_top_k_is_the_number_of_passages_returned(client):
    assert len(ask(client, question=CLIMBED, top_k=2).json()["passages"]) == 2
    found = client.post("/v1/search", json={"query": "mountain Eiger", "top_k": 1})
    assert len(found.json()["passages"]) == 1


def test_a_search_gives_passages_whose_text_is_their_span(client):
    found = client.post("/v1/search", json={"query": "mountain Eiger"}).json()
    assert list(found) == ["query", "passages", "timings_ms", "store"]
    first = found["passages"][0]
    text = client.get(f"/v1/documents/{first['document_id']}/text").text
    assert list(first) == ["passage_id", "document_id", "source", "title", "start", "end", "text", "score"]
    assert text[first["start"] : first["end"]] == first["text"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "question: Field required"),
        ({"question": ""}, "question: String should have at least 1 character"),
        ({"question": " \t\n"}, "question: is blank"),
        ({"question": "\u200b\u200b"}, "question: is blank"),
        ({"question": "\0"}, "question: is blank"),
        ({"question": "a" * 1001}, "question: String should have at most 1000 characters"),
        ({"question": 7}, "question: "),
        ({"question": "a?", "top_k": 0}, "top_k: "),
        ({"question": "a?", "top_k": 101}, "top_k: "),
        ({"question": "a?", "top_k": True}, "top_k: "),
        ({"question": "a?", "top_k": "5"}, "top_k: "),
        ({"question": "a?", "min_confidence": True}, "min_confidence: give null"),
        ({"question": "a?", "min_confidence": 1.01}, "min_confidence: give null"),
        ({"question": "a?", "min_confidence": "0.5"}, "min_confidence: give null"),
        ({"question": "a?", "min_confidence": "risk:2"}, "min_confidence: give null"),
        ({"question": "a?", "min_confidence": "risk:0.05"}, "too few to show so small a risk"),
        ({"question": "a?", "min_confidence": "risk:0.0"}, "min_confidence is 'risk:0.0'"),
        ({"question": "a?", "filters": {"date_from": "2020-02-30"}}, "filters.date_from: is no date"),
        ({"question": "a?", "filters": {"date_to": "20200130"}}, "filters.date_to: is no date"),
        ({"question": "a?", "filters": {"date_from": "2021-01-01", "date_to": "2020-01-01"}}, "is after"),
        ({"question": "a?", "filters": {"sauce": "x"}}, "filters.sauce: Extra inputs"),
        ({"question": "a?", "topk": 3}, "topk: Extra inputs"),
    ],
)
def test_a_body_that_asks_for_what_cannot_be_is_refused_by_name(client, body, words):
    assert words in refused(ask(client, **body), 422)["detail"]


def test_a_refusal_points_at_the_place_in_the_body(client):
    found = refused(ask(client, question="a?", filters={"date_from": "x"}, top_k=0), 422)
    assert {error["pointer"] for error in found["errors"]} == {"#/filters/date_from", "#/top_k"}


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"",
        b"[1]",
        b'{"question": "\xff"}',
        b'{"question": "\\ud800 who?"}',
        b'{"question": "a?", "min_confidence": NaN}',
        b'{"question": "a?", "top_k": ' + b"9" * 5000 + b"}",
        b"[" * 50_000,
    ],
)
def test_what_is_not_a_json_object_of_text_is_refused(client, data):
    refused(client.post("/v1/ask", content=data, headers={"content-type": "application/json"}), 422)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", None])
@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search", "/v1/citations/verify"])
def test_a_body_that_is_not_said_to_be_json_is_refused(client, path, kind):
    headers = {} if kind is None else {"content-type": kind}
    found = refused(client.post(path, content=json.dumps({"question": CLIMBED}), headers=headers), 415)
    assert "application/json" in found["detail"]


def test_json_in_utf_8_by_name_is_fine(client):
    headers = {"content-type": "application/json; charset=utf-8"}
    assert client.post("/v1/ask", content=json.dumps({"question": CLIMBED}), headers=headers).status_code == 200


def chunks(size):
    yield from (b" " * 1024 for _ in range(size // 1024))


@pytest.mark.parametrize(("path", "limit"), [("/v1/ask", 64 * 2**10), ("/v1/citations/verify", 4 * 2**20)])
def test_a_body_over_the_limit_is_refused_whether_its_length_is_told_or_not(client, path, limit):
    headers = {"content-type": "application/json"}
    assert f"{limit:,}" in refused(client.post(path, content=b" " * (limit + 1), headers=headers), 413)["detail"]
    refused(client.post(path, content=chunks(limit + 1024), headers=headers), 413)
    refused(client.post(path, content=chunks(limit), headers=headers), 422)  # long enough, and blank


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/ask"), ("PUT", "/v1/documents?source=a.txt")])
def test_a_compressed_body_is_refused_and_not_taken_for_text(client, method, path):
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    reply = client.request(method, path, content=gzip.compress(b'{"question": "Who?"}'), headers=headers)
    assert "without Content-Encoding" in refused(reply, 415)["detail"]
    for none in ("identity", "", "identity, identity"):
        headers["content-encoding"] = none
        assert client.post("/v1/ask", json={"question": CLIMBED}, headers=headers).status_code == 200


def test_unknown_addresses_and_methods_are_problems_too(client):
    refused(client.get("/v1/nothing"), 404)
    refused(client.get("/nothing"), 404)
    found = client.get("/v1/ask")
    refused(found, 405)
    assert found.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/documents", "GET, HEAD, PUT"),
        ("POST", "/v1/documents/0", "GET, HEAD, DELETE"),
        ("PATCH", "/v1/evaluations", "GET, HEAD, POST"),
        ("HEAD", "/v1/ask", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/static/pincite.css", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_all_that_the_address_has(client, method, path, allowed):
    reply = client.request(method, path)
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/v1/documents", "/v1/nothing"])
def test_head_is_get_without_the_body(client, path):
    got, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert asked.headers["content-length"] == str(len(got.content))


def test_style_and_script_are_kept_and_asked_for_by_their_tag(client):
    first = client.get("/static/pincite.css")
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    again = client.get("/static/pincite.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")


def test_a_store_that_cannot_be_read_is_a_503_that_says_what_to_do_and_the_log_alone_says_where(store, caplog):
    client = TestClient(create_app(answerer_over(store)))
    store.close()
    for send in (lambda: ask(client, question=CLIMBED), lambda: client.get("/readyz")):
        reply = send()
        assert "the store cannot be used now; try again later" in refused(reply, 503)["detail"]
        assert str(store.folder) not in reply.text
        assert f"{store.folder}: the store is closed" in caplog.text
        caplog.clear()
    assert client.get("/healthz").json() == {"status": "alive"}


@pytest.mark.parametrize("error", [VerificationError("secret.txt is not the quote"), RuntimeError("secret")])
def test_our_own_faults_are_told_in_general_terms_and_logged(store, caplog, error):
    class Failing:
        def read(self, pairs):
            raise error

    answerer = answerer_over(store)
    answerer.reader.read = Failing().read
    client = TestClient(create_app(answerer), raise_server_exceptions=False)
    reply = ask(client, question=CLIMBED)
    assert "secret" not in refused(reply, 500)["detail"]
    assert "secret" in caplog.text
    assert reply.headers["content-security-policy"]


def test_alive_and_ready(client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_host_name_that_is_not_ours_is_refused(store):
    app = create_app(answerer_over(store), allowed_hosts=LOOPBACK)
    for host in ("127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"):
        assert TestClient(app).get("/healthz", headers={"host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "", "[::1"):
        refused(TestClient(app).get("/healthz", headers={"host": host}), 403)


def test_every_reply_tells_the_browser_what_it_may_do(client):
    for reply in (
        client.get("/healthz"),
        client.get("/v1/nothing"),
        client.get("/"),
        client.get("/static/pincite.css"),
    ):
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"


def test_twenty_threads_get_equal_answers(client):
    questions = [CLIMBED, "Where does the river Nile flow through?"] * 10

    def answer(question):
        found = ask(client, question=question).json()
        del found["timings_ms"]
        return json.dumps(found)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(answer, questions))
    assert len(set(answers)) == 2
    assert answers[::2] == [answers[0]] * 10


def test_the_schema_names_problems_and_the_reference_needs_no_network(client):
    schema = client.get("/openapi.json").json()
    assert "Problem" in schema["components"]["schemas"]
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    refusal = schema["paths"]["/v1/ask"]["post"]["responses"]["422"]["content"]
    assert refusal == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    for file in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "LICENSE", "NOTICE"):
        assert client.get(f"/static/swagger/{file}").status_code == 200


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreError("/srv/store: the disk is gone; restore a backup"), "cannot be used now"),
        (Locked("/srv/store is being written by process 7; try again when it is done"), "another process is writing"),
    ],
)
def test_a_store_error_while_asking_leaves_the_service_alive(own, store, monkeypatch, error, said):
    def broken():
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store, "snapshot", broken)
        assert said in refused(ask(own, question=CLIMBED), 503)["detail"]
    assert ask(own, question=CLIMBED).json()["answer"] == "Charles Barrington"
