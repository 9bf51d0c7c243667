"""The service as a process: it listens before it is ready, finishes what it began, and a kill loses nothing."""

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import NameReader, answerer_over
from fastapi.testclient import TestClient
from guarded import CLIMBED, refused
from library import EIGER
from processes import serving
from waiting import wait_for

from api.app import create_app
from api.bounds import Bounds
from index.errors import ModelError

NDJSON = {"content-type": "application/x-ndjson"}


def gold(number, questions):
    return "".join(
        json.dumps({"id": f"{number}-{q}", "question": f"Who climbed the mountain {q}?", "answers": ["Tell"]}) + "\n"
        for q in range(questions)
    )


def test_while_the_models_load_the_service_is_alive_and_not_ready_and_then_the_log_says_that_it_is(kept, caplog):
    caplog.set_level("INFO", "api.running")
    go_on = threading.Event()

    def load():
        assert go_on.wait(30)
        return answerer_over(kept.open(kept.folder))

    with TestClient(create_app(load)) as client:
        assert client.get("/healthz").status_code == 200
        for reply in (
            client.get("/readyz"),
            client.post("/v1/ask", json={"question": CLIMBED}),
            client.get("/v1/evaluations"),
        ):
            refused(reply, 503)
            assert reply.headers["retry-after"]
        assert "pincite_ready 0.0" in client.get("/metrics").text
        assert "ready" not in caplog.text
        go_on.set()
        wait_for(lambda: client.get("/readyz").status_code == 200)
        assert client.post("/v1/ask", json={"question": CLIMBED}).json()["answer"] == "Charles Barrington"
        wait_for(lambda: "ready: questions are answered" in caplog.text)


def test_models_that_cannot_be_loaded_leave_a_line_in_the_log_and_no_service(caplog):
    def load():
        raise ModelError("the reader is not there")

    with TestClient(create_app(load)) as client:
        wait_for(lambda: "the reader is not there" in caplog.text)
        refused(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200


def test_a_service_that_is_told_to_stop_answers_what_it_was_asked(tmp_path):
    with serving(tmp_path / "store", tmp_path / "log", seconds=1.0) as service:
        service.http.put("/v1/documents", params={"source": "eiger.txt"}, content=EIGER.encode())
        replies = []
        ask = threading.Thread(target=lambda: replies.append(service.http.post("/v1/ask", json={"question": CLIMBED})))
        ask.start()
        wait_for(lambda: "pincite_using_models 1.0" in service.http.get("/metrics").text)
        service.process.send_signal(signal.SIGTERM)
        ask.join()
        assert [reply.json()["answer"] for reply in replies] == ["Charles Barrington"]
        service.process.wait(30)


def test_a_kill_in_the_midst_of_uploads_and_evaluations_loses_nothing_that_was_acknowledged(tmp_path):
    store, log = tmp_path / "store", tmp_path / "log"
    put, begun = {}, []

    def upload(service, some):
        for number in some:
            text = f"{EIGER}\nThe hut number {number}.\n"
            try:
                reply = service.http.put("/v1/documents", params={"source": f"{number}.txt"}, content=text.encode())
            except Exception:
                return  # it is gone; this one was not acknowledged
            assert reply.status_code == 201
            put[f"{number}.txt"] = (reply.json()["document_id"], text)

    with serving(store, log, seconds=0.05) as service:
        threads = [threading.Thread(target=upload, args=(service, range(part, 100, 4))) for part in range(4)]
        for thread in threads:
            thread.start()
        for number in range(5):
            reply = service.http.post("/v1/evaluations", content=gold(number, 20), headers=NDJSON)
            assert reply.status_code == 202
            begun.append(reply.json()["id"])
        first = f"/v1/evaluations/{begun[0]}"
        wait_for(lambda: len(put) >= 40 and service.http.get(first).json()["progress"]["done"], seconds=300)
        service.process.send_signal(signal.SIGKILL)
        service.process.wait(30)
        for thread in threads:
            thread.join()
    assert 40 <= len(put) < 100
    with serving(store, log) as service:
        listed = {one["source"]: one["document_id"] for one in service.http.get("/v1/documents").json()["documents"]}
        for source, (document_id, text) in put.items():
            assert listed[source] == document_id
            assert service.http.get(f"/v1/documents/{document_id}/text").text == text
        for number, evaluation_id in enumerate(begun):
            found = wait_for(lambda one=evaluation_id: ended(service, one), seconds=300)
            assert (found["status"], found["progress"]) == ("done", {"done": 20 + 20, "total": 20 + 20})
            assert [row["id"] for row in found["report"]["questions"]] == [f"{number}-{q}" for q in range(20)]


def ended(service, evaluation_id):
    found = service.http.get(f"/v1/evaluations/{evaluation_id}").json()
    return found if found["status"] not in ("queued", "running") else None


def test_several_workers_answer_from_one_store_run_one_evaluation_at_a_time_and_count_together(tmp_path):
    with serving(tmp_path / "store", tmp_path / "log", workers=2, seconds=0.01) as service:
        service.http.put("/v1/documents", params={"source": "eiger.txt"}, content=EIGER.encode())
        begun = [service.http.post("/v1/evaluations", content=gold(n, 5), headers=NDJSON) for n in range(3)]
        running = 0
        while not all(ended(service, one.json()["id"]) for one in begun):
            listed = service.http.get("/v1/evaluations").json()["evaluations"]
            running = max(running, sum(one["status"] == "running" for one in listed))
        assert running <= 1
        for _ in range(7):
            # A connection of its own for each, so that both workers get some.
            reply = service.http.post("/v1/ask", json={"question": CLIMBED}, headers={"connection": "close"})
            assert reply.json()["answer"] == "Charles Barrington"
        assert 'pincite_questions_total{outcome="answered"} 7.0' in service.http.get("/metrics").text
        assert service.end() == 0


def test_as_many_questions_as_agreed_are_in_the_models_at_once(kept):
    together = threading.Barrier(3)

    class MeetingReader(NameReader):
        def read(self, pairs):
            together.wait(30)
            return super().read(pairs)

    app = create_app(answerer_over(kept, reader=MeetingReader()), bounds=Bounds(concurrency=3))
    with TestClient(app) as client, ThreadPoolExecutor(3) as visitors:
        replies = [visitors.submit(client.post, "/v1/ask", json={"question": CLIMBED}) for _ in range(3)]
        assert [reply.result().json()["answer"] for reply in replies] == ["Charles Barrington"] * 3


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
