"""docs/interfaces.md, carried out: what it says of agents."""

import asyncio
import io
import json
import sys
from contextlib import redirect_stdout

from agents import over_http
from mcp import Client, StdioServerParameters
from test_docs_api import service as service  # a fixture
from test_docs_interfaces import blocks, section

from api.agent_tools import TOOLS

QUESTION = "In which city is the Regional Anti-Terrorist Structure?"
ON_THIS_MACHINE, OVER_HTTP = (json.loads(block)["mcpServers"]["articles"] for block in blocks("json", "MCP"))


async def answer(agent):
    return (await agent.call_tool("ask", {"question": QUESTION})).structured_content["answer"]


def test_what_the_configuration_starts_answers_with_the_real_models(seed_store):
    command, (name, option, _) = ON_THIS_MACHINE["command"], ON_THIS_MACHINE["args"]
    assert command.endswith("/pincite")
    args = ["-m", "api.cli", name, option, str(seed_store)]
    program = StdioServerParameters(command=sys.executable, args=args, env={"HF_HUB_OFFLINE": "1"})

    async def run():
        async with Client(program) as agent:
            return await answer(agent)

    assert asyncio.run(run()) == "Tashkent, Uzbekistan"


def test_the_address_and_the_key_of_the_configuration_are_those_of_the_service(service):
    url, key = service
    assert OVER_HTTP["url"] == "http://127.0.0.1:8000/mcp"
    assert OVER_HTTP["headers"] == {"Authorization": "Bearer pk_..."}

    async def run():
        async with over_http(url, key) as agent:
            return await answer(agent)

    assert asyncio.run(run()) == "Tashkent"


def test_the_client_in_python_prints_the_answer(service):
    url, key = service
    (block,) = blocks("python", "MCP")
    said = io.StringIO()
    with redirect_stdout(said):
        exec(block.replace("http://127.0.0.1:8000", url).replace("pk_...", key), {})
    assert said.getvalue() == "Tashkent\n"


def test_every_tool_is_in_the_table():
    assert [line.split("`")[1] for line in section("MCP").splitlines() if line.startswith("| `")] == list(TOOLS)
