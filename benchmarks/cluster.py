"""One shard on Ray beside the plain service, and what more readers change: the same questions over HTTP, in turns.

    pincite index squad/report --store squad/store
    python -m benchmarks.cluster squad/store squad/report.jsonl
    python -m benchmarks.cluster squad/store squad/report.jsonl --rounds 1 --seconds 2    to see that it runs

A round: each service is started anew, asked every question once, uncounted, then asked by one client and by eight, so
long each; then it ends, and the next has its turn. The cores are dealt out to the readers of a service: two readers
on two cores have a thread each. What the clients themselves need is taken from the same cores.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from api.build import build_embedder, build_reader
from api.cluster.connection import LOCAL, connected
from api.cluster.serving import APP, ClusterOptions, application
from api.settings import load_settings
from benchmarks import machine
from benchmarks.own_service import own_service
from benchmarks.rounds import tell
from benchmarks.shards import answers_only, spread
from benchmarks.sidebyside import Measure, figures_table, percentile
from index.runtime import cores
from index.store import Store
from rag.evaluate import evenly_spaced
from rag.gold import load_gold

from ray import serve  # isort: skip (after api.cluster, which tells it to send nothing)

CLIENTS = (1, 8)
WAIT = 120.0  # seconds for a service to be ready
Service = Callable[[], AbstractContextManager[str]]  # what it gives is an address
Reply = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What clients saw of a service: milliseconds of each call in no order, and the seconds that all of it took."""

    milliseconds: list[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Calls a second."""
        return len(self.milliseconds) / self.seconds


class Client:
    """One connection, kept open."""

    def __init__(self, url: str) -> None:
        """Connect to http://HOST:PORT when first asked."""
        self._http = http.client.HTTPConnection(url.removeprefix("http://"), timeout=WAIT)

    def get(self, path: str) -> bytes:
        """Return a page; RuntimeError for any status but 200."""
        return self._send("GET", path, None)

    def ask(self, question: str) -> Reply:
        """Return the whole reply to a question; RuntimeError for any status but 200."""
        reply: Reply = json.loads(self._send("POST", "/v1/ask", json.dumps({"question": question})))
        return reply

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def _send(self, method: str, path: str, body: str | None) -> bytes:
        self._http.request(method, path, body, {"content-type": "application/json"})
        reply = self._http.getresponse()
        text = reply.read()
        if reply.status != http.client.OK:
            raise RuntimeError(f"{path}: {reply.status} {text.decode(errors='replace')}")
        return text


def seen_by(calls: Sequence[Callable[[], object]], seconds: float) -> Seen:
    """Have as many threads as there are calls repeat theirs for so long. Raises what a call raised."""
    taken: list[float] = []
    failed: list[Exception] = []
    began = time.perf_counter()

    def repeat(call: Callable[[], object]) -> None:
        try:
            while (start := time.perf_counter()) < began + seconds and not failed:
                call()
                taken.append((time.perf_counter() - start) * 1000)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=repeat, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Seen(taken, time.perf_counter() - began)


def asked(url: str, questions: Sequence[str], clients: int, seconds: float) -> Seen:
    """Have so many clients ask for so long; each begins at another question and goes round."""
    with contextlib.ExitStack() as opened:
        calls = []
        for number in range(clients):
            client = opened.enter_context(contextlib.closing(Client(url)))
            order = itertools.islice(itertools.cycle(questions), number * len(questions) // clients, None)
            calls.append(partial(_ask_next, client, order))
        return seen_by(calls, seconds)


def _ask_next(client: Client, order: Iterator[str]) -> None:
    client.ask(next(order))


@contextlib.contextmanager
def serving(app: serve.Application) -> Iterator[str]:
    """Serve an application on the cluster that this process is connected to; give its address once it is ready."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    try:
        serve.run(app, name=APP)
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        serve.shutdown()


def wait_until_ready(url: str) -> None:
    """Return once a service says that it is ready; TimeoutError if it does not."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        with contextlib.suppress(OSError, RuntimeError), contextlib.closing(Client(url)) as client:
            client.get("/readyz")
            return
        time.sleep(0.1)
    raise TimeoutError(f"{url} does not become ready; the logs of Ray say why")


@contextlib.contextmanager
def on_ray(folder: Path, readers: int) -> Iterator[str]:
    """Serve a store in shards with the real models, on a cluster of this machine's; the readers share the cores."""
    settings = load_settings(store=folder)
    dealt = settings.model_copy(update={"threads": max(1, cores() // readers)})
    options = ClusterOptions(store=str(folder), insecure=True, readers=readers, shard_seconds=WAIT)
    app = application(options, settings, partial(build_embedder, settings), partial(build_reader, dealt))
    with connected(LOCAL), serving(app) as url:
        yield url


@contextlib.contextmanager
def plainly(folder: Path) -> Iterator[str]:
    """Serve a copy of a store by `pincite serve`."""
    with own_service(folder, 1) as (url, _):
        yield url


def replies(url: str, questions: Sequence[str]) -> list[dict[str, Any]]:
    """Return answer and citations of each question."""
    with contextlib.closing(Client(url)) as client:
        return [answers_only(dict(client.ask(question))) for question in questions]


def figures(url: str, questions: Sequence[str], seconds: float) -> dict[str, float]:
    """Return the measures of a service, see `MEASURES`."""
    found: dict[str, float] = {}
    for clients in CLIENTS:
        seen = asked(url, questions, clients, seconds)
        found |= {f"p{percent}_{clients}": percentile(seen.milliseconds, percent) for percent in (50, 99)}
        found[f"per_s_{clients}"] = seen.per_second
    return found


MEASURES = [
    measure
    for clients in CLIENTS
    for who in [f"{clients} client{'s' * (clients > 1)}"]
    for measure in (
        Measure(f"p50_{clients}", f"p50, {who}, ms", 0),
        Measure(f"p99_{clients}", f"p99, {who}, ms", 0),
        Measure(f"per_s_{clients}", f"questions/s, {who}", 1, more_is_better=True),
    )
]


def compare(services: Mapping[str, Service], questions: Sequence[str], rounds: int, seconds: float) -> str:
    """Return as Markdown what each service took, and how many of its replies are those of the first."""
    measured: list[dict[str, dict[str, float]]] = []
    said: dict[str, list[dict[str, Any]]] = {}
    for number in range(rounds):
        measured.append({})
        for name, service in services.items():
            tell(f"round {number + 1} of {rounds}: {name}")
            with service() as url:
                said[name] = replies(url, questions)
                measured[-1][name] = figures(url, questions, seconds)
    first = next(iter(said.values()))
    alike = [
        f"{name}: of {len(first)} replies {sum(a == b for a, b in zip(first, mine, strict=True))} have the answer and "
        "the citations of the first service's"
        for name, mine in said.items()
    ]
    return "\n".join([figures_table(measured, MEASURES), "", *alike[1:]])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path, help="a store that is not in shards")
    parser.add_argument("gold", type=Path, help="questions about it")
    parser.add_argument("--questions", type=int, default=100, help="evenly spaced (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement (default: %(default)s)")
    parser.add_argument("--readers", type=int, nargs="+", default=[1, 2], help="replicas (default: 1 2)")
    given = parser.parse_args()
    # A client that asks question after question is what the bound on requests is there against.
    os.environ["PINCITE_RATE_PER_MINUTE"] = "0"
    questions = [one.question for one in evenly_spaced(load_gold(given.gold), given.questions)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shards"
        with Store.open(given.store) as store:
            spread(store, folder, 1)
            with store.snapshot() as snapshot:
                passages = snapshot.passages
        services: dict[str, Service] = {"pincite serve": partial(plainly, given.store)}
        for readers in given.readers:
            name = f"one shard on Ray, {readers} reader{'s' * (readers > 1)}"
            services[name] = partial(on_ray, folder, readers)
        about = f"{passages} passages, {len(questions)} questions, {given.rounds} rounds of {given.seconds:g} s"
        table = compare(services, questions, given.rounds, given.seconds)
    print(f"{about}. {machine.line(machine.facts())}.\n\n{table}")
    print(f"\nService, clients and Ray share {cores()} cores: more replicas than these can feed cannot show more.")


if __name__ == "__main__":
    main()
