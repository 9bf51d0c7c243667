"""A span of a stored document -> a citation that has been checked against it."""

from index.errors import StoreError
from index.offsets import locate
from index.types import StoredDocument
from rag.types import Citation

CONTEXT = 32  # characters of prefix and suffix


class VerificationError(StoreError):
    """A quote does not stand where its citation says: nothing is sent rather than a wrong quote."""


def cite(stored: StoredDocument, start: int, end: int, quote: str) -> Citation:
    """Return the citation of `quote` at `start:end`; VerificationError unless the text there is the quote."""
    document = stored.document
    text = document.text
    if not 0 <= start < end <= len(text) or text[start:end] != quote:
        raise VerificationError(
            f"{document.source}: characters {start} to {end} are not the quote; run `pincite doctor`"
        )
    place = locate(text, start, end, document.encoding, document.bom_bytes)
    title, url = document.metadata.title, document.metadata.url
    return Citation(
        document_id=document.document_id,
        source=document.source,
        sha256=document.sha256,
        start=start,
        end=end,
        byte_start=place.byte_start,
        byte_end=place.byte_end,
        line=place.line,
        column=place.column,
        page=document.page_at(start),
        quote=quote,
        prefix=text[max(0, start - CONTEXT) : start],
        suffix=text[end : end + CONTEXT],
        title=title.value if title else None,
        url=url.value if url else None,
        verified=True,
        headings=document.headings_at(start),
    )
