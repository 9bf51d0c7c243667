"""What an evaluation has judged so far, kept on disk: a run that was cut short is taken up where it stopped."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from index.errors import StoreError
from index.lock import Locked, exclusive

FOLDER = "evaluations"  # in the store's folder
KEPT_DAYS = 7  # a run that nobody took up for so long is given up
_SYNC_EVERY = 64  # records: what a power cut may cost; a crash of the process alone costs none
_DAY = 86_400  # seconds


def key_of(settings: Mapping[str, object]) -> str:
    """Return 32 hex digits that are the same for the same settings (JSON values): what a run's records depend on."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:32]


class Journal:
    """The records of one run, JSON objects in the order of their questions; one a line of a file."""

    def __init__(self, path: Path) -> None:
        """Take up the records at `path`. The first line that is torn or damaged goes, with all that follow it."""
        self._path = path
        # Appending, so that whatever is read in between, a record goes to the end.
        self._file = path.open("a+b")
        self._count, end = _whole(self._file)
        self._file.truncate(end)

    def __len__(self) -> int:
        """Return how many records there are."""
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read the records from the file, one at a time."""
        with self._path.open("rb") as file:
            yield from map(json.loads, file)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record; it outlives this process from here on, and soon a power cut. StoreError if it cannot."""
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
            self._count += 1
            if self._count % _SYNC_EVERY == 0:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}; make room, and give the same command again") from error

    def close(self) -> None:
        """Let go of the file; the records stay."""
        # What could not be written was told when it was added.
        with suppress(OSError):
            self._file.close()


def _whole(file: IO[bytes]) -> tuple[int, int]:
    """Return how many whole records a file begins with, and the byte at which they end."""
    count = end = 0
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n") or not _is_object(line):
            break
        count, end = count + 1, end + len(line)
    return count, end


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


@contextmanager
def journal(store: Path, key: str) -> Iterator[Journal]:
    """Open the journal of the run with this key; a block that ends without an error has completed it.

    Then it is removed; else it waits for the next run of its key, for 7 days. Raises Locked where the same run is at
    work in another thread or process, StoreError where the folder cannot be written.
    """
    folder = store / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}; make it writable") from error
    _remove_given_up(folder)
    with _held(folder, key):
        opened = Journal(folder / f"{key}.ndjson")
        try:
            yield opened
        finally:
            opened.close()
        _remove(folder, key)


@contextmanager
def _held(folder: Path, key: str) -> Iterator[None]:
    try:
        with exclusive(folder, timeout=0, name=f"{key}.lock"):
            yield
    except Locked as error:
        raise Locked(f"the same evaluation is under way: {error}") from error


def _remove_given_up(folder: Path) -> None:
    oldest = time.time() - KEPT_DAYS * _DAY
    for path in folder.glob("*.ndjson"):
        # Locked: not given up, only slow. Whatever else keeps it: it harms nobody.
        with suppress(StoreError, OSError):
            if path.stat().st_mtime < oldest:
                with _held(folder, path.stem):
                    _remove(folder, path.stem)


def _remove(folder: Path, key: str) -> None:
    """Remove a journal and, while it is still held, its lock: filelock looks whether a lock that it got is still there.

    The journal goes first, so that nothing is ever left without a lock.
    """
    for name in (f"{key}.ndjson", f"{key}.lock.pid", f"{key}.lock"):
        with suppress(FileNotFoundError):
            (folder / name).unlink()
