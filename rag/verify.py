"""Saved answers against the documents as they are now: a quote is looked for where its citation says, then elsewhere.

This is the one place that looks for a quote by searching, because the document may have changed since.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

from index.errors import UsageError
from index.types import document_id_of
from rag.fields import list_in, object_in, text_in

# Of one claim's quote, weighed in all documents together: a thousand claims of one letter must not cost minutes.
OCCURRENCES = 1_000
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


class _Search:
    """The best place of a claim's quote, and its `key`, the smallest, in the texts that were looked through so far.

    Where the quote is there more than `OCCURRENCES` times the first are weighed, and the rest is not looked through.
    """

    def __init__(self, claim: ClaimedCitation) -> None:
        self.claim = claim
        self.key: tuple[int, int, str, int] | None = None
        self._left = OCCURRENCES
        self._before, self._after = claim.prefix[::-1], claim.suffix

    def look_through(self, source: str, text: str) -> None:
        for start in islice(_occurrences(self.claim.quote, text), self._left):
            self._left -= 1
            key = (-self._context(text, start), abs(start - self.claim.start), source, start)
            self.key = key if self.key is None else min(self.key, key)

    def verdict(self, status: Status) -> Verdict | None:
        """Return the place with this status; None if there is none."""
        if self.key is None:
            return None
        *_, source, start = self.key
        return Verdict(status, source, start, start + len(self.claim.quote))

    def _context(self, text: str, start: int) -> int:
        """Return how many characters of prefix and suffix, counted outward from the quote, are still around it."""
        end = start + len(self.claim.quote)
        before = text[max(0, start - len(self._before)) : start][::-1]
        return _agreeing(before, self._before) + _agreeing(text[end : end + len(self._after)], self._after)


def verify(citations: Sequence[ClaimedCitation], lookup: Lookup) -> list[Verdict]:
    """Return one verdict a citation, in order.

    The first that holds: `ok`, the text at start:end is the quote; `moved`, the quote is elsewhere in that document,
    or the document is gone and one of the same bytes has it; `misattributed`, another document has it; `changed`, the
    document is there and no document has the quote; `missing`, it is gone and none has it. Of several places the one
    with the longest part of prefix and suffix around it wins, then the nearest to the old start, then by source. Of
    more than `OCCURRENCES` places the first so many, in the order of `Lookup.texts`, are weighed: the status is the
    same, and the place one that holds the quote, if not the best. Equal citations are looked for once.
    """
    held = {claim: _in_cited_document(claim, lookup) for claim in dict.fromkeys(citations)}
    lost = _in_any_document([claim for claim, verdict in held.items() if verdict is None], lookup)
    return [held[claim] or lost[claim] for claim in citations]


def _in_cited_document(claim: ClaimedCitation, lookup: Lookup) -> Verdict | None:
    """Return the verdict if the cited document, or where that is gone its exact copy, has the quote."""
    text, source = lookup.text_of(claim.document_id), lookup.source_of(claim.document_id)
    as_long = claim.end - claim.start == len(claim.quote)  # beyond the end of the text a slice is shorter
    if text is not None and as_long and text[claim.start : claim.end] == claim.quote:
        return Verdict("ok", source, claim.start, claim.end)
    search = _Search(claim)
    if text is not None:
        search.look_through(source or "", text)
    else:
        for copy in lookup.documents_with_sha256(claim.sha256) if claim.sha256 else []:
            search.look_through(lookup.source_of(copy) or "", lookup.text_of(copy) or "")
    return search.verdict("moved")


def _in_any_document(claims: Sequence[ClaimedCitation], lookup: Lookup) -> dict[ClaimedCitation, Verdict]:
    """Return what becomes of each claim after all documents were read, once; none are read for no claims."""
    searches = [_Search(claim) for claim in claims]
    for _, source, text in lookup.texts() if searches else ():
        for search in searches:
            search.look_through(source, text)
    return {search.claim: search.verdict("misattributed") or _nowhere(search.claim, lookup) for search in searches}


def _nowhere(claim: ClaimedCitation, lookup: Lookup) -> Verdict:
    return Verdict("missing" if lookup.source_of(claim.document_id) is None else "changed")


def _occurrences(quote: str, text: str) -> Iterator[int]:
    start = text.find(quote)
    while start >= 0:
        yield start
        start = text.find(quote, start + 1)  # not past its end: occurrences may overlap


def _agreeing(one: str, other: str) -> int:
    """Return how many characters two texts have in common from their beginning."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])


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
