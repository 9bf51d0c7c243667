"""How a system under measurement is spoken with: a line of JSON a request on stdin, a line of JSON a reply on stdout.

    {"op": "load", "embedder": FOLDER, "reader": FOLDER or null}        -> {}
    {"op": "index", "passages": FILE, "files": FOLDER, "into": FOLDER}  -> {"seconds": S}
    {"op": "open", "folder": FOLDER}                                    -> {"facts": {NAME: TEXT}, "pid": N}
    {"op": "search", "questions": [TEXT]}                               -> {"ms": [MS], "found": [[ID]]}
    {"op": "ask", "questions": [TEXT]}                                  -> {"ms": [MS], "answers": [TEXT or null],
                                                                            "best": [TEXT or null]}

A request that fails is answered by {"error": TEXT}. `pid` is the process whose memory is the system's. Times are taken
in the system's process around each single call, so that the lines of JSON cost none of them anything. The standard
library alone is imported here: both sides run this file, each under its own Python.
"""

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, TypeVar

DEPTH = 10  # passages found, and read for an answer
PATIENCE = 60  # seconds that a system has to end once nobody speaks with it

Message = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Text:
    """A passage. `context` (title and headings, may be empty) is embedded before `text`, and never read."""

    id: str  # SOURCE:START, the same in every system
    text: str
    context: str

    @property
    def embedded(self) -> str:
        """Return what is embedded."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class Job:
    """What to index: passages, or (for who cuts files himself) the files they are of; and the folder to keep it in."""

    passages: Sequence[Text]
    files: Path
    into: Path


@dataclass(frozen=True, slots=True)
class Said:
    """A system's answer, None where it abstains, and the best that it had to say, given or withheld.

    A system that does not tell what it withholds has None for every `best`.
    """

    answer: str | None
    best: str | None


class System(Protocol):
    """What is measured. Calls of `index`, `search` and `ask` are timed."""

    @property
    def packages(self) -> Sequence[str]:
        """The packages whose versions are reported."""
        ...

    @property
    def pid(self) -> int:
        """The process whose memory is the system's."""
        ...

    def load(self, embedder: Path, reader: Path | None) -> None:
        """Load the models. Without a reader nothing but `index` follows."""
        ...

    def index(self, job: Job) -> None:
        """Index, up to the moment when another process can open it."""
        ...

    def open(self, folder: Path) -> dict[str, str]:
        """Open what `index` made; return what should be known of how the system runs, by name."""
        ...

    def search(self, question: str) -> list[str]:
        """Return the ids of the DEPTH best passages, best first."""
        ...

    def ask(self, question: str) -> Said:
        """Answer from the DEPTH best passages."""
        ...


def read_passages(path: Path) -> list[Text]:
    """Read what `write_passages` wrote."""
    return [Text(**json.loads(line)) for line in path.read_text("utf-8").split("\n") if line]


def write_passages(path: Path, passages: Sequence[Text]) -> None:
    """Write passages, a line of JSON each."""
    rows = ({"id": one.id, "text": one.text, "context": one.context} for one in passages)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def serve(system: System) -> None:
    """Answer requests until stdin ends. What libraries print goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            reply = handle(system, json.loads(line))
        except Exception as error:  # the driver tells of it; here is the only traceback
            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


def handle(system: System, request: Message) -> Message:
    """Carry out one request; raises what the system raises, ValueError for an operation that there is not."""
    match request["op"]:
        case "load":
            system.load(Path(request["embedder"]), Path(request["reader"]) if request["reader"] else None)
            return {}
        case "index":
            job = Job(read_passages(Path(request["passages"])), Path(request["files"]), Path(request["into"]))
            took, _ = _timed(lambda: system.index(job))
            return {"seconds": took}
        case "open":
            facts = system.open(Path(request["folder"]))
            versions = {name: importlib.metadata.version(name) for name in system.packages}
            return {"facts": {"python": sys.version.split()[0], **versions, **facts}, "pid": system.pid}
        case "search":
            timed = [_timed(lambda q=question: system.search(q)) for question in request["questions"]]  # type: ignore[misc]
            return {"ms": [took * 1000 for took, _ in timed], "found": [found for _, found in timed]}
        case "ask":
            said = [_timed(lambda q=question: system.ask(q)) for question in request["questions"]]  # type: ignore[misc]
            answers, best = [one.answer for _, one in said], [one.best for _, one in said]
            return {"ms": [took * 1000 for took, _ in said], "answers": answers, "best": best}
        case unknown:
            raise ValueError(f"no operation {unknown!r}")


def _timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a call took, and what it returned."""
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


class WorkerFailed(Exception):
    """A system could not do what it was asked, or its process ended."""


class Worker:
    """A system's process, seen from the driver's side. Use it in a `with` block."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Start it; what it writes to stderr is added to `log`."""
        self.name, self._log = name, log
        self.began = time.perf_counter()
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=dict(environment), text=True
            )

    def call(self, op: str, request: Mapping[str, object]) -> Message:
        """Return the reply; WorkerFailed if there is none or it is an error."""
        requests, replies = self._pipes()
        try:
            requests.write(json.dumps({"op": op, **request}) + "\n")
            requests.flush()
            line = replies.readline()
        except BrokenPipeError:
            line = ""
        reply: Message = json.loads(line) if line else {"error": f"its process ended ({self._process.wait(PATIENCE)})"}
        if "error" in reply:
            raise WorkerFailed(f"{self.name}: {op}: {reply['error']}; see {self._log}")
        return reply

    def close(self) -> None:
        """Let it end, or end it."""
        requests, replies = self._pipes()
        with contextlib.suppress(BrokenPipeError):
            requests.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        replies.close()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the process was started without pipes")
        return self._process.stdin, self._process.stdout

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
