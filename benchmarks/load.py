"""A service under load: many clients for a while. What came back, how long it took, and what memory it cost.

    pincite serve --store STORE &    then    python -m benchmarks.load --url http://127.0.0.1:8000
    python -m benchmarks.load --uploads       starts a service of its own over a copy of .pincite, and ends it

With `--uploads` each client changes a document of its own before every tenth question (puts it, puts another in its
place, deletes it) and looks at what it is shown of it: a text that was replaced or deleted before it asked is stale.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

STORE = Path(".pincite")
QUESTIONS = (
    "In which city is the Regional Anti-Terrorist Structure?",
    "Who leads the Shanghai Cooperation Organization?",
    "When was the organization founded?",
    "Which countries are members?",
    "What is the capital of Australia?",
)
UPLOAD_EVERY = 10


@dataclass
class Result:
    """What the clients saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of questions that were answered with 200
    stale: int = 0
    unverified: int = 0

    def lines(self, lasted: float) -> list[str]:
        """Return it for people; `lasted` is in seconds."""
        self.seconds.sort()
        counted = ", ".join(f"{status} {count}" for status, count in sorted(self.statuses.items()))
        return [
            f"statuses: {counted}",
            f"answered questions: {len(self.seconds)} ({len(self.seconds) / lasted:.1f} a second)",
            f"p50 {_percentile(self.seconds, 50):.3f} s, p99 {_percentile(self.seconds, 99):.3f} s",
            f"stale citations: {self.stale}; citations that are not the quote: {self.unverified}",
        ]


def _percentile(values: list[float], percent: int) -> float:
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else float("nan")


class Visitor:
    """One client, with a document of its own that tells a number: `_told`, None while there is no document."""

    def __init__(self, number: int, http: httpx2.AsyncClient, result: Result, uploads: bool) -> None:
        self._name, self._word = f"load/{number}.txt", f"visitor{number}"
        self._http, self._result, self._uploads = http, result, uploads
        self._random, self._changes = random.Random(number), 0
        self._number = number
        self._told: int | None = None

    async def visit(self, until: float) -> None:
        """Send requests, one after the other."""
        sent = 0
        while time.monotonic() < until:
            sent += 1
            with contextlib.suppress(httpx2.HTTPError):
                if self._uploads and (sent + self._number) % UPLOAD_EVERY == 0:
                    await self._change()
                    await self._ask(f"What is the number of the {self._word}?")
                else:
                    await self._ask(self._random.choice(QUESTIONS))
                continue
            self._result.statuses["no reply"] += 1

    async def _change(self) -> None:
        """Put the document, put another in its place, delete it: the next of these."""
        deletes = self._changes % 3 == 2
        if deletes:
            document_id = hashlib.sha256(self._name.encode()).hexdigest()[:16]
            reply = await self._http.delete(f"/v1/documents/{document_id}")
        else:
            text = f"The number of the {self._word} is {self._changes}.\n"
            reply = await self._http.put("/v1/documents", params={"source": self._name}, content=text.encode())
        self._result.statuses[str(reply.status_code)] += 1
        if reply.is_success:
            self._told = None if deletes else self._changes
            self._changes += 1

    async def _ask(self, question: str) -> None:
        began = time.monotonic()
        reply = await self._http.post("/v1/ask", json={"question": question})
        self._result.statuses[str(reply.status_code)] += 1
        if reply.status_code != 200:
            await asyncio.sleep(0.2)  # what is refused is told to try again later
            return
        self._result.seconds.append(time.monotonic() - began)
        self._look(reply.json())

    def _look(self, reply: dict[str, object]) -> None:
        texts = [str(one["text"]) for one in _objects(reply["passages"]) if one["source"] == self._name]
        numbers = [int(number) for text in texts for number in re.findall(rf"{self._word} is (\d+)", text)]
        self._result.stale += any(number != self._told for number in numbers)
        self._result.unverified += sum(one["verified"] is not True for one in _objects(reply["citations"]))


def _objects(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []


async def load(url: str, clients: int, seconds: float, uploads: bool, key: str | None) -> Result:
    """Have so many clients ask for so long; return what they saw."""
    result, headers = Result(), {"authorization": f"Bearer {key}"} if key else {}
    limits = httpx2.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits) as http:
        until = time.monotonic() + seconds
        await asyncio.gather(*(Visitor(number, http, result, uploads).visit(until) for number in range(clients)))
    return result


def resident_mib(pid: int) -> float:
    """Return the memory that a process and those it started hold, from /proc; 0 where there is none."""
    total = 0
    for one in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text())
            total += int(found[1]) if found else 0
    return total / 1024


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextlib.contextmanager
def own_service(store: Path, workers: int) -> Iterator[tuple[str, int]]:
    """Serve a copy of the store; give (address, pid)."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        copy = shutil.copytree(store, Path(folder) / "store")
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "api.cli", "serve", "--store", str(copy), "--port", str(port)]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([*command, "--workers", str(workers)], stderr=log)
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    while process.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the service ended; `pincite serve` with the same store says why")


def main() -> None:
    """Read the arguments, load the service, print what came of it; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a service that runs; without it one is started over a copy of --store")
    parser.add_argument("--pid", type=int, help="its process, for its memory")
    parser.add_argument("--key")
    parser.add_argument("--store", type=Path, default=STORE)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--uploads", action="store_true")
    given = parser.parse_args()
    service = contextlib.nullcontext((given.url, given.pid)) if given.url else own_service(given.store, given.workers)
    with service as (url, pid):
        before = resident_mib(pid) if pid else 0
        began = time.monotonic()
        result = asyncio.run(load(url, given.clients, given.seconds, given.uploads, given.key))
        print("\n".join(result.lines(time.monotonic() - began)))
        if pid:
            print(f"memory: {before:.0f} MiB before, {resident_mib(pid):.0f} MiB after")
        print(json.dumps({"clients": given.clients, "seconds": given.seconds, "workers": given.workers}))
    sys.exit(bool(result.stale or result.unverified or result.statuses["500"] or result.statuses["no reply"]))


if __name__ == "__main__":
    main()
