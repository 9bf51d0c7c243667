"""The service as processes of its own, over the small models: what kills and stops it can be tried on.

Run as a program it is that process: `processes.py STORE WORKERS SECONDS`, the last being how long a reading takes.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from fakes import MANIFEST, NameReader, answerer_over

from api.cli.serving import Service, listen, serve_here, serve_in_workers
from api.settings import Settings
from index.store import Store

ROOT = Path(__file__).parents[2]


class UnhurriedReader(NameReader):
    def __init__(self, seconds):
        self.seconds = seconds

    def read(self, pairs):
        time.sleep(self.seconds)
        return super().read(pairs)


@dataclass(frozen=True)
class FakeService(Service):
    """The service that `pincite serve` makes, but for the models."""

    seconds: float = 0.0

    def load(self):
        store = Store.open(self.settings.store, MANIFEST, create=True)
        return answerer_over(store, reader=UnhurriedReader(self.seconds))


def main(store, workers, seconds):
    listening = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    service = FakeService(Settings(store=Path(store)), (), asks_for_keys=False, seconds=float(seconds))
    if int(workers) == 1:
        serve_here(service, listening)
    else:
        serve_in_workers(service, listening, int(workers))


class Process:
    """A running service; `http` asks it, `log` are the lines of its log, once it has ended."""

    def __init__(self, store, log, workers=1, seconds=0.0):
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "api")])
        self._log = log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(store), str(workers), str(seconds)],
                env={**os.environ, "PYTHONPATH": paths},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx2.Client(base_url=self.url, timeout=30)
        self.wait_until_ready()

    def wait_until_ready(self):
        until = time.monotonic() + 60
        while self.http.get("/readyz").status_code != 200:
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.02)

    def end(self, how=signal.SIGTERM):
        """End it by a signal, unless it has ended; return its exit code."""
        self.process.send_signal(how)
        code = self.process.wait(60)
        self.http.close()
        self.process.stdout.close()
        return code

    @property
    def log(self):
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@contextmanager
def serving(store, log, **how):
    process = Process(store, log, **how)
    try:
        yield process
    finally:
        process.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
