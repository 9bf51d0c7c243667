"""Errors -> problem details (RFC 9457). The only place that knows which error has which status."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from index.errors import PinciteError, Rejected, StoreError, Unreachable, UsageError
from index.lock import Locked
from rag.cite import VerificationError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5  # seconds after which what is busy or being mended may be tried again

CHAT_PATHS = ("/v1/chat/", "/v1/models")  # where OpenAI's clients ask, which read refusals in OpenAI's form

MCP_PATH = "/mcp"  # where agents ask, which read refusals as errors of JSON-RPC
_INVALID_REQUEST, _INTERNAL_ERROR = -32600, -32603  # its names for them

# OpenAI's names for what is refused; any other is a request that makes no sense, or a failure here.
_CHAT_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CHAT_CODES = {(401, None): "invalid_api_key", (404, "model"): "model_not_found", (429, None): "rate_limit_exceeded"}

# RFC 9110's names; Python's own depend on its version.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

_BUSY = "another process is writing the store; try again when it is done"
_UNUSABLE = "the store cannot be used now; try again later, and if that does not help see the log of the service"

log = logging.getLogger(__name__)


class ProblemError(BaseModel):
    """One thing that is wrong with a request, and where: a JSON pointer into the body, or a parameter's name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(BaseModel):
    """A refusal or failure, as RFC 9457 describes it; `errors` says more where the request itself is wrong."""

    model_config = ConfigDict(frozen=True)

    type: str = Field("about:blank", description="The status says it all.")
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["top_k: Input should be less than or equal to 100"])
    errors: list[ProblemError] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object to send."""
        return self.model_dump(exclude_none=True)


class ChatProblem(BaseModel):
    """A refusal or failure, as OpenAI's clients read it; `param` is where in the body it lies."""

    message: str = Field(examples=["n: a question has one answer; leave it out, or give 1"])
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(examples=["n"])
    code: str | None


class ChatRefusal(BaseModel):
    """What is sent in the place of a chat completion."""

    error: ChatProblem


def problem(status: int, detail: str, errors: list[ProblemError] | None = None) -> Problem:
    """Return a problem whose title is the status' own name."""
    return Problem(type="about:blank", title=_title(status), status=status, detail=detail, errors=errors)


def problem_of(error: Exception) -> Problem:
    """Return what to tell the client. What is our fault is logged whole, and told in general terms only."""
    match error:
        case RequestValidationError() | ValidationError():
            return _invalid(error.errors())
        case HTTPException(status_code=400):  # FastAPI's word for a body that it cannot decode at all
            return problem(422, "the body is not JSON in UTF-8")
        case HTTPException():
            return problem(error.status_code, str(error.detail))
        case UsageError() | Rejected():
            return problem(422, str(error))
        case VerificationError():
            log.error("%s", _one_line(error))
        case Unreachable():
            log.error("%s", _one_line(error))
            return problem(503, str(error))
        case StoreError():
            # It names places on this machine, which are none of the client's business.
            log.error("%s", _one_line(error))
            return problem(503, _BUSY if isinstance(error, Locked) else _UNUSABLE)
        case PinciteError():
            log.error("%s", _one_line(error))
        case _:
            log.error("unexpected error", exc_info=error)
    return problem(500, "something went wrong here, and nothing is sent rather than a wrong answer; see the log")


def problem_response(found: Problem, error: Exception | None = None) -> JSONResponse:
    """Return the response that says so."""
    return JSONResponse(found.to_json(), found.status, problem_headers(found, error), MEDIA_TYPE)


def refusal_response(path: str, found: Problem, error: Exception | None = None) -> JSONResponse:
    """Return the response that says so, in the form that the clients of that path read."""
    if path == MCP_PATH:
        return JSONResponse(_json_rpc_error(found), found.status, problem_headers(found, error))
    if not path.startswith(CHAT_PATHS):
        return problem_response(found, error)
    # OpenAI's word for a body that makes no sense.
    status = 400 if found.status == 422 else found.status
    return JSONResponse(chat_error(found).model_dump(), status, problem_headers(found, error))


def _json_rpc_error(found: Problem) -> dict[str, Any]:
    code = _INTERNAL_ERROR if found.status >= 500 else _INVALID_REQUEST
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": found.detail, "data": found.to_json()}}


def chat_error(found: Problem) -> ChatRefusal:
    """Return a problem in OpenAI's form."""
    first = found.errors[0] if found.errors else None
    param = first.pointer.removeprefix("#/").replace("/", ".") or None if first and first.pointer else None
    kind = "server_error" if found.status >= 500 else _CHAT_TYPES.get(found.status, "invalid_request_error")
    code = _CHAT_CODES.get((found.status, param))
    return ChatRefusal(error=ChatProblem(message=found.detail, type=kind, param=param, code=code))


def problem_headers(found: Problem, error: Exception | None) -> dict[str, str]:
    """Return the headers that go with a problem: those the error asks for (405: Allow), 503: Retry-After."""
    retry = {"retry-after": str(RETRY_AFTER)} if found.status == 503 else {}
    return retry | dict((error.headers or {}) if isinstance(error, HTTPException) else {})


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of an endpoint that may refuse with these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _title(status), "content": content, **_headers(status)} for status in statuses}


def chat_refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the same for an endpoint that refuses in OpenAI's form."""
    return {status: {"description": _title(status), "model": ChatRefusal, **_headers(status)} for status in statuses}


def _headers(status: int) -> dict[str, Any]:
    described = {
        401: ("WWW-Authenticate", "How to show a key.", "string"),
        429: ("Retry-After", "Seconds.", "integer"),
        503: ("Retry-After", "Seconds.", "integer"),
    }
    if status not in described:
        return {}
    name, description, kind = described[status]
    return {"headers": {name: {"description": description, "schema": {"type": kind}}}}


def _one_line(error: Exception) -> str:
    """Return an error as one line of a log, whatever names and texts it quotes."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in str(error))


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def _invalid(found: Sequence[Any]) -> Problem:
    told = [_told(error) for error in found[:3]]
    more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
    return problem(422, "; ".join(told) + more, [_one(error) for error in found])


def _told(error: Mapping[str, Any]) -> str:
    place = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    # The place of an error in the JSON itself is in its message.
    return _reason(error) if _no_json(error) or not place else f"{'.'.join(place)}: {_reason(error)}"


def _one(error: Mapping[str, Any]) -> ProblemError:
    place = [str(part) for part in error["loc"]]
    if place[:1] in (["query"], ["path"]):
        return ProblemError(detail=_reason(error), parameter=".".join(place[1:]))
    within = [] if _no_json(error) else place[1:] if place[:1] == ["body"] else place
    steps = [part.replace("~", "~0").replace("/", "~1") for part in within]
    return ProblemError(detail=_reason(error), pointer="#" + "".join(f"/{step}" for step in steps))


def _no_json(error: Mapping[str, Any]) -> bool:
    return bool(error["type"] == "json_invalid")


def _reason(error: Mapping[str, Any]) -> str:
    if _no_json(error):
        return f"not JSON: {error.get('ctx', {}).get('error', error['msg'])}"
    return str(error["msg"]).removeprefix("Value error, ")


# What every endpoint behind the gate may answer.
GUARDED = refusals(401, 403, 429, 500, 503)
