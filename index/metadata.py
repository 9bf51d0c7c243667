"""What a text says of itself: title, author, publisher, date, address. Each fact keeps the span that states it.

Only the head of a text, its last lines and its front matter are read, never its prose.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from index.dates import find_date
from index.front_matter import front_matter_fields, front_matter_span
from index.head_lines import (
    ADDRESS,
    AFFILIATION,
    AFTER_DATE,
    BYLINE,
    CITIES,
    DATED,
    DATELINE,
    ENDS_PROSE,
    JOURNAL,
    LINK,
    NAME,
    NO_PERSON,
    PERSON,
    PROFILE,
    SALUTATION,
    SOURCE,
)
from index.marks import plain_line, share_prefix
from index.offsets import line_spans
from index.types import Field, Heading, Mark, Metadata

_HEAD = 15  # lines with text at the top that are read
_TAIL = 10  # and at the bottom
_LONGEST = 300  # characters; a longer line is prose

_H1 = re.compile(r"#\s+(?P<x>.*?)\s*#*")


@dataclass(frozen=True, slots=True)
class _Line:
    start: int  # of `raw` in the text
    raw: str  # without whitespace around it
    marked: bool
    after_blank: bool

    def field(self, first: int, last: int, value: str | None = None) -> Field:
        """Return the fact stated at `first:last` of the line."""
        return Field(value or self.raw[first:last], self.start + first, self.start + last)


def find_metadata(
    text: str, marks: Sequence[Mark], front_matter: bool = False, headings: Sequence[Heading] = ()
) -> Metadata:
    """Return what `text` states of itself; a fact that it does not state is None.

    Of title, author, publisher, language and url the value is the span's text (in front matter: without its escapes);
    `published` is the ISO form of it.
    `front_matter`: whether a YAML block at the very top, which then goes before all else, may be there.
    `headings`: those that the file's structure gives; a name alone that is one of them names no author.
    """
    block = front_matter_span(text) if front_matter else None
    stated = front_matter_fields(text, block) if block else Metadata()
    lines = _lines(text, marks, block[1] if block else 0)
    head = [line for line in lines if not line.marked][:_HEAD]
    tail = [line for line in lines[-_TAIL:] if not line.marked]
    title, at = _title(head)
    found = Metadata(
        title=title,
        author=_author(head, at, {heading.start for heading in headings}) or _profile(lines),
        publisher=_source(head + tail) or _publisher(head, at),
        published=_published(head),
        url=_first(ADDRESS, head + tail),
    )
    return replace(found, **dict(stated.items()))


def _lines(text: str, marks: Sequence[Mark], first: int) -> list[_Line]:
    """Return the lines with text from `first` on; share buttons before a publisher and date are cut off."""
    lines: list[_Line] = []
    pending = list(reversed(marks))
    after_blank = True
    for start, end in line_spans(text):
        if start == end:
            after_blank = True
            continue
        raw = text[start : min(end, start + 2 * _LONGEST)].strip()
        if start < first or not raw:
            after_blank = True
            continue
        at = text.index(raw[0], start)
        at += share_prefix(raw)
        raw = text[at : min(end, at + 2 * _LONGEST)].rstrip()
        at, raw = at + len(raw) - len(raw.lstrip()), raw.strip()
        while pending and pending[-1].end <= at:
            pending.pop()
        lines.append(_Line(at, raw, bool(pending) and pending[-1].start <= at, after_blank))
        after_blank = False
    return lines


def _title(head: list[_Line]) -> tuple[Field | None, int]:
    """Return the title and its place in `head` (-1 where there is none)."""
    for at, line in enumerate(head):
        if (found := _H1.fullmatch(line.raw)) and found["x"]:
            return _without_markup(line, *found.span("x")), at
    for at, line in enumerate(head[:3]):
        if _states_origin(line):
            continue
        if _looks_like_title(line, head[at + 1] if at + 1 < len(head) else None):
            return _without_markup(line, 0, len(line.raw)), at
        break
    return None, -1


def _states_origin(line: _Line) -> bool:
    byline = BYLINE.fullmatch(line.raw)
    signed = byline and not byline["foreign"]
    return bool(signed or _date_in(line) or SOURCE.fullmatch(line.raw) or ADDRESS.fullmatch(line.raw))


def _looks_like_title(line: _Line, following: _Line | None) -> bool:
    plain = plain_line(line.raw)
    if following is None or not any(char.isalpha() for char in plain) or plain[0].islower():
        return False
    if len(plain) > 150 or len(plain.split()) > 25 or re.match(r"[-*+|>]\s|\d+[.)]\s|```|https?:|[|<]|---", line.raw):
        return False
    if ENDS_PROSE.search(plain):
        return False
    if re.fullmatch(r"=+|-+", following.raw):  # an underlined heading
        return True
    if following.after_blank or _states_origin(following) or PERSON.fullmatch(following.raw):
        return True
    # The next line stands right below: a title is clearly shorter than the paragraph it heads, a wrapped line is not.
    return not following.raw[0].islower() and len(line.raw) < 0.6 * len(following.raw)


def _without_markup(line: _Line, first: int, last: int) -> Field:
    while True:
        part = line.raw[first:last]
        if link := re.fullmatch(LINK.format("x"), part):
            first, last = first + link.start("x"), first + link.end("x")
        elif emphasis := re.fullmatch(r"(\*{1,3}|_{1,3})(?P<x>[^*_\s](?:.*[^*_\s])?)\1", part):
            first, last = first + emphasis.start("x"), first + emphasis.end("x")
        else:
            return line.field(first, last)


def _author(head: list[_Line], title_at: int, headings: set[int]) -> Field | None:
    for at, line in enumerate(head):
        found = BYLINE.fullmatch(line.raw)
        if found and found["foreign"] and not 0 <= title_at < at:
            continue
        if found and len(line.raw) <= _LONGEST and not line.raw.endswith((".", "?", "!")):
            group = "link" if found["link"] else "name"
            return line.field(*found.span(group))
    at = title_at + 1
    if title_at < 0 or at >= len(head) or head[at].start in headings or not _is_person(head[at].raw):
        return None
    below = head[at + 1 : at + 3]
    supported = below and (_is_prose(below[0].raw) or _gives_origin(below))
    return head[at].field(0, len(head[at].raw)) if supported else None


def _is_person(raw: str) -> bool:
    words = raw.lower().replace("-", " ").split()
    return (
        bool(PERSON.fullmatch(raw))
        and len(raw) <= 40
        and not NO_PERSON.intersection(words)
        and raw.lower() not in CITIES
    )


def _is_prose(raw: str) -> bool:
    return len(raw) >= 80 and bool(re.search(r"[.!?]['\"”’)]?(\s|$)", raw))


def _gives_origin(below: list[_Line]) -> bool:
    """Tell whether the first line is a date or an affiliation, not a sentence that mentions a school."""
    if _date_in(below[0]):
        return True
    raw = below[0].raw
    wrapped = any(not line.after_blank and re.match(r"[^\W\d_A-Z]\S*\s", line.raw) for line in below[1:])
    return bool(AFFILIATION.search(raw)) and len(raw) <= 100 and not ENDS_PROSE.search(raw) and not wrapped


def _profile(lines: list[_Line]) -> Field | None:
    for line, following in itertools.pairwise(lines):
        if PROFILE.fullmatch(plain_line(line.raw)) and _is_person(following.raw):
            return following.field(0, len(following.raw))
    return None


def _source(lines: list[_Line]) -> Field | None:
    for line in lines:
        if (found := SOURCE.fullmatch(line.raw)) and len(line.raw) <= 80:
            return line.field(*found.span("link" if found["link"] else "name"))
    return None


def _publisher(head: list[_Line], title_at: int) -> Field | None:
    letter = any(SALUTATION.fullmatch(line.raw) for line in head)
    for at, line in enumerate(head):
        untitled = at == 0 and title_at < 0
        if journal := JOURNAL.fullmatch(line.raw):
            return line.field(*journal.span("name"))
        if byline := BYLINE.fullmatch(line.raw):
            if found := _byline_publisher(line, byline.start("rest")):
                return found
        # "Birmingham, 3 May 2019" at the top of a letter says where it was written.
        elif not (letter or untitled) and (found := _dateline_publisher(line)):
            return found
    return None


def _byline_publisher(line: _Line, first: int) -> Field | None:
    """Return the part of "By X | Publisher | date" that is only a name; a byline without a date names none."""
    if not find_date(line.raw, first):
        return None
    for part in re.finditer(r"[^|]+", line.raw[first:]):
        name = re.fullmatch(rf"\s*(?P<x>{NAME})\s*", part.group())
        if name and not find_date(part.group()):
            return line.field(first + part.start() + name.start("x"), first + part.start() + name.end("x"))
    return None


def _dateline_publisher(line: _Line) -> Field | None:
    found = DATELINE.match(line.raw)
    if not found or not _is_date(line.raw, found.end()):
        return None
    group = "link" if found["link"] else "name"
    return None if found[group].lower() in CITIES else line.field(*found.span(group))


def _published(head: list[_Line]) -> Field | None:
    return next((field for line in head if (field := _date_in(line))), None)


def _date_in(line: _Line) -> Field | None:
    """Return the date of a line that is a date, a dateline, a byline or a journal reference; None for other lines."""
    raw = line.raw
    if len(raw) > _LONGEST:
        return None
    if journal := JOURNAL.fullmatch(raw):
        return line.field(*journal.span("year"))
    if (byline := BYLINE.fullmatch(raw)) and (date := find_date(raw, byline.start("rest"))):
        return line.field(date.start, date.end, date.iso)
    dateline = DATELINE.match(raw)
    for first in (0, dateline.end() if dateline else 0):
        if stated := _is_date(raw, first):
            return line.field(*stated)
    return None


def _is_date(raw: str, first: int) -> tuple[int, int, str] | None:
    """Return (start, end, ISO) if `raw` from `first` on is a date and nothing else but a label and a time of day."""
    lead = DATED.match(raw, first)
    date = find_date(raw, lead.end() if lead else first)
    if not date or not lead or date.start != lead.end() or not AFTER_DATE.fullmatch(raw, date.end):
        return None
    return date.start, date.end, date.iso


def _first(pattern: re.Pattern[str], lines: list[_Line]) -> Field | None:
    found = ((line, pattern.fullmatch(line.raw)) for line in lines)
    return next((line.field(*match.span("x")) for line, match in found if match), None)
