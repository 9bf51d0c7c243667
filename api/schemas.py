"""What the HTTP interface replies, which `--json` prints too. Names, keys and null rules are the contract."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.jobs import Job, Status
from index.snapshot import DocumentSummary
from index.types import Field as MetadataField


class _Reply(BaseModel):
    """What is sent back, made from the value of the same shape inside."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class CharLocationReply(_Reply):
    """A citation as LLM interfaces have it. Characters are code points, 0-based, end exclusive."""

    type: Literal["char_location"] = "char_location"
    cited_text: str
    document_index: int = Field(description="Of the reply's documents in the order of their first citation, from 0.")
    document_title: str | None
    start_char_index: int
    end_char_index: int


def _is_none(value: object) -> bool:
    return value is None


class CitationReply(_Reply):
    """An exact place in a source; `start:end` are characters (code points) of the document's text, end exclusive.

    Bytes, line and column (1-based) are null where the text was extracted from the file; `page` (from 1) is null but in
    a PDF. `prefix` and `suffix` are the up to 32 characters around the quote. `char_location` and `web_annotation`
    (W3C's JSON-LD) are there where that `citation_form` was asked for.
    """

    document_id: str
    source: str
    sha256: str = Field(description="Of the file's bytes.")
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
    verified: bool = Field(description="The text at start:end was compared with the quote, and is the same.")
    headings: list[str] = Field(default=[], description="Above the quote, the highest first; HTML and DOCX alone.")
    copy_of: str | None = Field(
        default=None, description="A document cited before whose text is nearly the same: the two are one source."
    )
    char_location: CharLocationReply | None = Field(default=None, exclude_if=_is_none)
    web_annotation: dict[str, Any] | None = Field(default=None, exclude_if=_is_none)


class AlternativeReply(_Reply):
    """Another answer, less likely than the one given."""

    answer: str
    sentence: str
    confidence: float
    citations: list[CitationReply]


class PassageReply(_Reply):
    """A passage found for the question; `score` is the fused retrieval score, higher is better."""

    passage_id: int
    document_id: str
    source: str
    title: str | None
    start: int
    end: int
    text: str
    score: float


class TimingsReply(_Reply):
    """Milliseconds spent."""

    embed: float
    search: float
    read: float
    total: float


class StoreReply(_Reply):
    """The state of the store that answered."""

    generation: int
    documents: int
    passages: int
    embedder: str
    reader: str


class PartialReply(_Reply):
    """What a reply does without: shards of the documents that did not answer."""

    missing_shards: list[int]


class AskReply(_Reply):
    """The answer as a word-for-word quote, or null where the documents do not say.

    `confidence` is the probability that the best candidate is right, given or withheld; it is a calibrated one where
    `calibrated` is true. With `answer: null` there are no citations, and `passages` are the nearest that were found.
    """

    question: str
    answer: str | None
    sentence: str | None
    confidence: float
    calibrated: bool
    citations: list[CitationReply]
    alternatives: list[AlternativeReply]
    passages: list[PassageReply]
    timings_ms: TimingsReply
    store: StoreReply
    partial: PartialReply | None = Field(
        default=None, exclude_if=_is_none, description="There where shards of the documents did not answer."
    )


class SearchReply(_Reply):
    """The best passages, not read."""

    query: str
    passages: list[PassageReply]
    timings_ms: TimingsReply
    store: StoreReply
    partial: PartialReply | None = Field(
        default=None, exclude_if=_is_none, description="There where shards of the documents did not answer."
    )


class ExcerptReply(_Reply):
    """A place in a document with the text around it: `text` is the document's text at `start:end`, unchanged."""

    citation: CitationReply = Field(description="The place that was asked for.")
    start: int
    end: int
    text: str


class VerdictReply(_Reply):
    """What became of a quote, and where it is now; null where it is nowhere."""

    status: str = Field(description="ok, moved, misattributed, changed or missing", examples=["ok"], pattern="^[a-z]+$")
    source: str | None
    start: int | None
    end: int | None


class VerifyReply(_Reply):
    """One result for each citation, in order."""

    results: list[VerdictReply]


class MarkReply(_Reply):
    """A span that is not part of the article, with the reason."""

    start: int
    end: int
    label: str


class FieldReply(_Reply):
    """One fact about a document, and the span that states it (null where the text does not)."""

    value: str
    start: int | None
    end: int | None


class MetadataReply(_Reply):
    """What a document says of itself."""

    title: FieldReply | None
    author: FieldReply | None
    publisher: FieldReply | None
    published: FieldReply | None
    language: FieldReply | None
    url: FieldReply | None


class DocumentReply(_Reply):
    """A document in short. `published` is an ISO date or its first part; `characters` and `passages` are counts."""

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

    @classmethod
    def of(cls, summary: DocumentSummary) -> "DocumentReply":
        """Return the short form of a stored document."""
        metadata = summary.metadata
        return cls(
            document_id=summary.document_id,
            source=summary.source,
            title=_value(metadata.title),
            author=_value(metadata.author),
            publisher=_value(metadata.publisher),
            published=_value(metadata.published),
            language=_value(metadata.language),
            sha256=summary.sha256,
            characters=summary.characters,
            passages=summary.passages,
        )


def _value(field: MetadataField | None) -> str | None:
    return field.value if field else None


class WholeDocumentReply(DocumentReply):
    """A document with what is marked in its text, and where its metadata stand."""

    marks: list[MarkReply]
    metadata: MetadataReply


class DocumentsReply(_Reply):
    """A page of the list, ordered by source. `next` is what to give as `after` for the next one; null at the end."""

    documents: list[DocumentReply]
    next: str | None


class StartedReply(_Reply):
    """An evaluation that was taken in."""

    id: str
    status: Status


class ProgressReply(_Reply):
    """How many steps of how many are behind it: each question, and some asked again for their latency."""

    done: int
    total: int


class EvaluationSummary(_Reply):
    """An evaluation and how far it is; `error` says why one failed."""

    id: str
    status: Status
    created: datetime = Field(description="When it was taken in (UTC).")
    progress: ProgressReply
    error: str | None

    @classmethod
    def of(cls, job: Job) -> "EvaluationSummary":
        """Return the short form of a kept evaluation."""
        return cls(
            id=job.job_id,
            status=job.status,
            created=datetime.fromtimestamp(job.created, UTC),
            progress=ProgressReply(done=job.done, total=job.total),
            error=job.error,
        )


class EvaluationReply(EvaluationSummary):
    """An evaluation with its report (`run`, `metrics`, `questions`), which is null unless it is done."""

    report: dict[str, Any] | None


class EvaluationsReply(_Reply):
    """Evaluations, the latest first."""

    evaluations: list[EvaluationSummary]


class StatusReply(_Reply):
    """The state of the service."""

    status: str
