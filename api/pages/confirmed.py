"""Answers that readers judged: each becomes a line of a gold set, which can be downloaded."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.citation_forms import read_path
from api.pages.render import render
from api.routes.access import Who, needs
from api.routes.dependencies import Asks
from api.routes.login import Fields
from api.service_store import ServiceStore
from index.types import document_id_of
from rag.documents import StoredDocuments
from rag.gold import GoldQuestion, line_of, question_from
from rag.goldcheck import question_key
from rag.goldnew import new_gold
from rag.verify import Lookup

router = APIRouter(include_in_schema=False, dependencies=[needs("ask")])


@dataclass(frozen=True, slots=True)
class Place:
    """Where the evidence of a confirmed answer stands."""

    source: str
    href: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A gold question with links to its evidence."""

    gold: GoldQuestion
    places: tuple[Place, ...]


def _service(request: Request, answerer: Asks) -> Iterator[ServiceStore]:
    """Give what the service keeps: the file that its keys are in, opened for this request where none are asked for."""
    keys: ServiceStore | None = request.app.state.keys
    if keys is not None:
        yield keys
        return
    with ServiceStore(answerer.store.folder) as service:
        yield service


Service = Annotated[ServiceStore, Depends(_service)]


@router.get("/confirmed")
def confirmed_page(service: Service, who: Who) -> HTMLResponse:
    """Show the confirmed answers, the latest first."""
    questions = [_shown(question_from(json.loads(line), "confirmed")) for line in service.confirmed_lines()]
    context = {"confirmed": questions[::-1], "may_write": "write" in who.scopes, "signed_in": who.in_session}
    return render("confirmed.html", context)


@router.get("/confirmed.jsonl")
def confirmed_lines(service: Service) -> Response:
    """Return the confirmed answers as a gold set, the oldest first."""
    return Response(
        "".join(f"{line}\n" for line in service.confirmed_lines()),
        headers={
            "content-type": "application/x-ndjson; charset=utf-8",
            "content-disposition": 'attachment; filename="confirmed.jsonl"',
        },
    )


@router.post("/confirmed", dependencies=[needs("write")])
def confirm(answerer: Asks, service: Service, who: Who, fields: Fields) -> Response:
    """Keep a judgement: of `answer`, a reply that is right; of `place`, a passage that answers in words of its own."""
    reply = _reply_in(fields.get("answer") or fields.get("place", ""))
    with answerer.store.snapshot() as snapshot:
        gold = gold_of(reply, StoredDocuments(snapshot))
    if "answer" not in fields:
        gold = replace(gold, answers=())
    service.keep_confirmed(question_key(gold.question), line_of(gold), who.key_id, time.time())
    return RedirectResponse("/confirmed", 303)


@router.post("/confirmed/drop", dependencies=[needs("write")])
def drop(service: Service, fields: Fields) -> Response:
    """Forget the judgement of a question."""
    service.drop_confirmed(question_key(fields.get("question", "")))
    return RedirectResponse("/confirmed", 303)


def gold_of(reply: object, lookup: Lookup) -> GoldQuestion:
    """Return the gold question of a reply; 409 if the documents no longer say what it cites."""
    made = new_gold(reply, lookup, ())
    if not made.questions:
        raise HTTPException(409, made.skipped[-1])
    return made.questions[0]


def _reply_in(text: str) -> object:
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        reply = None
    if not isinstance(reply, dict):
        raise HTTPException(422, "this is no reply to confirm; ask the question again")
    return reply


def _shown(gold: GoldQuestion) -> Confirmed:
    places = (
        Place(span.source, read_path(document_id_of(span.source), span.start, span.end)) for span in gold.evidence
    )
    return Confirmed(gold, tuple(places))
