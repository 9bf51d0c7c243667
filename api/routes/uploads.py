"""Documents put and deleted over HTTP: what a call reports as done is on disk, and no later question misses it."""

from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.exceptions import HTTPException

from api.bodies import Source
from api.build import chunk_limits
from api.problems import GUARDED, refusals
from api.routes.access import needs
from api.routes.admission import InTurn
from api.routes.dependencies import Asks, spooled, store_to_write
from api.routes.documents import summary_of
from api.schemas import DocumentReply
from index.load import supported
from index.originals import put_bytes, remove_document

router = APIRouter(prefix="/v1/documents", tags=["documents"], dependencies=[needs("write")], responses=GUARDED)

_BYTES = {"schema": {"type": "string", "format": "binary"}}


@router.put(
    "",
    status_code=201,
    dependencies=[Depends(spooled), InTurn],  # in this order: a turn is not held while a slow body arrives
    responses={200: {"model": DocumentReply, "description": "Replaced"}, **refusals(409, 413, 415, 422)},
    response_description="New",
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": _BYTES}}},
    summary="Put a document",
)
def put_document(
    source: Annotated[Source, Query(description="The path that it will be cited by.", examples=["2024/summit.txt"])],
    answerer: Asks,
    spool: Annotated[IO[bytes], Depends(spooled)],
    response: Response,
) -> DocumentReply:
    """Store the bytes of one file as the document of `source`, in the place of the one that has that source.

    `source` is a relative path; its suffix tells the kind of file. The bytes are kept, and are at .../file.
    """
    if not supported(source):
        raise HTTPException(415, f"{source!r}: files of this kind are not supported; send text, and name it .txt")
    spool.seek(0)
    encoder = answerer.encoder
    stored, replaced = put_bytes(store_to_write(answerer), encoder, chunk_limits(encoder), source, spool.read())
    response.status_code = 200 if replaced else 201
    response.headers["location"] = f"/v1/documents/{stored.document.document_id}"
    return DocumentReply.of(summary_of(stored))


@router.delete("/{document_id}", status_code=204, responses=refusals(404, 409), summary="Delete a document")
def delete_document(document_id: str, answerer: Asks) -> None:
    """Delete a document: no later question is answered from it. Kept bytes go with it; a file on disk stays."""
    if not remove_document(store_to_write(answerer), document_id):
        raise HTTPException(404, f"there is no document {document_id!r}; GET /v1/documents lists those there are")
