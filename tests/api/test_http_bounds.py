"""What the service takes before it refuses: rates, queues, deadlines, lengths; and what it says while refusing."""

import asyncio
import json
import threading
from contextlib import AsyncExitStack

import pytest
from fakes import NameReader, answerer_over
from fastapi.testclient import TestClient
from guarded import CLIMBED, bearer, guarded, key_for, refused
from starlette.exceptions import HTTPException

from api.app import SPARE, create_app
from api.bounds import Bounds
from api.problems import RETRY_AFTER, problem_of
from api.routes.admission import BATCHES, Admission
from index.errors import StoreError

JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}


def ask(client, **more):
    return client.post("/v1/ask", json={"question": CLIMBED}, **more)


def test_a_key_that_asks_too_often_is_told_when_to_come_again_and_no_other_key_is(kept, tmp_path):
    with guarded(kept, tmp_path, rate_per_minute=2) as (client, keys):
        busy, other = bearer(key_for(keys, "ask")), bearer(key_for(keys, "ask"))
        assert [client.get("/v1/documents", headers=busy).status_code for _ in range(2)] == [200, 200]
        reply = client.get("/v1/documents", headers=busy)
        assert "try again in" in refused(reply, 429)
        assert 1 <= int(reply.headers["retry-after"]) <= 60
        page = client.get("/", headers={**busy, "accept": "text/html"})
        assert (page.status_code, "retry-after" in page.headers) == (429, True)
        assert client.get("/healthz", headers=busy).status_code == 200
        assert client.get("/v1/documents", headers=other).status_code == 200
        refused(client.get("/v1/documents", headers=bearer("pk_wrong")), 401)


def test_a_rate_of_0_and_a_service_without_keys_set_no_bound(kept, tmp_path):
    with guarded(kept, tmp_path, rate_per_minute=0) as (client, keys):
        headers = bearer(key_for(keys, "ask"))
        assert {client.get("/v1/documents", headers=headers).status_code for _ in range(5)} == {200}
    with TestClient(create_app(answerer_over(kept), bounds=Bounds(rate_per_minute=1))) as client:
        assert {client.get("/v1/documents").status_code for _ in range(5)} == {200}


class SlowReader(NameReader):
    """Reads when it is told to."""

    def __init__(self):
        self.reading, self.go_on = threading.Event(), threading.Event()

    def read(self, pairs):
        self.reading.set()
        assert self.go_on.wait(30)
        return super().read(pairs)


class Busy:
    """A service with a question in the works, until the block ends."""

    def __init__(self, store, **bounds):
        self.reader = SlowReader()
        app = create_app(answerer_over(store, reader=self.reader), bounds=Bounds(concurrency=1, **bounds))
        self.client = TestClient(app)
        self.replies = []

    def __enter__(self):
        self.client.__enter__()
        self.thread = threading.Thread(target=lambda: self.replies.append(ask(self.client)))
        self.thread.start()
        assert self.reader.reading.wait(30)
        return self.client

    def __exit__(self, *error):
        self.reader.go_on.set()
        self.thread.join()
        self.client.__exit__(*error)


def test_what_finds_the_queue_full_is_refused_at_once_and_the_rest_of_the_service_goes_on(kept):
    busy = Busy(kept, queue=0)
    with busy as client:
        for call in (
            ask(client),
            client.post("/v1/search", json={"query": "Eiger"}),
            client.put("/v1/documents", params={"source": "a.txt"}, content=b"Some words."),
        ):
            assert "wait for the models already" in refused(call, 503)
            assert call.headers["retry-after"] == str(RETRY_AFTER)
        page = client.get("/", params={"q": CLIMBED})
        assert (page.status_code, page.headers["retry-after"]) == (503, str(RETRY_AFTER))
        for path in ("/", "/healthz", "/readyz", "/v1/documents"):
            assert client.get(path).status_code == 200
    assert [reply.json()["answer"] for reply in busy.replies] == ["Charles Barrington"]


def test_what_waits_beyond_the_deadline_is_refused(kept):
    with Busy(kept, queue=5, deadline_seconds=0.05) as client:
        reply = ask(client)
    assert "not free within 0.05 s" in refused(reply, 503)
    assert reply.headers["retry-after"] == str(RETRY_AFTER)


def test_every_way_out_of_a_turn_gives_it_back(kept, caplog):
    class Moody(NameReader):
        def read(self, pairs):
            if "fail" in pairs[0][0]:
                raise RuntimeError("no")
            return super().read(pairs)

    app = create_app(answerer_over(kept, reader=Moody()), bounds=Bounds(concurrency=1, queue=0))
    with TestClient(app, raise_server_exceptions=False) as client:
        for _ in range(3):
            assert client.post("/v1/ask", json={"question": "Does it fail?"}).status_code == 500
            assert client.post("/v1/ask", json={"question": " "}).status_code == 422
            assert client.get("/", params={"q": " "}).status_code == 422
            put = client.put("/v1/documents", params={"source": "a.txt"}, content=b"\x00")
            assert put.status_code == 422
            assert (
                client.post("/v1/batch", content=json.dumps({"question": CLIMBED}), headers=NDJSON).status_code == 200
            )
            assert ask(client).status_code == 200


async def entered(admission, order, name):
    async with admission.turn():
        order.append(name)


def test_turns_are_given_in_the_order_in_which_they_were_waited_for():
    async def run():
        admission, order = Admission(Bounds(concurrency=1, queue=3)), []
        async with admission.turn():
            waiting = [asyncio.create_task(entered(admission, order, name)) for name in "abc"]
            await asyncio.sleep(0)
            with pytest.raises(HTTPException, match="3 requests wait"):
                await entered(admission, order, "d")
        await asyncio.gather(*waiting)
        await entered(admission, order, "e")
        return order

    assert asyncio.run(run()) == list("abce")


def test_who_gives_up_waiting_frees_its_place_in_the_queue():
    async def run():
        admission, order = Admission(Bounds(concurrency=1, queue=1)), []
        async with admission.turn():
            for name in "ab":
                gone = asyncio.create_task(entered(admission, order, name))
                await asyncio.sleep(0)
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)
            stays = asyncio.create_task(entered(admission, order, "c"))
            await asyncio.sleep(0)
        await stays
        return order

    assert asyncio.run(run()) == ["c"]


def test_batches_at_once_are_bounded_and_take_turns_with_questions():
    async def run():
        admission, order = Admission(Bounds(concurrency=1, queue=0)), []
        async with AsyncExitStack() as places:
            for _ in range(BATCHES):
                await places.enter_async_context(admission.batch())
            with pytest.raises(HTTPException, match="batches are being answered"):
                await places.enter_async_context(admission.batch())
            async with admission.turn_of_batch():
                with pytest.raises(HTTPException, match="0 requests wait"):
                    await entered(admission, order, "while the batch has its turn")
            await entered(admission, order, "between two turns of the batch")
        async with admission.batch():
            return order

    assert asyncio.run(run()) == ["between two turns of the batch"]


async def call_directly(app, method, path, receive, headers=()):
    """Call the app without a server; return (status, body)."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http"},
        **{"path": path, "raw_path": path.encode(), "query_string": b"source=a.txt", "root_path": ""},
        **{"headers": [(b"host", b"here"), *headers], "client": ("127.0.0.1", 1), "server": ("here", 80)},
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        *(("POST", path, b"application/json") for path in ("/v1/ask", "/v1/search", "/v1/citations/verify")),
        ("POST", "/v1/batch", b"application/x-ndjson"),
        ("PUT", "/v1/documents", b"text/plain"),
    ],
)
def test_a_body_that_comes_a_byte_at_a_time_is_given_up(kept, method, path, kind):
    async def receive():
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b" ", "more_body": True}

    app = create_app(answerer_over(kept), bounds=Bounds(concurrency=1, queue=0, deadline_seconds=0.05))
    status, body = asyncio.run(call_directly(app, method, path, receive, [(b"content-type", kind)]))
    assert (status, "did not arrive within 0.05 s" in json.loads(body)["detail"]) == (503, True)


def test_more_requests_than_can_be_served_at_once_are_refused_but_health_is_told(kept):
    app = create_app(answerer_over(kept), bounds=Bounds(concurrency=1, queue=0, deadline_seconds=30))

    async def run():
        nothing = asyncio.Event()

        async def receive():
            await nothing.wait()
            return {"type": "http.disconnect"}

        json_body = [(b"content-type", b"application/json")]
        held = [
            asyncio.create_task(call_directly(app, "POST", "/v1/ask", receive, json_body)) for _ in range(1 + SPARE)
        ]
        await asyncio.sleep(0)  # each of them runs until it waits for its body
        refusal = await call_directly(app, "GET", "/v1/documents", receive)
        alive = await call_directly(app, "GET", "/healthz", receive)
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        again = await call_directly(app, "GET", "/v1/documents", receive)
        return refusal, alive[0], again[0]

    (status, body), alive, again = asyncio.run(run())
    assert (status, alive, again) == (503, 200, 200)
    assert f"{1 + SPARE} requests" in json.loads(body)["detail"]


@pytest.mark.parametrize("declared", ["65537", "9" * 18, "9" * 40, "-1", "1e9", "٣", ""])
def test_whatever_length_is_declared_no_more_is_taken_than_allowed(kept, declared):
    async def receive():
        return {"type": "http.request", "body": b" " * 2**15, "more_body": True}

    headers = [(b"content-type", b"application/json"), (b"content-length", declared.encode())]
    status, _ = asyncio.run(call_directly(create_app(answerer_over(kept)), "POST", "/v1/ask", receive, headers))
    assert status == 413


def test_an_error_is_one_line_of_the_log_whatever_it_quotes(caplog):
    problem_of(StoreError("a\nERROR forged\r\x1b[31m\u2028b.txt is damaged; mend it"))
    assert caplog.messages == ["a\\nERROR forged\\r\\x1b[31m\\u2028b.txt is damaged; mend it"]


@pytest.mark.parametrize(
    "path", ["/v1/documents/a%0d%0aset-cookie:%20a=b", "/read/a%0d%0ax", "/%0d%0aset-cookie:%20a=b"]
)
def test_nothing_in_an_address_becomes_a_header_or_a_line_of_the_log(client, caplog, path):
    reply = client.get(path)
    assert reply.status_code == 404
    assert "set-cookie" not in reply.headers
    assert not [message for message in caplog.messages if "\n" in message or "\r" in message]


CLIMB = ["../", "..%2f", "..%5c", "%2e%2e/", "....//", "..%c0%af", "..%252f", "%2fetc%2fpasswd%00", "..;/"]


@pytest.mark.parametrize("steps", CLIMB)
@pytest.mark.parametrize(
    "folder",
    [
        *("/static/", "/static/swagger/", "/read/", "/library/", "/evaluations/", "/"),
        *("/v1/documents/", "/v1/evaluations/"),
    ],
)
def test_no_address_leads_out_of_what_is_served(client, folder, steps):
    for target in ("etc/passwd", "api/app.py", "service.sqlite", "render.py", "pincite.sqlite"):
        reply = client.get(folder + steps * 4 + target)
        assert reply.status_code in (404, 405), reply.text[:200]
        assert b"root:" not in reply.content
