"""Rounds of measuring systems in turns, each in a process of its own. How a round goes: `benchmarks.compare`."""

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.own_service import resident_mib
from benchmarks.quality import Replies
from benchmarks.rivals.protocol import Message, Text, Worker, write_passages
from benchmarks.sidebyside import percentile
from rag.gold import GoldQuestion

BLOCK = 10  # questions that one system has before the next has its turn
WARM = 5  # questions before those that count: kernels are compiled, caches filled
PAUSE = 0.3  # seconds before a turn: threads of the one before spin for up to 0.2 s after their last work
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Entry:
    """How a system is run: `module`, by the Python of environment `env` ("" is this one).

    `index_of` names the system whose index it opens; "" is its own.
    """

    module: str
    env: str = ""
    arguments: tuple[str, ...] = ()
    index_of: str = ""

    def command(self, python: str) -> list[str]:
        """Return what starts it."""
        return [python, "-m", self.module, *self.arguments]


@dataclass(frozen=True, slots=True)
class Contender:
    """A system in a run: its name, what starts it, and the name of the system that makes its index."""

    name: str
    command: Sequence[str]
    index_of: str

    @property
    def indexes(self) -> bool:
        """Tell whether it makes an index of its own."""
        return self.index_of == self.name


@dataclass(frozen=True, slots=True)
class Bench:
    """What one run works with. `scratch` is a folder for indexes and logs; models are folders."""

    contenders: Sequence[Contender]
    corpus: Path
    passages: Sequence[Text]
    scratch: Path
    embedder: Path
    reader: Path

    def start(self, contender: Contender) -> Worker:
        """Start a system's process: without network, and without what it would send home."""
        quiet = {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False", "PYTHONPATH": str(ROOT)}
        log = self.scratch / f"{contender.name.replace(' ', '-')}.log"
        return Worker(contender.name, contender.command, {**os.environ, **quiet}, log)

    def index_folder(self, contender: Contender, number: int) -> Path:
        """Return where the index of round `number` lies that the system opens."""
        return self.scratch / f"{contender.index_of}.{number}"


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    rounds: list[dict[str, dict[str, float]]] = field(default_factory=list)  # by system, by measure
    replies: dict[str, Replies] = field(default_factory=dict)  # by system
    facts: dict[str, dict[str, str]] = field(default_factory=dict)  # by system
    milliseconds: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # by system: search, ask


def measure(bench: Bench, questions: Sequence[GoldQuestion], rounds: int) -> Outcome:
    """Run the rounds; question i goes to round i modulo `rounds`. Raises WorkerFailed."""
    write_passages(bench.scratch / "passages.jsonl", bench.passages)
    outcome = Outcome()
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        figures = _indexing(bench, number)
        for system, measured in _answering(bench, number, questions[number::rounds], outcome).items():
            figures[system] |= measured
        outcome.rounds.append(figures)
    return outcome


def _indexing(bench: Bench, number: int) -> dict[str, dict[str, float]]:
    """Have each system index in a process of its own; return passages a second of those that do."""
    figures: dict[str, dict[str, float]] = {contender.name: {} for contender in bench.contenders}
    for contender in bench.contenders:
        if not contender.indexes:
            continue
        into = bench.index_folder(contender, number)
        into.mkdir()
        passages = bench.scratch / "passages.jsonl"
        time.sleep(PAUSE)
        with bench.start(contender) as worker:
            worker.call("load", {"embedder": str(bench.embedder), "reader": None})
            job = {"passages": str(passages), "files": str(bench.corpus.absolute()), "into": str(into)}
            took = float(worker.call("index", job)["seconds"])
        figures[contender.name]["index_per_s"] = len(bench.passages) / took
    return figures


def _answering(
    bench: Bench, number: int, questions: Sequence[GoldQuestion], outcome: Outcome
) -> dict[str, dict[str, float]]:
    """Start every system, let them take turns, see what memory each holds."""
    figures: dict[str, dict[str, float]] = {}
    with contextlib.ExitStack() as running:
        workers: dict[str, Worker] = {}
        pids: dict[str, int] = {}
        for contender in bench.contenders:
            time.sleep(PAUSE)
            worker = running.enter_context(bench.start(contender))
            opened = _open(bench, contender, worker, number)
            worker.call("ask", _texts(questions[:1]))
            figures[contender.name] = {"start_s": time.perf_counter() - worker.began}
            workers[contender.name], pids[contender.name] = worker, opened["pid"]
            outcome.facts[contender.name] = opened["facts"]
            worker.call("ask", _texts(questions[-WARM:]))
        for system, (searching, asking) in _take_turns(workers, questions, outcome).items():
            figures[system] |= _percentiles("search", searching) | _percentiles("ask", asking)
            figures[system]["resident_mib"] = resident_mib(pids[system])
    return figures


def _open(bench: Bench, contender: Contender, worker: Worker, number: int) -> Message:
    worker.call("load", {"embedder": str(bench.embedder), "reader": str(bench.reader)})
    return worker.call("open", {"folder": str(bench.index_folder(contender, number))})


def _take_turns(
    workers: Mapping[str, Worker], questions: Sequence[GoldQuestion], outcome: Outcome
) -> dict[str, tuple[list[float], list[float]]]:
    """Ask every system every question, block by block; return milliseconds of searching and of asking by system."""
    taken: dict[str, tuple[list[float], list[float]]] = {system: ([], []) for system in workers}
    for first in range(0, len(questions), BLOCK):
        block = questions[first : first + BLOCK]
        tell(f"  question {first + len(block)} of {len(questions)}")
        for system, worker in workers.items():
            time.sleep(PAUSE)
            found, said = worker.call("search", _texts(block)), worker.call("ask", _texts(block))
            taken[system][0].extend(found["ms"])
            taken[system][1].extend(said["ms"])
            _keep(outcome.replies.setdefault(system, Replies()), block, found, said)
    for system, (searching, asking) in taken.items():
        kept = outcome.milliseconds.setdefault(system, {"search": [], "ask": []})
        kept["search"] += searching
        kept["ask"] += asking
    return taken


def _keep(replies: Replies, block: Sequence[GoldQuestion], found: Message, said: Message) -> None:
    for gold, ids, answer, best in zip(block, found["found"], said["answers"], said["best"], strict=True):
        replies.found[gold.id], replies.answers[gold.id], replies.best[gold.id] = ids, answer, best


def _texts(questions: Sequence[GoldQuestion]) -> dict[str, list[str]]:
    return {"questions": [one.question for one in questions]}


def _percentiles(name: str, milliseconds: Sequence[float]) -> dict[str, float]:
    return {f"{name}_p{percent}_ms": percentile(milliseconds, percent) for percent in (50, 95)}


def tell(line: str) -> None:
    """Say how far a run is, on stderr."""
    print(line, file=sys.stderr, flush=True)
