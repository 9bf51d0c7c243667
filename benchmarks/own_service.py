"""A service of a benchmark's own, started over a copy of a store, and the memory that a service holds."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import httpx2

LOOK = 0.2  # seconds between two looks at the memory


@contextlib.contextmanager
def watched(pid: int | None, memory: list[float]) -> Iterator[None]:
    """Note the memory of a service again and again while the block runs."""
    ended = Event()

    def look() -> None:
        while pid and not ended.wait(LOOK):
            memory.append(resident_mib(pid))

    watching = Thread(target=look)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def resident_mib(pid: int) -> float:
    """Return the memory that a process and those it started hold, from /proc; 0 where there is none."""
    total = 0
    for one in [pid, *_children(pid)]:
        with contextlib.suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text())
            total += int(found[1]) if found else 0
    return total / 1024


def busy_seconds(pid: int | None) -> float:
    """Return the seconds for which cores have worked for a process and those it started; 0 where that is not told."""
    ticks = 0
    for one in [pid, *_children(pid)] if pid else []:
        with contextlib.suppress(OSError):
            # The name before them may hold blanks, and ends with the last parenthesis.
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # of its own code, and of the system for it
    return ticks / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextlib.contextmanager
def own_service(store: Path, workers: int) -> Iterator[tuple[str, int]]:
    """Serve a copy of the store, without its keys; give (address, pid). SystemExit if it ends before it is ready."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        copy = shutil.copytree(store, Path(folder) / "store", ignore=shutil.ignore_patterns("service.sqlite*"))
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "api.cli", "serve", "--store", str(copy), "--port", str(port)]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([*command, "--workers", str(workers)], stderr=log)
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    with httpx2.Client() as client:
        while process.poll() is None:
            with contextlib.suppress(httpx2.HTTPError):
                if client.get(f"{url}/readyz").status_code == 200:
                    return
            time.sleep(0.02)
    raise SystemExit("the service ended; `pincite serve` with the same store says why")
