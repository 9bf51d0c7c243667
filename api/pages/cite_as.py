"""A cited span in the forms in which it is passed on: text, Markdown, W3C selectors, a link into the original page."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from api.citation_forms import CONTEXT, place_in_words, specific_resource, web_address
from index.types import Document
from rag.types import Citation

_REACH = 64  # characters looked at on each side for words that tell one occurrence from another
_LONG = 12  # words; a longer quote is told by its first and last ones
_ENDS = 5  # of each

_LINE_BREAK = re.compile(r"[\r\n]+")
# What Markdown would read as markup: these characters anywhere, the others at the beginning.
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|~&!:]|^[-+=]|(?<=^\d)[.)]|(?<=^\d\d)[.)])")


@dataclass(frozen=True, slots=True)
class Form:
    """A citation in one form, ready to be copied; `key` names it in the page."""

    key: str
    name: str
    text: str


def forms(document: Document, citation: Citation) -> list[Form]:
    """Return a citation in every form."""
    return [
        Form("text", "Text", as_text(document, citation)),
        Form("markdown", "Markdown", as_markdown(document, citation)),
        Form("json", "W3C selectors (JSON)", as_json(citation)),
    ]


def as_text(document: Document, citation: Citation) -> str:
    """Return the quote and where it stands, on one line; every white space of the quote is a space."""
    title = f"“{citation.title}”" if citation.title else None
    url = web_address(citation.url)
    said = [*_by(document), title, *_from(document), url, place_in_words(citation)]
    return f"“{_on_one_line(citation.quote)}” — {_listed(said)}"


def as_markdown(document: Document, citation: Citation) -> str:
    """Return the same as a block quote with its source below."""
    url, title = web_address(citation.url), _plain(citation.title) if citation.title else None
    linked = f"[{title or 'original'}](<{quote(url, safe=_URL_SAFE)}>)" if url else title
    said = [*map(_plain, _by(document)), linked, *map(_plain, _from(document)), _plain(place_in_words(citation))]
    return f"> {_plain(_on_one_line(citation.quote))}\n>\n> — {_listed(said)}"


def as_json(citation: Citation) -> str:
    """Return the span's selectors, as W3C's Web Annotation model has them."""
    resource = {"@context": CONTEXT, **specific_resource(citation)}
    return json.dumps(resource, ensure_ascii=False, indent=2)


def original_link(document: Document, start: int, end: int) -> str | None:
    """Return the address of the page that the text was saved from, leading to the span; None where it is not known.

    The fragment is a text directive (WICG Scroll To Text Fragment), which browsers that do not know it pass over.
    """
    address = web_address(document.metadata.url.value) if document.metadata.url else None
    if address is None:
        return None
    plain, _, fragment = address.partition("#")
    return f"{plain}#{fragment}:~:text={_directive(document.text, start, end)}"


def _directive(text: str, start: int, end: int) -> str:
    before, after = text[max(0, start - _REACH) : start], text[end : end + _REACH]
    prefix, suffix = _LINE_BREAK.split(before)[-1], _LINE_BREAK.split(after)[0]
    # Words that the window cuts would match nothing.
    prefix = prefix.partition(" ")[2] if len(prefix) == _REACH else prefix
    suffix = suffix.rpartition(" ")[0] if len(suffix) == _REACH else suffix
    words = text[start:end].split()
    ends = [" ".join(words[:_ENDS]), " ".join(words[-_ENDS:])] if len(words) > _LONG else [" ".join(words)]
    parts = [f"{_encoded(prefix)}-"] if prefix.strip() else []
    parts += map(_encoded, ends)
    return ",".join([*parts, f"-{_encoded(suffix)}"] if suffix.strip() else parts)


_URL_SAFE = ":/?#[]@!$&'()*+,;=%~"


def _encoded(words: str) -> str:
    # A hyphen has a meaning of its own in a text directive.
    return quote(words.strip(), safe="").replace("-", "%2D")


def _by(document: Document) -> list[str]:
    return [document.metadata.author.value] if document.metadata.author else []


def _from(document: Document) -> list[str]:
    return [field.value for field in (document.metadata.publisher, document.metadata.published) if field]


def _listed(said: Iterable[str | None]) -> str:
    """Return what is known, each once: a publisher may be its own author."""
    return ", ".join(dict.fromkeys(one for one in said if one))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\1", _on_one_line(text))
