"""What endpoints ask for: the answerer, and a body that says it is JSON."""

from email.message import Message
from typing import Annotated

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request

from rag.answer import Answerer


async def answerer_of(request: Request) -> Answerer:
    """Return the answerer that this app was made around."""
    answerer: Answerer = request.app.state.answerer
    return answerer


async def require_json(request: Request) -> None:
    """Refuse a body that is not said to be JSON (415), which also keeps out forms posted from other sites."""
    require_media_type(request, ("application/json",))


def require_media_type(request: Request, accepted: tuple[str, ...]) -> None:
    """Refuse a body of another media type (415), or of none; parameters such as charset are not looked at."""
    message = Message()
    message["content-type"] = request.headers.get("content-type", "")
    if message.get_content_type() not in accepted or "content-type" not in request.headers:
        raise HTTPException(415, f"send the body with Content-Type: {accepted[0]}")


Asks = Annotated[Answerer, Depends(answerer_of)]
JsonBody = Depends(require_json)
