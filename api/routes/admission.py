"""Who may use the models now: a few requests at once, a bounded number that waits, everyone else later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.bounds import Bounds
from api.metrics import Metrics

BATCHES = 2  # read at once; each takes turns with the questions that are asked alone


class Admission:
    """Turns at the models. For one event loop: waiting costs no thread, so that no queue grows out of sight."""

    def __init__(self, bounds: Bounds, metrics: Metrics | None = None) -> None:
        """Keep `metrics` told of how many wait and how many have a turn."""
        self._bounds = bounds
        self._metrics = metrics or Metrics()
        self._turns = asyncio.Semaphore(bounds.concurrency)
        self._waiting = 0
        self._batches = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it; refuse (503) at once if too many wait, and after the deadline."""
        if self._turns.locked() and self._waiting >= self._bounds.queue:
            raise HTTPException(503, f"{self._waiting} requests wait for the models already; try again later")
        self._waiting += 1
        try:
            with self._metrics.waiting.track_inprogress():
                async with asyncio.timeout(self._bounds.deadline_seconds):
                    await self._turns.acquire()
        except TimeoutError:
            waited = f"{self._bounds.deadline_seconds:g} s"
            raise HTTPException(503, f"the models were not free within {waited}; try again later") from None
        finally:
            self._waiting -= 1
        try:
            with self._metrics.using_models.track_inprogress():
                yield
        finally:
            self._turns.release()

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Hold a place for a whole batch; refuse (503) at once if there is none."""
        if self._batches >= BATCHES:
            raise HTTPException(503, f"{BATCHES} batches are being answered already; try again later")
        self._batches += 1
        try:
            yield
        finally:
            self._batches -= 1

    @asynccontextmanager
    async def turn_of_batch(self) -> AsyncIterator[None]:
        """Wait for a turn as long as it takes: a reply that has begun can no longer be refused.

        These waiters are bounded by the number of batches.
        """
        with self._metrics.waiting.track_inprogress():
            await self._turns.acquire()
        try:
            with self._metrics.using_models.track_inprogress():
                yield
        finally:
            self._turns.release()


async def admission_of(request: Request) -> Admission:
    """Return the admission of this app."""
    admission: Admission = request.app.state.admission
    return admission


async def _turn(request: Request) -> AsyncIterator[None]:
    async with (await admission_of(request)).turn():
        yield


async def _turn_if_asked(request: Request) -> AsyncIterator[None]:
    if "q" not in request.query_params:
        yield
        return
    async with (await admission_of(request)).turn():
        yield


async def _batch(request: Request) -> AsyncIterator[Admission]:
    admission = await admission_of(request)
    async with admission.batch():
        yield admission


# A turn ends before the reply is sent: a client that reads slowly keeps no one waiting.
InTurn = Depends(_turn, scope="function")
InTurnIfAsked = Depends(_turn_if_asked, scope="function")
PlaceForBatch = Depends(_batch)
