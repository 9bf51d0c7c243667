"""What a chat client sends: a request for a chat completion as OpenAI has it, as far as a quote can be its answer."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, ValidationInfo, field_validator

from index.errors import UsageError
from rag.answer import Request

_NO_TOOL = "no tool is called here; leave it out"
_NO_TOKENS = "an answer is copied from a document, so its tokens have no probabilities; leave it out"
_TEXT_ALONE = "the reply is text alone; leave it out"
# Parameters that ask for what an extractive answerer has not: the values that ask for nothing, as null does, and what
# to say to any other.
_UNMET: dict[str, tuple[tuple[object, ...], str]] = {
    "tools": (([],), _NO_TOOL),
    "functions": (([],), _NO_TOOL),
    "tool_choice": (("none", "auto"), _NO_TOOL),
    "function_call": (("none", "auto"), _NO_TOOL),
    "n": ((1,), "a question has one answer; leave it out, or give 1"),
    "logprobs": ((False,), _NO_TOKENS),
    "top_logprobs": ((0,), _NO_TOKENS),
    "response_format": (({"type": "text"},), "the reply is text; leave it out, or use POST /v1/ask for JSON"),
    "modalities": ((["text"],), _TEXT_ALONE),
    "audio": ((), _TEXT_ALONE),
    "web_search_options": ((), "only the indexed documents are searched; leave it out"),
    "moderation": ((), "texts are not judged here; leave it out"),
}


class ContentPart(BaseModel):
    """A part of a message. In the question only those of type "text" are taken."""

    model_config = ConfigDict(frozen=True)

    type: Annotated[str, StringConstraints(max_length=100)]
    text: str | None = None


class ChatMessage(BaseModel):
    """A turn of the conversation; its other keys (name, tool_calls ...) are not looked at."""

    model_config = ConfigDict(frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None


class StreamOptions(BaseModel):
    """What a stream holds besides the answer."""

    model_config = ConfigDict(frozen=True)

    include_usage: StrictBool | None = None


class ChatBody(BaseModel):
    """A conversation, of which the last user message is the question; every other message is not looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(examples=["pincite"])
    messages: list[ChatMessage] = Field(
        examples=[[{"role": "user", "content": "Who leads the Shanghai Cooperation Organization?"}]]
    )
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None

    # Refused where they ask for something.
    tools: Any = None
    functions: Any = None
    tool_choice: Any = None
    function_call: Any = None
    n: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    response_format: Any = None
    modalities: Any = None
    audio: Any = None
    web_search_options: Any = None
    moderation: Any = None

    # Taken and not looked at: they say how a text is generated, billed or kept, and none is.
    temperature: Any = None
    top_p: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    seed: Any = None
    stop: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    logit_bias: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    reasoning_effort: Any = None
    verbosity: Any = None
    service_tier: Any = None
    store: Any = None
    metadata: Any = None
    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None

    @field_validator(*_UNMET, mode="before")
    @classmethod
    def _asks_for_nothing(cls, value: object, info: ValidationInfo) -> object:
        neutral, refusal = _UNMET[info.field_name or ""]
        if value is not None and value not in neutral:
            raise ValueError(refusal)
        return value

    @field_validator("messages")
    @classmethod
    def _holds_a_question(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        try:
            Request(_question_in(messages))
        except UsageError as error:
            raise ValueError(str(error)) from None
        return messages

    def to_request(self) -> Request:
        """Return what the answerer takes."""
        return Request(_question_in(self.messages))

    def wants_usage(self) -> bool:
        """Tell whether a stream is to end with what was counted."""
        return bool(self.stream_options and self.stream_options.include_usage)


def _question_in(messages: Sequence[ChatMessage]) -> str:
    """Return the text of the last user message; UsageError if there is none, or if it holds something else."""
    asked = next((message for message in reversed(messages) if message.role == "user"), None)
    if asked is None:
        raise UsageError("there is no message of role user; ask something in one")
    if isinstance(asked.content, str):
        return asked.content
    parts = asked.content or []
    if other := next((part.type for part in parts if part.type != "text"), None):
        raise UsageError(f"only text is read, and the question has a part of type {other!r}; leave it out")
    return "\n".join(part.text or "" for part in parts)
