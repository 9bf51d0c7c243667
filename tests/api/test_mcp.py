"""Agents: the SDK's own client over stdio and over HTTP, what it can call, and what it is refused."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading

import httpx2
import pytest
from agents import LEGACY, MODERN, PATHS, ROOT, over_http, over_stdio
from command_line import failed
from fakes import NameReader, answerer_over
from fastapi.testclient import TestClient
from guarded import CLIMBED, bearer, guarded, key_for
from hypothesis import given
from hypothesis import strategies as st
from library import EIGER, NILE
from mcp import MCPError
from served import served
from waiting import wait_for

from api.agent_tools import read_passage
from api.app import LOOPBACK, create_app
from api.bodies import ExcerptBody
from api.bounds import Bounds
from api.mcp import DOCUMENTS, PAGE
from api.service_store import ServiceStore
from index.types import document_id_of

NILE_ID, EIGER_ID = document_id_of("rivers/nile.txt"), document_id_of("alps/eiger.txt")
UNKNOWN = "Who baked the bread of Thebes?"
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def url(kept):
    with served(create_app(answerer_over(kept))) as url:
        yield url


@pytest.fixture(params=["http", "http with a handshake", "stdio"])
def agent(request, kept):
    """An agent to be entered (`async with`), over one way to the server."""
    if request.param == "stdio":
        return over_stdio(kept.folder)
    return over_http(request.getfixturevalue("url"), mode=LEGACY if "handshake" in request.param else MODERN)


async def result_of(agent, tool, **arguments):
    """What a tool gives, which it says in words too."""
    result = await agent.call_tool(tool, arguments)
    assert not result.is_error, result.content
    [block] = result.content
    assert json.loads(block.text) == result.structured_content
    return result.structured_content


async def refusal(agent, tool, **arguments):
    """The one line that a tool refuses with."""
    result = await agent.call_tool(tool, arguments)
    assert (result.is_error, result.structured_content) == (True, None)
    [block] = result.content
    assert "\n" not in block.text
    return block.text


def test_an_agent_lists_and_calls_every_tool_and_reads_every_resource(agent):
    async def run():
        async with agent as it:
            assert "`answer: null`" in it.instructions
            tools = {tool.name: tool for tool in (await it.list_tools()).tools}
            answer = await result_of(it, "ask", question=CLIMBED)
            place = {key: answer["citations"][0][key] for key in ("document_id", "start", "end")}
            calls = {
                "ask": answer,
                "search": await result_of(it, "search", query="mountain Eiger", top_k=1),
                "read_passage": await result_of(it, "read_passage", **place, around=11),
                "verify_citations": await result_of(it, "verify_citations", citations=answer["citations"]),
            }
            assert set(tools) == set(calls)
            for tool in tools.values():
                assert tool.annotations.read_only_hint
                assert set(calls[tool.name]) <= set(tool.output_schema["properties"])
            resources = (await it.list_resources()).resources
            texts = {one.name: (await it.read_resource(one.uri)).contents[0].text for one in resources}
            [template] = (await it.list_resource_templates()).resource_templates
            return calls, texts, template.uri_template, await result_of(it, "ask", question=UNKNOWN)

    calls, texts, template, withheld = asyncio.run(run())
    assert calls["ask"]["answer"] == "Charles Barrington"
    assert [passage["source"] for passage in calls["search"]["passages"]] == ["alps/copy.txt"]
    assert calls["read_passage"]["text"] == "climbed by Charles Barrington.\n\nBy Grace"
    assert calls["read_passage"]["citation"]["quote"] == "Charles Barrington"
    assert [verdict["status"] for verdict in calls["verify_citations"]["results"]] == ["ok", "ok"]
    assert list(texts) == ["<i>.txt", "alps/copy.txt", "alps/eiger.txt", "rivers/nile.txt"]
    assert texts["rivers/nile.txt"] == NILE.removeprefix("\ufeff")
    assert template == f"{DOCUMENTS}{{document_id}}"
    assert (withheld["answer"], withheld["citations"]) == (None, [])
    assert withheld["passages"]


def test_what_cannot_be_carried_out_is_refused_in_one_line_that_says_why(agent):
    async def run():
        async with agent as it:
            return [
                await refusal(it, "ask", question="x" * 1001),
                await refusal(it, "ask", question=" "),
                await refusal(it, "ask", question="Who?", top_k=101),
                await refusal(it, "ask", question="Who?", topk=3),
                await refusal(it, "ask", question="Who?", filters="[1]"),
                await refusal(it, "verify_citations", citations=[{"start": 0, "end": 1, "quote": "x"}] * 1001),
                await refusal(it, "read_passage", document_id="0" * 16, start=0, end=1),
                await refusal(it, "read_passage", document_id=EIGER_ID, start=0, end=1000),
                await refusal(it, "read_passage", document_id=EIGER_ID, start=5, end=5),
            ]

    said = asyncio.run(run())
    expected = [
        "question: String should have at most 1000",
        "question: is blank",
        "top_k: Input should be less than or equal to 100",
        "topk: Extra inputs are not permitted",
        "filters: Input should be a valid dictionary",
        "citations: List should have at most 1000",
        "there is no document '0000000000000000'",
        f"alps/eiger.txt has {len(EIGER)} characters",
        "end must be after start",
    ]
    assert [part for part, line in zip(expected, said, strict=True) if part not in line] == []


@pytest.mark.parametrize("mode", [MODERN, LEGACY])
def test_a_tool_or_resource_that_there_is_not_is_an_error_of_the_protocol(url, mode):
    async def run():
        async with over_http(url, mode=mode) as it:
            with pytest.raises(MCPError, match="no tool 'guess'; there are ask, search"):
                await it.call_tool("guess", {})
            with pytest.raises(MCPError, match="no document 'x'"):
                await it.read_resource(f"{DOCUMENTS}x")
            with pytest.raises(MCPError, match=r"no resource 'file:///etc/passwd'; documents are at"):
                await it.read_resource("file:///etc/passwd")

    asyncio.run(run())


def test_filters_that_an_agent_sends_as_a_text_of_json_are_understood(url):
    async def run():
        async with over_http(url) as agent:
            return await result_of(agent, "search", query="Eiger", filters='{"source": "rivers/*"}')

    assert {passage["source"] for passage in asyncio.run(run())["passages"]} == {"rivers/nile.txt"}


def test_a_passage_at_the_edges_of_a_document_is_given_with_what_there_is_around_it(url):
    length = len(NILE) - 1  # the BOM is not in the text

    async def run():
        async with over_http(url) as agent:
            place = {"document_id": NILE_ID, "start": 0, "end": length}
            whole = await result_of(agent, "read_passage", **place, around=10_000)
            alone = await result_of(agent, "read_passage", document_id=NILE_ID, start=4, end=8, around=0)
            return whole, alone

    whole, alone = asyncio.run(run())
    assert (whole["start"], whole["end"], whole["text"]) == (0, length, NILE[1:])
    assert (alone["text"], alone["citation"]["byte_start"]) == ("Nile", 3 + 4)  # bytes count it: 3


@given(st.data())
def test_what_is_read_around_a_place_is_the_documents_text_and_holds_the_place(kept, data):
    text = NILE.removeprefix("\ufeff")
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    around = data.draw(st.integers(0, 40))
    body = ExcerptBody(document_id=NILE_ID, start=start, end=end, around=around)
    found = read_passage(body, answerer_over(kept))
    assert found.text == text[found.start : found.end]
    assert found.citation.quote == text[start:end]
    assert found.start <= max(0, start - around) <= min(len(text), end + around) <= found.end


def test_a_long_list_of_documents_comes_in_pages(store, monkeypatch):
    monkeypatch.setattr("api.mcp.PAGE", 3)

    async def run(url):
        async with over_http(url) as agent:
            first = await agent.list_resources()
            return first.resources, (await agent.list_resources(cursor=first.next_cursor)).resources

    assert PAGE > 3
    with served(create_app(answerer_over(store))) as url:
        first, second = asyncio.run(run(url))
    assert [len(first), [one.name for one in second]] == [3, ["rivers/nile.txt"]]


def call(tool="ask", **arguments):
    """A call as it goes over HTTP, in the protocol with a handshake."""
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


ACCEPT = {"accept": "application/json, text/event-stream"}


def post(client, message=None, headers=None, path="/mcp"):
    return client.post(path, json=message or call(question=CLIMBED), headers={**ACCEPT, **(headers or {})})


def told(reply, status):
    """Assert that a request was refused with this status, and return what an agent is told."""
    found = reply.json()
    assert (reply.status_code, found["error"]["data"]["status"]) == (status, status)
    return found["error"]["message"]


def test_keys_scopes_and_rates_are_those_of_the_rest_of_the_service(kept, tmp_path):
    with guarded(kept, tmp_path, rate_per_minute=2) as (client, keys):
        assert "a key is needed" in told(post(client), 401)
        assert "not known" in told(post(client, headers=bearer("pk_wrong")), 401)
        assert "no scope ask" in told(post(client, headers=bearer(key_for(keys, "write"))), 403)
        mine = bearer(key_for(keys, "ask"))
        assert [post(client, headers=mine).status_code for _ in range(2)] == [200, 200]
        assert "try again in" in told(post(client, headers=mine), 429)


def test_an_agent_with_a_key_is_answered_and_one_with_a_wrong_key_is_not(kept, tmp_path):
    async def ask(url, key):
        async with over_http(url, key) as agent:
            return (await result_of(agent, "ask", question=CLIMBED))["answer"]

    with ServiceStore(tmp_path) as keys, served(create_app(answerer_over(kept), keys=keys)) as url:
        assert asyncio.run(ask(url, key_for(keys, "ask"))) == "Charles Barrington"
        for wrong, why in ((None, "a key is needed"), ("pk_wrong", "not known, has expired or was revoked")):
            with pytest.raises(ExceptionGroup) as failure:
                asyncio.run(ask(url, wrong))
            assert failure.group_contains(MCPError, match=why)


def test_pages_of_other_sites_and_other_host_names_are_refused(kept):
    with TestClient(create_app(answerer_over(kept), LOOPBACK), base_url="http://localhost") as client:
        assert post(client).status_code == 200
        told(post(client, headers={"host": "evil.example"}), 403)
        told(post(client, headers={"origin": "http://evil.example"}), 403)
        form = client.post("/mcp", content=json.dumps(call()), headers={**ACCEPT, "content-type": "text/plain"})
        told(form, 415)


def test_there_is_no_session_to_get_or_to_end(client):
    for method in ("GET", "DELETE"):
        assert client.request(method, "/mcp", headers=ACCEPT).status_code == 405
    assert "mcp-session-id" not in post(client).headers


def test_a_call_over_the_limit_is_refused_over_http(client):
    quote = {"start": 0, "end": 1, "quote": "x" * 100_000}
    reply = post(client, call("verify_citations", citations=[quote] * 45))
    assert f"over the limit of {4 * MEBIBYTE:,} bytes" in told(reply, 413)


def test_a_call_over_the_limit_is_refused_over_stdio(kept):
    async def run():
        async with over_stdio(kept.folder) as agent:
            quote = {"start": 0, "end": 1, "quote": "x" * 100_000}
            return await refusal(agent, "verify_citations", citations=[quote] * 45)

    assert f"send at most {4 * MEBIBYTE:,}" in asyncio.run(run())


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b'{"jsonrpc": "2.0"}', b"[" * 60_000, b'{"id": 1' + b"0" * 5000 + b"}"),
        json.dumps(call(question="Who \ud800?")).encode(),
        json.dumps(call() | {"params": {"name": ["ask"]}}).encode(),
        json.dumps(call() | {"params": {"name": "ask", "arguments": [1]}}).encode(),
    ],
)
@pytest.mark.parametrize("version", [{}, {"mcp-protocol-version": "2026-07-28"}, {"mcp-protocol-version": "x"}])
def test_what_is_no_message_is_refused_and_the_service_goes_on(client, body, version):
    reply = client.post("/mcp", content=body, headers={**ACCEPT, **version, "content-type": "application/json"})
    assert reply.status_code < 500
    assert "Traceback" not in reply.text
    assert "error" in reply.text or reply.json()["result"]["isError"]
    assert post(client).json()["result"]["structuredContent"]["answer"] == "Charles Barrington"


class SlowReader(NameReader):
    """Reads when it is told to."""

    def __init__(self):
        self.reading, self.go_on = threading.Event(), threading.Event()

    def read(self, pairs):
        self.reading.set()
        assert self.go_on.wait(30)
        return super().read(pairs)


def waiting(url):
    numbers = httpx2.get(f"{url}/metrics").text
    return next(float(line.split()[1]) for line in numbers.splitlines() if line.startswith("pincite_waiting "))


async def until(what):
    await asyncio.to_thread(wait_for, what)


@pytest.mark.parametrize("headers", [None, {"mcp-protocol-version": "2025-06-18"}])
def test_a_call_whose_client_goes_frees_its_place_in_the_queue(kept, headers):
    """Without headers the SDK's client cancels, else the connection of an older protocol is cut."""
    reader = SlowReader()

    async def run(url):
        async with over_http(url) as agent, httpx2.AsyncClient(base_url=url, timeout=60) as http:
            first = asyncio.create_task(result_of(agent, "ask", question=CLIMBED))
            await until(reader.reading.is_set)
            ask = post(http, headers=headers) if headers else result_of(agent, "ask", question=CLIMBED)
            second = asyncio.create_task(ask)
            await until(lambda: waiting(url) == 1)
            assert "1 requests wait for the models already" in await refusal(agent, "ask", question=CLIMBED)
            second.cancel()
            await until(lambda: waiting(url) == 0)
            third = asyncio.create_task(result_of(agent, "ask", question=CLIMBED))
            await until(lambda: waiting(url) == 1)
            reader.go_on.set()
            return [(await task)["answer"] for task in (first, third)]

    with served(create_app(answerer_over(kept, reader=reader), bounds=Bounds(concurrency=1, queue=1))) as url:
        try:
            assert asyncio.run(run(url)) == ["Charles Barrington"] * 2
        finally:
            reader.go_on.set()


def test_a_call_that_is_cancelled_over_stdio_frees_its_place_in_the_queue(kept, tmp_path):
    async def run():
        async with over_stdio(kept.folder, tmp_path) as agent:

            def ask():
                return asyncio.create_task(agent.call_tool("ask", {"question": CLIMBED}))

            first = ask()
            await until((tmp_path / "reading").exists)
            # One of two waits for its turn, so the other is refused; the first waits as long as the test wants.
            [refused], [waits] = await asyncio.wait({ask(), ask()}, return_when=asyncio.FIRST_COMPLETED)
            assert "1 requests wait" in (await refused).content[0].text
            waits.cancel()
            await asyncio.gather(waits, return_exceptions=True)
            third = ask()
            await agent.list_tools()  # comes after it
            (tmp_path / "go-on").touch()
            return [(await task).structured_content["answer"] for task in (first, third)]

    assert asyncio.run(run()) == ["Charles Barrington"] * 2


def test_a_call_waits_for_a_turn_no_longer_than_the_deadline(kept):
    reader = SlowReader()
    bounds = Bounds(concurrency=1, deadline_seconds=0.1)
    with TestClient(create_app(answerer_over(kept, reader=reader), bounds=bounds)) as client:
        first = threading.Thread(target=post, args=(client,))
        first.start()
        assert reader.reading.wait(30)
        said = post(client).json()["result"]["content"][0]["text"]
        # What takes no turn does not wait for one.
        place = {"document_id": EIGER_ID, "start": 0, "end": 9}
        assert not post(client, call("read_passage", **place)).json()["result"]["isError"]
        reader.go_on.set()
        first.join()
    assert "not free within 0.1 s" in said


def test_while_the_models_load_calls_are_told_to_come_again(kept):
    go_on = threading.Event()

    def load():
        assert go_on.wait(30)
        return answerer_over(kept.open(kept.folder))

    with TestClient(create_app(load)) as client:
        assert "being loaded" in post(client).json()["result"]["content"][0]["text"]
        go_on.set()
        wait_for(lambda: client.get("/readyz").status_code == 200)
        assert post(client).json()["result"]["structuredContent"]["answer"] == "Charles Barrington"


def test_a_failure_of_ours_is_told_in_general_terms_and_logged_whole(kept, caplog):
    class Broken(NameReader):
        def read(self, pairs):
            raise RuntimeError("the secret of the reader")

    with TestClient(create_app(answerer_over(kept, reader=Broken()))) as client:
        result = post(client).json()["result"]
    assert (result["isError"], "secret" in result["content"][0]["text"]) == (True, False)
    assert "the secret of the reader" in caplog.text


def test_requests_that_come_through_a_pipe_are_all_answered_though_it_ends_at_once(kept):
    who = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a script", "version": "1"}}
    sent = [
        {"id": 1, "method": "initialize", "params": who},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "ask", "arguments": {"question": CLIMBED}}},
        {"id": 3, "method": "tools/list"},
        {"method": "notifications/cancelled", "params": {"requestId": 9}},
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0"} | message) + "\n" for message in sent)
    command = [sys.executable, ROOT / "tests" / "api" / "agents.py", kept.folder]
    done = subprocess.run(
        command,
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": PATHS},
    )
    replies = {reply["id"]: reply for reply in map(json.loads, done.stdout.splitlines())}
    assert sorted(replies) == [1, 2, 3]
    assert replies[2]["result"]["structuredContent"]["answer"] == "Charles Barrington"
    assert len(replies[3]["result"]["tools"]) == 4


def test_ctrl_c_ends_the_command_though_it_waits_for_stdin(kept):
    args = [sys.executable, "-m", "api.cli", "mcp", "--store", str(kept.folder)]
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        process.stdin.write(json.dumps(hello) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"] == {}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT


def test_the_help_shows_a_configuration_that_can_be_copied(pincite):
    _, help, _ = pincite("mcp", "--help")
    configuration = json.loads(help[help.index('{"mcpServers"') :])
    assert configuration["mcpServers"]["articles"]["args"][0] == "mcp"


def test_without_a_store_or_without_the_extra_the_command_says_so_in_a_line(pincite, monkeypatch):
    assert failed(pincite("mcp", "--store", "none"), 4, "none", "pincite index")
    monkeypatch.delitem(sys.modules, "api.mcp")
    monkeypatch.setitem(sys.modules, "mcp.server.lowlevel", None)
    assert failed(pincite("mcp"), 2, "pip install 'pincite[mcp]'")


def test_without_the_extra_the_service_is_there_and_has_no_such_path(kept, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with TestClient(create_app(answerer_over(kept))) as client:
        assert client.post("/v1/ask", json={"question": CLIMBED}).json()["answer"] == "Charles Barrington"
        told(post(client), 404)
