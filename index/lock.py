"""One writer at a time: an operating-system lock, which ends with its process and so is never stale."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from index.errors import StoreError

LOCK = "lock"


class Locked(StoreError):
    """Another thread or process is writing the store."""


@contextmanager
def exclusive(folder: Path, timeout: float, name: str = LOCK) -> Iterator[None]:
    """Hold a lock of this folder; raises Locked, naming the holder, after `timeout` seconds without it.

    The lock is a file of that name; the default is the store's write lock. The pid lies in a side file (`.pid`) for the
    message alone: nothing is ever decided by it.
    """
    holder = folder / f"{name}.pid"
    # A fresh object each time: one FileLock object would let a second thread of this process in.
    lock = FileLock(folder / name, timeout=timeout)
    try:
        lock.acquire()
    except Timeout as error:
        raise Locked(f"{folder} is being written by process {_read(holder)}; try again when it is done") from error
    except RuntimeError as error:  # so filelock answers a thread that waits for itself
        raise StoreError(f"{folder} is being written by this very thread; end that write first") from error
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be locked for writing ({error.strerror or error}); make it writable"
        ) from error
    try:
        _write(holder)
        yield
    finally:
        lock.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text("ascii").strip() or "(unknown)"
    except (OSError, UnicodeDecodeError):
        return "(unknown)"


def _write(holder: Path) -> None:
    try:
        holder.write_text(f"{os.getpid()}\n", "ascii")
    except OSError:
        return  # a full disk must not stop a removal for want of a message
