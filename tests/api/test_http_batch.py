"""Batches over HTTP: order, bad lines, limits."""

import json

import pytest
from fakes import NameReader, answerer_over
from fastapi.testclient import TestClient

from api.app import create_app
from api.routes.batch import TURN

NDJSON = {"content-type": "application/x-ndjson"}
CLIMBED = "Who first climbed the mountain Eiger?"
FLOWS = "Where does the river Nile flow through?"


def send(client, *lines):
    content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    response = client.post("/v1/batch", content=content.encode(), headers=NDJSON)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in response.content.splitlines()]


def test_replies_come_in_the_order_of_the_questions_with_their_ids(client):
    questions = [CLIMBED, FLOWS, "Which telescope discovered seventeen planets?"] * 15
    replies = send(client, *({"id": number, "question": question} for number, question in enumerate(questions)))
    assert [reply["id"] for reply in replies] == list(range(45))
    assert [reply["answer"] for reply in replies] == ["Charles Barrington", "Khartoum", None] * 15


def test_a_reply_in_a_batch_is_the_reply_to_the_question_alone(client):
    alone = client.post("/v1/ask", json={"question": CLIMBED, "top_k": 3}).json()
    (reply,) = send(client, {"id": "q", "question": CLIMBED, "top_k": 3})
    assert list(reply) == ["id", *alone]
    assert {**reply, "timings_ms": None} == {"id": "q", **alone, "timings_ms": None}


def test_a_bad_line_gets_a_problem_in_its_place_and_the_rest_go_on(client):
    replies = send(
        client,
        {"id": "a", "question": CLIMBED},
        {"id": "b", "question": " "},
        "{not json",
        "[]",
        {"id": "c", "question": FLOWS, "sauce": 1},
        {"id": "d", "question": FLOWS, "min_confidence": "risk:0.05"},
        {"id": True, "question": FLOWS},
        {"question": FLOWS},
    )
    assert [reply["id"] for reply in replies] == ["a", "b", None, None, "c", "d", None, None]
    assert [reply.get("answer") for reply in replies] == ["Charles Barrington", *[None] * 6, "Khartoum"]
    for reply in replies[1:7]:
        assert list(reply) == ["id", "error"]
        assert (reply["error"]["status"], reply["error"]["type"]) == (422, "about:blank")
        assert reply["error"]["detail"]


def test_a_question_that_fails_here_spoils_no_other(store, monkeypatch, caplog):
    def read(self, pairs):
        if any("telescope" in question for question, _ in pairs):
            raise RuntimeError("the model broke")
        return [self._best(*pair) for pair in pairs]

    monkeypatch.setattr(NameReader, "read", read)
    client = TestClient(create_app(answerer_over(store)))
    replies = send(client, {"question": CLIMBED}, {"question": "Which telescope?"}, {"question": FLOWS})
    assert [reply.get("answer") for reply in replies] == ["Charles Barrington", None, "Khartoum"]
    assert replies[1]["error"]["status"] == 500
    assert "the model broke" in caplog.text


@pytest.mark.parametrize("name", ["q\u3000 1", "a\tb\n", "\u200b", "x" * 200])
def test_a_bad_line_keeps_the_id_that_a_good_one_would(client, name):
    assert [reply["id"] for reply in send(client, {"id": name, "question": CLIMBED}, {"id": name})] == [name, name]


def test_an_id_that_is_no_text_is_not_given_back(client):
    assert send(client, '{"id": "\\ud800", "question": " "}')[0]["id"] is None
    assert send(client, {"id": "x" * 201, "question": " "})[0]["id"] is None


def test_a_byte_order_mark_before_the_first_line_is_passed_over(client):
    assert [reply["answer"] for reply in send(client, "\ufeff" + json.dumps({"question": CLIMBED}))] == [
        "Charles Barrington"
    ]


@pytest.mark.parametrize(("top_k", "together"), [(1, 16), (TURN // 2, 2), (TURN, 1), (100, 1)])
def test_what_is_read_in_one_turn_is_bounded(store, top_k, together):
    read = []

    class WatchedReader(NameReader):
        def read(self, pairs):
            read.append(len({question for question, _ in pairs}))
            return super().read(pairs)

    client = TestClient(create_app(answerer_over(store, reader=WatchedReader())))
    asked = [{"question": f"{CLIMBED} ({number})", "top_k": top_k} for number in range(16)]
    assert [reply["answer"] for reply in send(client, *asked)] == ["Charles Barrington"] * 16
    assert read == [together] * (16 // together)


def test_blank_lines_get_no_reply_and_a_last_line_break_is_optional(client):
    line = json.dumps({"question": CLIMBED})
    assert len(send(client, "", line, "  \r", line + "\r", "")) == 2
    assert send(client) == []


def test_characters_beyond_ascii_come_back_as_they_are(client):
    (reply,) = send(client, {"id": "ü\u2028\U0001f600", "question": "Wo fließt der Nil \U00013000?"})
    assert (reply["id"], reply["question"]) == ("ü\u2028\U0001f600", "Wo fließt der Nil \U00013000?")


def test_more_than_ten_thousand_lines_are_refused_before_any_is_answered(client):
    content = b'{"question": " "}\n' * 10_001
    response = client.post("/v1/batch", content=content, headers=NDJSON)
    assert (response.status_code, response.headers["content-type"]) == (413, "application/problem+json")
    assert "10,001 lines" in response.json()["detail"]
    response = client.post("/v1/batch", content=content[: -len(b'{"question": " "}\n')], headers=NDJSON)
    assert response.content.count(b"\n") == 10_000


def test_more_than_sixteen_mebibytes_are_refused(client):
    def long():
        yield from (b" " * 2**20 for _ in range(17))

    assert client.post("/v1/batch", content=b" " * (16 * 2**20 + 1), headers=NDJSON).status_code == 413
    assert client.post("/v1/batch", content=long(), headers=NDJSON).status_code == 413


@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
def test_a_batch_that_is_not_said_to_be_one_is_refused(client, kind):
    response = client.post("/v1/batch", content=b"{}", headers={"content-type": kind} if kind else {})
    assert response.status_code == 415
    assert "application/x-ndjson" in response.json()["detail"]
