"""Cost against size: stores of 10,000 to a million passages, built, opened, searched and changed.

    python -m benchmarks.scale scifact cranfield cisi time --out FOLDER --sizes 10000 100000 1000000

The folders are judged questions as `benchmarks.retrieval` takes them: their passages are embedded, and grown to the
sizes wanted (`benchmarks.synthetic`); their questions are asked. A store is left in FOLDER and grows from one size to
the next, in writes of 20,000 passages. Searching is measured in a process of its own, which opens the store anew: so
its memory is what a service needs beside its models. `--questions` sets how many are asked.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.build import build_embedder, chunk_limits, manifest_for
from api.settings import Settings
from benchmarks.judged import load_collection
from benchmarks.passages import Vectors
from benchmarks.synthetic import PER_DOCUMENT, Real, documents
from index.chunk import chunk
from index.store import Store
from index.types import Filters
from rag.retrieve import CANDIDATES, retrieve

Rows = NDArray[np.float32]
WRITE = 20_000  # passages a write
DEPTH = 10  # passages wanted, as `ask` does by default
OPENINGS = 3  # of which the median is told
_BLOCK = 50_000  # rows compared at a time for the true neighbours


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked: texts, and their unit rows, shape (questions, dimension)."""

    texts: list[str]
    rows: Rows


def read_collections(folders: Sequence[Path], cache: Path, count: int) -> tuple[Real, Questions]:
    """Return the passages of all folders, and `count` of their questions, evenly spaced."""
    embedder = build_embedder(Settings())
    vectors = Vectors(embedder, cache, _progress)
    collections = [load_collection(folder) for folder in folders]
    limits = chunk_limits(embedder)
    found = [one for some in collections for document in some.documents for one in chunk(document, embedder, limits)]
    asked = [gold.question for some in collections for gold in some.questions]
    asked = asked[:: max(1, len(asked) // count)][:count]
    real = Real.of([one.text for one in found], vectors.of_passages([one.embedding_text for one in found]))
    return real, Questions(asked, np.array(vectors.of_questions(asked), np.float32))


def grow(store: Store, real: Real, size: int) -> dict[str, float]:
    """Add documents until the store has `size` passages; return what it cost."""
    with store.snapshot() as snapshot:
        had, numbered = snapshot.passages, snapshot.documents
    began, writes = time.perf_counter(), []
    for first in range(numbered, size // PER_DOCUMENT, WRITE // PER_DOCUMENT):
        started = time.perf_counter()
        count = min(WRITE // PER_DOCUMENT, size // PER_DOCUMENT - first)
        with store.write() as writer:
            for document, passages, rows in documents(real, first, count, np.random.default_rng(first)):
                writer.put(document, None, len(document.text), passages, rows)
        writes.append(time.perf_counter() - started)
        _progress(f"building {size:,}", (first + count) * PER_DOCUMENT, size)
    added = max(1, size - had)
    return {
        "build_passages_per_s": added / (time.perf_counter() - began),
        "longest_write_s": max(writes, default=0.0),
    }


def on_disk(folder: Path) -> float:
    """Return a closed store's gigabytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9


def true_neighbours(store: Store, questions: Rows, k: int) -> list[list[int]]:
    """Return the ids of the `k` best of all passages for each question, by comparing with every row in SQLite."""
    best = [(np.zeros(0), np.zeros(0, np.int64)) for _ in questions]
    with store.reading() as (connection, _):
        cursor = connection.execute("SELECT passage_id, vector FROM passages ORDER BY passage_id")
        while found := cursor.fetchmany(_BLOCK):
            ids = np.array([row[0] for row in found], np.int64)
            rows = np.frombuffer(b"".join(row[1] for row in found), "<f4").reshape(len(found), -1)
            cosines = questions @ rows.T  # (questions, rows)
            for number, (scores, held) in enumerate(best):
                scores, held = np.concatenate([scores, cosines[number]]), np.concatenate([held, ids])
                order = np.lexsort((held, -scores))[:k]
                best[number] = scores[order], held[order]
    return [held.tolist() for _, held in best]


def open_store(folder: Path, questions: Questions) -> dict[str, float]:
    """Open a store and search it once; seconds. For a process of its own."""
    began = time.perf_counter()
    with Store.open(folder) as store, store.snapshot() as snapshot:
        retrieve(snapshot, questions.texts[0], questions.rows[0], DEPTH, Filters())
        return {"open_s": time.perf_counter() - began}


def search(folder: Path, questions: Questions, truth: list[list[int]]) -> dict[str, float]:
    """Open a store and search it; times in milliseconds, memory in gigabytes. For a process of its own."""
    idle = _resident()
    store = Store.open(folder)
    with store.snapshot() as snapshot:
        retrieve(snapshot, questions.texts[0], questions.rows[0], DEPTH, Filters())
        pairs = list(zip(questions.texts, questions.rows, strict=True))
        hits = [snapshot.nearest(row, CANDIDATES) for row in questions.rows]
        found = [[passage_id for passage_id, _ in some] for some in hits]
        timed = {
            "dense": _timed(lambda pair: snapshot.nearest(pair[1], CANDIDATES + 1), pairs),
            "lexical": _timed(lambda pair: snapshot.matching(pair[0], CANDIDATES + 1), pairs),
            "fused": _timed(lambda pair: retrieve(snapshot, *pair, DEPTH, Filters()), pairs),
            "filtered": _timed(lambda pair: retrieve(snapshot, *pair, DEPTH, Filters(source="07/*")), pairs[:30]),
        }
    result = {"resident_gb": _resident() - idle, "peak_gb": _peak() - idle}
    for name, times in timed.items():
        result |= {f"{name}_p50_ms": float(np.percentile(times, 50)), f"{name}_p99_ms": float(np.percentile(times, 99))}
    for k in (10, CANDIDATES):
        shares = [len(set(some[:k]) & set(best[:k])) / len(best[:k]) for some, best in zip(found, truth, strict=True)]
        result[f"recall@{k}"] = float(np.mean(shares))
    return result


def replace_one(folder: Path, real: Real) -> dict[str, float]:
    """Replace a document in an open store and search it; seconds. The passages' vectors are at hand."""
    store = Store.open(folder)
    with store.snapshot() as snapshot:
        snapshot.nearest(real.rows[0], DEPTH)
    [(document, passages, rows)] = documents(real, 5, 1, np.random.default_rng(5_000_000))
    began = time.perf_counter()
    with store.write() as writer:
        writer.put(document, None, len(document.text), passages, rows)
    with store.snapshot() as snapshot:
        [(passage_id, _)] = snapshot.nearest(rows[0], 1)
        took = time.perf_counter() - began
        [stored] = snapshot.stored_passages([passage_id])
    if stored.passage != passages[0]:
        raise SystemExit("the new text was not found")
    return {"replace_s": took}


def alone(work: Callable[..., dict[str, float]], *given: Any) -> dict[str, float]:  # noqa: ANN401 (handed on)
    """Return what `work` returns in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def _timed(work: Callable[[tuple[str, Rows]], object], pairs: Sequence[tuple[str, Rows]]) -> list[float]:
    times = []
    for pair in pairs:
        began = time.perf_counter()
        work(pair)
        times.append((time.perf_counter() - began) * 1e3)
    return times


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def _peak() -> float:
    # Not ru_maxrss: a new process begins with its parent's.
    status = Path("/proc/self/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.split("\n") if line.startswith("VmHWM")) * 1024 / 1e9


def _progress(what: str, done: int, total: int) -> None:
    print(f"\r{what} {done:,}/{total:,} ", end="", file=sys.stderr, flush=True)


def table(results: dict[int, dict[str, float]]) -> str:
    """Return the results as Markdown, a column a size."""
    lines = [f"| passages | {' | '.join(f'{size:,}' for size in results)} |", "|---" * (len(results) + 1) + "|"]
    for name in next(iter(results.values())):
        lines.append(f"| {name} | {' | '.join(f'{result[name]:.4g}' for result in results.values())} |")
    return "\n".join(lines)


def main() -> None:
    """Measure every size in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="for the store and the embedded passages")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    given = parser.parse_args()
    real, questions = read_collections(given.folders, given.out / "vectors", given.questions)
    folder, results = given.out / "store", {}
    print(f"grown from {len(real.rows):,} passages; {len(questions.texts)} questions", file=sys.stderr)
    for size in sorted(given.sizes):
        with Store.open(folder, manifest_for(build_embedder(Settings())), create=True) as store:
            built = grow(store, real, size)
            truth = true_neighbours(store, questions.rows, CANDIDATES)
        opened = median(alone(open_store, folder, questions)["open_s"] for _ in range(OPENINGS))
        found = alone(search, folder, questions, truth)
        results[size] = (
            built | {"disk_gb": on_disk(folder), "open_s": opened} | found | alone(replace_one, folder, real)
        )
        print(f"\n{table(results)}\n", flush=True)
        if given.json:
            given.json.write_text(json.dumps({str(size): result for size, result in results.items()}, indent=1))


if __name__ == "__main__":
    main()
