"""The service as an MCP server, at /mcp. Imported only where the extra `mcp` is installed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.mcp import Desk, HttpDoor
from api.problems import MCP_PATH
from api.routes.access import needs
from api.routes.dependencies import JsonBody, loaded_answerer
from rag.answer import Answerer


@asynccontextmanager
async def _open(app: FastAPI) -> AsyncIterator[None]:
    async def answerer() -> Answerer:
        return loaded_answerer(app.state)

    door = HttpDoor(Desk(answerer, app.state.admission))
    async with door.running():
        app.state.mcp = door
        yield
    app.state.mcp = None


# Not in the OpenAPI document: what goes in and out is for MCP to describe, and its clients ask the server for it.
router = APIRouter(dependencies=[needs("ask")], lifespan=_open, include_in_schema=False)


class _Answered(Response):
    """The reply as the door gives it."""

    def __init__(self, door: HttpDoor) -> None:
        super().__init__()
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._door(scope, receive, send)


@router.post(MCP_PATH, dependencies=[JsonBody])
async def mcp(request: Request) -> Response:
    """Answer one message of an agent; there is no session, and nothing to get or to end."""
    door: HttpDoor | None = getattr(request.app.state, "mcp", None)
    if door is None:
        raise HTTPException(503, "the service is not running yet; try again soon")
    return _Answered(door)
