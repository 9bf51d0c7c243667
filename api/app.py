"""The service: a factory around a ready answerer. Importing this loads no model."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

import api.pages.ask
import api.pages.docs
import api.pages.read
from api.pages.render import STATIC, render
from api.problems import Problem, problem_of, problem_response, refusals
from api.routes import ask, batch, citations, documents, health
from api.routes.guard import HEADERS, BodyLimit, KnownHosts, ReplyHeaders
from index.errors import PinciteError
from rag.answer import Answerer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ROUTERS = (ask, batch, citations, documents, health, api.pages.ask, api.pages.read, api.pages.docs)
_ABOUT = (
    "Questions over a folder of articles: every answer is a word-for-word quote, and every citation an exact place. "
    "Offsets are Unicode code points, 0-based, end exclusive. Errors are problem details (RFC 9457)."
)


def create_app(answerer: Answerer, allowed_hosts: Sequence[str] | None = None) -> FastAPI:
    """Return the service around an answerer, whose store stays the caller's to close.

    `allowed_hosts` are the host names (without port) under which it may be reached, None for any; give `LOOPBACK`
    where it listens on loopback alone.
    """
    app = FastAPI(
        title="Pincite",
        description=_ABOUT,
        version=version("pincite"),
        docs_url=None,
        redoc_url=None,
        responses={"default": {**refusals(500)[500], "description": "Any other refusal or failure"}},
        telemetry={"auto_configure": False},
    )
    app.state.answerer = answerer
    for module in _ROUTERS:
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    for kind in (HTTPException, RequestValidationError, PinciteError, Exception):
        app.add_exception_handler(kind, _explain)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    app.add_middleware(BodyLimit)
    if allowed_hosts is not None:
        app.add_middleware(KnownHosts, hosts=allowed_hosts)
    app.add_middleware(ReplyHeaders)  # added last, so it is outermost
    return app


async def _explain(request: Request, error: Exception) -> Response:
    """Return what went wrong: a page for who reads pages, problem details for everyone else."""
    found = problem_of(error)
    if _reads_pages(request):
        response: Response = render("problem.html", {"problem": found}, found.status)
    else:
        response = problem_response(found, error)
    # The reply to an unexpected error does not pass our middleware.
    response.headers.update(HEADERS)
    return response


def _reads_pages(request: Request) -> bool:
    path = request.url.path
    if path == "/" or path.startswith("/read/"):
        return True
    return not path.startswith(("/v1/", "/static/")) and "text/html" in request.headers.get("accept", "")


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the schema, to which the problems that every endpoint may answer with are added."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = app.openapi_schema["components"]["schemas"]
        reference = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=reference, mode="serialization")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
    return app.openapi_schema
