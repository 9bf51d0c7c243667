"""The page that asks: a question in the address, the answer with its places in the page. Needs no script."""

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from api.pages.render import render
from api.routes.dependencies import Asks
from index.errors import UsageError
from index.offsets import sentence_at
from index.snapshot import DocumentSummary, Snapshot
from index.types import Field, Filters
from rag.answer import MAX_QUESTION, Answerer, Request
from rag.types import Answer, Citation

EXAMPLES = 5
_LOOKED_AT = 50  # documents looked at for examples

_NOTHING: dict[str, object] = {"answer": None, "error": None, "examples": [], "documents": None}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Quoted:
    """A citation with the words around it, as they stand in the document, and what is known of that document."""

    citation: Citation
    before: str
    after: str
    publisher: str | None
    published: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """A question that the store should be able to answer."""

    question: str
    href: str


@router.get("/")
def ask_page(answerer: Asks, q: str | None = None, source: str = "") -> HTMLResponse:
    """Show the question's answer; without a question, some that can be asked."""
    asked = {"q": q, "source": source, "limit": MAX_QUESTION}
    if q is None:
        return render("ask.html", {**_NOTHING, **asked, **_welcome(answerer)})
    try:
        request = Request(q, filters=Filters(source=source.strip() or None))
    except UsageError as error:
        return render("ask.html", {**_NOTHING, **asked, "error": str(error)}, 422)
    answer = answerer.ask(request.question, filters=request.filters)
    found = {"answer": answer, "documents": answer.store.documents, "quoted": _quoted(answerer, answer)}
    return render("ask.html", {**_NOTHING, **asked, **found})


def _welcome(answerer: Answerer) -> dict[str, object]:
    with answerer.store.snapshot() as snapshot:
        return {"examples": examples(snapshot.list_documents(_LOOKED_AT)), "documents": snapshot.documents}


def examples(documents: list[DocumentSummary]) -> list[Example]:
    """Return questions about documents that state what is asked; kinds take turns, a document gives one."""
    kinds = (
        ("author", "Who wrote “{}”?"),
        ("published", "When was “{}” published?"),
        ("publisher", "Who published “{}”?"),
    )
    found: list[Example] = []
    for summary in documents:
        title = summary.metadata.title
        known = {name for name, field in summary.metadata.items() if field.start is not None}
        turns = (kinds[(len(found) + shift) % len(kinds)] for shift in range(len(kinds)))
        words = next((words for name, words in turns if name in known), None)
        if title and words and len(title.value) <= 90:
            question = words.format(title.value)
            example = Example(question, "/?" + urlencode({"q": question}))
            found += [example] if example not in found else []
    return found[:EXAMPLES]


def _quoted(answerer: Answerer, answer: Answer) -> list[Quoted]:
    with answerer.store.snapshot() as snapshot:
        return [quoted(snapshot, citation) for citation in answer.citations]


def quoted(snapshot: Snapshot, citation: Citation) -> Quoted:
    """Return a citation in its sentence; in its prefix and suffix if the document has changed since it was cited."""
    stored = snapshot.document(citation.document_id)
    if stored is None or stored.document.sha256 != citation.sha256:
        return Quoted(citation, citation.prefix, citation.suffix, None, None)
    text, metadata = stored.document.text, stored.document.metadata
    start, end = sentence_at(text, citation.start, citation.end)
    return Quoted(
        citation,
        before=text[start : citation.start],
        after=text[citation.end : end],
        publisher=_value(metadata.publisher),
        published=_value(metadata.published),
    )


def _value(field: Field | None) -> str | None:
    return field.value if field else None
