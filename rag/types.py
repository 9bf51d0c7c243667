"""What the answerer returns. `api` translates these to JSON with the same names."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it brings the models' runtime along, which who handles replies does without
    from rag.candidates import Candidate

MAX_QUESTION = 1_000  # characters


def is_blank(text: str) -> bool:
    """Tell whether nothing in a text can be seen: it is empty, or spaces, control and zero-width characters alone."""
    return not any(character.isprintable() and not character.isspace() for character in text)


@dataclass(frozen=True, slots=True)
class Citation:
    """An exact place in a source. `start:end` are characters of the document's text, and its slice is `quote`.

    Byte offsets, `line` and `column` (1-based, of `start`) are None where the text was extracted from the file.
    `prefix` and `suffix` are up to 32 characters around it (W3C TextQuoteSelector). `sha256` is of the file's bytes.
    `page` (from 1) is that of `start`, in a PDF; `headings` are those above it, the highest first, in other extracted
    texts. `copy_of` is the id of a document cited before whose text is nearly the same: the two are one source.
    """

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
    headings: tuple[str, ...] = ()
    copy_of: str | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another answer, less likely than the one given."""

    answer: str
    sentence: str
    confidence: float
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage as it was found for one question; `score` is the fused retrieval score, higher is better."""

    passage_id: int
    document_id: str
    source: str
    title: str | None
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds spent; `total` includes what the parts do not.

    Where more than 16 are asked together some are searched for while others are read: parts take longer than alone.
    """

    embed: float
    search: float
    read: float
    total: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What a reply does without: the numbers of the shards that could not be asked, ascending."""

    missing_shards: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """The state of the store that answered; of one in shards the sums over those that did."""

    generation: int
    documents: int
    passages: int
    embedder: str
    reader: str
    missing_shards: tuple[int, ...] = ()

    @property
    def partial(self) -> Partial | None:
        """Return what was done without; None where nothing was."""
        return Partial(self.missing_shards) if self.missing_shards else None


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to one question. `answer` is None where the documents do not say; see `candidate` then.

    `candidate` is the best candidate's text, given or withheld (None if nothing was found); `confidence` is the
    probability that it is right, a function of `candidate_score`. The three `candidate...` stay inside: they are for
    evaluation and calibration.
    """

    question: str
    answer: str | None
    sentence: str | None
    confidence: float
    calibrated: bool
    citations: tuple[Citation, ...]
    alternatives: tuple[Alternative, ...]
    passages: tuple[FoundPassage, ...]
    timings_ms: Timings
    store: StoreInfo
    candidate: str | None
    candidate_score: float | None
    candidate_citations: tuple[Citation, ...]

    @property
    def partial(self) -> Partial | None:
        """Return what the answer was found without; None where all documents were asked."""
        return self.store.partial


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The reply to one search."""

    query: str
    passages: tuple[FoundPassage, ...]
    timings_ms: Timings
    store: StoreInfo

    @property
    def partial(self) -> Partial | None:
        """Return what the passages were found without; None where all documents were asked."""
        return self.store.partial


@dataclass(frozen=True, slots=True)
class Asked:
    """A reply with the fused ranking it was read from, best first: what evaluation judges. It stays inside.

    `candidates` are what the reader answers to each of the first passages of the ranking alone, however unsure; None
    where it finds nothing to say.
    """

    answer: Answer
    ranking: tuple[FoundPassage, ...]
    candidates: "tuple[Candidate | None, ...]" = ()

    @property
    def quotes(self) -> tuple[str | None, ...]:
        """Return what the candidates say."""
        return tuple(one.quote if one else None for one in self.candidates)
