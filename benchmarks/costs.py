"""What a passage and a question cost on this machine, part by part: the inputs of `benchmarks.planning`."""

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from api.build import build_embedder, open_answerer
from api.schemas import AskReply
from api.settings import load_settings
from benchmarks.planning import Costs, ShardCosts
from benchmarks.rivals.pincite import Pincite
from benchmarks.rivals.protocol import Job
from benchmarks.rounds import tell
from benchmarks.scale import Questions, alone, grow, search, true_neighbours
from benchmarks.stopwatch import Point, Stopwatch, reading_in_turn
from benchmarks.synthetic import PER_DOCUMENT, Real, documents
from index.manifest import Manifest
from index.models import default_embedder_folder
from index.store import Store
from rag.answer import BATCH, TOP_K
from rag.retrieve import CANDIDATES

COMMITS = 10  # writes of one document, for what a write costs beside its passages: the last that a shard grows by
_EXTRA = 9_000_000  # the number of the first document of these: no grown one comes so far

INDEXING = (
    Point("embed", "index.runtime", "ConvertedModel.run"),
    Point("embed", "index.embed", "Embedder.encode_passages"),
    Point("write", "index.ingest", "write_documents"),
    Point("prepare", "benchmarks.rivals.pincite", "ingest"),
)


@dataclass(frozen=True, slots=True)
class Indexing:
    """Milliseconds of one core, a passage."""

    prepare_ms: float
    embed_ms: float


@dataclass(frozen=True, slots=True)
class Asking:
    """Milliseconds a question; see `Costs`."""

    encode_ms: float
    read_ms: float
    read_alone_ms: float
    answer_ms: float


def of_indexing(corpus: Path, into: Path, processes: int) -> Indexing:
    """Index a folder in so many processes at once, of one thread each: cores that are all at work may be slower."""
    folders = [into / f"{number}" for number in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        taken = pool.starmap(_index, [(corpus, folder) for folder in folders], chunksize=1)
    return Indexing(mean(one.prepare_ms for one in taken), mean(one.embed_ms for one in taken))


def _index(corpus: Path, into: Path) -> Indexing:
    """Index twice, and time the second: by then kernels are compiled for every length. For a process of its own."""
    os.environ["PINCITE_THREADS"] = "1"
    ours, watch = Pincite(), Stopwatch()
    ours.load(default_embedder_folder(), None)
    ours.index(Job([], corpus, into / "first"))
    with reading_in_turn(), watch.watch(INDEXING):
        ours.index(Job([], corpus, into / "second"))
    with Store.open(into / "second") as store, store.snapshot() as snapshot:
        passages = snapshot.passages
    return Indexing(watch.seconds["prepare"] / passages * 1000, watch.seconds["embed"] / passages * 1000)


def read_store(store: Store, questions: Sequence[str]) -> tuple[Real, Questions]:
    """Return the passages of a store, to grow others from, and the questions with their vectors."""
    with store.snapshot() as snapshot:
        ids = [summary.document_id for summary in snapshot.list_documents()]
        passages = [one.passage for document_id in ids for one in snapshot.passages_of(document_id)]
    rows = store.vectors_by_key(passage.embedding_key for passage in passages)
    encoder = build_embedder(load_settings())
    vectors = np.array([encoder.encode_query(question) for question in questions], np.float32)
    real = Real.of([one.text for one in passages], np.array([rows[one.embedding_key] for one in passages], np.float32))
    return real, Questions(list(questions), vectors)


def of_shards(
    folder: Path, manifest: Manifest, real: Real, questions: Questions, sizes: Sequence[int]
) -> tuple[ShardCosts, ...]:
    """Return what shards of these sizes cost, ascending; one store in `folder` grows from each to the next."""
    found, grown_s = [], 0.0
    for size in sorted(sizes):
        tell(f"a shard of {size:,} passages")
        with Store.open(folder, manifest, create=True) as store:
            grown_s += _grow_s(store, real, size - COMMITS * PER_DOCUMENT)
            put_ms = grown_s / size * 1000
            commit_ms = max(0.0, _write_ms(store, real, size) - PER_DOCUMENT * put_ms)
            truth = true_neighbours(store, questions.rows, CANDIDATES)
        took = alone(search, folder, questions, truth)
        found.append(
            ShardCosts(size, took["fused_p50_ms"], put_ms, commit_ms, took["resident_gb"] * 1000, *disk_mb(folder))
        )
    return tuple(found)


def _grow_s(store: Store, real: Real, size: int) -> float:
    """Grow a store to `size` passages in large writes; return the seconds, those of making the passages included."""
    began = time.perf_counter()
    grow(store, real, size)
    return time.perf_counter() - began


def _write_ms(store: Store, real: Real, seed: int) -> float:
    """Return the mean time of a write of one document, some of which are written."""
    taken = []
    for document, passages, rows in documents(real, _EXTRA + seed, COMMITS, np.random.default_rng(seed)):
        began = time.perf_counter()
        with store.write() as writer:
            writer.put(document, None, len(document.text), passages, rows)
        taken.append(time.perf_counter() - began)
    return mean(taken) * 1000


def disk_mb(folder: Path) -> tuple[float, float, float]:
    """Return what a store's files take: SQLite, vectors, terms."""
    sizes = {file: file.stat().st_size / 1e6 for file in folder.rglob("*") if file.is_file()}
    terms = sum(size for file, size in sizes.items() if file.is_relative_to(folder / "lexical"))
    vectors = sum(size for file, size in sizes.items() if file.match("vectors-*"))
    return sum(sizes.values()) - vectors - terms, vectors, terms


def of_questions(folder: Path, questions: Sequence[str], cores: int) -> Asking:
    """Ask all of them once unmeasured, then one by one, then in batches, each by itself."""
    answerer = open_answerer(folder)
    try:
        for question in questions:
            answerer.ask(question)
        alone, written = [], []
        for question in questions:
            alone.append(answer := answerer.ask(question))
            began = time.perf_counter()
            AskReply.model_validate(answer).model_dump_json()
            written.append((time.perf_counter() - began) * 1000)
        together = []
        for first in range(0, len(questions), BATCH):  # a batch alone: nothing is searched for while it is read
            some = answerer.ask_many(questions[first : first + BATCH], top_k=TOP_K, depth=0)
            together += [asked.answer.timings_ms.read for asked in some]
    finally:
        answerer.store.close()
    times = [answer.timings_ms for answer in alone]
    return Asking(
        encode_ms=mean(one.embed for one in times),
        read_ms=mean(together) * cores,
        read_alone_ms=mean(one.read for one in times),
        answer_ms=mean(one.total - one.embed - one.search - one.read for one in times) + mean(written),
    )


def save(costs: Costs, file: Path) -> None:
    """Keep costs as JSON."""
    file.write_text(json.dumps(asdict(costs), indent=1) + "\n", "utf-8")


def load(file: Path) -> Costs:
    """Return the costs that `save` kept."""
    kept = json.loads(file.read_text("utf-8"))
    return Costs(**kept | {"shards": tuple(ShardCosts(**one) for one in kept["shards"])})
