"""The library: what the store holds and what became of each file; documents are put in and taken out here."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.ingest_record import load_record
from api.pages.render import render
from api.routes.access import Who, needs
from api.routes.dependencies import Asks, store_to_write
from api.routes.documents import find_document, summary_of
from index.load import SUFFIXES
from index.moment import Moment
from index.originals import remove_document
from index.snapshot import DocumentSummary

SHOWN = 50  # documents on a page
_AT_ONCE = 1000  # documents looked at between two looks at how many are found
_LONGEST_SEARCH = 200  # characters

router = APIRouter(prefix="/library", include_in_schema=False, dependencies=[needs("ask")])


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as it is listed; `status` says what is known of its file now, `sound` whether that is as it was."""

    summary: DocumentSummary
    title: str
    by: str
    status: str
    sound: bool


@router.get("")
def library_page(answerer: Asks, who: Who, q: str = "", after: str = "", removed: bool = False) -> HTMLResponse:
    """List the documents, a page at a time; with `q`, those whose title, author, publisher or source has its words."""
    words = q[:_LONGEST_SEARCH].strip()
    with answerer.store.snapshot() as snapshot:
        found = matching(snapshot, words, after, SHOWN + 1)
        documents, passages = snapshot.documents, snapshot.passages
    context = {
        "q": words,
        "entries": [entry(summary) for summary in found[:SHOWN]],
        "next": found[SHOWN - 1].source if len(found) > SHOWN else None,
        "after": after,
        "documents": documents,
        "passages": passages,
        "record": load_record(answerer.store.folder),
        "removed": removed,
        "suffixes": SUFFIXES,
        "may_write": "write" in who.scopes,
        "signed_in": who.in_session,
    }
    return render("library.html", context)


@router.get("/{document_id}/remove", dependencies=[needs("write")])
def ask_to_remove(document_id: str, answerer: Asks, who: Who) -> HTMLResponse:
    """Ask whether a document is to be removed."""
    listed = entry(summary_of(find_document(answerer, document_id)))
    return render("remove.html", {"entry": listed, "signed_in": who.in_session})


@router.post("/{document_id}/remove", dependencies=[needs("write")])
def remove(document_id: str, answerer: Asks) -> Response:
    """Remove a document: no later question is answered from it."""
    if not remove_document(store_to_write(answerer), document_id):
        raise HTTPException(404, f"there is no document {document_id!r}; it may have been removed already")
    return RedirectResponse("/library?removed=true", 303)


def matching(snapshot: Moment, words: str, after: str, most: int) -> list[DocumentSummary]:
    """Return up to `most` documents past the source `after` that have every word, whatever its case."""
    if not words:
        return snapshot.list_documents(most, after)
    wanted = words.casefold().split()
    found: list[DocumentSummary] = []
    while len(found) < most and (some := snapshot.list_documents(_AT_ONCE, after)):
        after = some[-1].source
        found += [summary for summary in some if _has(summary, wanted)]
    return found[:most]


def _has(summary: DocumentSummary, wanted: list[str]) -> bool:
    known = summary.metadata
    fields = (known.title, known.author, known.publisher)
    text = " ".join([summary.source, *(field.value for field in fields if field)]).casefold()
    return all(word in text for word in wanted)


def entry(summary: DocumentSummary) -> Entry:
    """Return a document as it is listed."""
    known = summary.metadata
    status, sound = status_of(summary)
    said = [field.value for field in (known.author, known.publisher, known.published) if field]
    by = ", ".join(dict.fromkeys(said))
    return Entry(summary, known.title.value if known.title else summary.source, by, status, sound)


def status_of(summary: DocumentSummary) -> tuple[str, bool]:
    """Return what is known of a document's file without reading it, and whether that is as it was."""
    if summary.origin is None:
        return "Uploaded", True
    try:
        size = Path(summary.origin).stat().st_size
    except OSError:
        return "File gone", False
    return ("On disk", True) if size == summary.size else ("File changed since", False)
