"""A client of the HTTP interface: `Client("http://127.0.0.1:8000", key).ask("Who ...?")["answer"]`.

The only import of httpx2. Loads no model.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from api.objects import (
    Answer,
    BatchAnswer,
    Citation,
    CitationForm,
    Document,
    Evaluation,
    Filters,
    Question,
    SearchResult,
    Verdict,
)
from index.errors import PinciteError

NDJSON = "application/x-ndjson"
PAGE = 1000  # documents listed at a time
ENDED = ("done", "failed", "cancelled")


class Refused(PinciteError):
    """The service refused or failed; `status` is that of HTTP, `problem` the whole object (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'no details were given'}")
        self.status, self.problem = status, problem


class Client:
    """Asks one service. Every method raises Refused, or what httpx2 raises where the service cannot be reached.

    It holds connections open: close it when done (it is its own context manager).
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", key: str | None = None, timeout: float = 60.0) -> None:
        """Take the service's address, a key if it asks for one, and how many seconds to wait for a reply."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout)

    def ask(
        self,
        question: str,
        top_k: int = 10,
        min_confidence: float | str | None = None,
        filters: Filters | None = None,
        *,
        citation_form: CitationForm = "pincite",
    ) -> Answer:
        """Return the answer, or one whose `answer` is None where the documents do not say."""
        body = {"question": question, "top_k": top_k, "min_confidence": min_confidence, "filters": filters}
        found: Answer = self._send("POST", "/v1/ask", json={**body, "citation_form": citation_form}).json()
        return found

    def search(self, query: str, top_k: int = 10, filters: Filters | None = None) -> SearchResult:
        """Return the best passages, not read."""
        found: SearchResult = self._send(
            "POST", "/v1/search", json={"query": query, "top_k": top_k, "filters": filters}
        ).json()
        return found

    def batch(self, questions: Iterable[Question]) -> Iterator[BatchAnswer]:
        """Yield a reply to each of at most 10,000 questions, in order, as they come."""
        lines = b"".join(json.dumps(question).encode() + b"\n" for question in questions)
        with self._http.stream("POST", "/v1/batch", content=lines, headers={"content-type": NDJSON}) as response:
            _require_success(response)
            yield from map(json.loads, _lines(response.iter_bytes()))

    def verify(self, citations: Sequence[Citation]) -> list[Verdict]:
        """Return what became of each of at most 1,000 saved citations."""
        results: list[Verdict] = self._send("POST", "/v1/citations/verify", json={"citations": citations}).json()[
            "results"
        ]
        return results

    def documents(self) -> Iterator[Document]:
        """Yield the documents in the order of their sources."""
        after: str | None = ""
        while after is not None:
            page = self._send("GET", "/v1/documents", params={"limit": PAGE, "after": after}).json()
            yield from page["documents"]
            after = page["next"]

    def put(self, source: str, content: bytes) -> Document:
        """Store the bytes of a file as the document of that source; it is durable and searchable on return."""
        found: Document = self._send("PUT", "/v1/documents", params={"source": source}, content=content).json()
        return found

    def delete(self, document_id: str) -> None:
        """Delete a document: no later question is answered from it."""
        self._send("DELETE", f"/v1/documents/{quote(document_id, safe='')}")

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations, the latest first, without their reports."""
        found: list[Evaluation] = self._send("GET", "/v1/evaluations").json()["evaluations"]
        return found

    def evaluation(self, evaluation_id: str) -> Evaluation:
        """Return an evaluation; once it is done, with its report."""
        found: Evaluation = self._send("GET", f"/v1/evaluations/{quote(evaluation_id, safe='')}").json()
        return found

    def begin_evaluation(self, gold: bytes | Path) -> str:
        """Send in a gold set (JSON Lines); return the evaluation's id."""
        content = gold.read_bytes() if isinstance(gold, Path) else gold
        response = self._send("POST", "/v1/evaluations", content=content, headers={"content-type": NDJSON})
        evaluation_id: str = response.json()["id"]
        return evaluation_id

    def cancel_evaluation(self, evaluation_id: str) -> None:
        """Cancel an evaluation that has not ended."""
        self._send("DELETE", f"/v1/evaluations/{quote(evaluation_id, safe='')}")

    def evaluate(self, gold: bytes | Path, poll_seconds: float = 2.0) -> Evaluation:
        """Send in a gold set, wait until it has been asked, however long that takes, and return what came of it."""
        evaluation_id = self.begin_evaluation(gold)
        while (found := self.evaluation(evaluation_id))["status"] not in ENDED:
            time.sleep(poll_seconds)
        return found

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        response = self._http.request(method, path, params=params, json=json, content=content, headers=headers)
        _require_success(response)
        return response


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines, ended by LF alone: httpx2's own also end at U+2028, which may stand inside a JSON string."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _require_success(response: httpx2.Response) -> None:
    if response.is_success:
        return
    response.read()
    try:
        problem = response.json()
    except ValueError:  # from a proxy before the service
        problem = {}
    raise Refused(response.status_code, problem if isinstance(problem, dict) else {})
