"""A question at one turn at the models; in two steps, what was found can be sent while the answer is still read."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import cast

from starlette.concurrency import run_in_threadpool

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
        return found, asyncio.create_task(_last(steps, turn.pop_all()))


async def _last(steps: Iterator[SearchResult | Answer], turn: AsyncExitStack) -> Answer:
    async with turn:
        return cast(Answer, await run_in_threadpool(next, steps))
