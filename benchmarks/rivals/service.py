"""Pincite behind HTTP: `pincite serve` on loopback, asked over one connection that is kept open."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.rivals.protocol import DEPTH, Job, Said, serve

LOOK = 0.005  # seconds between two looks whether it is ready
_ADDRESS = re.compile(rb"http://([\d.]+):(\d+)/")


class PinciteService:
    """A service over the store that `benchmarks.rivals.pincite` made."""

    packages = ("pincite", "fastapi", "starlette", "uvicorn")

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process of the service: what asks it here is no part of it."""
        return self._process.pid if self._process else os.getpid()

    def load(self, embedder: Path, reader: Path | None) -> None:
        """Do nothing: the service loads the models of its defaults."""

    def index(self, job: Job) -> None:
        """Refuse: it opens the store that was made in process."""
        raise NotImplementedError("the service is measured over the store that was indexed in process")

    def open(self, folder: Path) -> dict[str, str]:
        """Start the service on a free port, wait until it is ready."""
        command = [sys.executable, "-m", "api.cli", "serve", "--store", str(folder), "--port", "0"]
        # A client that asks question after question is what the bound on requests is there against.
        environment = {**os.environ, "PINCITE_RATE_PER_MINUTE": "0"}
        log = folder.with_name(f"{folder.name}.service.log")
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr, env=environment)
        while not (said := _ADDRESS.search(log.read_bytes())):
            self._wait()
        self._http = http.client.HTTPConnection(said[1].decode(), int(said[2]), timeout=120)
        while not self._is_ready():
            self._wait()
        return {}

    def search(self, question: str) -> list[str]:
        """Return the ids of the best passages."""
        reply = self._post("/v1/search", {"query": question, "top_k": DEPTH})
        return [f"{one['source']}:{one['start']}" for one in reply["passages"]]

    def ask(self, question: str) -> Said:
        """Answer; a withheld candidate does not leave the service."""
        return Said(self.reply(question)["answer"], None)

    def reply(self, question: str) -> dict[str, Any]:
        """Return the whole reply to a question."""
        return self._post("/v1/ask", {"question": question, "top_k": DEPTH})

    def close(self) -> None:
        """End the service."""
        if self._process:
            self._process.terminate()
            self._process.wait()

    def _wait(self) -> None:
        if self._process and self._process.poll() is not None:
            raise RuntimeError("the service ended; `pincite serve` with the same store says why")
        time.sleep(LOOK)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            self._http.request("GET", "/readyz")
            reply = self._http.getresponse()
            reply.read()
            return reply.status == http.client.OK
        self._http.close()
        return False

    def _post(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        try:
            status, text = self._send(path, body)
        except ConnectionError:
            # While others had their turn the service closed the connection, as it does after some idle seconds.
            self._http.close()
            status, text = self._send(path, body)
        if status != http.client.OK:
            raise RuntimeError(f"{path}: {status} {text.decode()}")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _send(self, path: str, body: dict[str, object]) -> tuple[int, bytes]:
        self._http.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        reply = self._http.getresponse()
        return reply.status, reply.read()


if __name__ == "__main__":
    service = PinciteService()
    try:
        serve(service)
    finally:
        service.close()
