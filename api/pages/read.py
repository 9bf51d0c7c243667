"""The reading page: an article as it is written, with the cited span in its place."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from api.citation_forms import web_address
from api.pages.cite_as import forms, original_link
from api.pages.render import render
from api.pages.segments import shown
from api.routes.access import Who, needs
from api.routes.dependencies import Asks
from api.routes.documents import find_document
from index.types import Document, StoredDocument
from rag.cite import cite

router = APIRouter(include_in_schema=False, dependencies=[needs("ask")])


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of what the page says about a document; `href` where it leads elsewhere."""

    name: str
    value: str
    href: str | None = None


@router.get("/read/{document_id}")
def read_page(
    document_id: str,
    answerer: Asks,
    who: Who,
    start: str | None = None,
    end: str | None = None,
    sha256: str | None = None,
) -> HTMLResponse:
    """Show a document, `start:end` (characters of its text) highlighted; without them, the document alone.

    Where `sha256` is given and not the document's, the span was one of another text: that is said, and none shown.
    """
    stored = find_document(answerer, document_id)
    document = stored.document
    changed = sha256 is not None and sha256 != document.sha256
    span = None if changed else _span(document, start, end)
    citation = cite(stored, *span, document.text[slice(*span)]) if span else None
    context = {
        "document": document,
        "title": document.metadata.title.value if document.metadata.title else document.source,
        "facts": facts(stored),
        "changed": changed,
        "text": shown(document.text, document.marks, *(span or (0, 0))),
        "citation": citation,
        "forms": forms(document, citation) if citation else [],
        "original": original_link(document, *span) if span else None,
        "signed_in": who.in_session,
    }
    return render("read.html", context)


def facts(stored: StoredDocument) -> list[Fact]:
    """Return what is known about a document, in the order in which a reader wants it."""
    metadata = stored.document.metadata
    named = (("Author", metadata.author), ("Publisher", metadata.publisher), ("Published", metadata.published))
    known = [Fact(name, field.value) for name, field in named if field]
    if metadata.url:
        known.append(Fact("Address", metadata.url.value, web_address(metadata.url.value)))
    return [*known, Fact("Source", stored.document.source), Fact("SHA-256", f"{stored.document.sha256[:12]}…")]


def _span(document: Document, start: str | None, end: str | None) -> tuple[int, int] | None:
    """Return the span that the address names, None if it names none; 422 for one that the text does not have."""
    if start is None and end is None:
        return None
    first, last = _offset(start), _offset(end)
    if first is None or last is None or not first < last <= len(document.text):
        raise HTTPException(
            422,
            f"there are no characters {start or '?'} to {end or '?'}: "
            f"{document.source} has {len(document.text):,}, and a span begins before it ends",
        )
    return first, last


def _offset(written: str | None) -> int | None:
    """Return a number written in digits alone (int() would take "+1", " 1" and "1_0" too), of a size that may be."""
    plain = written is not None and written.isascii() and written.isdecimal() and len(written) <= 12
    return int(written) if plain and written else None
