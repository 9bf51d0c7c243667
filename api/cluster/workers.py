"""What the processes of a cluster do while it takes in files: read them, cut and embed them, write them into shards."""

import logging
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import ray
from numpy.typing import NDArray
from ray.exceptions import RayTaskError

from index.file_report import FileReport
from index.files import FoundFile
from index.ingest import UPLOADED, IngestOptions, Look, cut, look_at, remove, report_of
from index.manifest import Manifest
from index.put import Loaded, vectors_with, write_documents
from index.shards import shard_of
from index.snapshot import DocumentSummary
from index.store import Store
from index.types import Encoder, document_id_of

TRIES = 3  # for a file whose reading, cutting, embedding or writing fails, or ends its process

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What each process is told. `encoder` loads the embedder, with one thread: there is a process a core."""

    encoder: Callable[[], Encoder]
    options: IngestOptions


@dataclass(frozen=True, slots=True)
class Done:
    """What became of some files, and how many passages had to be embedded for them."""

    files: list[FileReport]
    embedded: int


class Writer:
    """The one process that writes a shard, an actor."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Name the shard. It is opened, or made, when it is first asked: every method raises what that raises."""
        self._folder, self._manifest = folder, manifest

    @cached_property
    def _store(self) -> Store:
        return Store.open(self._folder, self._manifest, create=True)

    def known(self) -> list[DocumentSummary]:
        """Return what the shard holds."""
        with self._store.snapshot() as snapshot:
            return snapshot.list_documents()

    def vectors_by_key(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """See `Store.vectors_by_key`."""
        return self._store.vectors_by_key(keys)

    def put(self, batch: Sequence[Loaded], rows: NDArray[np.float32]) -> set[str]:
        """See `index.put.write_documents`."""
        return write_documents(self._store, batch, rows)

    def remove(self, sources: Sequence[str]) -> None:
        """Remove documents, as one generation."""
        remove(self._store, sources)

    def generation(self) -> int:
        """Return the shard's generation now."""
        with self._store.snapshot() as snapshot:
            return snapshot.generation


class Indexer:
    """Cuts and embeds documents, and has them written: one of as many processes as there are cores."""

    def __init__(self, work: Work, writers: Sequence[Any]) -> None:
        """Load the embedder; `writers` are those of all shards, in order."""
        self._work, self._writers = work, writers
        self._encoder = work.encoder()

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Index what was read (see `read`); return one row, a `Done`."""
        return packed([self.index(unpacked(batch))])

    def index(self, looks: Sequence[Look]) -> Done:
        """Store what was read together; where that fails, each file by itself, so that none suffers for another."""
        try:
            return self._index(looks)
        except Exception as error:
            if len(looks) > 1:
                log.warning("%d files cannot be stored together (%s): one by one", len(looks), error)
                return _sum([self._tried(look) for look in looks])
            return self._tried(looks[0])

    def _tried(self, look: Look) -> Done:
        failed = ""
        for _ in range(TRIES):
            try:
                return self._index([look])
            except Exception as error:
                log.warning("%s: %s", look.file.source, error)
                failed = failure(error)
        return Done([FileReport(look.file.source, "rejected", failed)], 0)

    def _index(self, looks: Sequence[Look]) -> Done:
        loaded = [cut(look, self._encoder, self._work.options.limits) for look in looks]
        found = [one for one in loaded if one]
        rows, embedded = self._vectors(found)
        uploads = self._write(found, rows)
        reports = [report_of(look, one) for look, one in zip(looks, loaded, strict=True)]
        kept = [_refused(file) if document_id_of(file.source) in uploads else file for file in reports]
        return Done(kept, embedded)

    def _vectors(self, loaded: Sequence[Loaded]) -> tuple[NDArray[np.float32], int]:
        """Return the rows of all passages; a text that any shard holds (its file may be renamed) has its vector."""
        passages = [passage for one in loaded for passage in one.passages]
        keys = ray.put([passage.embedding_key for passage in passages])
        held = ray.get([writer.vectors_by_key.remote(keys) for writer in self._writers]) if passages else []
        known = {key: row for some in held for key, row in some.items()}
        return vectors_with(known, self._encoder, passages)

    def _write(self, loaded: Sequence[Loaded], rows: NDArray[np.float32]) -> set[str]:
        """Have each document written by its shard; return the ids of those that are not, for uploads."""
        ends = np.cumsum([len(one.passages) for one in loaded])
        parts: dict[int, list[tuple[Loaded, NDArray[np.float32]]]] = {}
        for one, end in zip(loaded, ends.tolist(), strict=True):
            number = shard_of(one.document.document_id, len(self._writers))
            parts.setdefault(number, []).append((one, rows[end - len(one.passages) : end]))
        writes = []
        for number, part in sorted(parts.items()):
            documents = [one for one, _ in part]
            writes.append(self._writers[number].put.remote(documents, np.concatenate([some for _, some in part])))
        return set[str]().union(*ray.get(writes))


def _refused(file: FileReport) -> FileReport:
    return FileReport(file.source, "rejected", UPLOADED)


def failure(error: Exception) -> str:
    """Return why a file is given up."""
    if isinstance(error, RayTaskError):
        error = error.cause
    said = " ".join(str(error).split())
    return f"failed {TRIES} times, at last with {type(error).__name__}: {said[-200:]}"


def read(batch: pyarrow.Table, options: IngestOptions) -> pyarrow.Table:
    """Read files that are given with what is stored of them; return a `Look` of each."""
    return packed([_looked_at(file, before, options) for file, before in unpacked(batch)])


def _looked_at(file: FoundFile, before: DocumentSummary | None, options: IngestOptions) -> Look:
    failed = ""
    for _ in range(TRIES):
        try:
            return look_at(file, before, options)
        except Exception as error:
            failed = failure(error)
    return Look(file, "rejected", failed, before=before)


def index_one(writers: Sequence[Any], before: DocumentSummary | None, file: FoundFile, work: Work) -> Done:
    """Index one file, with an embedder loaded for it alone."""
    return Indexer(work, writers).index([_looked_at(file, before, work.options)])


def _sum(parts: Sequence[Done]) -> Done:
    return Done([file for part in parts for file in part.files], sum(part.embedded for part in parts))


def packed(values: Sequence[object]) -> pyarrow.Table:
    """Return values as rows: Arrow knows none of ours. They pass between processes of one run alone."""
    return pyarrow.table({"item": pyarrow.array([pickle.dumps(value) for value in values], pyarrow.large_binary())})


def unpacked(batch: pyarrow.Table) -> list[Any]:
    """Return the values of rows."""
    return [pickle.loads(item) for item in batch.column("item").to_pylist()]
