"""The service: a factory around a ready answerer. Importing this loads no model."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles

import api.pages.ask
import api.pages.confirmed
import api.pages.docs
import api.pages.evaluations
import api.pages.library
import api.pages.read
from api.bounds import DEFAULT_BOUNDS, Bounds
from api.limits import RateLimit
from api.metrics import Metrics
from api.pages.render import STATIC, render
from api.problems import Problem, problem_headers, problem_of, refusal_response, refusals
from api.routes import ask, batch, chat, citations, documents, evaluations, health, login, metrics, uploads
from api.routes.access import Gate
from api.routes.admission import Admission
from api.routes.guard import BODY_LIMITS, HEADERS, UPLOADS, BodyLimit, Crowd, Heads, KnownHosts, ReplyHeaders
from api.routes.observe import METHODS, REQUEST_ID, Observe
from api.running import Load, running, show
from api.service_store import ServiceStore
from index.errors import PinciteError
from rag.answer import Answerer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPARE = 256  # requests served at once besides those that use the models or wait for them
_ROUTERS = (ask, batch, chat, citations, documents, uploads, evaluations, health, metrics, login)
_PAGES = (
    *(api.pages.ask, api.pages.read, api.pages.library, api.pages.evaluations),
    *(api.pages.confirmed, api.pages.docs),
)
_ABOUT = (
    "Questions over a folder of articles: every answer is a word-for-word quote, and every citation an exact place. "
    "Offsets are Unicode code points, 0-based, end exclusive. Errors are problem details (RFC 9457)."
)


def create_app(
    answerer: Answerer | Load,
    allowed_hosts: Sequence[str] | None = None,
    keys: ServiceStore | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
    *,
    log_questions: bool = False,
) -> FastAPI:
    """Return the service around an answerer, whose store (like `keys`) stays the caller's to close.

    In the place of an answerer it takes what loads one: it then listens at once, is ready when that has returned, and
    closes its store. Its lifespan looks for examples, and runs evaluations, which it keeps with the keys, or else in
    the store's folder.
    `allowed_hosts` are the host names (without port) under which it may be reached, None for any; give `LOOPBACK`
    where it listens on loopback alone and asks for no keys. `keys` holds those that are asked for, None asks for none.
    """
    app = FastAPI(
        title="Pincite",
        description=_ABOUT,
        version=version("pincite"),
        docs_url=None,
        redoc_url=None,
        responses={"default": {**refusals(500)[500], "description": "Any other refusal or failure"}},
        telemetry={"auto_configure": False},
        lifespan=lambda app: running(app.state, answerer),
    )
    app.state.answerer = app.state.evaluations = app.state.examples = None
    app.state.keys, app.state.metrics, app.state.log_questions = keys, Metrics(), log_questions
    app.state.admission = Admission(bounds, app.state.metrics)
    if isinstance(answerer, Answerer):
        show(app.state, answerer)
    _add_routes(app)
    app.mount("/static", StaticFiles(directory=STATIC, packages=[("rag", "templates/shared")]))
    for kind in (HTTPException, RequestValidationError, PinciteError, Exception):
        app.add_exception_handler(kind, _explain)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    _add_guards(app, allowed_hosts, keys, bounds)
    return app


def _add_routes(app: FastAPI) -> None:
    for module in (*_ROUTERS, *_PAGES):
        app.include_router(module.router)
    if find_spec("mcp"):  # an extra
        from api.routes import mcp

        app.include_router(mcp.router)


def _add_guards(app: FastAPI, allowed_hosts: Sequence[str] | None, keys: ServiceStore | None, bounds: Bounds) -> None:
    """Put in front of the routes what every request passes; what is added last is passed first."""
    rate = RateLimit(bounds.rate_per_minute) if keys and bounds.rate_per_minute else None
    limits = {**BODY_LIMITS, UPLOADS: bounds.upload_bytes}
    app.add_middleware(Heads)
    app.add_middleware(BodyLimit, limits=limits, seconds=bounds.deadline_seconds)
    app.add_middleware(Gate, keys=keys, rate=rate, explain=_explain)
    if allowed_hosts is not None:
        app.add_middleware(KnownHosts, hosts=allowed_hosts)
    app.add_middleware(Crowd, most=bounds.concurrency + bounds.queue + SPARE)
    app.add_middleware(ReplyHeaders)
    app.add_middleware(Observe, metrics=app.state.metrics)


async def _explain(request: Request, error: Exception) -> Response:
    """Return what went wrong: a page for who reads pages, problem details for everyone else."""
    found = problem_of(error)
    if not _reads_pages(request):
        response: Response = refusal_response(request.url.path, found, error)
    elif found.status == 401:
        response = login.login_form(request)
    else:
        response = render("problem.html", {"problem": found}, found.status)
    response.headers.update(problem_headers(found, error))
    if found.status == 405 and (methods := _methods(request)):  # the router names those of its first route alone
        response.headers["allow"] = ", ".join(methods)
    # The reply to an unexpected error does not pass our middleware.
    response.headers.update(HEADERS)
    response.headers[REQUEST_ID] = request.state.request_id
    return response


async def _gone(_: Request, __: Exception) -> Response:
    """Nobody is there to read this; 499 is what nginx counts a client under that left before its reply."""
    return Response(status_code=499)


def _methods(request: Request) -> list[str]:
    """Return the methods that the routes of a path have; HEAD is had where GET is."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    root = request.scope.get("app_root_path", "")  # a mount changes the other

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method, "root_path": root}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    return [method for method in METHODS if takes(method)]


def _reads_pages(request: Request) -> bool:
    path = request.url.path
    if path == "/" or path.startswith("/read/"):
        return True
    return not path.startswith(("/v1/", "/static/")) and "text/html" in request.headers.get("accept", "")


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the schema, with the problems that every endpoint may answer with, and keys only if they are asked for."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = app.openapi_schema["components"]["schemas"]
        reference = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=reference, mode="serialization")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        if app.state.keys is None:
            _take_out_keys(app.openapi_schema)
    return app.openapi_schema


def _take_out_keys(schema: dict[str, Any]) -> None:
    del schema["components"]["securitySchemes"]
    for operations in schema["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
