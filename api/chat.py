"""An answer as a chat completion as OpenAI has it: the quote, its sentence, its numbered sources."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.citation_forms import characters, place_in_words, read_path, version_of
from api.schemas import AskReply, CitationReply, PassageReply
from api.words import done_without
from index.types import StoredDocument, TokenSpans

MODEL = "pincite"
NEAREST = 3  # passages named where there is no answer


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class UrlCitation(_Reply):
    """Where a part of a message comes from; `start_index:end_index` are characters of its content, end exclusive."""

    start_index: int
    end_index: int
    title: str
    url: str = Field(description="The page of this service that shows the quote in its document.")


class Annotation(_Reply):
    """A citation of a message."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation


class ChatReply(_Reply):
    """The message that answers; `pincite` is what POST /v1/ask replies to the same question."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    annotations: list[Annotation]
    pincite: AskReply


class Choice(_Reply):
    """The one answer."""

    index: Literal[0] = 0
    message: ChatReply
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class Usage(_Reply):
    """Tokens as the embedder counts them: of the question, and of the reply's content. None is generated."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(_Reply):
    """A reply that is sent whole."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Unix seconds.")
    model: str = MODEL
    choices: list[Choice]
    usage: Usage


class ModelReply(_Reply):
    """What can be asked."""

    id: str = MODEL
    object: Literal["model"] = "model"
    created: int = Field(default=0, description="Not known: always 0.")
    owned_by: str = MODEL


class ModelsReply(_Reply):
    """All that can be asked: one."""

    object: Literal["list"] = "list"
    data: list[ModelReply] = [ModelReply()]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every part of one reply says: its id, and when it was made (Unix seconds)."""

    id: str
    created: int

    def whole(self, message: ChatReply, usage: Usage) -> ChatCompletion:
        """Return the reply in one piece."""
        return ChatCompletion(id=self.id, created=self.created, choices=[Choice(message=message)], usage=usage)

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        """Return a part of the message."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._chunk([choice])

    def usage_chunk(self, usage: Usage) -> dict[str, Any]:
        """Return the part that a stream ends with where `include_usage` is asked for."""
        return {**self._chunk([]), "usage": usage.model_dump()}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": MODEL}
        return {**head, "choices": choices}


def nearest(reply: AskReply) -> list[PassageReply]:
    """Return the passages that a message names: where there is an answer, none."""
    return reply.passages[:NEAREST] if reply.answer is None else []


def message_of(reply: AskReply, base: str, documents: Mapping[str, StoredDocument]) -> ChatReply:
    """Return the message that a reply makes. `base` is the service's own address, without a slash at its end.

    `documents` are those of the nearest passages, by id, as far as they are still there. The message's content is plain
    text: the answer as it is written, between quotation marks, its sentence, its sources.
    """
    partial = [done_without(reply.partial.missing_shards)] if reply.partial else []
    if reply.answer is None:
        content = "\n\n".join([_not_found(nearest(reply), base, documents), *partial])
        return ChatReply(content=content, annotations=[], pincite=reply)
    before = "“"
    start, end = len(before), len(before) + len(reply.answer)
    numbers = "".join(f"[{number}]" for number in range(1, len(reply.citations) + 1))
    parts = [f"{before}{reply.answer}” {numbers}"]
    if reply.sentence and reply.sentence != reply.answer:
        parts.append(f"In: “{reply.sentence}”")
    parts.append(_listed("Sources:", (_source(citation, base) for citation in reply.citations)))
    annotations = [_annotation(citation, base, start, end) for citation in reply.citations]
    return ChatReply(content="\n\n".join([*parts, *partial]), annotations=annotations, pincite=reply)


def usage_of(tokens: TokenSpans, question: str, content: str) -> Usage:
    """Count what was asked and what is replied."""
    asked, replied = len(tokens.token_spans(question)), len(tokens.token_spans(content))
    return Usage(prompt_tokens=asked, completion_tokens=replied, total_tokens=asked + replied)


def _not_found(passages: list[PassageReply], base: str, documents: Mapping[str, StoredDocument]) -> str:
    if not passages:
        return "Not in the documents, and no passage in them is near the question."
    lines = (_passage(passage, base, version_of(documents.get(passage.document_id), passage)) for passage in passages)
    return "Not in the documents.\n\n" + _listed("The nearest passages:", lines)


def _listed(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *(f"{number}. {line}" for number, line in enumerate(lines, start=1))])


def _source(citation: CitationReply, base: str) -> str:
    copy = " (a copy)" if citation.copy_of else ""
    return f"{_titled(citation.title)}{place_in_words(citation)}{copy}: {_address(citation, base, citation.sha256)}"


def _passage(passage: PassageReply, base: str, sha256: str | None) -> str:
    place = f"{passage.source}, {characters(passage.start, passage.end)}"
    return f"{_titled(passage.title)}{place}: {_address(passage, base, sha256)}"


def _titled(title: str | None) -> str:
    return f"“{' '.join(title.split())}”, " if title else ""


def _address(place: CitationReply | PassageReply, base: str, sha256: str | None) -> str:
    return base + read_path(place.document_id, place.start, place.end, sha256)


def _annotation(citation: CitationReply, base: str, start: int, end: int) -> Annotation:
    title, url = citation.title or citation.source, _address(citation, base, citation.sha256)
    return Annotation(url_citation=UrlCitation(start_index=start, end_index=end, title=title, url=url))
