"""Shards that run elsewhere, asked as one store."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from api.cluster.remote import Remote
from index.errors import StoreError
from index.manifest import Manifest
from index.moment import Moment
from index.rankings import Rankings, WordCounts
from index.shards import ShardedMoment, ShardsMissing
from index.snapshot import DocumentSummary, Snapshot
from index.types import Filters, StoredDocument, StoredPassage

TRIES = 5  # moments that a question may lose to writes before it is given up
LOOK_EVERY = 0.5  # seconds between two looks whether a shard that did not answer is back
PAGE = 64  # documents fetched together where all are read
THREADS = 128  # that wait for shards, of one process
STATE = "state"  # what is asked of a shard where nothing else is
TRIAL = "the"  # by this question it is tried whether a shard is back

T = TypeVar("T")

log = logging.getLogger(__name__)


class Moved(StoreError):
    """A shard was written to between two looks at it."""

    def __init__(self) -> None:
        super().__init__("the documents are being written, and changed while they were read; try again")


@dataclass(frozen=True, slots=True)
class ShardState:
    """A shard at one moment; `state` is `Snapshot.state`, `manifest` what the shard was made with, as JSON."""

    state: str
    manifest: str
    generation: int
    documents: int
    passages: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> "ShardState":
        """Return the state that a snapshot is of."""
        manifest = snapshot.manifest.to_json()
        return cls(snapshot.state, manifest, snapshot.generation, snapshot.documents, snapshot.passages)


class RemoteMoment:
    """A moment of a shard elsewhere, an `index.moment.Moment`: that of the first answer. Raises Moved if it is over."""

    def __init__(self, shard: Remote, manifest: str) -> None:
        """Ask nothing yet. A shard that was not made with `manifest` (JSON) is refused with StoreError."""
        self._shard, self._manifest = shard, manifest
        self._first: ShardState | None = None

    @property
    def generation(self) -> int:
        """See `Moment.generation`."""
        return self._state().generation

    @property
    def documents(self) -> int:
        """See `Moment.documents`."""
        return self._state().documents

    @property
    def passages(self) -> int:
        """See `Moment.passages`."""
        return self._state().passages

    @property
    def missing_shards(self) -> tuple[int, ...]:
        """See `Moment.missing_shards`."""
        return ()

    def word_counts(self, question: str) -> WordCounts:
        """See `Moment.word_counts`."""
        found: WordCounts = self._look("word_counts", question)
        return found

    def rankings(
        self,
        question: str,
        vector: NDArray[np.float32],
        reach: int,
        filters: Filters,
        counts: WordCounts | None = None,
    ) -> Rankings:
        """See `Moment.rankings`."""
        found: Rankings = self._look("rankings", question, vector, reach, filters, counts)
        return found

    def stored_passages(self, ids: Iterable[int]) -> list[StoredPassage]:
        """See `Moment.stored_passages`."""
        found: list[StoredPassage] = self._look("stored_passages", list(ids))
        return found

    def stored_documents(self, document_ids: Iterable[str]) -> dict[str, StoredDocument]:
        """See `Moment.stored_documents`."""
        found: dict[str, StoredDocument] = self._look("stored_documents", list(document_ids))
        return found

    def document(self, document_id: str) -> StoredDocument | None:
        """See `Moment.document`."""
        return self.stored_documents([document_id]).get(document_id)

    def passages_of(self, document_id: str) -> list[StoredPassage]:
        """See `Moment.passages_of`."""
        found: list[StoredPassage] = self._look("passages_of", document_id)
        return found

    def documents_by_sha256(self, sha256: str) -> list[DocumentSummary]:
        """See `Moment.documents_by_sha256`."""
        found: list[DocumentSummary] = self._look("documents_by_sha256", sha256)
        return found

    def list_documents(self, limit: int | None = None, after: str | None = None) -> list[DocumentSummary]:
        """See `Moment.list_documents`."""
        found: list[DocumentSummary] = self._look("list_documents", limit, after)
        return found

    def iter_documents(self) -> Iterator[StoredDocument]:
        """See `Moment.iter_documents`."""
        after: str | None = None
        while some := self.list_documents(PAGE, after):
            after = some[-1].source
            stored = self.stored_documents([summary.document_id for summary in some])
            yield from (stored[summary.document_id] for summary in some)

    def _state(self) -> ShardState:
        if self._first is None:
            self._look(STATE)
        if self._first is None:
            raise AssertionError("a look sets the state")
        return self._first

    def _look(self, what: str, *given: object) -> Any:  # noqa: ANN401 (see the callers)
        at = self._first.state if self._first else None
        state, found = self._shard.call("look", at, what, *given)
        if state.manifest != self._manifest:
            raise StoreError("made with another embedder or other settings than this service has; index it anew")
        if at is not None and state.state != at:
            raise Moved
        self._first = state
        return found


class RemoteStore:
    """A store in shards that run elsewhere: an `index.moment.Corpus`. Thread-safe."""

    def __init__(self, folder: Path, manifest: Manifest, shards: Sequence[Remote], partial: bool) -> None:
        """Ask these shards, in order; with `partial`, questions are answered without those that do not answer."""
        self._folder, self._manifest, self._shards, self._partial = folder, manifest, shards, partial
        self._waiting = ThreadPoolExecutor(THREADS, "shards")
        self._lock = threading.Lock()
        self._left_alone: dict[int, threading.Thread] = {}  # with what looks whether it is back
        self._closed = threading.Event()

    @property
    def folder(self) -> Path:
        """Where this process keeps what goes with the documents."""
        return self._folder

    @property
    def manifest(self) -> Manifest:
        """What every shard was made with, as it was found at the start."""
        return self._manifest

    @contextmanager
    def snapshot(self) -> Iterator[ShardedMoment]:
        """Read all shards; raises ShardsMissing where one does not answer, Moved where one is written to meanwhile."""
        yield self._moment(frozenset())

    def at_one_moment(self, look: Callable[[Moment], T]) -> T:
        """Return what `look` finds; where a shard is written to meanwhile, it looks again.

        Without shards that do not answer it looks again only if the operator chose so; else it raises ShardsMissing.
        """
        moves = 0
        without = self._still_left_alone()
        while True:
            if without and (not self._partial or len(without) == len(self._shards)):
                raise ShardsMissing(without)
            try:
                return look(self._moment(without))
            except Moved:
                moves += 1
                if moves == TRIES:
                    raise
            except ShardsMissing as error:
                if without.issuperset(error.numbers):
                    raise
                self._leave_alone(error.numbers)
                without |= set(error.numbers)

    def close(self) -> None:
        """Let the threads end; those that look at shards have done so when it returns."""
        self._closed.set()
        with self._lock:
            watching = list(self._left_alone.values())
        for thread in watching:
            thread.join()
        self._waiting.shutdown(wait=False)

    def _moment(self, without: frozenset[int]) -> ShardedMoment:
        parts = {number: self._part(number) for number in range(len(self._shards)) if number not in without}
        return ShardedMoment(parts, len(self._shards), self._ask_all)

    def _ask_all(self, parts: Mapping[int, Moment], question: Callable[[int, Moment], T]) -> dict[int, T]:
        """Ask all at once; a shard whose store is damaged counts as one that does not answer."""
        asked = {number: self._waiting.submit(question, number, part) for number, part in parts.items()}
        found: dict[int, T] = {}
        missing: list[int] = []
        for number, answer in asked.items():
            try:
                found[number] = answer.result()
            except Moved:
                raise
            except StoreError as error:
                log.error("shard %d: %s", number, error)
                missing.append(number)
        if missing:
            raise ShardsMissing(missing)
        return found

    def _still_left_alone(self) -> frozenset[int]:
        with self._lock:
            return frozenset(self._left_alone)

    def _leave_alone(self, numbers: Iterable[int]) -> None:
        """Ask these shards no more until they answer again: no question is to wait for what the last one waited for."""
        with self._lock:
            for number in set(numbers) - set(self._left_alone):
                thread = threading.Thread(target=self._watch, args=(number,), name=f"shard {number}", daemon=True)
                thread.start()
                self._left_alone[number] = thread

    def _watch(self, number: int) -> None:
        while not self._closed.wait(LOOK_EVERY):
            if self._is_back(number):
                log.info("shard %d answers again", number)
                break
        with self._lock:
            del self._left_alone[number]

    def _is_back(self, number: int) -> bool:
        """Ask it what questions ask: a shard that is slow, or damaged in part, may still tell its state at once."""
        part, dimension = self._part(number), self._manifest.embedder.dimension
        try:
            part.rankings(TRIAL, np.full(dimension, dimension**-0.5, np.float32), 1, Filters(), part.word_counts(TRIAL))
        except Exception as error:  # whatever it is: else nothing would look any more, and it would stay left alone
            log.debug("shard %d: %s", number, error)
            return False
        return True

    def _part(self, number: int) -> RemoteMoment:
        return RemoteMoment(self._shards[number], self._manifest.to_json())
