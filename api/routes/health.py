"""Whether the service is alive, and whether it can answer."""

from fastapi import APIRouter

from api.problems import refusals
from api.routes.dependencies import Asks
from api.schemas import StatusReply

router = APIRouter(tags=["health"])


@router.get("/healthz", responses=refusals(403), summary="Alive?")
async def healthz() -> StatusReply:
    """Tell that the process answers; looks at nothing else, and waits for no thread."""
    return StatusReply(status="alive")


@router.get("/readyz", responses=refusals(403, 503), summary="Ready?")
def readyz(answerer: Asks) -> StatusReply:
    """Tell that the models are loaded and that the store can be read now (else 503)."""
    answerer.store.at_one_moment(lambda moment: moment.generation)
    return StatusReply(status="ready")
