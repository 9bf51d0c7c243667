"""The same questions for clients that speak OpenAI's interface: chat completions, and the list of models."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from api.chat import MODEL, ChatCompletion, ChatReply, Envelope, ModelsReply, Usage, message_of, nearest, usage_of
from api.chat_body import ChatBody
from api.problems import Problem, ProblemError, chat_error, chat_refusals, problem, problem_of, refusal_response
from api.routes.access import needs
from api.routes.admission import Admission, admission_of
from api.routes.ask import EVENTS
from api.routes.dependencies import Asks, JsonBody
from api.routes.steps import UNBUFFERED, answer_to, begin
from api.schemas import AskReply
from index.errors import StoreError
from rag.answer import Answerer
from rag.types import Answer

router = APIRouter(
    prefix="/v1", tags=["chat"], dependencies=[needs("ask")], responses=chat_refusals(401, 403, 429, 500, 503)
)


@router.get("/models", summary="List the models")
async def models() -> ModelsReply:
    """List what `model` may be: one name, whatever models answer."""
    return ModelsReply()


@router.post(
    "/chat/completions",
    dependencies=[JsonBody],
    response_model=ChatCompletion,
    responses={
        200: {"content": {EVENTS: {"schema": {"type": "string"}}}},
        **chat_refusals(400, 404, 413, 415),
    },
    summary="Answer in a chat",
)
async def chat_completion(
    request: HttpRequest,
    body: ChatBody,
    answerer: Asks,
    admission: Annotated[Admission, Depends(admission_of)],
) -> ChatCompletion | Response:
    """Answer the last user message as `POST /v1/ask` would: a quote with its sources, or that the documents do not say.

    Earlier messages are not looked at: each question stands alone. With `stream` the reply is a stream of events.
    """
    if body.model != MODEL:
        return refusal_response(request.url.path, _no_model(body.model))
    envelope = Envelope(f"chatcmpl-{request.state.request_id}", int(time.time()))
    said = partial(_said, answerer, str(request.base_url).rstrip("/"))
    if body.stream:
        _, reading = await begin(answerer, body.to_request(), admission)
        events = _events(envelope, said, reading, with_usage=body.wants_usage())
        return EventSourceResponse(events, headers=UNBUFFERED)
    answer = await answer_to(answerer, body.to_request(), admission)
    return envelope.whole(*await run_in_threadpool(said, answer))


def _no_model(name: str) -> Problem:
    refusal = f"there is no model {name[:100]!r}; GET /v1/models lists the one there is"
    return problem(404, refusal, [ProblemError(detail=refusal, pointer="#/model")])


def _said(answerer: Answerer, base: str, answer: Answer) -> tuple[ChatReply, Usage]:
    reply = AskReply.model_validate(answer)
    named = [passage.document_id for passage in nearest(reply)]
    try:
        documents = answerer.store.at_one_moment(lambda moment: moment.stored_documents(named)) if named else {}
    except StoreError:  # what was found stands; the links to it name no version of the articles then
        documents = {}
    message = message_of(reply, base, documents)
    return message, usage_of(answerer.encoder, answer.question, message.content)


async def _events(
    envelope: Envelope,
    said: Callable[[Answer], tuple[ChatReply, Usage]],
    reading: asyncio.Task[Answer],
    *,
    with_usage: bool,
) -> AsyncIterator[bytes]:
    """Yield the reply in parts. An answer is found whole, so its content is one of them."""
    yield _event(envelope.chunk({"role": "assistant", "content": ""}))
    try:
        message, usage = await run_in_threadpool(said, await asyncio.shield(reading))
    except Exception as error:  # the reply has begun, so there is no other way left to tell of it
        yield _event(chat_error(problem_of(error)).model_dump())
        return
    yield _event(envelope.chunk(message.model_dump(mode="json", exclude={"role", "refusal"})))
    yield _event(envelope.chunk({}, finish_reason="stop"))
    if with_usage:
        yield _event(envelope.usage_chunk(usage))
    yield format_sse_event(data_str="[DONE]")


def _event(value: dict[str, Any]) -> bytes:
    return format_sse_event(data_str=json.dumps(value, ensure_ascii=False))
