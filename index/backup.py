"""A copy of a store as it is at one moment, made while others read and write it."""

import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from index import originals
from index.durable import publish, sync_folder
from index.errors import StoreError, UsageError
from index.lock import exclusive
from index.schema import sqlite_errors
from index.store import FILE, WRITE_WAIT, Store

STEP = 256  # pages copied between two reports: 1 MiB
# What else lies in a store's folder and cannot be made again. The derived indexes can, and are, by whoever reads first.
DATABASES = ("service.sqlite",)
FILES = ("calibration.json",)
FOLDERS = (originals.FOLDER,)

Progress = Callable[[int, int, str], None]  # pages done, pages in all, what is copied


@dataclass(frozen=True, slots=True)
class Backup:
    """What was copied, and where to."""

    folder: Path
    generation: int
    documents: int


def backup(store: Store, destination: Path, progress: Progress) -> Backup:
    """Copy the store to a new folder, which is a store itself, of one moment.

    Files are indexed meanwhile; uploads, and removals that delete their bytes, wait.
    Raises UsageError where `destination` exists or lies in the store, StoreError where the store is damaged, an upload
    does not end, or the copy cannot be written; then nothing is left of it.
    """
    destination = destination.absolute()
    _require_elsewhere(store.folder, destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(".partial", f".{destination.name}.", destination.parent))
    except OSError as error:
        raise StoreError(f"{destination.parent}: {error.strerror}; name a folder in a writable place") from error
    try:
        # Else an upload of the copied moment could be replaced before its bytes are copied.
        with exclusive(store.folder, WRITE_WAIT, originals.LOCK):
            with store.reading() as (connection, state):
                documents: int = connection.execute("SELECT count(*) FROM documents").fetchone()[0]
                _copy_database(connection, partial / FILE, progress)
            _copy_folders(store.folder, partial)
        _make_independent(partial / FILE, store.folder / FILE)
        _copy_others(store.folder, partial, progress)
        sync_folder(partial)
        publish(partial, destination)
    except (OSError, shutil.Error) as error:
        raise StoreError(
            f"{destination}: cannot be written ({error}); free space on the disk, then try again"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # there is none after `publish`
    return Backup(destination, state.generation, documents)


def _require_elsewhere(store: Path, destination: Path) -> None:
    if os.path.lexists(destination):
        raise UsageError(f"{destination} exists; name a folder that does not")
    if destination.resolve().is_relative_to(store.resolve()):
        raise UsageError(f"{destination} lies in the store {store}; name a folder outside it")


def _copy_database(source: sqlite3.Connection, target: Path, progress: Progress) -> None:
    """Copy page by page what `source` sees. In a read transaction it sees one moment, whatever others write."""
    target.touch(mode=0o600)
    with sqlite_errors(target), closing(sqlite3.connect(target)) as copy:
        # The copy has the original's name, so what a report says of it is known.
        source.backup(copy, pages=STEP, progress=lambda _, left, pages: progress(pages - left, pages, target.name))


def _make_independent(file: Path, original: Path) -> None:
    """Turn the copied tables, if sound, into a store of its own, whose derived indexes were never made.

    Another id, because a process that had the original open may find this folder in its place, at a generation that
    the original reached otherwise.
    """
    with sqlite_errors(original), closing(sqlite3.connect(file)) as copy:
        [fault] = copy.execute("PRAGMA quick_check(1)").fetchone()
        if fault != "ok":
            raise StoreError(f"{original}: {' '.join(fault.split())}; a copy would be as damaged, see `pincite doctor`")
        copy.execute("UPDATE store SET store_id = ?", (uuid.uuid4().hex,))
        copy.execute("UPDATE derived SET generation = 0, sha256 = ''")
        copy.execute("DELETE FROM deletions")
        copy.commit()


def _copy_others(store: Path, partial: Path, progress: Progress) -> None:
    for name in DATABASES:
        if (store / name).is_file():
            with sqlite_errors(store / name), closing(sqlite3.connect(store / name)) as source:
                source.execute("BEGIN")
                _copy_database(source, partial / name, progress)
    for name in FILES:
        _copy_file(store / name, partial / name)


def _copy_folders(store: Path, partial: Path) -> None:
    for name in FOLDERS:
        if (store / name).is_dir():
            (partial / name).mkdir()
            for file in sorted((store / name).iterdir()):
                _copy_file(file, partial / name / file.name)
            sync_folder(partial / name)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file, on to the disk; one that is gone by now was removed meanwhile."""
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        return
    with target.open("rb+") as copied:
        os.fsync(copied.fileno())
