"""Questions and searches, one at a time."""

from fastapi import APIRouter

from api.bodies import AskBody, FilterBody, SearchBody
from api.problems import refusals
from api.routes.dependencies import Asks, JsonBody
from api.schemas import AskReply, SearchReply

router = APIRouter(prefix="/v1", tags=["ask"])


@router.post("/ask", dependencies=[JsonBody], responses=refusals(413, 415, 422, 503), summary="Answer a question")
def ask(body: AskBody, answerer: Asks) -> AskReply:
    """Answer with a quote from the documents and its exact places, or with `null` where they do not say."""
    asked = body.to_request()
    answer = answerer.ask(asked.question, asked.top_k, asked.min_confidence, asked.filters)
    return AskReply.model_validate(answer)


@router.post("/search", dependencies=[JsonBody], responses=refusals(413, 415, 422, 503), summary="Find passages")
def search(body: SearchBody, answerer: Asks) -> SearchReply:
    """Find the passages that fit a query best, without reading an answer out of them."""
    filters = (body.filters or FilterBody()).to_filters()
    return SearchReply.model_validate(answerer.search(body.query, body.top_k, filters))
