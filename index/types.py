"""The values that pass between the parts. Offsets are Unicode code points, 0-based, end exclusive."""

import hashlib
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.errors import UsageError

PDF = "application/pdf"
PAGE_BREAK = "\f"  # between the pages of a PDF's text, and nowhere else in it


def is_encodable(text: str) -> bool:
    """Tell whether a text can be written as UTF-8: it holds no half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of a document's text that is not part of the article, with the reason (`label`)."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of an extracted text: the span of its words, and its level (1 to 6, 1 the highest)."""

    start: int
    end: int
    level: int


@dataclass(frozen=True, slots=True)
class Field:
    """One fact about a document: its value, and the span of the text that states it.

    `start` and `end` are None where the text does not state it (for example, a title from an HTML header).
    `value` may be normalised (a date in ISO form), so it need not equal the text of the span.
    """

    value: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a document says of itself. `published` is an ISO date, or its first part (`2020`, `2020-03`)."""

    title: Field | None = None
    author: Field | None = None
    publisher: Field | None = None
    published: Field | None = None
    language: Field | None = None
    url: Field | None = None

    def items(self) -> list[tuple[str, Field]]:
        """Return the facts that are known, as (name, field) in declaration order."""
        known = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [(name, value) for name, value in known if value is not None]


def document_id_of(source: str) -> str:
    """Return the first 16 hex digits of sha256(source in UTF-8): a document's identity is where it lies."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Document:
    """A source file and its text.

    Where `encoding` is not None the text is the decoded file: `bom + text.encode(encoding)` are the file's bytes,
    `bom` being its first `bom_bytes` bytes. Where it is None the text was extracted and has no byte offsets; its
    headings are then listed in order, and the pages of a PDF are the parts between the form feeds of its text.
    """

    source: str
    text: str
    sha256: str  # of the file's bytes, 64 hex digits
    encoding: str | None
    bom_bytes: int
    media_type: str
    marks: tuple[Mark, ...] = ()
    metadata: Metadata = Metadata()
    headings: tuple[Heading, ...] = ()

    @property
    def document_id(self) -> str:
        """See `document_id_of`."""
        return document_id_of(self.source)

    def page_at(self, at: int) -> int | None:
        """Return the page that holds the character at `at`, from 1; None where the file has no pages."""
        return self.text.count(PAGE_BREAK, 0, at) + 1 if self.media_type == PDF else None

    def headings_at(self, at: int) -> tuple[str, ...]:
        """Return the words of the headings above `at`, the highest first; none but in extracted texts."""
        path: list[Heading] = []
        for heading in self.headings:
            if heading.start > at:
                break
            path = [*(above for above in path if above.level < heading.level), heading]
        return tuple(" ".join(self.text[heading.start : heading.end].split()) for heading in path)


@dataclass(frozen=True, slots=True)
class Passage:
    """A slice of one document; `document.text[start:end] == text` always holds."""

    document_id: str
    start: int
    end: int
    text: str
    context: str  # title and heading path, one a line; never part of the passage's own text

    @property
    def embedding_text(self) -> str:
        """Return what is embedded: the context, a line break, the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text

    @property
    def embedding_key(self) -> str:
        """Return sha256 of `embedding_text` (hex): equal keys have equal vectors."""
        return hashlib.sha256(self.embedding_text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage as it lies in a store. Ids are never reused."""

    passage_id: int
    source: str
    passage: Passage


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it lies in a store, with the file it came from (None for an upload)."""

    document: Document
    origin: str | None  # absolute path
    size: int  # bytes
    passages: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents a question is asked of. Empty fields do not restrict.

    `source` is a glob over the whole source; `date_from` and `date_to` are ISO dates, both inclusive. A document
    dated by year or month alone passes where its period overlaps the range; an undated one never passes a date range.
    """

    source: str | None = None
    publisher: str | None = None
    date_from: str | None = None
    date_to: str | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for a glob that is not text: no source is like it, and SQLite takes none."""
        if self.source and not is_encodable(self.source):
            raise UsageError("the filter on sources is not text (half a surrogate pair); write it in UTF-8")

    def __bool__(self) -> bool:
        """Tell whether anything is restricted."""
        return any((self.source, self.publisher, self.date_from, self.date_to))


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """What identifies an embedder: two that differ in any of these make vectors that do not compare."""

    name: str
    revision: str | None
    sha256: str
    dimension: int
    pooling: str
    prefix: str
    precision: str


class TokenSpans(Protocol):
    """Finds the tokens of a text, as the embedder sees them (special tokens not counted)."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return each token's (start, end) in characters of `text`, in order."""
        ...


class Encoder(TokenSpans, Protocol):
    """Turns texts into vectors. The real model and the test fake both satisfy it."""

    @property
    def info(self) -> EmbedderInfo:
        """What the store's manifest records."""
        ...

    @property
    def window(self) -> int:
        """The most tokens a text may have (special tokens not counted)."""
        ...

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return one unit row, shape (dimension,). A query longer than the window is cut at it."""
        ...

    def encode_passages(self, texts: list[str]) -> NDArray[np.float32]:
        """Return unit rows, shape (len(texts), dimension); an empty list gives (0, dimension).

        Raises ValueError if a text has more tokens than `window`: a passage is never cut silently.
        """
        ...
