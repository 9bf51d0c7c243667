"""The store: one folder, one SQLite file that is the truth, and two indexes that are derived from it.

`Store.write` changes it, `Store.snapshot` reads it; both may be used from many threads and processes at once.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from index import schema
from index.connections import Connections, connect
from index.derived import DerivedIndexes, View
from index.durable import publish
from index.errors import StoreError
from index.lock import Locked, exclusive
from index.manifest import FORMAT_VERSION, Manifest, require_same
from index.snapshot import Snapshot
from index.writer import Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

FILE = "pincite.sqlite"
IN_SHARDS = "shards.json"  # where it lies, the documents are in the shards of `index.shards`, none beside them
REACHED = "generation"  # the file that says which generation was reported as done
WRITE_WAIT = 10.0  # seconds that a writer waits for another
READ_WAIT = 60.0  # seconds that a reader waits for a writer to finish its indexes
RETRY = 0.01  # seconds between two looks while waiting so


class _Unsettled(StoreError):
    """The derived indexes are not (yet) those of the generation that was read."""


class Store:
    """An open store. Thread-safe; close it when done (it is its own context manager)."""

    def __init__(self, folder: Path, expected: Manifest | None) -> None:
        """Use `Store.open`."""
        self._folder = folder
        self._file = folder / FILE
        self._expected = expected
        self._derived = DerivedIndexes(folder)
        self._view: View | None = None
        self._view_lock = threading.Lock()
        self._connections = Connections(self._file)

    @classmethod
    def open(cls, folder: Path, manifest: Manifest | None = None, create: bool = False) -> "Store":
        """Open the store in `folder`; with `create`, make an empty one where there is none.

        Without a manifest (for commands that need no models) any embedder's store is opened.
        Raises StoreError where it is absent, damaged, in shards, of a newer format, or its manifest differs;
        ValueError for `create` without a manifest.
        """
        if create and manifest is None:
            raise ValueError("a new store needs a manifest")
        if (folder / IN_SHARDS).exists():
            raise StoreError(f"{folder} is in shards; index it with --cluster, or name one shard: {folder}/shard-0000")
        store = cls(folder.absolute(), manifest)
        if not cls.exists(folder):
            if not create or manifest is None:
                raise StoreError(f"no store at {folder}; make one with `pincite index PATHS`")
            store._create(manifest)
        # Asked before the tables are: they may go on meanwhile, never back.
        reached = store._reached()
        with store.reading() as (_, state):
            store._require_reached(state, *reached)
        return store

    @staticmethod
    def exists(folder: Path) -> bool:
        """Tell whether there is a store."""
        try:
            return (folder / FILE).stat().st_size > 0
        except OSError:
            return False

    @property
    def folder(self) -> Path:
        """The absolute path of the store."""
        return self._folder

    @property
    def manifest(self) -> Manifest:
        """What the store was made with, read now."""
        with self.reading() as (_, state):
            return state.manifest

    @property
    def is_empty(self) -> bool:
        """Tell whether it holds no document now."""
        with self.reading() as (connection, _):
            return connection.execute("SELECT 1 FROM documents LIMIT 1").fetchone() is None

    def vectors_by_key(self, keys: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """Return the stored vector, shape (dimension,), of each embedding key that has an undamaged one.

        They hold for this store's embedder only. Derived indexes are not looked at: a writer's are not waited for.
        """
        with self.reading() as (connection, _):
            return schema.vectors_by_key(connection, keys)

    @property
    def derived(self) -> DerivedIndexes:
        """The derived indexes (for `index.doctor`)."""
        return self._derived

    @contextmanager
    def write(self, timeout: float = WRITE_WAIT) -> Iterator[Writer]:
        """Change the store: all that the block does becomes one generation, or, if it raises, nothing.

        On return the change is on disk and every later snapshot, in any process, sees it. Raises StoreError where
        another writer holds the store for `timeout` seconds, or where the disk is full or read-only.
        """
        with schema.sqlite_errors(self._file), exclusive(self._folder, timeout), self._connections.lend() as connection:
            # First what a crash left behind, so that a snapshot inside the block need not wait for this very lock.
            with schema.transaction(connection):
                state = self._state(connection)
                settled = self._settle(connection)
            with schema.transaction(connection):
                writer = Writer(connection, state)
                yield writer
                settled = self._settle(connection) if writer.finish() else settled
            self._note_reached(state.store_id, writer.generation)
            if settled:
                self._derived.sweep(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read the store as it is now; later writes do not change what the block sees.

        Raises StoreError where the store is damaged, was rebuilt with another manifest, or where its indexes have to
        be made again and cannot be.
        """
        with schema.sqlite_errors(self._file), self._connections.lend() as connection:
            try:
                yield Snapshot(connection, self._current(connection))
            finally:
                _end(connection)

    def at_one_moment(self, look: Callable[[Snapshot], T]) -> T:
        """Return what `look` finds in one snapshot; raises what `snapshot` raises."""
        with self.snapshot() as snapshot:
            return look(snapshot)

    @contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, schema.State]]:
        """Read the tables alone, whatever the state of the derived indexes (for this package)."""
        with schema.sqlite_errors(self._file), self._connections.lend() as connection:
            try:
                connection.execute("BEGIN")
                yield connection, self._state(connection)
            finally:
                _end(connection)

    @contextmanager
    def maintaining(self, timeout: float = WRITE_WAIT) -> Iterator[sqlite3.Connection]:
        """Hold the write lock without writing documents (for `index.doctor`)."""
        with schema.sqlite_errors(self._file), exclusive(self._folder, timeout), self._connections.lend() as connection:
            yield connection

    def close(self) -> None:
        """Close what is idle; connections in use close when their block ends. Closing twice is fine."""
        self._connections.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, manifest: Manifest) -> None:
        """Make the file elsewhere and move it to its place: at any moment there is a whole store or none."""
        partial = self._file.with_name(f"{FILE}.partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with schema.sqlite_errors(self._file), exclusive(self._folder, WRITE_WAIT):
                if self.exists(self._folder):
                    return  # another process was first
                # A journal that outlived its database would be played into the new one.
                for stale in [partial, *_journals(partial), *_journals(self._file)]:
                    stale.unlink(missing_ok=True)
                partial.touch()
                with closing(connect(partial)) as connection:
                    schema.create(connection, manifest)
                publish(partial, self._file)
                with self._connections.lend() as connection:
                    with schema.transaction(connection):
                        settled = self._settle(connection)
                    if settled:
                        self._derived.sweep(connection)
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}; name a writable --store") from error

    def _reached(self) -> tuple[str, int]:
        """Return a store's id and the generation it was reported to have reached: a lower bound."""
        try:
            store_id, generation = (self._folder / REACHED).read_text("ascii").split()
            return store_id, int(generation)
        except (OSError, ValueError):
            return "", 0

    def _note_reached(self, store_id: str, generation: int) -> None:
        # Without it nothing is lost but the proof; so neither a full disk nor a crash in between is a failure.
        with suppress(OSError):
            (self._folder / REACHED).write_text(f"{store_id} {generation}\n", "ascii")

    def _require_reached(self, state: schema.State, store_id: str, generation: int) -> None:
        """Raise StoreError where writes that were reported as done are gone.

        SQLite drops the end of a journal that does not match its checksums, and says nothing of it.
        """
        if state.store_id == store_id and state.generation < generation:
            raise StoreError(
                f"{self._file}: is at generation {state.generation}, and {generation} was reported as done: its journal"
                f" (-wal) was lost or damaged; put a backup in the store's place, or delete {self._folder / REACHED}"
                " and index the files again"
            )

    def _settle(self, connection: sqlite3.Connection) -> bool:
        """Bring the derived indexes up, and tell whether it was done.

        A failure is no failure of the write, whose data is safe in SQLite.
        """
        try:
            self._derived.settle(connection)
        except (StoreError, OSError) as error:
            # Whoever reads next brings them up, or says why not.
            log.info("%s: the indexes will be brought up later (%s)", self._folder, error)
            return False
        return True

    def _current(self, connection: sqlite3.Connection) -> View:
        """Begin this connection's read transaction, and return the view of its very generation."""
        deadline = time.monotonic() + READ_WAIT
        while True:
            try:
                return self._begin(connection)
            except _Unsettled as error:
                log.debug("%s: its indexes are being changed, or need to be (%s)", self._folder, error)
            _end(connection)
            try:
                with exclusive(self._folder, timeout=0):
                    with schema.transaction(connection):
                        self._derived.settle(connection, distrust=True)
                    self._derived.sweep(connection)
                    return self._begin(connection)
            except Locked:
                # Most likely that writer is about to finish; its new generation comes with its indexes.
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY)

    def _begin(self, connection: sqlite3.Connection) -> View:
        # Beginning under the lock: no snapshot can be older than the shared view.
        with self._view_lock:
            connection.execute("BEGIN")
            state = self._state(connection)
            try:
                self._view = self._derived.advance(connection, state, self._view)
            except StoreError as error:
                raise _Unsettled(str(error)) from error
            return self._view

    def _state(self, connection: sqlite3.Connection) -> schema.State:
        """Return the state that this transaction sees; raises StoreError if this run cannot use it."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            raise StoreError(f"{self._file}: not a Pincite store; name another --store")
        if version != FORMAT_VERSION:
            raise StoreError(
                f"{self._file}: format {version}, this Pincite reads {FORMAT_VERSION}; install a newer one"
            )
        state = schema.read_state(connection)
        if self._expected is not None:
            require_same(self._folder, state.manifest, self._expected)
        return state


def _journals(file: Path) -> list[Path]:
    """Return what SQLite may keep beside a file."""
    return [file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm", "-journal")]


def _end(connection: sqlite3.Connection) -> None:
    """End a read transaction, if one is open."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
