"""The page that asks: a question in the address, the answer with its places in the page. Needs no script."""

import asyncio
import glob
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse

from api.bodies import FilterBody
from api.examples import Examples
from api.pages.answers import shown_answer, shown_passages
from api.pages.render import page_of, render
from api.problems import problem_of
from api.routes.access import Caller, Who, needs
from api.routes.admission import Admission, InTurnIfAsked, admission_of
from api.routes.dependencies import Asks
from api.routes.steps import UNBUFFERED, begin
from index.errors import UsageError
from index.moment import Moment
from rag.answer import Answerer, Request
from rag.types import MAX_QUESTION, Answer, SearchResult

OFFERED = 50  # sources

_FILTERS = ("source", "date_from", "date_to")
_NOTHING: dict[str, object] = {"shown": None, "error": None, "examples": (), "documents": None, "sources": []}

router = APIRouter(include_in_schema=False, dependencies=[needs("ask")])


async def _filters_in(request: HttpRequest) -> dict[str, str]:
    """Return what the address restricts the question to, as it was written."""
    return {name: request.query_params.get(name, "").strip() for name in _FILTERS}


async def _examples_of(request: HttpRequest) -> Examples | None:
    """Return the examples of this app; None until they are there."""
    examples: Examples | None = request.app.state.examples
    return examples


FiltersGiven = Annotated[dict[str, str], Depends(_filters_in)]
ExamplesIfAny = Annotated[Examples | None, Depends(_examples_of)]


@router.get("/", dependencies=[InTurnIfAsked])
def ask_page(
    answerer: Asks, who: Who, given: FiltersGiven, examples: ExamplesIfAny, q: str | None = None
) -> HTMLResponse:
    """Show the question's answer; without a question, some that can be asked."""
    page = {**_NOTHING, **_asked(who, given, q)}
    if q is None:
        with answerer.store.snapshot() as snapshot:
            some = examples.at(snapshot.generation) if examples else ()
            return render("ask.html", {**page, **_store(snapshot), "examples": some})
    try:
        request = _request(q, given)
    except (UsageError, RequestValidationError) as error:
        return render("ask.html", {**page, "error": _as_labelled(problem_of(error).detail)}, 422)
    answer = answerer.ask(request.question, filters=request.filters)
    return render("ask.html", {**page, **_answered(answerer, answer)})


@router.get("/answering")
async def answering(
    answerer: Asks, who: Who, given: FiltersGiven, admission: Annotated[Admission, Depends(admission_of)], q: str = ""
) -> EventSourceResponse:
    """Send the page's script what to show: the passages as soon as they are found, then the page with the answer.

    The data of both events are HTML in a string of JSON: a line break of SSE would not keep those of a quote.
    """
    found, reading = await begin(answerer, _request(q, given), admission)
    page = {**_NOTHING, **_asked(who, given, q)}
    return EventSourceResponse(_parts(answerer, page, found, reading), headers=UNBUFFERED)


async def _parts(
    answerer: Answerer, page: dict[str, object], found: SearchResult, reading: asyncio.Task[Answer]
) -> AsyncIterator[bytes]:
    yield await run_in_threadpool(_passages_event, answerer, found)
    try:
        answer = await asyncio.shield(reading)
    except Exception as error:  # the reply has begun: the script asks for the whole page, which says what is wrong
        yield _event("error", problem_of(error).detail)
    else:
        yield await run_in_threadpool(_answer_event, answerer, page, answer)


def _passages_event(answerer: Answerer, found: SearchResult) -> bytes:
    with answerer.store.snapshot() as snapshot:
        shown = shown_passages(snapshot, found.query, found.passages)
    return _event("passages", page_of("passages.html", {"passages": shown}))


def _answer_event(answerer: Answerer, page: dict[str, object], answer: Answer) -> bytes:
    return _event("answer", page_of("ask.html", {**page, **_answered(answerer, answer)}))


def _event(name: str, html: str) -> bytes:
    return format_sse_event(event=name, data_str=json.dumps(html))


def _answered(answerer: Answerer, answer: Answer) -> dict[str, object]:
    with answerer.store.snapshot() as snapshot:
        return {"shown": shown_answer(snapshot, answer, answerer.threshold(None)), **_store(snapshot)}


def _request(question: str, given: dict[str, str]) -> Request:
    """Return the request; UsageError or RequestValidationError for one that cannot be asked."""
    try:
        filters = FilterBody.model_validate({name: value or None for name, value in given.items()})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    return Request(question, filters=filters.to_filters())


def _as_labelled(detail: str) -> str:
    """Return what is wrong with a request, the dates called what the form calls them."""
    return detail.replace("date_from", "“Published from”").replace("date_to", "“to”")


def _asked(who: Caller, given: dict[str, str], question: str | None) -> dict[str, object]:
    return {
        "q": question,
        "given": given,
        "narrowed": any(given.values()),
        "limit": MAX_QUESTION,
        "signed_in": who.in_session,
        "may_write": "write" in who.scopes,
    }


def _store(snapshot: Moment) -> dict[str, object]:
    sources = [summary.source for summary in snapshot.list_documents(OFFERED)]
    # The field takes a glob: what is offered for it is one that matches that source alone.
    return {"documents": snapshot.documents, "sources": [(glob.escape(source), source) for source in sources]}
