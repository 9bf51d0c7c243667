"""Saved answers against the documents as they are now: a quote is looked for where its citation says, then elsewhere.

This is the one place that looks for a quote by searching, because the document may have changed since.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

from index.errors import UsageError
from index.types import document_id_of
from rag.fields import list_in, object_in, text_in

OCCURRENCES = 10_000  # of a quote weighed in one document: a quote of one letter must not cost minutes
Status = Literal["ok", "moved", "misattributed", "changed", "missing"]


@dataclass(frozen=True, slots=True)
class ClaimedCitation:
    """What a saved citation claims: that `quote`, never empty, is the text of a document at `start:end`.

    `prefix` and `suffix` are the text around it then ("" if not recorded); `sha256` is of the file's bytes then.
    """

    document_id: str
    sha256: str | None
    start: int
    end: int
    quote: str
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a quote, and where it is now; source, start and end are None where it is nowhere."""

    status: Status
    source: str | None = None
    start: int | None = None
    end: int | None = None


class Lookup(Protocol):
    """The documents as they are now."""

    def text_of(self, document_id: str) -> str | None:
        """Return a document's text, None if there is no such document."""
        ...

    def source_of(self, document_id: str) -> str | None:
        """Return a document's source, None if there is no such document."""
        ...

    def documents_with_sha256(self, sha256: str) -> Sequence[str]:
        """Return the ids of the documents whose file has these bytes."""
        ...

    def texts(self) -> Iterable[tuple[str, str, str]]:
        """Yield (document_id, source, text) of every document, one at a time."""
        ...


@dataclass(frozen=True, slots=True)
class _Place:
    """A place that holds the quote; the smallest `key` is the best one."""

    key: tuple[int, int, str, int]
    source: str
    start: int


def verify(citations: Sequence[ClaimedCitation], lookup: Lookup) -> list[Verdict]:
    """Return one verdict a citation, in order.

    The first that holds: `ok`, the text at start:end is the quote; `moved`, the quote is elsewhere in that document,
    or the document is gone and one of the same bytes has it; `misattributed`, another document has it; `changed`, the
    document is there and no document has the quote; `missing`, it is gone and none has it. Of several places the one
    with the longest part of prefix and suffix around it wins, then the nearest to the old start, then by source.
    """
    verdicts = [_in_cited_document(claim, lookup) for claim in citations]
    lost = [number for number, verdict in enumerate(verdicts) if verdict is None]
    elsewhere = _in_any_document([citations[number] for number in lost], lookup)
    for number, place in zip(lost, elsewhere, strict=True):
        verdicts[number] = _lost(citations[number], place, lookup)
    return [verdict for verdict in verdicts if verdict is not None]


def _in_cited_document(claim: ClaimedCitation, lookup: Lookup) -> Verdict | None:
    """Return the verdict if the cited document, or where that is gone its exact copy, has the quote."""
    text = lookup.text_of(claim.document_id)
    if text is None:
        copies = lookup.documents_with_sha256(claim.sha256) if claim.sha256 else []
        held = [(lookup.source_of(copy), lookup.text_of(copy)) for copy in copies]
        places = [place for source, body in held if source and body for place in [_best_place(claim, source, body)]]
        best = min((place for place in places if place), key=lambda place: place.key, default=None)
        return None if best is None else _verdict("moved", claim, best)
    source = lookup.source_of(claim.document_id)
    if text[claim.start : claim.end] == claim.quote:
        return Verdict("ok", source, claim.start, claim.end)
    place = _best_place(claim, source or "", text)
    return None if place is None else _verdict("moved", claim, place)


def _in_any_document(claims: Sequence[ClaimedCitation], lookup: Lookup) -> list[_Place | None]:
    """Return the best place of each claim's quote in all documents, read once; none are read for no claims."""
    best: list[_Place | None] = [None] * len(claims)
    for _, source, text in lookup.texts() if claims else ():
        for number, claim in enumerate(claims):
            place, held = _best_place(claim, source, text), best[number]
            if place is not None and (held is None or place.key < held.key):
                best[number] = place
    return best


def _lost(claim: ClaimedCitation, place: _Place | None, lookup: Lookup) -> Verdict:
    if place is not None:
        return _verdict("misattributed", claim, place)
    return Verdict("missing" if lookup.source_of(claim.document_id) is None else "changed")


def _verdict(status: Status, claim: ClaimedCitation, place: _Place) -> Verdict:
    return Verdict(status, place.source, place.start, place.start + len(claim.quote))


def _best_place(claim: ClaimedCitation, source: str, text: str) -> _Place | None:
    places = (
        _Place((-_context(claim, text, start), abs(start - claim.start), source, start), source, start)
        for start in islice(_occurrences(claim.quote, text), OCCURRENCES)
    )
    return min(places, key=lambda place: place.key, default=None)


def _occurrences(quote: str, text: str) -> Iterator[int]:
    start = text.find(quote)
    while start >= 0:
        yield start
        start = text.find(quote, start + 1)  # not past its end: occurrences may overlap


def _context(claim: ClaimedCitation, text: str, start: int) -> int:
    """Return how many characters of prefix and suffix, counted outward from the quote, are still around it."""
    end = start + len(claim.quote)
    before = text[max(0, start - len(claim.prefix)) : start]
    after = text[end : end + len(claim.suffix)]
    return _agreeing(before[::-1], claim.prefix[::-1]) + _agreeing(after, claim.suffix)


def _agreeing(one: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def claims_from(saved: object) -> list[ClaimedCitation]:
    """Return the citations of a saved reply, a list of replies or {"citations": [...]}, in order.

    A reply's citations come before those of its alternatives. A batch reply that is an error has none. A citation
    without `document_id` is of the document that `source` names. Raises UsageError, saying where and what, if
    anything needed is missing or malformed.
    """
    if not isinstance(saved, list):
        return _reply_claims(object_in(saved, "the answer"), "")
    replies = (object_in(reply, f"answer [{number}]") for number, reply in enumerate(saved))
    return [claim for number, reply in enumerate(replies) for claim in _reply_claims(reply, f"[{number}].")]


def _reply_claims(reply: Mapping[str, object], place: str) -> list[ClaimedCitation]:
    if "error" in reply and "citations" not in reply:
        return []
    claims = cited(reply, place)
    for number, item in enumerate(list_in(reply.get("alternatives", []), f"{place}alternatives")):
        inner = f"{place}alternatives[{number}]"
        claims += cited(object_in(item, inner), f"{inner}.")
    return claims


def cited(reply: Mapping[str, object], place: str) -> list[ClaimedCitation]:
    """Return the citations of a reply's own answer; `place` is put before their names in errors.

    Raises UsageError as `claims_from` does.
    """
    return [
        _claim(object_in(item, f"{place}citations[{number}]"), f"{place}citations[{number}]")
        for number, item in enumerate(list_in(reply.get("citations"), f"{place}citations"))
    ]


def _claim(item: Mapping[str, object], place: str) -> ClaimedCitation:
    quote = _text(item, "quote", place)
    document_id, source = _text(item, "document_id", place), _text(item, "source", place)
    start, end = item.get("start"), item.get("end")
    if not quote:
        raise UsageError(f"{place}: quote is missing or empty; give the cited words")
    if not (document_id or source):
        raise UsageError(f"{place}: document_id and source are missing; give one of them")
    # type(), because True is an int to isinstance; a negative offset would count from the end.
    if type(start) is not int or type(end) is not int or not 0 <= start <= end:
        raise UsageError(f"{place}: start and end are {start!r}, {end!r}; needs whole numbers, 0 <= start <= end")
    return ClaimedCitation(
        document_id=document_id or document_id_of(source),
        sha256=_text(item, "sha256", place) or None,
        start=start,
        end=end,
        quote=quote,
        prefix=_text(item, "prefix", place),
        suffix=_text(item, "suffix", place),
    )


def _text(item: Mapping[str, object], key: str, place: str) -> str:
    """Return a text field, "" where it is absent or null."""
    return "" if item.get(key) is None else text_in(item[key], f"{place}: {key}")
