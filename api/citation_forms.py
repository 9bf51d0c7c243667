"""Citations in the forms that other tools read: those of LLM interfaces, W3C's Web Annotation, an address."""

from collections.abc import Mapping
from itertools import chain
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from api.objects import CitationForm
from api.schemas import AskReply, CharLocationReply, CitationReply, PassageReply
from index.types import StoredDocument
from rag.types import Citation, FoundPassage

CONTEXT = "http://www.w3.org/ns/anno.jsonld"


def with_form(reply: AskReply, form: CitationForm) -> AskReply:
    """Return the reply with every citation in that form too, under the form's name; "pincite" adds nothing."""
    if form == "pincite":
        return reply
    others = (citation for other in reply.alternatives for citation in other.citations)
    documents = dict.fromkeys(citation.document_id for citation in chain(reply.citations, others))
    numbers = {document_id: number for number, document_id in enumerate(documents)}
    alternatives = [
        other.model_copy(update={"citations": _with_form(other.citations, form, numbers)})
        for other in reply.alternatives
    ]
    return reply.model_copy(
        update={"citations": _with_form(reply.citations, form, numbers), "alternatives": alternatives}
    )


def _with_form(citations: list[CitationReply], form: CitationForm, numbers: Mapping[str, int]) -> list[CitationReply]:
    if form == "web_annotation":
        return [one.model_copy(update={form: web_annotation(one)}) for one in citations]
    return [one.model_copy(update={form: _char_location(one, numbers[one.document_id])}) for one in citations]


def _char_location(citation: CitationReply, number: int) -> CharLocationReply:
    return CharLocationReply(
        cited_text=citation.quote,
        document_index=number,
        document_title=citation.title,
        start_char_index=citation.start,
        end_char_index=citation.end,
    )


def web_annotation(citation: Citation | CitationReply) -> dict[str, Any]:
    """Return the citation as a Web Annotation; its id is the same for the same span of the same bytes."""
    place = f"pincite:{citation.document_id}:{citation.sha256}:{citation.start}-{citation.end}"
    return {
        "@context": CONTEXT,
        "id": uuid5(NAMESPACE_URL, place).urn,
        "type": "Annotation",
        "motivation": "highlighting",
        "target": specific_resource(citation),
    }


def specific_resource(citation: Citation | CitationReply) -> dict[str, Any]:
    """Return the span as a SpecificResource of the Web Annotation model; its positions are code points.

    `source` is an IRI: the address that the document was saved from, else its path.
    """
    return {
        "type": "SpecificResource",
        "source": web_address(citation.url) or quote(citation.source),
        "selector": [
            {
                "type": "TextQuoteSelector",
                "exact": citation.quote,
                "prefix": citation.prefix,
                "suffix": citation.suffix,
            },
            {"type": "TextPositionSelector", "start": citation.start, "end": citation.end},
        ],
    }


def web_address(address: str | None) -> str | None:
    """Return the address if it is one of the web: any other scheme (javascript:) would run what a document says."""
    return address if address and address.lower().startswith(("https://", "http://")) else None


def read_path(document_id: str, start: int, end: int, sha256: str | None = None) -> str:
    """Return the path of the page of this service that shows a span in its document.

    With the document's `sha256` the page says so where the document is another one by then.
    """
    version = f"&sha256={sha256}" if sha256 else ""
    return f"/read/{document_id}?start={start}&end={end}{version}#cited"


def version_of(stored: StoredDocument | None, passage: FoundPassage | PassageReply) -> str | None:
    """Return the `sha256` of the document that has a passage where it was found; None if none has it there any more."""
    if stored is None or stored.document.text[passage.start : passage.end] != passage.text:
        return None
    return stored.document.sha256


def place_in_words(citation: Citation | CitationReply) -> str:
    """Return where a quote stands: `news/summit.txt, line 3, characters 40–58`."""
    page = f"page {citation.page}" if citation.page is not None else None
    line = f"line {citation.line}" if citation.line is not None else None
    return ", ".join(filter(None, [citation.source, page, line, characters(citation.start, citation.end)]))


def characters(start: int, end: int) -> str:
    """Return a span in words."""
    return f"characters {start}–{end}"
