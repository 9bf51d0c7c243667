"""What a cluster on this machine adds to a question and to a run of `index`; what it does beside what was planned."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

from api.cluster.connection import LOCAL, connected
from api.cluster.ingestion import EMBEDDED_TOGETHER, ClusterRequest, run_cluster_index
from api.cluster.remote import Remote
from api.cluster.serving import APP, EMBEDDER, READER, SHARD, ShardReplica
from api.cluster.shards import STATE
from api.indexing import IndexRequest
from api.settings import load_settings
from benchmarks.cluster import CLIENTS, WAIT, Client, Seen, asked, on_ray, replies, seen_by
from benchmarks.costs import disk_mb
from benchmarks.own_service import resident_mib
from benchmarks.planning import Compared, Corpus, Costs, alone_ms, build_s, per_second, shards_mb
from benchmarks.rounds import tell
from benchmarks.shards import spread
from index.ingest import IngestReport
from index.runtime import cores
from index.shards import shard_folder
from index.store import Store

import ray  # isort: skip (after api.cluster, which tells it to send nothing)
from ray import serve  # isort: skip

MB = 1.048576  # of a MiB


@dataclass(frozen=True, slots=True)
class Bench:
    """What is served, a store that is not in shards; what is indexed; what is asked, for how long each time."""

    store: Path
    corpus: Path
    questions: list[str]
    seconds: float
    scratch: Path


@dataclass(frozen=True, slots=True)
class Calls:
    """What a cluster adds; see `Costs`."""

    written_together: int
    start_s: float
    http_ms: float
    http_alone_ms: float
    call_ms: float
    call_alone_ms: float
    process_mb: float
    models_mb: float


def of_cluster(bench: Bench) -> Calls:
    """Measure it on a cluster of this machine's: an empty run of `index`, requests that ask nothing, calls."""
    with connected(LOCAL):
        one = bench.scratch / "one file"
        one.mkdir()
        (one / "a.txt").write_text("The Nile floods in summer.\n", "utf-8")
        _indexed(one, bench.scratch / "first", 1)
        _, start_s = _indexed(one, bench.scratch / "second", 1)
        process_mb = _almost_empty_shard_mb(shard_folder(bench.scratch / "second", 0))
        with on_ray(_shards(bench, 1), 1) as url:
            replies(url, bench.questions)
            http = [_requests(url, clients, bench.seconds) for clients in CLIENTS]
            calls = [_calls(clients, bench.seconds) for clients in CLIENTS]
            models_mb = _replicas_mb(EMBEDDER) + _replicas_mb(READER)
    return Calls(
        EMBEDDED_TOGETHER,
        start_s,
        http_ms=cores() * 1000 / http[-1].per_second,
        http_alone_ms=mean(http[0].milliseconds),
        call_ms=cores() * 1000 / calls[-1].per_second,
        call_alone_ms=mean(calls[0].milliseconds),
        process_mb=process_mb,
        models_mb=models_mb,
    )


def check(costs: Costs, bench: Bench, counts: list[int]) -> list[Compared]:
    """Return what the model predicts beside what a cluster of this machine's does, for each number of shards.

    Clients keep all cores at work, so the model is asked what they give when they are never idle.
    """
    rows = []
    with connected(LOCAL):
        for count in counts:
            tell(f"{count} shards")
            rows += [Compared(count, *row) for row in (*_served(costs, bench, count), _built(costs, bench, count))]
    return rows


def _served(costs: Costs, bench: Bench, count: int) -> Iterator[tuple[str, float, float]]:
    folder = _shards(bench, count)
    with Store.open(bench.store) as store, store.snapshot() as snapshot:
        corpus = Corpus(snapshot.passages, snapshot.documents, count)
    disk = sum(sum(disk_mb(shard_folder(folder, number))) for number in range(count))
    with on_ray(folder, 1) as url:
        replies(url, bench.questions)
        one, many = (asked(url, bench.questions, clients, bench.seconds) for clients in CLIENTS)
        memory = _replicas_mb(SHARD.format(""))
    yield "disk, MB", count * costs.shard_of(corpus.each).disk_mb, disk
    yield "memory of shards, MB", shards_mb(costs, corpus), memory
    yield "one question alone, ms", alone_ms(costs, corpus, cores()), mean(one.milliseconds)
    yield "questions/s", per_second(costs, corpus, cores(), busy=1), many.per_second


def _built(costs: Costs, bench: Bench, count: int) -> tuple[str, float, float]:
    report, took = _indexed(bench.corpus, bench.scratch / f"built-{count}", count)
    corpus = Corpus(report.passages, len(report.files), count)
    return "indexing the corpus, s", build_s(costs, corpus, cores(), busy=1), took


def _indexed(files: Path, folder: Path, count: int) -> tuple[IngestReport, float]:
    began = time.perf_counter()
    request, settings = IndexRequest((files,)), load_settings(store=folder)
    report = run_cluster_index(request, ClusterRequest(LOCAL, count), settings, tell, lambda *_: None)
    return report, time.perf_counter() - began


def _shards(bench: Bench, count: int) -> Path:
    folder = bench.scratch / f"{count} shards"
    if not folder.exists():
        with Store.open(bench.store) as store:
            spread(store, folder, count)
    return folder


def _requests(url: str, clients: int, seconds: float) -> Seen:
    with contextlib.ExitStack() as opened:
        several = [opened.enter_context(contextlib.closing(Client(url))) for _ in range(clients)]
        return seen_by([partial(client.get, "/healthz") for client in several], seconds)


def _calls(threads: int, seconds: float) -> Seen:
    shard = Remote(serve.get_deployment_handle(SHARD.format(0), APP), "the shard", WAIT)
    return seen_by([partial(shard.call, "look", None, STATE)] * threads, seconds)


def _almost_empty_shard_mb(folder: Path) -> float:
    """Return what the process of a shard holds that has hardly a passage."""
    shard = ray.remote(ShardReplica).remote(folder)
    ray.get(shard.look.remote(None, "word_counts", "river"))
    held = _processes_mb("ray::ShardReplica")
    ray.kill(shard)
    return held


def _replicas_mb(deployment: str) -> float:
    """Return what the replicas hold of all deployments whose names begin so."""
    return _processes_mb(f"ray::ServeReplica:{APP}:{deployment}")


def _processes_mb(title: str) -> float:
    """Return what all processes hold whose titles begin so; Ray titles each by what it does."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(title.encode()):
                total += resident_mib(int(process.name)) * MB
    return total
