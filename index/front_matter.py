"""The YAML block at the top of a Markdown file: the plain `key: value` lines of it, each with its span."""

import re

from index.dates import find_date
from index.types import Field, Metadata

_BLOCK = re.compile(
    r"---[ \t]*(?:\r\n|\r|\n)(?P<body>.{0,20000}?)(?<=[\r\n])(?:---|\.\.\.)[ \t]*(?=[\r\n]|\Z)", re.DOTALL
)
_ENTRY = re.compile(
    r"(?m:(?<![^\r\n]))(?P<key>[A-Za-z][\w-]*)[ \t]*:[ \t]*(?:(?:\r\n|\r|\n)[ \t]*-[ \t]+)?(?P<value>[^\r\n]*)"
)
_NAMES = {
    "title": "title",
    "author": "author",
    "authors": "author",
    "by": "author",
    "publisher": "publisher",
    "site_name": "publisher",
    "sitename": "publisher",
    "publication": "publisher",
    "source": "publisher",
    "date": "published",
    "published": "published",
    "publishdate": "published",
    "pubdate": "published",
    "language": "language",
    "lang": "language",
    "url": "url",
    "link": "url",
    "canonical_url": "url",
    "source_url": "url",
}


def front_matter_span(text: str) -> tuple[int, int] | None:
    """Return the span of the block, its `---` lines included, or None where the text does not begin with one."""
    found = _BLOCK.match(text)
    return found.span() if found and _ENTRY.search(text, found.start("body"), found.end("body")) else None


def front_matter_fields(text: str, block: tuple[int, int]) -> Metadata:
    """Return the facts that the block states; of several for one name, the first."""
    facts: dict[str, Field] = {}
    for entry in _ENTRY.finditer(text, *block):
        name = _NAMES.get(entry["key"].lower())
        field = _value(text, *entry.span("value"))
        if not name or not field:
            continue
        if field.value.startswith(("http://", "https://")):
            name = "url" if entry["key"].lower() == "source" else name
        elif name == "url":
            continue
        if name == "published":
            field = _dated(field)
        if field:
            facts.setdefault(name, field)
    return Metadata(**facts)


def _value(text: str, start: int, end: int) -> Field | None:
    """Return the scalar at `start:end` without comment, quotes or list brackets; None for none and for blocks."""
    raw = text[start:end].strip()
    start += len(text[start:end]) - len(text[start:end].lstrip())
    if raw[:1] in ('"', "'") and (close := raw.find(raw[0], 1)) > 1:
        start, raw = start + 1, raw[1:close]
    else:
        raw = re.split(r"\s#", raw, maxsplit=1)[0].rstrip()
        if raw.startswith("[") and raw.endswith("]"):
            start, raw = start + 1, raw[1:-1]
    inner = raw.strip().strip("\"'")
    if not inner or inner[0] in "|>{&*" or inner in ("null", "~"):
        return None
    start += raw.index(inner)
    return Field(inner, start, start + len(inner))


def _dated(field: Field) -> Field | None:
    if re.fullmatch(r"(1[4-9]|20)\d\d(-(0[1-9]|1[0-2]))?", field.value):
        return field
    date = find_date(field.value)
    if not date or field.start is None:
        return None
    return Field(date.iso, field.start + date.start, field.start + date.end)
