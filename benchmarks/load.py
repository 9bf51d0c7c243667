"""A service under load, in one command: what came back, how long it took, what memory it cost, how it recovered.

    python -m benchmarks.load --json load.json       starts a service over a copy of .pincite, and ends it
    python -m benchmarks.load --url http://127.0.0.1:8000 --pid PID      loads one that runs

Four parts: 64 clients that ask for `--seconds`; the same while they put, replace and delete documents; more clients
than the queue takes; and 16 clients beside one that asks in turn, alternated. Exit code 1 if anything was not as it has
to be (`failures` says what).
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from api.bounds import DEFAULT_BOUNDS
from benchmarks.machine import facts, line
from benchmarks.own_service import busy_seconds, own_service, watched
from benchmarks.sidebyside import percentile
from benchmarks.visitors import Errand, Tally, visit
from rag.gold import load_gold

STORE, GOLD = Path(".pincite"), Path("seeds/gold.jsonl")
CROWD = 2 * (DEFAULT_BOUNDS.queue + DEFAULT_BOUNDS.concurrency)  # clients, so that some find the queue full
MANY, ROUNDS = 16, 2  # clients beside one that asks in turn, and how often the two are alternated
ALONE = 10  # questions asked in turn before and after a part
FINE = {"200", "201", "204", "503"}  # a 503 without Retry-After is counted apart
FLAT = 1.1  # the most memory of the last third of a part, by the most of the first
AT_LEAST = 2.0  # times as many questions a second from many clients as from one


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs; `pid` is None where its memory cannot be looked at."""

    errand: Errand
    pid: int | None


@dataclass
class Part:
    """One part of the run: what clients saw, and the service before, during and after it."""

    name: str
    clients: int
    seconds: float  # that it is to last, and then those that it did
    tally: Tally = field(default_factory=Tally)
    memory: list[float] = field(default_factory=list)  # MiB, from the first look to the last
    alone_before: float = 0.0  # seconds, the median of `ALONE` questions asked in turn
    alone_after: float = 0.0
    recovered: bool = True  # afterwards all of those were answered, and nobody waits or is at the models
    uploads: bool = False
    crowded: bool = False  # more clients than may wait
    watched: bool = False  # whether there is a process whose memory is to be looked at


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast questions were answered: how many a second, and how many cores the service was busy on meanwhile."""

    clients: int
    rate: float
    cores: float


def failures(part: Part) -> list[str]:
    """Return what was not as it has to be, in words."""
    tally = part.tally
    found = [f"{status} ({count} times)" for status, count in sorted(tally.statuses.items()) if status not in FINE]
    counted = {
        "stale passages or citations": tally.stale,
        "citations that are not the characters they name": tally.wrong,
        "documents that were put and not found": tally.missing,
        "no question was answered": not tally.seconds,
        "no citation could be compared": not tally.citations,
        "no document that was put was asked about": part.uploads and not tally.shown,
        "the queue was never full": part.crowded and not tally.statuses["503"],
        "it did not recover": not part.recovered,
        "its memory could not be looked at": part.watched and not any(part.memory[: len(part.memory) // 3]),
    }
    found += [f"{what} ({int(count)})" if count > 1 else what for what, count in counted.items() if count]
    if (grown := growth(part.memory)) > FLAT:
        found.append(f"memory grew to {grown:.2f} times of what it was")
    return [f"{part.name}: {one}" for one in found]


def growth(memory: Sequence[float]) -> float:
    """Return the most of the last third by the most of the first; 1 where nothing was seen."""
    third = len(memory) // 3
    return max(memory[-third:]) / max(memory[:third]) if third and any(memory[:third]) else 1.0


def gain(rounds: Sequence[tuple[Pace, Pace]]) -> float:
    """Return by how much many clients get more questions answered a second than one, at the least of the rounds.

    Not the mean: what else the machine did while the one asked would make it more. No answer for the one is no gain.
    """
    return min(many.rate / one.rate if one.rate else 0.0 for one, many in rounds)


def table(parts: Sequence[Part]) -> str:
    """Return the parts as Markdown."""
    heads = [
        *("", "clients", "statuses", "answered a second", "p50 s", "p99 s", "MiB first, last third"),
        *("alone before, after s", "citations compared", "stale or wrong"),
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(part))} |" for part in parts)])


def _cells(part: Part) -> list[str]:
    tally, third = part.tally, len(part.memory) // 3
    ranks = [f"{percentile(tally.seconds, percent):.3f}" if tally.seconds else "–" for percent in (50, 99)]
    held = f"{max(part.memory[:third]):.0f}, {max(part.memory[-third:]):.0f}" if third else "–"
    return [
        *(part.name, str(part.clients)),
        ", ".join(f"{status} {count}" for status, count in sorted(tally.statuses.items())),
        f"{len(tally.seconds) / part.seconds:.1f}",
        *(*ranks, held, f"{part.alone_before:.3f}, {part.alone_after:.3f}"),
        *(str(tally.citations), str(tally.stale + tally.wrong)),
    ]


def load(service: Service, part: Part) -> Part:
    """Load the service as the part says, and fill in what came of it."""
    errand, part.watched = replace(service.errand, uploads=part.uploads), service.pid is not None
    part.alone_before, _ = _alone(service.errand)
    # First unmeasured: what is held for so many clients at once belongs to the memory that is there before.
    asyncio.run(visit(errand, part.clients, part.seconds / 6))
    with watched(service.pid, part.memory):
        part.tally, part.seconds = asyncio.run(visit(errand, part.clients, part.seconds))
    part.alone_after, answered = _alone(service.errand)
    part.recovered = answered and _idle(service.errand)
    return part


def compare(service: Service, seconds: float) -> tuple[list[tuple[Pace, Pace]], list[str]]:
    """Return how fast one client and many were answered, alternated, and what was not as it has to be."""
    rounds: list[tuple[Pace, Pace]] = []
    found: list[str] = []
    for _ in range(ROUNDS):
        paces = []
        for clients in (1, MANY):
            before = busy_seconds(service.pid)
            tally, lasted = asyncio.run(visit(service.errand, clients, seconds))
            cores = (busy_seconds(service.pid) - before) / lasted
            paces.append(Pace(clients, len(tally.seconds) / lasted, cores))
            found += failures(Part(f"comparing, {clients}", clients, lasted, tally))
        rounds.append((paces[0], paces[1]))
    return rounds, found


def _alone(errand: Errand) -> tuple[float, bool]:
    """Return the median seconds of a few questions asked in turn, and whether all were answered."""
    seconds = []
    with _client(errand) as http:
        for question in errand.questions[:ALONE]:
            began = time.monotonic()
            if http.post("/v1/ask", json={"question": question}).status_code == 200:
                seconds.append(time.monotonic() - began)
    return median(seconds or [0.0]), len(seconds) == len(errand.questions[:ALONE])


def _idle(errand: Errand) -> bool:
    """Tell whether nobody waits or is at the models."""
    with _client(errand) as http:
        numbers = http.get("/metrics").text
    return all(f"{name} 0.0" in numbers for name in ("pincite_waiting", "pincite_using_models"))


def _client(errand: Errand) -> httpx2.Client:
    return httpx2.Client(base_url=errand.url, headers=errand.headers, timeout=60)


def _errand(url: str, key: str | None, gold: Path) -> Errand:
    """Return what to ask of a service, and the texts that it holds now: of the first 1,000 documents, by source."""
    with _client(Errand(url, (), key=key)) as http:
        listed = http.get("/v1/documents", params={"limit": 1000}).raise_for_status().json()["documents"]
        texts = {one["source"]: http.get(f"/v1/documents/{one['document_id']}/text").text for one in listed}
    return Errand(url, [one.question for one in load_gold(gold)], texts, key=key)


def main() -> None:
    """Read the arguments, load the service, print what came of it; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a service that runs; without it one is started over a copy of --store")
    parser.add_argument("--pid", type=int, help="its process, for its memory")
    parser.add_argument("--key", help="of all scopes, if it asks for one; PINCITE_RATE_PER_MINUTE=0 is to be set there")
    parser.add_argument("--store", type=Path, default=STORE)
    parser.add_argument("--gold", type=Path, default=GOLD, help="whose questions are asked")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    given = parser.parse_args()
    service = contextlib.nullcontext((given.url, given.pid)) if given.url else own_service(given.store, given.workers)
    with service as (url, pid):
        found = measure(Service(_errand(url, given.key, given.gold), pid), given.clients, given.seconds)
    settings = {name: value for name, value in os.environ.items() if name.startswith("PINCITE_")}
    found |= {"machine": facts(), "workers": given.workers, "settings": settings}
    print(line(found["machine"]))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), "utf-8")
    sys.exit(bool(found["failures"]))


def measure(service: Service, clients: int, seconds: float) -> dict[str, Any]:
    """Run all parts, print what came of them, and return it."""
    parts = [
        Part("asking", clients, seconds),
        Part("asking and uploading", clients, seconds, uploads=True),
        Part("more than may wait", CROWD, seconds / 6, crowded=True),
    ]
    for part in parts:
        load(service, part)
    rounds, found = compare(service, seconds / 3)
    found += [one for part in parts for one in failures(part)]
    print(table(parts))
    for one, many in rounds:
        told = (
            f"{pace.rate:.2f} questions a second from {pace.clients} on {pace.cores:.2f} cores" for pace in (one, many)
        )
        print(f"{', '.join(told)}: {gain([(one, many)]):.2f} times")
    if (times := gain(rounds)) < AT_LEAST:
        found.append(f"{MANY} clients: {times:.2f} times the questions a second of one, {AT_LEAST:g} are wanted")
    print("\n".join(["failures:", *found] if found else ["nothing failed"]))
    return {
        "parts": [_kept(part) for part in parts],
        "rounds": [[asdict(pace) for pace in one] for one in rounds],
        "gain": times,
        "failures": found,
    }


def _kept(part: Part) -> dict[str, Any]:
    """Return a part for the file: as it is, with p50 and p99 in the place of every question's seconds."""
    tally = dict(vars(part.tally))
    seconds = tally.pop("seconds")
    ranks = {f"p{percent}": percentile(seconds, percent) for percent in (50, 99)} if seconds else {}
    return {**vars(part), "tally": tally, "answered": len(seconds), **ranks, "growth": growth(part.memory)}


if __name__ == "__main__":
    main()
