"""Errors -> problem details (RFC 9457). The only place that knows which error has which status."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from index.errors import PinciteError, Rejected, StoreError, UsageError
from rag.cite import VerificationError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5  # seconds after which what is busy or being mended may be tried again

# RFC 9110's names; Python's own depend on its version.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}

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
        case StoreError():
            log.error("%s", _one_line(error))
            return problem(503, str(error))
        case PinciteError():
            log.error("%s", _one_line(error))
        case _:
            log.error("unexpected error", exc_info=error)
    return problem(500, "something went wrong here, and nothing is sent rather than a wrong answer; see the log")


def problem_response(found: Problem, error: Exception | None = None) -> JSONResponse:
    """Return the response that says so."""
    return JSONResponse(found.to_json(), found.status, problem_headers(found, error), MEDIA_TYPE)


def problem_headers(found: Problem, error: Exception | None) -> dict[str, str]:
    """Return the headers that go with a problem: those the error asks for (405: Allow), 503: Retry-After."""
    retry = {"retry-after": str(RETRY_AFTER)} if found.status == 503 else {}
    return retry | dict((error.headers or {}) if isinstance(error, HTTPException) else {})


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of an endpoint that may refuse with these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _title(status), "content": content, **_headers(status)} for status in statuses}


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
