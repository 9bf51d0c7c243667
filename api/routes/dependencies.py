"""What endpoints ask for: the answerer, a body that says it is JSON, a body of any length on disk."""

from collections.abc import AsyncIterator
from email.message import Message
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

from fastapi import Depends
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.evaluations import Evaluations
from index.store import Store
from rag.answer import Answerer

_IN_MEMORY = 2**20  # bytes of a body before it goes to disk


async def answerer_of(request: Request) -> Answerer:
    """Return the answerer that this app was made around; 503 until it is there."""
    return loaded_answerer(request.app.state)


def loaded_answerer(parts: State) -> Answerer:
    """Return the answerer in the state of an app; 503 until it is there."""
    answerer: Answerer | None = parts.answerer
    if answerer is None:
        raise HTTPException(503, "the models are being loaded; try again soon")
    return answerer


def store_to_write(answerer: Answerer) -> Store:
    """Return the store that documents are put into and deleted from; 409 where it is in shards."""
    if not isinstance(answerer.store, Store):
        raise HTTPException(409, "the documents are in shards: put and remove files, and index them on the cluster")
    return answerer.store


async def evaluations_of(request: Request) -> Evaluations:
    """Return the evaluations of this app; 503 until they are there."""
    evaluations: Evaluations | None = request.app.state.evaluations
    if evaluations is None:
        raise HTTPException(503, "evaluations are not run yet; try again soon")
    return evaluations


async def require_json(request: Request) -> None:
    """Refuse a body that is not said to be JSON (415), which also keeps out forms posted from other sites."""
    require_media_type(request, ("application/json",))


def require_media_type(request: Request, accepted: tuple[str, ...]) -> None:
    """Refuse a body of another media type (415), or of none; parameters such as charset are not looked at."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    if message.get_content_type() not in accepted or "content-type" not in request.headers:
        raise HTTPException(415, f"send the body with Content-Type: {accepted[0]}")


async def spooled(request: Request) -> AsyncIterator[IO[bytes]]:
    """Receive the whole body into a temporary file, which is gone when the reply has been sent."""
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        async for chunk in request.stream():
            spool.write(chunk)
        yield spool


Asks = Annotated[Answerer, Depends(answerer_of)]
Evaluates = Annotated[Evaluations, Depends(evaluations_of)]
JsonBody = Depends(require_json)
