"""Connections to a store's SQLite file: lent to whoever needs one, kept open for the next."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import StoreError

BUSY_WAIT = 10_000  # milliseconds that SQLite waits for its own short locks
IDLE = 8  # kept open for the next reads; more are made and closed as needed


class Connections:
    """The connections of one process to one file. Thread-safe."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._idle: list[sqlite3.Connection] = []
        self._idle_file: tuple[int, int] | None = None  # device and inode that the idle connections have open
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; one on which anything failed is closed, not lent again. StoreError once closed."""
        file = _identity(self._file)
        with self._lock:
            if self._closed:
                raise StoreError(f"{self._file.parent}: the store is closed; open it again")
            if file != self._idle_file:
                # The store was deleted or made anew: the idle connections still see the file that is gone.
                stale, self._idle, self._idle_file = self._idle, [], file
                for idle in stale:
                    idle.close()
            connection = self._idle.pop() if self._idle else None
        connection = connection or connect(self._file)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            keep = not self._closed and file == self._idle_file and len(self._idle) < IDLE
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def close(self) -> None:
        """Close what is idle; connections in use close when they come back. Closing twice is fine."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def connect(file: Path) -> sqlite3.Connection:
    """Open a SQLite file that is there, for any thread and without implicit transactions."""
    # Without `mode` a vanished file would come back empty. Its making writes into a file that is there already.
    connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_WAIT}")
        # What a call has reported as done survives a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except UnicodeDecodeError as error:  # SQLite's own message, which quotes the damaged schema
        connection.close()
        raise sqlite3.DatabaseError("malformed database schema") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
