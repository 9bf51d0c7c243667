"""Clients of a service that ask one question after the other, and look whether what they are shown can be true.

One that uploads changes a document of its own before every tenth question: puts it, puts another in its place, deletes
it. What it is then shown of it has to be what it last put: anything else was replaced or deleted before it asked.
"""

import asyncio
import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

UPLOAD_EVERY = 10
PAUSE = 0.2  # seconds after a refusal, which says that one is to come again later
TIMEOUT = 120  # seconds without a reply
NO_REPLY = "no reply"
BARE = "503 without Retry-After"


@dataclass
class Tally:
    """What the clients saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # of each question that was answered with 200
    citations: int = 0  # compared with the text that they cite
    wrong: int = 0  # of those that are not the characters they name
    shown: int = 0  # questions about a document that was just put, which was among the passages
    missing: int = 0  # the same, and it was not
    stale: int = 0  # passages and citations of a text that was replaced or deleted before the question


@dataclass(frozen=True, slots=True)
class Errand:
    """What clients are to do: where, what to ask, the texts that stay as they are, and whether to upload."""

    url: str
    questions: Sequence[str]
    texts: Mapping[str, str] = field(default_factory=dict)  # by source
    uploads: bool = False
    key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What every request is sent with."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


class Visitor:
    """One client, with a document of its own; `_text` is what it holds now, None while it is not there."""

    def __init__(self, number: int, http: httpx2.AsyncClient, errand: Errand, tally: Tally) -> None:
        """Take the client's number, which names its document and says where in the questions it begins."""
        self._number, self._http, self._errand, self._tally = number, http, errand, tally
        self._source, self._word = f"load/{number}.txt", f"visitor{number}"
        self._text: str | None = None
        self._changes = 0

    async def visit(self, until: float) -> None:
        """Take one step after the other, until the clock (`time.monotonic`) says so."""
        taken = 0
        while time.monotonic() < until:
            taken += 1
            await self.step(taken)

    async def step(self, number: int) -> None:
        """Ask the question whose turn it is, or change the document and ask for it; `number` counts from 1."""
        try:
            if self._errand.uploads and (number + self._number) % UPLOAD_EVERY == 0:
                await self._change()
                await self._ask_for_own()
            else:
                questions = self._errand.questions
                await self._ask(questions[(7 * self._number + number - 1) % len(questions)])
        except httpx2.HTTPError:
            self._tally.statuses[NO_REPLY] += 1

    async def leave(self) -> None:
        """Delete what was put and not deleted."""
        if self._text is not None:
            with contextlib.suppress(httpx2.HTTPError):
                await self._http.delete(self._address)

    @property
    def _address(self) -> str:
        return f"/v1/documents/{hashlib.sha256(self._source.encode()).hexdigest()[:16]}"

    async def _change(self) -> None:
        """Put the document, put another in its place, delete it: the next of these."""
        text = None if self._changes % 3 == 2 else f"The number of the {self._word} is {self._changes}.\n"
        if text is None:
            reply = await self._http.delete(self._address)
        else:
            reply = await self._http.put("/v1/documents", params={"source": self._source}, content=text.encode())
        self._note(reply)
        if reply.is_success:
            self._text, self._changes = text, self._changes + 1

    async def _ask_for_own(self) -> None:
        reply = await self._ask(f"What is the number of the {self._word}?", min_confidence=0)
        if reply and self._text is not None:
            seen = any(one["source"] == self._source for one in reply["passages"])
            self._tally.shown += seen
            self._tally.missing += not seen

    async def _ask(self, question: str, min_confidence: float | None = None) -> dict[str, Any] | None:
        """Return the reply, once it was looked at; None if there is no answer in it."""
        began = time.monotonic()
        body = {"question": question, "min_confidence": min_confidence}
        response = await self._http.post("/v1/ask", json=body)
        self._note(response)
        if response.status_code != 200:
            await asyncio.sleep(PAUSE)
            return None
        self._tally.seconds.append(time.monotonic() - began)
        reply: dict[str, Any] = response.json()
        self._look(reply)
        return reply

    def _note(self, response: httpx2.Response) -> None:
        bare = response.status_code == 503 and "retry-after" not in response.headers
        self._tally.statuses[BARE if bare else str(response.status_code)] += 1

    def _look(self, reply: dict[str, Any]) -> None:
        own = [one for one in reply["passages"] if one["source"] == self._source]
        self._tally.stale += sum(not _holds(self._text, one, one["text"]) for one in own)
        for answer in (reply, *reply["alternatives"]):
            for citation in answer["citations"]:
                self._check(citation)

    def _check(self, citation: dict[str, Any]) -> None:
        source, quote = citation["source"], citation["quote"]
        if source == self._source:
            self._tally.citations += 1
            self._tally.stale += not _holds(self._text, citation, quote)
        elif source in self._errand.texts:
            self._tally.citations += 1
            self._tally.wrong += not (citation["verified"] and _holds(self._errand.texts[source], citation, quote))


def _holds(text: str | None, place: Mapping[str, Any], quote: str) -> bool:
    return text is not None and text[place["start"] : place["end"]] == quote


async def visit(errand: Errand, clients: int, seconds: float) -> tuple[Tally, float]:
    """Have so many clients ask for so long; return what they saw, and the seconds until the last reply was there."""
    tally = Tally()
    limits = httpx2.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx2.AsyncClient(base_url=errand.url, headers=errand.headers, timeout=TIMEOUT, limits=limits) as http:
        visitors = [Visitor(number, http, errand, tally) for number in range(clients)]
        began = time.monotonic()
        await asyncio.gather(*(visitor.visit(began + seconds) for visitor in visitors))
        lasted = time.monotonic() - began
        await asyncio.gather(*(visitor.leave() for visitor in visitors))
    return tally, lasted
