"""What clients of the HTTP interface send. Names, keys and bounds are the contract."""

import re
import unicodedata
from datetime import date
from pathlib import PureWindowsPath
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from api.objects import CitationForm
from index.types import Filters
from rag.answer import MAX_TOP_K, TOP_K, Request
from rag.types import MAX_QUESTION, is_blank

MAX_ID = 200  # characters of a batch line's id
MAX_SOURCE = 1000  # characters

_RISK = re.compile(r"risk:0?\.[0-9]{1,6}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# U+FFFD stands for what could not be decoded; the others turn the letters after them around, or are invisible marks.
_MISLEADING = re.compile("[\ufffd\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def _not_blank(text: str) -> str:
    if is_blank(text):
        raise ValueError("is blank; ask something in words")
    return text


def _source(path: str) -> str:
    """Return a path that means one place to everyone who reads it; ValueError for any other."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in path):
        raise ValueError("holds control characters; leave them out")
    if _MISLEADING.search(path):
        raise ValueError("holds characters that are not text, or that change how the others are shown; leave them out")
    # Windows' rules refuse more than ours, and a source may be read there.
    if "\\" in path or PureWindowsPath(path).anchor or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError('is no plain relative path; give one like "news/2024/summit.txt"')
    if not unicodedata.is_normalized("NFC", path):
        raise ValueError("is not in Unicode's composed form (NFC), so it would look like another source; compose it")
    return path


def _whole_date(text: str) -> str:
    # date.fromisoformat alone would take "20200131" and "2020-W05" too, which do not sort as text.
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date; give one like 2020-01-31") from None
    return text


def _confidence(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    if value is None or number or (isinstance(value, str) and _RISK.fullmatch(value)):
        return value
    raise ValueError('give null, a number from 0 to 1, or a share of wrong answers like "risk:0.2"')


def _name(value: object) -> object:
    if type(value) is int or (isinstance(value, str) and len(value) <= MAX_ID) or value is None:
        return value
    raise ValueError(f"give a text of at most {MAX_ID} characters, or a whole number")


Words = Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUESTION), AfterValidator(_not_blank)]
Source = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SOURCE), AfterValidator(_source)]
TopK = Annotated[
    int, Field(strict=True, ge=1, le=MAX_TOP_K, description="The number of passages read (ask) and returned.")
]
IsoDate = Annotated[str, AfterValidator(_whole_date), WithJsonSchema({"type": "string", "format": "date"})]
MinConfidence = Annotated[
    float | str | None,
    BeforeValidator(_confidence),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": f"^{_RISK.pattern}$"},
                {"type": "null"},
            ]
        }
    ),
]


class _Body(BaseModel):
    """What a client sends: unknown keys are refused, so that a typing mistake is not passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FilterBody(_Body):
    """Which documents are asked. What is null does not restrict; dates are inclusive."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        None, description="A glob over the whole source.", examples=["news/*.txt"]
    )
    publisher: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    date_from: IsoDate | None = Field(None, examples=["2011-01-01"])
    date_to: IsoDate | None = Field(None, examples=["2020-12-31"])

    @model_validator(mode="after")
    def _in_order(self) -> "FilterBody":
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise ValueError("date_from is after date_to")
        return self

    def to_filters(self) -> Filters:
        """Return what the answerer takes."""
        return Filters(self.source, self.publisher, self.date_from, self.date_to)


class AskBody(_Body):
    """A question, and how to answer it."""

    question: Words = Field(examples=["Who leads the Shanghai Cooperation Organization?"])
    top_k: TopK = TOP_K
    min_confidence: MinConfidence = Field(
        None,
        description='null: the calibrated threshold; 0..1: that confidence; "risk:0.2": answer only where at most 20 % '
        "of the answers given would be wrong, refused where that is less than the calibration has seen.",
    )
    filters: FilterBody | None = None
    citation_form: CitationForm = Field(
        "pincite", description="Any other adds a key of its name to every citation: the same place in that form."
    )

    def to_request(self) -> Request:
        """Return what the answerer takes."""
        filters = self.filters or FilterBody()
        return Request(self.question, self.top_k, self.min_confidence, filters.to_filters())


class BatchLine(AskBody):
    """One line of a batch: a question with an optional name, which comes back with the reply."""

    id: Annotated[str | int | None, BeforeValidator(_name)] = None


class SearchBody(_Body):
    """A query for passages."""

    query: Words = Field(examples=["anti-terrorism in Central Asia"])
    top_k: TopK = TOP_K
    filters: FilterBody | None = None


MAX_QUOTE, MAX_CONTEXT = 100_000, 1_000  # characters; ours have a few hundred, and 32


class ClaimBody(BaseModel):
    """A citation as it was saved; what else a saved citation holds is not needed and not looked at."""

    model_config = ConfigDict(frozen=True)

    document_id: str | None = Field(None, description="Else the document is the one that `source` names.")
    source: str | None = None
    sha256: str | None = None
    start: Annotated[int, Field(strict=True, ge=0)]
    end: Annotated[int, Field(strict=True, ge=0)]
    quote: Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUOTE)]
    prefix: Annotated[str, StringConstraints(max_length=MAX_CONTEXT)] | None = None
    suffix: Annotated[str, StringConstraints(max_length=MAX_CONTEXT)] | None = None


class VerifyBody(_Body):
    """Saved citations to check against the documents as they are now."""

    citations: Annotated[list[ClaimBody], Field(max_length=1000)]


MAX_AROUND = 10_000  # characters


class ExcerptBody(_Body):
    """A place in a document, in characters (code points, 0-based, end exclusive), and how much around it to give."""

    document_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
    start: Annotated[int, Field(strict=True, ge=0)]
    end: Annotated[int, Field(strict=True, ge=1)]
    around: Annotated[int, Field(strict=True, ge=0, le=MAX_AROUND)] = Field(
        1_000, description="Characters on each side; the words at the edges are kept whole."
    )

    @model_validator(mode="after")
    def _some(self) -> "ExcerptBody":
        if not 0 < self.end - self.start <= MAX_QUOTE:
            raise ValueError(f"end must be after start, by at most {MAX_QUOTE:,} characters")
        return self
