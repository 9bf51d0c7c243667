"""Questions and searches, one at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel
from starlette.requests import Request

from api.bodies import AskBody, FilterBody, SearchBody
from api.citation_forms import with_form
from api.objects import CitationForm
from api.problems import GUARDED, problem_of, refusals
from api.routes.access import needs
from api.routes.admission import Admission, InTurn, admission_of
from api.routes.dependencies import Asks, JsonBody
from api.routes.steps import UNBUFFERED, answer_to, begin
from api.schemas import AskReply, SearchReply
from rag.types import Answer, SearchResult

EVENTS = "text/event-stream"

router = APIRouter(prefix="/v1", tags=["ask"], dependencies=[needs("ask")], responses=GUARDED)


@router.post(
    "/ask",
    dependencies=[JsonBody],
    response_model=AskReply,
    responses={200: {"content": {EVENTS: {"schema": {"type": "string"}}}}, **refusals(413, 415, 422)},
    summary="Answer a question",
)
async def ask(
    request: Request, body: AskBody, answerer: Asks, admission: Annotated[Admission, Depends(admission_of)]
) -> AskReply | EventSourceResponse:
    """Answer with a quote from the documents and its exact places, or with `null` where they do not say.

    With `Accept: text/event-stream` the reply is two events: `passages`, as soon as they are found, with what a search
    would give, and `answer` with the whole reply; or `error` with a problem in its place.
    """
    asked = body.to_request()
    if _wants_events(",".join(request.headers.getlist("accept"))):
        found, reading = await begin(answerer, asked, admission)
        return EventSourceResponse(_events(found, reading, body.citation_form), headers=UNBUFFERED)
    answer = await answer_to(answerer, asked, admission)
    return with_form(AskReply.model_validate(answer), body.citation_form)


def _wants_events(accept: str) -> bool:
    """Tell whether an `Accept` names the stream, and weighs it (RFC 9110, `q`) no less than JSON."""
    weights = {"application/json": 0.0, EVENTS: 0.0}
    for one in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        weights[kind] = next((_weight(part) for part in parameters if part.startswith("q=")), 1.0)
    return weights[EVENTS] > 0 and weights[EVENTS] >= weights["application/json"]


def _weight(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q="))
    except ValueError:
        return 1.0


async def _events(found: SearchResult, reading: asyncio.Task[Answer], form: CitationForm) -> AsyncIterator[bytes]:
    yield _event("passages", SearchReply.model_validate(found))
    try:
        answer = await asyncio.shield(reading)
    except Exception as error:  # the reply has begun, so there is no other way left to tell of it
        yield _event("error", problem_of(error))
    else:
        yield _event("answer", with_form(AskReply.model_validate(answer), form))


def _event(name: str, value: BaseModel) -> bytes:
    return format_sse_event(event=name, data_str=value.model_dump_json())


@router.post("/search", dependencies=[JsonBody, InTurn], responses=refusals(413, 415, 422), summary="Find passages")
def search(body: SearchBody, answerer: Asks) -> SearchReply:
    """Find the passages that fit a query best, without reading an answer out of them."""
    filters = (body.filters or FilterBody()).to_filters()
    return SearchReply.model_validate(answerer.search(body.query, body.top_k, filters))
