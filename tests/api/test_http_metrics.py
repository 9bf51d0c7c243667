"""What the service counts and logs, and what it keeps to itself."""

import asyncio
import gc
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import NameReader, answerer_over
from fastapi.testclient import TestClient
from guarded import CLIMBED, refused
from starlette.exceptions import HTTPException

from api.app import create_app
from api.bounds import Bounds
from api.logs import configure_logs
from api.routes.admission import Admission
from api.routes.steps import begin
from rag.answer import Request
from rag.read import Span

ROOT = Path(__file__).parents[2]
UNKNOWN = "Who painted the ceiling of the chapel in Rome?"


def numbers(client):
    """The samples of /metrics: {name with labels: value}."""
    lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def ask(client, question=CLIMBED, **headers):
    return client.post("/v1/ask", json={"question": question}, headers=headers)


@pytest.fixture
def log(capfd):
    """Make the log what `pincite serve` makes it; give a function that returns its lines so far."""
    root, levels = logging.getLogger(), {}
    handlers, level = root.handlers[:], root.level
    names = ("pincite", "api", "rag", "index", "uvicorn.error")
    levels = {name: logging.getLogger(name).level for name in names}

    def configure(texts):
        configure_logs(texts)
        return lambda: [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    yield configure
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


class MisplacedReader(NameReader):
    """Claims a quote that does not stand where it says."""

    def read(self, pairs):
        return [span and Span(span.piece, span.start, span.end, "Charlie Chaplin", 9.0) for span in super().read(pairs)]


def test_requests_questions_and_stages_are_counted_whichever_door_they_came_in_by(own):
    ask(own)
    ask(own, UNKNOWN)
    own.get("/", params={"q": CLIMBED})
    own.post("/v1/search", json={"query": "Eiger"})
    lines = "\n".join(json.dumps({"question": question}) for question in (CLIMBED, UNKNOWN, " "))
    own.post("/v1/batch", content=lines, headers={"content-type": "application/x-ndjson"})
    ask(own, accept="text/event-stream")
    own.get("/v1/nothing?q=secret")
    own.head("/healthz")
    found = numbers(own)
    assert found['pincite_requests_total{method="HEAD",route="/healthz",status="200"}'] == 1
    assert found['pincite_questions_total{outcome="answered"}'] == 1 + 1 + 1 + 1  # alone, page, batch, streamed
    assert found['pincite_questions_total{outcome="withheld"}'] == 1 + 1  # alone, batch
    assert found['pincite_stage_seconds_count{stage="search"}'] == 4 + 2 + 1  # and the search
    assert found['pincite_stage_seconds_count{stage="read"}'] == 4 + 2
    assert found['pincite_requests_total{method="POST",route="/v1/ask",status="200"}'] == 1 + 1 + 1
    assert found['pincite_requests_total{method="GET",route="(none)",status="404"}'] == 1
    assert found['pincite_request_seconds_count{route="/v1/ask"}'] == 1 + 1 + 1
    assert (found["pincite_waiting"], found["pincite_using_models"], found["pincite_ready"]) == (0, 0, 1)
    assert (found["pincite_store_documents"], found["pincite_store_generation"]) == (4, 4)
    assert any(name.startswith('pincite_model{kind="reader",name="names"') for name in found)


def test_a_client_that_leaves_while_it_sends_is_no_fault_of_ours(own, log):
    lines = log(False)

    async def leave(method, path):
        messages = [{"type": "http.request", "body": b"word", "more_body": True}, {"type": "http.disconnect"}]
        headers = [(b"content-type", b"application/x-ndjson"), (b"content-length", b"100"), (b"host", b"testserver")]
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
        scope |= {"query_string": b"source=half.txt", "asgi": {"version": "3.0"}, "http_version": "1.1"}
        scope |= {"scheme": "http", "client": ("127.0.0.1", 1), "server": ("here", 80), "root_path": ""}
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        await own.app(scope, receive, send)
        return sent[0]["status"]

    for method, path in (("PUT", "/v1/documents"), ("POST", "/v1/batch"), ("POST", "/v1/evaluations")):
        assert asyncio.run(leave(method, path)) == 499
        assert numbers(own)[f'pincite_requests_total{{method="{method}",route="{path}",status="499"}}'] == 1
    assert not [line for line in lines() if line["level"] == "error"]


def test_made_up_methods_and_addresses_make_no_numbers_of_their_own(own):
    for n in range(3):
        own.request(f"MADEUP{n}", f"/v1/made-up/{n}")
    found = [name for name in numbers(own) if name.startswith("pincite_requests_total")]
    assert found == ['pincite_requests_total{method="other",route="(none)",status="404"}']


def test_a_quote_that_is_not_where_it_is_cited_is_a_500_a_number_and_a_line_and_never_sent(store, log):
    lines = log(False)
    app = create_app(answerer_over(store, reader=MisplacedReader()))
    with TestClient(app, raise_server_exceptions=False) as client:
        reply = ask(client, **{"x-request-id": "mine"})
        refused(reply, 500)
        assert "Chaplin" not in reply.text
        assert reply.headers["x-request-id"] == "mine"
        page = client.get("/", params={"q": CLIMBED})
        assert page.status_code == 500
        assert "Chaplin" not in page.text
        streamed = ask(client, accept="text/event-stream").text
        assert re.findall(r"^event: (\w+)", streamed, re.MULTILINE) == ["passages", "error"]
        assert "Chaplin" not in streamed
        found = numbers(client)
    assert found["pincite_verification_failures_total"] == 1 + 1 + 1
    assert found['pincite_questions_total{outcome="failed"}'] == 1 + 1 + 1
    [line] = [one for one in lines() if one["level"] == "error" and one.get("request_id") == "mine"]
    assert "are not the quote; run `pincite doctor`" in line["event"]
    assert "Chaplin" not in json.dumps(line)


class FailingReader(NameReader):
    def read(self, pairs):
        if "fail" in pairs[0][0]:
            raise RuntimeError(f"cannot read {pairs[0]}")
        return super().read(pairs)


@pytest.mark.parametrize("texts", [False, True])
def test_the_log_holds_questions_and_answers_only_where_that_was_asked_for(store, log, texts):
    lines = log(texts)
    app = create_app(answerer_over(store, reader=FailingReader()), log_questions=texts)
    with TestClient(app, raise_server_exceptions=False) as client:
        ask(client)
        client.get("/", params={"q": CLIMBED})
        client.get("/v1/documents", params={"after": CLIMBED})
        assert ask(client, "Does the Eiger fail?").status_code == 500
        exposition = client.get("/metrics").text
    found = lines()
    told = json.dumps(found)
    assert ("climbed" in told, "Barrington" in told, "cannot read" in told) == (texts, texts, texts)
    assert "climbed" not in exposition
    [failure] = [line for line in found if line["level"] == "error"]
    assert failure["error"] == "RuntimeError"
    assert failure["trace"][-1].endswith("in read") or failure["trace"][-1].endswith(" read")
    if texts:
        asked = [line for line in found if line["event"] == "asked"]
        assert [(line["question"], line["answer"]) for line in asked] == [(CLIMBED, "Charles Barrington")] * 2


@pytest.mark.parametrize("waited_for", [False, True])
def test_a_reading_that_fails_is_logged_once_and_without_texts_even_if_nobody_waits_for_it(store, log, waited_for):
    async def fail():
        asked = Request("Does the Eiger fail?")
        _, reading = await begin(answerer_over(store, reader=FailingReader()), asked, Admission(Bounds()))
        if waited_for:
            with pytest.raises(HTTPException, match="something went wrong here"):
                await asyncio.shield(reading)
        else:
            await asyncio.wait([reading])

    lines = log(False)
    asyncio.run(fail())
    gc.collect()  # what asyncio says of a failure, it says when the task is thrown away
    [failure] = lines()
    assert (failure["event"], failure["error"]) == ("unexpected error", "RuntimeError")
    assert "Eiger" not in json.dumps(failure)


@pytest.mark.parametrize("texts", [False, True])
def test_of_what_asyncio_says_of_a_task_only_the_kind_is_logged_where_no_texts_are(log, texts):
    lines = log(texts)
    said = "Task exception was never retrieved\nfuture: <Task exception=RuntimeError('Who climbed?')>"
    logging.getLogger("asyncio").error(said)
    [line] = lines()
    assert line["event"] == (said if texts else "Task exception was never retrieved")


def test_every_line_is_json_and_names_its_request(own, log):
    lines = log(False)
    ask(own, **{"x-request-id": "r-1"})
    own.get("/v1/documents/nothing", headers={"x-request-id": "r-2"})
    found = {line["request_id"]: line for line in lines() if line["event"] == "request"}
    assert (found["r-1"]["route"], found["r-1"]["status"], found["r-1"]["key"]) == ("/v1/ask", 200, None)
    assert (found["r-2"]["route"], found["r-2"]["status"]) == ("/v1/documents/{document_id}", 404)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "a\u00e4"])
def test_a_request_id_that_is_not_well_formed_is_replaced(own, given):
    replied = own.get("/healthz", headers={"x-request-id": given.encode("latin-1")}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", replied)


def test_a_well_formed_request_id_is_echoed_with_every_reply(own):
    for path, status in (("/healthz", 200), ("/v1/nothing", 404), ("/static/pincite.css", 200), ("/", 200)):
        reply = own.get(path, headers={"x-request-id": "Ab_1.2-3"})
        assert (reply.status_code, reply.headers["x-request-id"]) == (status, "Ab_1.2-3")


SHARED = """
import os, sys
from pathlib import Path
from api.metrics import Metrics, share_between_processes
if sys.argv[2] == "parent":
    import subprocess
    share_between_processes(Path(sys.argv[1]))
    for _ in range(2):
        subprocess.run([sys.executable, __file__, sys.argv[1], "child"], check=True)
    sys.stdout.write(subprocess.run([sys.executable, __file__, sys.argv[1], "last"], check=True, capture_output=True,
                     text=True).stdout)
else:
    metrics = Metrics()
    metrics.questions.labels("answered").inc()
    metrics.waiting.inc()
    sys.stdout.write(metrics.exposition([]).decode())
"""


def test_numbers_of_processes_that_have_ended_stay_but_for_who_waits_there(tmp_path):
    program = tmp_path / "shared.py"
    program.write_text(SHARED)
    folder = tmp_path / "numbers"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, program, folder, "parent"], capture_output=True, text=True, check=True, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert 'pincite_questions_total{outcome="answered"} 3.0' in done.stdout
    assert "pincite_waiting 1.0" in done.stdout
