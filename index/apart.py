"""Files read in a process of their own: what makes a parser slow, or fills the memory, stops nothing but that file.

The process reads one file after another, because starting it takes longer than reading most of them.
"""

import atexit
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from index.errors import Rejected

SECONDS = 60  # that reading one file may take


class Apart:
    """The process that runs `module`, which calls `serve`. Started at the first file, and again when it has ended."""

    def __init__(self, module: str) -> None:
        # -P: modules that happen to lie in the folder we are started from are not ours.
        self._command = [sys.executable, "-P", "-m", module]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self._end)

    def read(self, source: str, data: bytes) -> Any:  # noqa: ANN401 (whatever JSON the module writes)
        """Return what the process makes of the file `source`; Rejected if it takes too long, or ends."""
        with self._lock:
            process = self._process = self._process or subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            clock = _Clock(process)
            try:
                line = _exchange(process, json.dumps([source, len(data)]).encode() + b"\n" + data)
            except BaseException:
                self._end()  # Ctrl-C: its reply would be taken for that of the next file
                raise
            finally:
                late = clock.stop()
            if late or not line.endswith(b"\n"):
                self._end()
        if line.endswith(b"\n"):
            return json.loads(line)
        if late:
            raise Rejected(f"{source}: not read after {SECONDS} seconds; save it as text, or exclude it")
        raise Rejected(f"{source}: cannot be read (its parser gave up, or ran out of memory); save it as text")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            with suppress(BrokenPipeError), process:  # closes its pipes, what it never took with them, and waits for it
                pass


class _Clock:
    """Ends a process when its time is up."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process, self._late = process, threading.Event()
        self._timer = threading.Timer(SECONDS, self._end)
        self._timer.start()

    def _end(self) -> None:
        self._late.set()
        self._process.kill()

    def stop(self) -> bool:
        """Tell whether the time was up; if not, it never will be."""
        self._timer.cancel()
        self._timer.join()
        return self._late.is_set()


def _exchange(process: subprocess.Popen[bytes], message: bytes) -> bytes:
    """Send a message and return the line that comes back; without its line break if the process ends."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("a process without pipes")
    with suppress(BrokenPipeError):
        process.stdin.write(message)
        process.stdin.flush()
    return process.stdout.readline()


def serve(read: Callable[[str, bytes], object], memory: int) -> None:
    """Answer `Apart.read` with what `read` makes of each file, as JSON, until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us
    bound_memory(memory)
    while header := sys.stdin.buffer.readline():
        source, length = json.loads(header)
        made = read(source, sys.stdin.buffer.read(length))
        sys.stdout.write(json.dumps(made) + "\n")
        sys.stdout.flush()


def bound_memory(most: int) -> None:
    """Let this process take at most so many bytes from now on."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    bound = _taken(resource.getpagesize()) + most
    resource.setrlimit(resource.RLIMIT_AS, (bound if hard < 0 else min(bound, hard), hard))


def _taken(page: int) -> int:
    """Return the bytes of address space that this process has: libraries may reserve much that they never use."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * page
    except OSError:  # not Linux
        return 0
