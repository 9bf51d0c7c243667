"""Kills a process that changes a store, again and again, and looks each time at what it left.

`make crash CYCLES=500`. Exit code 1 if a store was damaged or an acknowledged document lost.
"""

import argparse
import logging
import multiprocessing
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fakes import MANIFEST, WordEncoder

from index.chunk_limits import ChunkLimits
from index.doctor import check, repair
from index.errors import StoreError
from index.files import FoundFile
from index.ingest import IngestOptions, ingest, remove
from index.rebuild import rebuild
from index.store import Store

SOURCES = [f"d{n}.txt" for n in range(8)]
LINES = 60  # passages of a document: two or three changed documents make the store write its base again
LIMITS = ChunkLimits(window=64, target=1, overlap_sentences=0)  # one passage a line
KINDS = {"index": 5, "remove": 2, "repair": 1, "rebuild": 1}  # how often each is drawn
CYCLES_OF_A_STORE = 10  # then a new one: so that the making of stores is cut short too
ALL = 100_000

Changes = dict[str, str | None]  # source: version, None where it is removed


def term_of(source, version):
    return f"{source.removesuffix('.txt')}v{version}"


def lines_of(source, version):
    return [f"Shared words, {term_of(source, version)}, line{n}." for n in range(LINES)]


def text_of(source, version):
    return "\n\n".join(lines_of(source, version))


def work(folder, cycle, seed, pipe):
    """Change the store at `folder` until killed. Each change is announced, made, and acknowledged, in this order."""
    rng = random.Random(seed)
    try:
        with Store.open(folder, MANIFEST, create=True) as store:
            pipe.send(("done", "open", {}))
            for step in range(sys.maxsize):
                kind = rng.choices(list(KINDS), KINDS.values())[0]
                sources = rng.sample(SOURCES, rng.randint(1, 3)) if kind in ("index", "remove") else []
                changes = dict.fromkeys(sources, f"{cycle}x{step}" if kind == "index" else None)
                pipe.send(("begun", kind, changes))
                change(store, folder.parent, kind, changes)
                pipe.send(("done", kind, changes))
    except Exception:
        pipe.send(("failed", traceback.format_exc(), {}))


def change(store, parent, kind, changes):
    if kind == "index":
        files = [FoundFile(parent / source, source) for source in changes]
        for file in files:
            file.path.write_text(text_of(file.source, changes[file.source]), "utf-8")
        report = ingest(store, files, WordEncoder(), IngestOptions(LIMITS, 2**20), lambda *_: None)
        if report.rejected:
            raise ValueError(report.rejected)
    elif kind == "remove":
        remove(store, list(changes))
    elif kind == "repair":
        repair(store)
    else:
        rebuild(store, MANIFEST, WordEncoder(), LIMITS, lambda *_: None)


@dataclass
class Report:
    """What the kills did. `damaged` and `lost` say what, and in which cycle."""

    kills: Counter = field(default_factory=Counter)  # by what was going on
    acknowledged: Counter = field(default_factory=Counter)  # by kind
    bases: int = 0  # base files seen
    damaged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def __str__(self):
        during = ", ".join(f"{what} {n}" for what, n in sorted(self.kills.items()))
        done = ", ".join(f"{what} {n}" for what, n in sorted(self.acknowledged.items()))
        return "\n".join(
            [
                f"kills: {self.kills.total()} (during: {during})",
                f"acknowledged operations: {self.acknowledged.total()} ({done}); base files seen: {self.bases}",
                f"damaged stores: {len(self.damaged)}",
                *self.damaged,
                f"lost acknowledged documents: {len(self.lost)}",
                *self.lost,
            ]
        )


class Trial:
    """One store, and what is known of it. A reader stays open through all kills."""

    def __init__(self, parent, report):
        self.folder, self.report = parent / "store", report
        self.versions: Changes = {}
        self.past: set[str] = set()  # every term that told a version that no longer is
        self.reader = None

    def cycle(self, number, rng, processes):
        """Start a writer, kill it, and look."""
        receiver, sender = processes.Pipe(duplex=False)
        process = processes.Process(target=work, args=(self.folder, number, rng.random(), sender))
        process.start()
        sender.close()
        doing, underway = self._follow(receiver, rng, process, number % CYCLES_OF_A_STORE == 0)
        self.report.kills[doing] += 1
        where = f"cycle {number}, killed during {doing}"
        try:
            self._look(where, underway, doctor_first=bool(number % 2))
        except StoreError as error:
            self.report.damaged.append(f"{where}: {error}")

    def _follow(self, receiver, rng, process, first):
        """Take note of what is acknowledged, kill at a random moment; return what was going on then."""
        doing, underway, began, usual = "open", {}, time.monotonic(), 0.2
        wanted = 0 if first else rng.randrange(12)  # the first of a store is killed while it makes it
        try:
            while True:
                if wanted == 0:
                    time.sleep(rng.uniform(0, 1.2 * usual))
                    process.kill()
                    process.join()
                wanted -= 1
                said, kind, changes = receiver.recv()
                if said == "failed":
                    self.report.damaged.append(kind)
                elif said == "begun":
                    doing, underway, began = kind, changes, time.monotonic()
                else:
                    self._acknowledge(kind, changes)
                    doing, underway, usual = "nothing", {}, time.monotonic() - began
        except EOFError:
            return doing, underway

    def _acknowledge(self, kind, changes):
        self.report.acknowledged[kind] += 1
        for source, version in changes.items():
            if self.versions.get(source) is not None:
                self.past.add(term_of(source, self.versions[source]))
            self.versions[source] = version

    def _look(self, where, underway, doctor_first):
        if not Store.exists(self.folder) and not any(self.versions.values()):
            return  # killed before there was a store
        self.report.bases += len(list(self.folder.glob("vectors-*.faiss")))
        self.reader = self.reader or Store.open(self.folder, MANIFEST)
        with Store.open(self.folder, MANIFEST) as fresh:
            if doctor_first:
                self._doctor(where, fresh)
            self._documents(where, fresh, underway)
            for store in (fresh, self.reader):
                self._indexes(where, store)
            if not doctor_first:
                self._doctor(where, fresh)

    def _doctor(self, where, store):
        self.report.damaged += [f"{where}: {p.where}: {p.what}" for p in check(store)]

    def _documents(self, where, store, underway):
        """Compare with what was acknowledged; of what was not, all must be there, or nothing."""
        with store.snapshot() as snapshot:
            found = {stored.document.source: stored.document.text for stored in snapshot.iter_documents()}
        if underway and self._is(found, self.versions | underway):
            self._acknowledge("unheard", underway)
        for source in SOURCES:
            if not self._is(found, {source: self.versions.get(source)}):
                whole = found.get(source, "nothing")[:40]
                self.report.lost.append(f"{where}: {source} should be {self.versions.get(source)}, is {whole!r}")

    def _is(self, found, versions):
        return all(found.get(s) == (None if v is None else text_of(s, v)) for s, v in versions.items())

    def _indexes(self, where, store):
        """Ask both indexes for everything, and for everything that was."""
        live = {source: version for source, version in self.versions.items() if version is not None}
        expected = sorted(line for source, version in live.items() for line in lines_of(source, version))
        with store.snapshot() as snapshot:
            shared = snapshot.matching("shared", ALL), snapshot.nearest(WordEncoder().encode_query("shared"), ALL)
            for name, hits in zip(("lexical", "dense"), shared, strict=True):
                found = snapshot.stored_passages(passage_id for passage_id, _ in hits)
                if sorted(stored.passage.text for stored in found) != expected:
                    self.report.lost.append(f"{where}: {name} search finds {len(found)} passages of {len(expected)}")
            if snapshot.matching(" ".join(self.past), ALL):
                self.report.damaged.append(f"{where}: what was removed is found again")


def run(cycles, seed, parent):
    """Kill `cycles` writers below the folder `parent` and report."""
    # Each writer is forked from a server that has loaded everything: starting it costs no import.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["index.doctor", "index.ingest"])
    rng, report, trial = random.Random(seed), Report(), None
    for number in range(cycles):
        if number % CYCLES_OF_A_STORE == 0:
            if trial is not None and trial.reader is not None:
                trial.reader.close()
            place = parent / str(number)
            place.mkdir()
            trial = Trial(place, report)
        trial.cycle(number, rng, processes)
    if trial.reader is not None:
        trial.reader.close()
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # indexes are made anew after many kills, and say so
    with tempfile.TemporaryDirectory() as temporary:
        result = run(arguments.cycles, arguments.seed, Path(temporary))
    sys.stdout.write(f"{result}\n")
    sys.exit(bool(result.damaged or result.lost))
