"""Saved citations against the documents as they are now."""

from fastapi import APIRouter

from api.bodies import VerifyBody
from api.problems import GUARDED, refusals
from api.routes.access import needs
from api.routes.admission import InTurn
from api.routes.dependencies import Asks, JsonBody
from api.schemas import VerdictReply, VerifyReply
from rag.documents import StoredDocuments
from rag.verify import claims_from, verify

router = APIRouter(prefix="/v1/citations", tags=["citations"], dependencies=[needs("ask")], responses=GUARDED)


@router.post("/verify", dependencies=[JsonBody, InTurn], responses=refusals(413, 415, 422), summary="Check citations")
def verify_citations(body: VerifyBody, answerer: Asks) -> VerifyReply:
    """Tell what became of each quote; the first that holds.

    **ok**: the text at start:end is the quote. **moved**: the quote is elsewhere in that document, or the document is
    gone and one of the same bytes holds it. **misattributed**: another document holds it. **changed**: the document is
    there, the quote in none. **missing**: the document is gone, the quote in none.
    """
    claims = claims_from(body.model_dump())
    with answerer.store.snapshot() as snapshot:
        verdicts = verify(claims, StoredDocuments(snapshot))
    return VerifyReply(results=[VerdictReply.model_validate(verdict) for verdict in verdicts])
