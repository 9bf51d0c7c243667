"""Evaluations over HTTP: taken in, run one after another, cancelled, kept, taken up by the next process."""

import json
import sqlite3
import threading
from contextlib import closing

import pytest
from fakes import NameReader, answerer_over
from fastapi.testclient import TestClient
from guarded import CLIMBED, bearer, guarded, key_for, refused
from waiting import wait_for

import api.evaluations
import api.service_store
from api.app import create_app
from api.evaluations import KEPT, LOCK, Evaluations
from api.service_store import FILE, ServiceStore
from index.errors import StoreError, UsageError
from index.lock import Locked, exclusive

NDJSON = {"content-type": "application/x-ndjson"}
GOLD = json.dumps({"id": "1", "question": CLIMBED, "answers": ["Charles Barrington"], "sources": ["alps/eiger.txt"]})
N = 64
LONG = "".join(
    json.dumps({"id": str(n), "question": f"Who climbed number {n}?", "answers": ["Tell"]}) + "\n" for n in range(N)
)
STEPS = N + N  # each question is asked again, alone, for its latency: there are fewer than 100


class GatedReader(NameReader):
    """Reads the question about number 20, with those that are read together with it, only when it is told to."""

    def __init__(self):
        self.held, self.go_on, self.asked = threading.Event(), threading.Event(), []

    def read(self, pairs):
        self.asked += [question for question, _ in pairs]
        if any("number 20?" in question for question, _ in pairs):
            self.held.set()
            assert self.go_on.wait(30)
        return super().read(pairs)


def begin(client, gold=GOLD, headers=None):
    reply = client.post("/v1/evaluations", content=gold, headers={**NDJSON, **(headers or {})})
    assert reply.status_code == 202, reply.text
    assert reply.json()["status"] == "queued"
    assert reply.headers["location"] == f"/v1/evaluations/{reply.json()['id']}"
    return reply.json()["id"]


def found(client, evaluation_id):
    return client.get(f"/v1/evaluations/{evaluation_id}").json()


def ended(client, evaluation_id):
    one = found(client, evaluation_id)
    return one if one["status"] not in ("queued", "running") else None


@pytest.fixture
def held(store):
    """A service whose reader stops in the midst of LONG; (client, reader)."""
    reader = GatedReader()
    with TestClient(create_app(answerer_over(store, reader=reader))) as client:
        yield client, reader
        reader.go_on.set()


def test_a_gold_set_sent_in_becomes_a_report(own):
    evaluation_id = begin(own)
    one = wait_for(lambda: ended(own, evaluation_id))
    assert (one["status"], one["error"], one["progress"]) == ("done", None, {"done": 1 + 1, "total": 1 + 1})
    assert one["report"]["metrics"]["exact_match"] == {"value": 1.0, "n": 1, "ci_low": 1.0, "ci_high": 1.0}
    [listed] = own.get("/v1/evaluations").json()["evaluations"]
    assert listed == {key: value for key, value in one.items() if key != "report"}


def test_an_evaluation_that_is_asked_for_too_early_tells_how_far_it_is(held):
    client, reader = held
    first, second = begin(client, LONG), begin(client)
    assert reader.held.wait(30)
    assert found(client, second) | {"created": ""} == {
        "id": second,
        "status": "queued",
        "created": "",
        "progress": {"done": 0, "total": 2},
        "error": None,
        "report": None,
    }
    one = found(client, first)
    assert (one["status"], one["progress"]["total"], one["report"]) == ("running", STEPS, None)
    reader.go_on.set()
    assert [wait_for(lambda one=one: ended(client, one))["status"] for one in (first, second)] == ["done", "done"]
    assert [one["id"] for one in client.get("/v1/evaluations", params={"limit": 1}).json()["evaluations"]] == [second]


def test_one_that_waits_is_cancelled_at_once_and_one_that_runs_at_its_next_question(held):
    client, reader = held
    running, waiting = begin(client, LONG), begin(client)
    assert reader.held.wait(30)
    for one in (running, waiting):
        assert client.delete(f"/v1/evaluations/{one}").status_code == 204
        assert found(client, one)["status"] == "cancelled"
        refused(client.delete(f"/v1/evaluations/{one}"), 409)
    reader.go_on.set()
    last = begin(client)
    assert wait_for(lambda: ended(client, last))["status"] == "done"
    assert CLIMBED in reader.asked
    assert f"Who climbed number {N - 1}?" not in reader.asked


def test_what_is_no_evaluation_is_not_found(client):
    for one in ("0" * 16, "nothing", "\u00e4"):
        refused(client.get(f"/v1/evaluations/{one}"), 404)
        refused(client.delete(f"/v1/evaluations/{one}"), 404)


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ("", "holds no question"),
        (f"{GOLD}\n{{", "gold set:2: not JSON"),
        (f"{GOLD}\n{GOLD}", "the id '1' is taken"),
        (b'{"id": "\xff"}', "not UTF-8 at byte 8"),
    ],
)
def test_a_malformed_gold_set_is_refused_and_nothing_is_begun(own, gold, said):
    assert said in refused(own.post("/v1/evaluations", content=gold, headers=NDJSON), 422)
    assert own.get("/v1/evaluations").json() == {"evaluations": []}


def test_a_body_of_another_kind_or_too_long_is_refused(client):
    refused(client.post("/v1/evaluations", json={}), 415)
    refused(client.post("/v1/evaluations", content=b" " * (16 * 2**20 + 1), headers=NDJSON), 413)


def test_more_than_may_wait_are_refused(held, monkeypatch):
    client, reader = held
    monkeypatch.setattr(api.evaluations, "MOST_WAITING", 2)
    begin(client, LONG)
    assert reader.held.wait(30)
    begin(client), begin(client)
    reply = client.post("/v1/evaluations", content=GOLD, headers=NDJSON)
    assert "too many" in refused(reply, 503)
    assert reply.headers["retry-after"]


def test_an_evaluation_is_cancelled_by_its_own_key_or_one_that_runs_the_service(store, tmp_path):
    reader = GatedReader()
    with guarded(store, tmp_path, reader) as (client, keys):
        mine, other, operator = (bearer(key_for(keys, *scopes)) for scopes in (["ask"], ["ask"], ["ask", "admin"]))
        first, second = begin(client, LONG, mine), begin(client, GOLD, mine)
        assert reader.held.wait(30)
        assert client.get(f"/v1/evaluations/{first}", headers=other).status_code == 200
        assert "another key" in refused(client.delete(f"/v1/evaluations/{first}", headers=other), 403)
        assert client.delete(f"/v1/evaluations/{first}", headers=mine).status_code == 204
        assert client.delete(f"/v1/evaluations/{second}", headers=operator).status_code == 204
        reader.go_on.set()


def test_a_service_that_stops_leaves_its_evaluation_to_the_next_which_asks_only_what_is_left(store):
    reader = GatedReader()
    stopping = TestClient(create_app(answerer_over(store, reader=reader)))
    with stopping as client:
        evaluation_id = begin(client, LONG)
        assert reader.held.wait(30)
        threading.Timer(0.05, reader.go_on.set).start()
    assert f"Who climbed number {N - 1}?" not in reader.asked
    later = GatedReader()
    later.go_on.set()
    with TestClient(create_app(answerer_over(store, reader=later))) as client:
        one = wait_for(lambda: ended(client, evaluation_id))
    assert (one["status"], one["progress"]) == ("done", {"done": STEPS, "total": STEPS})
    assert [row["id"] for row in one["report"]["questions"]] == [str(n) for n in range(N)]
    # What was asked before is asked again for its latency alone, after all others.
    assert later.asked.index("Who climbed number 0?") > later.asked.index(f"Who climbed number {N - 1}?")


def test_while_another_process_runs_evaluations_none_is_begun(store):
    with exclusive(store.folder, 0, LOCK), TestClient(create_app(answerer_over(store))) as client:
        evaluation_id = begin(client)
        assert not threading.Event().wait(0.2)
        assert found(client, evaluation_id)["status"] == "queued"


def failing(monkeypatch, *errors):
    """Have as many runs fail with these errors, one after the other."""
    failures, evaluate_with = list(errors), api.evaluations.evaluate_with

    def run(*args, **more):
        if failures:
            raise failures.pop(0)
        return evaluate_with(*args, **more)

    monkeypatch.setattr(api.evaluations, "evaluate_with", run)


def test_an_evaluation_that_fails_says_why_and_the_next_is_run(store, monkeypatch, caplog):
    failing(
        monkeypatch, UsageError("a \udcff is no text"), StoreError("/srv: the disk is full"), RuntimeError("secret")
    )
    with TestClient(create_app(answerer_over(store))) as client:
        begun = [begin(client) for _ in range(4)]
        outcomes = [wait_for(lambda one=one: ended(client, one)) for one in begun]
    assert [(one["status"], one["error"]) for one in outcomes] == [
        ("failed", "a ? is no text"),
        (
            "failed",
            "the store cannot be used now; try again later, and if that does not help see the log of the service",
        ),
        ("failed", "something went wrong here, and nothing is sent rather than a wrong answer; see the log"),
        ("done", None),
    ]
    assert "/srv: the disk is full" in caplog.text
    assert "secret" in caplog.text


def test_an_evaluation_waits_while_a_lock_is_held_elsewhere_and_is_then_run(store, monkeypatch, caplog):
    failing(monkeypatch, Locked("it is written by process 7"), Locked("it is written by process 8"))
    monkeypatch.setattr(api.evaluations, "LOOK_EVERY", 0.01)
    with TestClient(create_app(answerer_over(store))) as client:
        evaluation_id = begin(client)
        one = wait_for(lambda: ended(client, evaluation_id))
    assert (one["status"], one["error"]) == ("done", None)
    said = [record.getMessage() for record in caplog.records if "waits" in record.getMessage()]
    assert said == [f"evaluation {evaluation_id} waits: it is written by process 7"]


def test_an_evaluation_whose_report_cannot_be_kept_has_failed_and_is_not_run_for_ever(store, monkeypatch):
    end_job, asked = ServiceStore.end_job, []

    def full(self, job_id, status, keep, *args, **more):
        if status == "done":
            asked.append(job_id)
            raise OverflowError("BLOB longer than INT_MAX bytes")
        return end_job(self, job_id, status, keep, *args, **more)

    monkeypatch.setattr(ServiceStore, "end_job", full)
    with TestClient(create_app(answerer_over(store))) as client:
        evaluation_id = begin(client)
        assert wait_for(lambda: ended(client, evaluation_id))["status"] == "failed"
    assert asked == [evaluation_id]


def test_an_evaluation_whose_gold_set_is_gone_has_failed(store, monkeypatch):
    monkeypatch.setattr(ServiceStore, "gold_of", lambda self, job_id: None)
    with TestClient(create_app(answerer_over(store))) as client:
        evaluation_id = begin(client)
        one = wait_for(lambda: ended(client, evaluation_id))
    assert (one["status"], one["error"]) == ("failed", "its gold set is gone; send it again")


def test_a_service_file_that_another_process_holds_is_locked_not_damaged(store, monkeypatch):
    monkeypatch.setattr(api.service_store, "BUSY_WAIT", 1)
    with ServiceStore(store.folder) as service, closing(sqlite3.connect(store.folder / FILE)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Locked, match="try again when the other process is done"):
            service.drop_confirmed("Who?")


def test_of_those_that_have_ended_the_last_are_kept_and_their_gold_sets_are_not(store):
    with ServiceStore(store.folder) as service:
        evaluations = Evaluations(answerer_over(store), service)
        jobs = [evaluations.submit(GOLD.encode(), None) for _ in range(3)]
        assert service.gold_of(jobs[0].job_id) == GOLD.encode()
        for job in jobs:
            assert service.end_job(job.job_id, "done", 2, b'{"is": "a report"}')
            assert service.gold_of(job.job_id) is None
        assert [job.job_id for job in evaluations.list(KEPT)] == [job.job_id for job in reversed(jobs[1:])]
        assert evaluations.report(jobs[0].job_id) is None
        assert evaluations.report(jobs[2].job_id) == {"is": "a report"}


def test_an_evaluation_ends_once(store):
    with ServiceStore(store.folder) as service:
        evaluations = Evaluations(answerer_over(store), service)
        job = evaluations.submit(GOLD.encode(), None)
        assert evaluations.cancel(job.job_id)
        assert not service.end_job(job.job_id, "done", KEPT, b"{}")
        assert not service.note_progress(job.job_id, 1, 2)
        assert evaluations.get(job.job_id).status == "cancelled"
        assert evaluations.report(job.job_id) is None
        assert service.next_job() is None
