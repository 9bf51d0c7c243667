"""Many questions in one request: NDJSON in, NDJSON out, in the same order."""

import json
from codecs import BOM_UTF8
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Annotated, NamedTuple

from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import StreamingResponse

from api.batches import Line, ndjson, replies
from api.bodies import MAX_ID, BatchLine
from api.problems import GUARDED, problem_of, refusals
from api.routes.access import needs
from api.routes.admission import Admission, PlaceForBatch
from api.routes.dependencies import Asks, require_media_type, spooled
from index.errors import UsageError
from index.types import is_encodable
from rag.answer import BATCH, Answerer, Request

MAX_LINES = 10_000
TURN = 50  # passages read at a time: who asks a single question meanwhile waits for no more (but for one line's own)
NDJSON = "application/x-ndjson"
_ACCEPTED = (NDJSON, "application/ndjson", "application/jsonl", "application/jsonlines")
_EXAMPLE = '{"id": "q1", "question": "Who leads the SCO?"}\n{"id": "q2", "question": "Where did they meet?"}\n'

Name = str | int | None

router = APIRouter(prefix="/v1", tags=["ask"], dependencies=[needs("ask")], responses=GUARDED)


class _Named(NamedTuple):
    """A line of the batch with its id."""

    id: Name
    line: Line


async def require_ndjson(request: HttpRequest) -> None:
    """Refuse a body that is not said to be NDJSON (415)."""
    require_media_type(request, _ACCEPTED)


@router.post(
    "/batch",
    dependencies=[Depends(require_ndjson)],
    responses={
        200: {"description": "One reply a line, in the order of the questions", "content": {NDJSON: {}}},
        **refusals(413, 415, 422),
    },
    response_class=StreamingResponse,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {NDJSON: {"schema": {"type": "string"}, "example": _EXAMPLE}},
        }
    },
    summary="Answer many questions",
)
def batch(
    answerer: Asks,
    spool: Annotated[IO[bytes], Depends(spooled)],
    admission: Annotated[Admission, PlaceForBatch],
) -> StreamingResponse:
    """Answer a batch: each line an ask request plus an optional `id`, at most 10,000 lines and 16 MiB.

    The replies are streamed, in order, once the last line is here: `{"id", ...reply}`, or `{"id", "error": problem}`
    in the place of a line that cannot be answered. Blank lines are not counted and get no reply.
    """
    spool.seek(0)
    lines = sum(1 for line in spool if line.strip())
    if lines > MAX_LINES:
        raise HTTPException(413, f"the batch has {lines:,} lines; send at most {MAX_LINES:,} at a time")
    spool.seek(0)
    if spool.read(len(BOM_UTF8)) != BOM_UTF8:
        spool.seek(0)
    return StreamingResponse(_replies(answerer, spool, admission), media_type=NDJSON)


async def _replies(answerer: Answerer, lines: Iterable[bytes], admission: Admission) -> AsyncIterator[bytes]:
    """Yield the replies; some lines at a time, with a turn at the models for each such part."""
    waiting = (line for line in lines if line.strip())
    while some := await run_in_threadpool(lambda: [_parsed(answerer, line) for line in islice(waiting, BATCH)]):
        for part in _parts(some):
            async with admission.turn_of_batch():
                replied = await run_in_threadpool(_replies_to, answerer, part)
            yield replied


def _parts(lines: Iterable[_Named]) -> Iterator[list[_Named]]:
    """Yield the lines in parts that have at most `TURN` passages to read, or one line."""
    part: list[_Named] = []
    passages = 0
    for one in lines:
        own = one.line.asked.top_k if isinstance(one.line.asked, Request) else 0
        if part and passages + own > TURN:
            yield part
            part, passages = [], 0
        part.append(one)
        passages += own
    if part:
        yield part


def _replies_to(answerer: Answerer, some: Sequence[_Named]) -> bytes:
    found = replies(answerer, [one.line for one in some])
    return b"".join(ndjson({"id": one.id, **reply}).encode() + b"\n" for one, reply in zip(some, found, strict=True))


def _parsed(answerer: Answerer, line: bytes) -> _Named:
    try:
        body = BatchLine.model_validate_json(line)
        answerer.threshold(body.min_confidence)  # here, so that one that cannot be met spoils no other line
        return _Named(body.id, Line(body.to_request(), body.citation_form))
    except (ValidationError, UsageError) as error:
        return _Named(_id_of(line), Line(problem_of(error)))


def _id_of(line: bytes) -> Name:
    """Return the id of a line that is wrong in another place, None where that cannot be told."""
    try:
        found = json.loads(line)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if isinstance(found, str) and len(found) <= MAX_ID and is_encodable(found):
        return found
    return found if type(found) is int else None  # type(), because True is an int to isinstance
