"""What the service itself keeps, in `service.sqlite` beside the store: keys, sessions, evaluations, judged answers."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.jobs import Job, Status
from api.keys import Key
from index.errors import StoreError
from index.lock import Locked

FILE = "service.sqlite"
FORMAT_VERSION = 1
BUSY_WAIT = 10_000  # milliseconds

# Each statement may be run again, so that a table can be added without a step of its own.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS keys (key_id TEXT PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL,"
    " digest BLOB NOT NULL, created INTEGER NOT NULL, expires INTEGER, revoked INTEGER)",
    "CREATE TABLE IF NOT EXISTS sessions (digest BLOB PRIMARY KEY, key_id TEXT NOT NULL REFERENCES keys,"
    " expires INTEGER NOT NULL)",
    # Numbered as they come: the queue's order. What is long lies apart, so that a list reads none of it.
    "CREATE TABLE IF NOT EXISTS evaluations (number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL UNIQUE,"
    " key_id TEXT, created INTEGER NOT NULL, status TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL,"
    " error TEXT)",
    "CREATE TABLE IF NOT EXISTS evaluation_files (job_id TEXT PRIMARY KEY REFERENCES evaluations (job_id),"
    " gold BLOB, report BLOB)",
    # By what a question asks, so that judging it again takes the place of what was judged before.
    "CREATE TABLE IF NOT EXISTS confirmed (question TEXT PRIMARY KEY, line TEXT NOT NULL, key_id TEXT,"
    " created INTEGER NOT NULL)",
)
_JOB = "SELECT job_id, key_id, created, status, done, total, error FROM evaluations"
_KEY = "SELECT keys.key_id, name, scopes, keys.digest, created, keys.expires, revoked FROM keys"


class ServiceStore:
    """The open file. Thread-safe, and open in several processes at once: each call sees what was last written.

    Keys are looked up by a connection of their own, which waits for no writer: the event loop waits for each look-up.
    Every method raises StoreError where the file is damaged or cannot be written; Locked where another process holds it
    for 10 seconds.
    """

    def __init__(self, folder: Path) -> None:
        """Open the file in the store's folder; if it is not there, make it, for its owner's eyes alone."""
        self._file = (folder / FILE).absolute()
        self._lock, self._lookup_lock = threading.Lock(), threading.Lock()
        with self._errors():
            self._file.touch(mode=0o600)
            self._connection = _connect(self._file)
            self._lookup = _opened(self._file, "ro")

    @staticmethod
    def exists(folder: Path) -> bool:
        """Tell whether the file is there."""
        return (folder / FILE).is_file()

    def all_keys(self) -> list[Key]:
        """Return all keys, the oldest first, with those that were revoked or have expired."""
        return [_key(row) for row in self._run(f"{_KEY} ORDER BY created, key_id")]

    def key(self, key_id: str) -> Key | None:
        """Return one key; None if there is none of that id."""
        return self._look_up(f"{_KEY} WHERE key_id = ?", key_id)

    def add_key(self, key: Key) -> None:
        """Keep a new key."""
        scopes = " ".join(sorted(key.scopes))
        self._run(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(key.key_id, key.name, scopes, key.digest, key.created, key.expires, key.revoked),
        )

    def revoke_key(self, key_id: str, now: float) -> bool:
        """End a key and its sessions for good; tell whether there is one of that id."""
        self._run("UPDATE keys SET revoked = ? WHERE key_id = ? AND revoked IS NULL", int(now), key_id)
        self._run("DELETE FROM sessions WHERE key_id = ?", key_id)
        return self.key(key_id) is not None

    def add_session(self, digest: bytes, key_id: str, expires: float, now: float) -> None:
        """Keep a browser's session, and drop those that have ended."""
        self._run("DELETE FROM sessions WHERE expires <= ?", int(now))
        self._run("INSERT INTO sessions VALUES (?, ?, ?)", digest, key_id, int(expires))

    def session_key(self, digest: bytes, now: float) -> Key | None:
        """Return the key that a session was begun with; None if it has ended or never was."""
        begun = f"{_KEY} JOIN sessions USING (key_id) WHERE sessions.digest = ? AND sessions.expires > ?"
        return self._look_up(begun, digest, now)

    def end_session(self, digest: bytes) -> None:
        """Drop a session."""
        self._run("DELETE FROM sessions WHERE digest = ?", digest)

    def jobs(self, limit: int) -> list[Job]:
        """Return the evaluations, the latest first."""
        return [_job(row) for row in self._run(f"{_JOB} ORDER BY number DESC LIMIT ?", limit)]

    def job(self, job_id: str) -> Job | None:
        """Return one evaluation; None if there is none of that id."""
        return next(map(_job, self._run(f"{_JOB} WHERE job_id = ?", job_id)), None)

    def next_job(self) -> Job | None:
        """Return the evaluation whose turn it is: one that was begun and not ended, else the first in the queue."""
        waiting = f"{_JOB} WHERE status IN ('running', 'queued') ORDER BY status = 'queued', number LIMIT 1"
        return next(map(_job, self._run(waiting)), None)

    def count_jobs(self) -> dict[str, int]:
        """Return how many evaluations there are of each status."""
        return dict(self._run("SELECT status, count(*) FROM evaluations GROUP BY status"))

    def add_job(self, job: Job, gold: bytes, most: int) -> bool:
        """Put an evaluation into the queue with its gold set; False, and nothing is done, if `most` wait already."""
        with self._transaction():
            [(waiting,)] = self._execute("SELECT count(*) FROM evaluations WHERE status = 'queued'")
            if waiting >= most:
                return False
            self._execute(
                "INSERT INTO evaluations (job_id, key_id, created, status, done, total) VALUES (?, ?, ?, ?, ?, ?)",
                *(job.job_id, job.key_id, job.created, job.status, job.done, job.total),
            )
            self._execute("INSERT INTO evaluation_files (job_id, gold) VALUES (?, ?)", job.job_id, gold)
        return True

    def gold_of(self, job_id: str) -> bytes | None:
        """Return the gold set of an evaluation; None once it has ended."""
        return next((row[0] for row in self._run("SELECT gold FROM evaluation_files WHERE job_id = ?", job_id)), None)

    def report_of(self, job_id: str) -> bytes | None:
        """Return the report of an evaluation; None unless it is done."""
        return next((row[0] for row in self._run("SELECT report FROM evaluation_files WHERE job_id = ?", job_id)), None)

    def note_progress(self, job_id: str, done: int, total: int) -> bool:
        """Note how far a running evaluation is; tell whether it is still to go on."""
        running = "UPDATE evaluations SET status = 'running', done = ?, total = ? WHERE job_id = ?"
        running += " AND status IN ('queued', 'running') RETURNING 1"
        return bool(self._run(running, done, total, job_id))

    def end_job(self, job_id: str, status: Status, keep: int, report: bytes | None = None, error: str = "") -> bool:
        """End an evaluation that is queued or running, tell whether it was; of those that have ended `keep` stay."""
        with self._transaction():
            ended = self._execute(
                "UPDATE evaluations SET status = ?, error = ?, done = iif(? = 'done', total, done)"
                " WHERE job_id = ? AND status IN ('queued', 'running') RETURNING 1",
                *(status, error or None, status, job_id),
            )
            if ended:
                self._execute("UPDATE evaluation_files SET gold = NULL, report = ? WHERE job_id = ?", report, job_id)
                old = "SELECT job_id FROM evaluations WHERE status NOT IN ('queued', 'running')"
                old += " ORDER BY number DESC LIMIT -1 OFFSET ?"
                self._execute(f"DELETE FROM evaluation_files WHERE job_id IN ({old})", keep)
                self._execute(f"DELETE FROM evaluations WHERE job_id IN ({old})", keep)
        return bool(ended)

    def confirmed_lines(self) -> list[str]:
        """Return the answers that readers judged, each as a line of a gold set, the oldest first."""
        return [row[0] for row in self._run("SELECT line FROM confirmed ORDER BY rowid")]

    def keep_confirmed(self, question: str, line: str, key_id: str | None, now: float) -> None:
        """Keep the line of a question, in the place of the one before."""
        self._run("INSERT OR REPLACE INTO confirmed VALUES (?, ?, ?, ?)", question, line, key_id, int(now))

    def drop_confirmed(self, question: str) -> None:
        """Forget the line of a question."""
        self._run("DELETE FROM confirmed WHERE question = ?", question)

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._lookup_lock:
            self._lookup.close()  # first: the last to close tidies the file, and has to be able to write
            self._connection.close()

    def __enter__(self) -> "ServiceStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look_up(self, statement: str, *values: object) -> Key | None:
        with self._errors(), self._lookup_lock:
            return next(map(_key, self._lookup.execute(statement, values).fetchall()), None)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._errors(), self._lock:
            return self._execute(statement, *values)

    def _execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Have what the block executes happen together or, if it raises, not at all."""
        with self._errors(), self._lock:
            self._execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._execute("ROLLBACK")
                raise
            self._execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            if (getattr(error, "sqlite_errorname", None) or "").startswith("SQLITE_BUSY"):
                raise Locked(f"{self._file}: {error}; try again when the other process is done") from error
            raise StoreError(
                f"{self._file}: {error}; make it writable, or if it is damaged move it away and make new keys"
            ) from error


def _opened(file: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False)


def _connect(file: Path) -> sqlite3.Connection:
    connection = _opened(file, "rw")
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_WAIT}")
        # A key that was reported as revoked stays so through a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT_VERSION:
            raise StoreError(f"{file}: format {version}, this Pincite reads {FORMAT_VERSION}; install a newer one")
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _key(row: tuple[Any, ...]) -> Key:
    key_id, name, scopes, digest, created, expires, revoked = row
    return Key(key_id, name, frozenset(scopes.split()), digest, created, expires, revoked)


def _job(row: tuple[Any, ...]) -> Job:
    job_id, key_id, created, status, done, total, error = row
    return Job(job_id, key_id, created, status, done, total, error)
