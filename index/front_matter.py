"""The YAML block at the top of a Markdown file: the plain `key: value` lines of it, each with its span."""

import json
import re
from contextlib import suppress

from index.dates import find_date
from index.plain import one_line, printable
from index.types import Field, Metadata

_BLOCK = re.compile(
    r"---[ \t]*(?:\r\n|\r|\n)(?P<body>.{0,20000}?)(?<=[\r\n])(?:---|\.\.\.)[ \t]*(?=[\r\n]|\Z)", re.DOTALL
)
_ENTRY = re.compile(
    r"(?m:(?<![^\r\n]))(?P<key>[A-Za-z][\w-]*)[ \t]*:[ \t]*"
    # The first item of a list below: a scalar, or the name that begins a mapping; of others nothing is taken.
    r"(?:(?:\r\n|\r|\n)[ \t]*-[ \t]+(?:name[ \t]*:[ \t]+|(?![ \t]*[\w-]+[ \t]*:\s)))?(?P<value>[^\r\n]*)"
)
_QUOTED = re.compile(r"""'(?P<single>(?:[^']|'')+)'(?!')|"(?P<double>(?:[^"\\]|\\.)+)\"""")
_FIRST = re.compile(rf"\[\s*(?P<item>{_QUOTED.pattern}|[^,\]]*)")  # of a list in one line
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
            field = _dated(text, field)
        if field:
            facts.setdefault(name, field)
    return Metadata(**facts)


def _value(text: str, start: int, end: int) -> Field | None:
    """Return the scalar at `start:end` without comment and quotes, of a list the first; None for none and for blocks.

    Its span is what stands between the quotes, as it is written; its value is what that says.
    """
    raw = text[start:end].strip()
    start += len(text[start:end]) - len(text[start:end].lstrip())
    quoted = _QUOTED.match(raw)
    if quoted:
        start, raw = start + 1, quoted["single"] or quoted["double"]
    else:
        raw = re.split(r"\s#", raw, maxsplit=1)[0].rstrip()
        if raw.endswith("]") and (first := _FIRST.match(raw)):
            return _value(text, start + first.start("item"), start + first.end("item"))
    inner = raw.strip() if quoted else raw.strip().strip("\"'")
    if not inner or inner[0] in "|>{&*" or inner in ("null", "~", "["):
        return None
    start += raw.index(inner)
    value = _said(inner, double=bool(quoted["double"])) if quoted else inner
    return Field(value, start, start + len(inner)) if value else None


def _said(written: str, double: bool) -> str:
    """Return what a quoted scalar says; where it has an escape that JSON does not know, it says what is written."""
    if not double:
        return written.replace("''", "'")
    if "\\" in written:
        with suppress(ValueError):
            return one_line([printable(json.loads(f'"{written}"', strict=False))])
    return written


def _dated(text: str, field: Field) -> Field | None:
    if re.fullmatch(r"(1[4-9]|20)\d\d(-(0[1-9]|1[0-2]))?", field.value):
        return field
    date = find_date(text[field.start : field.end])
    if not date or field.start is None:
        return None
    return Field(date.iso, field.start + date.start, field.start + date.end)
