"""An answer in two events: the passages first."""

import asyncio
import json
import threading

import pytest
from fakes import NameReader, answerer_over
from fastapi.testclient import TestClient
from guarded import CLIMBED, refused
from waiting import wait_for

from api.app import create_app
from api.bounds import Bounds

STREAM = {"accept": "text/event-stream"}


def events(reply):
    """The events of a reply: [(name, data)]."""
    blocks = reply.text.removesuffix("\n\n").split("\n\n")
    pairs = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
    return [(pair["event"], json.loads(pair["data"])) for pair in pairs]


def test_the_passages_come_first_and_then_the_answer_that_one_reply_would_be(client):
    reply = client.post("/v1/ask", json={"question": CLIMBED, "top_k": 2}, headers=STREAM)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    (first, passages), (second, answer) = events(reply)
    assert (first, second) == ("passages", "answer")
    alone = client.post("/v1/ask", json={"question": CLIMBED, "top_k": 2}).json()
    searched = client.post("/v1/search", json={"query": CLIMBED, "top_k": 2}).json()
    assert {**answer, "timings_ms": None} == {**alone, "timings_ms": None}
    assert {**passages, "timings_ms": None} == {**searched, "timings_ms": None}
    assert passages["passages"] == answer["passages"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("TEXT/EVENT-STREAM", "text/event-stream"),
        ("application/json, text/event-stream", "text/event-stream"),
        ("text/event-stream;q=0", "application/json"),
        ("application/json, text/event-stream; q=0.1", "application/json"),
        ("application/json;q=0.5,text/event-stream;q=0.9", "text/event-stream"),
        ("text/event-stream;q=much", "text/event-stream"),
        ("*/*", "application/json"),
        ("", "application/json"),
    ],
)
def test_the_stream_is_for_who_weighs_it_no_less_than_json(client, accept, kind):
    reply = client.post("/v1/ask", json={"question": CLIMBED}, headers={"accept": accept})
    assert reply.headers["content-type"].split(";")[0] == kind


def test_what_is_refused_is_refused_before_a_stream_begins(client):
    refused(client.post("/v1/ask", json={"question": " "}, headers=STREAM), 422)
    refused(client.post("/v1/ask", json={"question": CLIMBED, "min_confidence": "risk:0.000001"}, headers=STREAM), 422)


class GatedReader(NameReader):
    def __init__(self):
        self.go_on = threading.Event()

    def read(self, pairs):
        assert self.go_on.wait(30)
        return super().read(pairs)


def test_the_passages_are_sent_before_they_are_read_and_a_client_that_goes_gives_its_turn_back(kept):
    reader = GatedReader()
    app = create_app(answerer_over(kept, reader=reader), bounds=Bounds(concurrency=1, queue=0))

    async def leave_after_the_passages():
        sent, gone = [], asyncio.Event()
        bodies = [{"type": "http.request", "body": json.dumps({"question": CLIMBED}).encode(), "more_body": False}]

        async def receive():
            if bodies:
                return bodies.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if b"event: passages" in message.get("body", b""):
                gone.set()

        scope = {"type": "http", "method": "POST", "path": "/v1/ask", "raw_path": b"/v1/ask", "query_string": b""}
        scope |= {"headers": [(b"content-type", b"application/json"), (b"accept", b"text/event-stream")]}
        scope |= {"asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "scheme": "http"}
        scope |= {"client": ("127.0.0.1", 1), "server": ("here", 80), "root_path": ""}
        await asyncio.wait_for(app(scope, receive, send), 30)
        # Its thread reads on, and so its turn is not free yet.
        assert not reader.go_on.is_set()
        assert app.state.admission._turns.locked()
        reader.go_on.set()
        while app.state.admission._turns.locked():
            await asyncio.sleep(0.01)
        return b"".join(message.get("body", b"") for message in sent)

    assert b"event: answer" not in asyncio.run(leave_after_the_passages())
    with TestClient(app) as client:
        assert wait_for(lambda: client.post("/v1/ask", json={"question": CLIMBED}).status_code == 200)
