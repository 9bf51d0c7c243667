"""The documents as they are stored: a list, each one, its text, its file."""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.problems import GUARDED, refusals
from api.routes.access import needs
from api.routes.dependencies import Asks, store_to_write
from api.schemas import DocumentReply, DocumentsReply, MarkReply, MetadataReply, WholeDocumentReply
from index.originals import original
from index.snapshot import DocumentSummary
from index.types import StoredDocument
from rag.answer import Answerer

router = APIRouter(prefix="/v1/documents", tags=["documents"], dependencies=[needs("ask")], responses=GUARDED)

# What a browser shows as it is and runs nothing of; anything else is offered as a download.
_SHOWN = ("text/plain", "application/pdf")


@router.get("", responses=refusals(422), summary="List documents")
def list_documents(
    answerer: Asks,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 100,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> DocumentsReply:
    """List the documents in the order of their sources, a page at a time."""
    with answerer.store.snapshot() as snapshot:
        found = snapshot.list_documents(limit + 1, after)
    shown = found[:limit]
    more = shown[-1].source if len(found) > limit else None
    return DocumentsReply(documents=[DocumentReply.of(summary) for summary in shown], next=more)


@router.get("/{document_id}", responses=refusals(404), summary="One document")
def get_document(document_id: str, answerer: Asks) -> WholeDocumentReply:
    """Describe a document, with the spans of its text that are not part of the article and those of its metadata."""
    stored = find_document(answerer, document_id)
    document = stored.document
    return WholeDocumentReply(
        **DocumentReply.of(summary_of(stored)).model_dump(),
        marks=[MarkReply.model_validate(mark) for mark in document.marks],
        metadata=MetadataReply.model_validate(document.metadata),
    )


@router.get(
    "/{document_id}/text",
    responses={200: {"content": {"text/plain": {}}}, **refusals(404)},
    response_class=Response,
    summary="A document's text",
)
def get_text(document_id: str, answerer: Asks) -> Response:
    """Return the text that all offsets count in, unchanged: the same characters, line breaks included."""
    text = find_document(answerer, document_id).document.text
    return Response(text.encode(), media_type="text/plain; charset=utf-8")


@router.get(
    "/{document_id}/file",
    responses={200: {"content": {"application/octet-stream": {}}}, **refusals(404, 409)},
    response_class=Response,
    summary="A document's file",
)
def get_file(document_id: str, answerer: Asks) -> Response:
    """Return the bytes of the file or upload, while they are those that were indexed (else 409)."""
    stored = find_document(answerer, document_id)
    document = stored.document
    path = Path(stored.origin) if stored.origin else original(store_to_write(answerer), document.sha256)
    data = _unchanged_bytes(path, stored)
    charset = f"; charset={document.encoding.replace('_', '-')}" if document.encoding else ""
    shown = "inline" if document.media_type in _SHOWN else "attachment"
    name = quote(PurePosixPath(document.source).name, safe="")
    return Response(
        data,
        headers={
            "content-type": f"{document.media_type}{charset}",
            "content-disposition": f"{shown}; filename*=UTF-8''{name}",
        },
    )


def summary_of(stored: StoredDocument) -> DocumentSummary:
    """Return what a list shows of a stored document."""
    document = stored.document
    return DocumentSummary(
        document_id=document.document_id,
        source=document.source,
        metadata=document.metadata,
        sha256=document.sha256,
        characters=len(document.text),
        passages=stored.passages,
        origin=stored.origin,
        size=stored.size,
    )


def find_document(answerer: Answerer, document_id: str) -> StoredDocument:
    """Return a stored document, or refuse with 404."""
    with answerer.store.snapshot() as snapshot:
        stored = snapshot.document(document_id)
    if stored is None:
        raise HTTPException(404, f"there is no document {document_id!r}; GET /v1/documents lists those there are")
    return stored


def _unchanged_bytes(path: Path, stored: StoredDocument) -> bytes:
    """Return the file's bytes, read once, so that what was checked is what is sent."""
    source = stored.document.source
    try:
        if not path.is_file() or path.stat().st_size != stored.size:
            raise HTTPException(409, f"{source}: the file is gone or changed since it was indexed; index it again")
        data = path.read_bytes()
    except OSError as error:
        raise HTTPException(409, f"{source}: the file cannot be read now ({error.strerror})") from None
    if hashlib.sha256(data).hexdigest() != stored.document.sha256:
        raise HTTPException(409, f"{source}: the file has changed since it was indexed; index it again")
    return data
