"""A question at one turn at the models; in two steps, what was found can be sent while the answer is still read."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import cast

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.problems import problem_of
from api.routes.admission import Admission
from rag.answer import Answerer, Request
from rag.types import Answer, SearchResult

# For proxies, which would wait for the whole reply.
UNBUFFERED = {"x-accel-buffering": "no"}


async def answer_to(answerer: Answerer, asked: Request, admission: Admission) -> Answer:
    """Return the answer, found and read at one turn at the models."""
    async with admission.turn():
        return await run_in_threadpool(answerer.ask, asked.question, asked.top_k, asked.min_confidence, asked.filters)


async def begin(answerer: Answerer, asked: Request, admission: Admission) -> tuple[SearchResult, asyncio.Task[Answer]]:
    """Return the passages that were found, and the task that reads the answer out of them.

    Wait for it shielded: a client that goes ends the reply, and not the turn of the thread that still reads.
    """
    async with AsyncExitStack() as turn:
        await turn.enter_async_context(admission.turn())
        steps = answerer.ask_in_steps(asked)
        found = cast(SearchResult, await run_in_threadpool(next, steps))
        # The turn ends with the reading, however slowly the reply is taken.
        reading = asyncio.create_task(_last(steps, turn.pop_all()))
        reading.add_done_callback(_look_at)
        return found, reading


async def _last(steps: Iterator[SearchResult | Answer], turn: AsyncExitStack) -> Answer:
    """Return the answer. Raises HTTPException for whatever fails, which is logged here: nobody else may be left."""
    async with turn:
        try:
            return cast(Answer, await run_in_threadpool(next, steps))
        except Exception as error:
            told = problem_of(error)
            raise HTTPException(told.status, told.detail) from error


def _look_at(reading: asyncio.Task[Answer]) -> None:
    """Look at how it ended: of a failure that nobody looked at asyncio logs everything."""
    if not reading.cancelled():
        reading.exception()
