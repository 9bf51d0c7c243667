"""The store: one folder, one SQLite file that is the truth, and two indexes that are derived from it.

`Store.write` changes it, `Store.snapshot` reads it; both may be used from many threads and processes at once.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from index import schema
from index.derived import DerivedIndexes, View
from index.errors import StoreError
from index.lock import Locked, exclusive
from index.manifest import FORMAT_VERSION, Manifest, require_same
from index.snapshot import Snapshot
from index.writer import Writer

log = logging.getLogger(__name__)

FILE = "pincite.sqlite"
WRITE_WAIT = 10.0  # seconds that a writer waits for another
READ_WAIT = 60.0  # seconds that a reader waits for a writer to finish its indexes
RETRY = 0.01  # seconds between two looks while waiting so
BUSY_WAIT = 10_000  # milliseconds that SQLite waits for its own short locks
IDLE_CONNECTIONS = 8  # kept open for the next snapshots; more are made and closed as needed


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
        self._idle: list[sqlite3.Connection] = []
        self._idle_file: tuple[int, int] | None = None  # device and inode that the idle connections have open
        self._idle_lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, folder: Path, manifest: Manifest | None = None, create: bool = False) -> "Store":
        """Open the store in `folder`; with `create`, make an empty one where there is none.

        Without a manifest (for commands that need no models) any embedder's store is opened.
        Raises StoreError where it is absent, damaged, of a newer format, or its manifest differs; ValueError for
        `create` without a manifest.
        """
        if create and manifest is None:
            raise ValueError("a new store needs a manifest")
        store = cls(folder.absolute(), manifest)
        if not cls.exists(folder):
            if not create or manifest is None:
                raise StoreError(f"no store at {folder}; make one with `pincite index PATHS`")
            store._create(manifest)
        with store.reading():
            pass
        return store

    @staticmethod
    def exists(folder: Path) -> bool:
        """Tell whether there is a store; an empty file is one whose making was cut short."""
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
    def derived(self) -> DerivedIndexes:
        """The derived indexes (for `index.doctor`)."""
        return self._derived

    @contextmanager
    def write(self, timeout: float = WRITE_WAIT) -> Iterator[Writer]:
        """Change the store: all that the block does becomes one generation, or, if it raises, nothing.

        On return the change is on disk and every later snapshot, in any process, sees it. Raises StoreError where
        another writer holds the store for `timeout` seconds, or where the disk is full or read-only.
        """
        with schema.sqlite_errors(self._file), exclusive(self._folder, timeout), self._connection() as connection:
            # First what a crash left behind, so that a snapshot inside the block need not wait for this very lock.
            with schema.transaction(connection):
                state = self._state(connection)
                self._settle(connection)
            with schema.transaction(connection):
                writer = Writer(connection, state)
                yield writer
                if writer.finish():
                    self._settle(connection)
            self._derived.sweep(connection)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read the store as it is now; later writes do not change what the block sees.

        Raises StoreError where the store is damaged, was rebuilt with another manifest, or where its indexes have to
        be made again and cannot be.
        """
        with schema.sqlite_errors(self._file), self._connection() as connection:
            try:
                yield Snapshot(connection, self._current(connection))
            finally:
                _end(connection)

    @contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, schema.State]]:
        """Read the tables alone, whatever the state of the derived indexes (for this package)."""
        with schema.sqlite_errors(self._file), self._connection() as connection:
            try:
                connection.execute("BEGIN")
                yield connection, self._state(connection)
            finally:
                _end(connection)

    @contextmanager
    def maintaining(self, timeout: float = WRITE_WAIT) -> Iterator[sqlite3.Connection]:
        """Hold the write lock without writing documents (for `index.doctor`)."""
        with schema.sqlite_errors(self._file), exclusive(self._folder, timeout), self._connection() as connection:
            yield connection

    def close(self) -> None:
        """Close what is idle; connections in use close when their block ends. Closing twice is fine."""
        with self._idle_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self, manifest: Manifest) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file.touch()
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}; name a writable --store") from error
        with schema.sqlite_errors(self._file), exclusive(self._folder, WRITE_WAIT), self._connection() as connection:
            schema.create(connection, manifest)
            with schema.transaction(connection):
                self._settle(connection)

    def _settle(self, connection: sqlite3.Connection) -> None:
        """Bring the derived indexes up; a failure is no failure of the write, whose data is safe in SQLite."""
        try:
            self._derived.settle(connection)
        except (StoreError, OSError) as error:
            # Whoever reads next brings them up, or says why not.
            log.info("%s: the indexes will be brought up later (%s)", self._folder, error)

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

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; one on which anything failed is closed, not lent again."""
        file = _identity(self._file)
        with self._idle_lock:
            if self._closed:
                raise StoreError(f"{self._folder}: the store is closed; open it again")
            if file != self._idle_file:
                # The store was deleted or made anew: the idle connections still see the file that is gone.
                stale, self._idle, self._idle_file = self._idle, [], file
                for idle in stale:
                    idle.close()
            connection = self._idle.pop() if self._idle else None
        connection = connection or _connect(self._file)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._idle_lock:
            keep = not self._closed and file == self._idle_file and len(self._idle) < IDLE_CONNECTIONS
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(file: Path) -> sqlite3.Connection:
    # Without `mode` a vanished file would come back empty. Its making writes into a file that is there already.
    connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_WAIT}")
        # What a call has reported as done survives a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _end(connection: sqlite3.Connection) -> None:
    """End a read transaction, if one is open."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
