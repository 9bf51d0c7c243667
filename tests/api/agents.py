"""Agents: the SDK's own client, over stdio and over HTTP. Run as a program it is a server on stdio over small models.

`agents.py STORE [FOLDER]`: with a folder, it writes `reading` there, and goes on when it finds `go-on`.
"""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from fakes import MANIFEST, NameReader, answerer_over
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from waiting import wait_for

from api.bounds import Bounds
from api.mcp import serve_stdio
from index.store import Store

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "api")])
LEGACY, MODERN = "legacy", "auto"  # protocols with a handshake (until 2025-11-25), and without


class ToldReader(NameReader):
    """Reads when a file says so."""

    def __init__(self, folder):
        self.folder = folder

    def read(self, pairs):
        (self.folder / "reading").touch()
        wait_for((self.folder / "go-on").exists, seconds=120)
        return super().read(pairs)


def main(store, *folder):
    def load():
        print("noise on stdout")  # noqa: T201
        return answerer_over(Store.open(Path(store), MANIFEST), reader=ToldReader(Path(*folder)) if folder else None)

    asyncio.run(serve_stdio(load, Bounds(concurrency=1, queue=1)))


def over_stdio(*args, mode=MODERN):
    """An agent that starts the program above."""
    program = StdioServerParameters(command=sys.executable, args=[__file__, *map(str, args)], env={"PYTHONPATH": PATHS})
    return Client(program, mode=mode)


@asynccontextmanager
async def over_http(url, key=None, mode=MODERN):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as agent,
    ):
        yield agent


if __name__ == "__main__":
    main(*sys.argv[1:])
