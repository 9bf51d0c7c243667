"""The JSON objects of the HTTP interface as a client sees them; what each key means is in docs/api.md."""

from typing import Any, Literal, NotRequired, TypedDict

CitationForm = Literal["pincite", "char_location", "web_annotation"]


class Filters(TypedDict, total=False):
    """Which documents are asked; dates are ISO dates, inclusive."""

    source: str
    publisher: str
    date_from: str
    date_to: str


class Question(TypedDict):
    """One line of a batch."""

    question: str
    id: NotRequired[str | int]
    top_k: NotRequired[int]
    min_confidence: NotRequired[float | str | None]
    filters: NotRequired[Filters]
    citation_form: NotRequired[CitationForm]


class CharLocation(TypedDict):
    """A citation as LLM interfaces have it."""

    type: Literal["char_location"]
    cited_text: str
    document_index: int
    document_title: str | None
    start_char_index: int
    end_char_index: int


class Citation(TypedDict):
    """An exact place in a source; the last two keys are there when that `citation_form` was asked for."""

    document_id: str
    source: str
    sha256: str
    start: int
    end: int
    byte_start: int | None
    byte_end: int | None
    line: int | None
    column: int | None
    page: int | None
    quote: str
    prefix: str
    suffix: str
    title: str | None
    url: str | None
    verified: bool
    headings: list[str]
    copy_of: str | None
    char_location: NotRequired[CharLocation]
    web_annotation: NotRequired[dict[str, Any]]


class Alternative(TypedDict):
    """Another answer."""

    answer: str
    sentence: str
    confidence: float
    citations: list[Citation]


class Passage(TypedDict):
    """A passage that was found."""

    passage_id: int
    document_id: str
    source: str
    title: str | None
    start: int
    end: int
    text: str
    score: float


class Partial(TypedDict):
    """What a reply does without: the shards of the documents that did not answer."""

    missing_shards: list[int]


class SearchResult(TypedDict):
    """The best passages."""

    query: str
    passages: list[Passage]
    timings_ms: dict[str, float]
    store: dict[str, Any]
    partial: NotRequired[Partial]


class Answer(TypedDict):
    """The reply to a question; `answer` is None where the documents do not say."""

    question: str
    answer: str | None
    sentence: str | None
    confidence: float
    calibrated: bool
    citations: list[Citation]
    alternatives: list[Alternative]
    passages: list[Passage]
    timings_ms: dict[str, float]
    store: dict[str, Any]
    partial: NotRequired[Partial]


class BatchAnswer(Answer):
    """A reply to a line of a batch. Where `error`, a problem, is there, nothing else is but `id`."""

    id: str | int | None
    error: NotRequired[dict[str, Any]]


class Verdict(TypedDict):
    """What became of a citation."""

    status: str
    source: str | None
    start: int | None
    end: int | None


class Document(TypedDict):
    """A document in short."""

    document_id: str
    source: str
    title: str | None
    author: str | None
    publisher: str | None
    published: str | None
    language: str | None
    sha256: str
    characters: int
    passages: int


class Evaluation(TypedDict):
    """An evaluation; `report` is None unless it is done, and absent in a list."""

    id: str
    status: Literal["queued", "running", "done", "failed", "cancelled"]
    created: str
    progress: dict[str, int]
    error: str | None
    report: NotRequired[dict[str, Any] | None]
