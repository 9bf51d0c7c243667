"""Word documents (.docx) -> text and headings, with the standard library alone.

Read are body, tables, text boxes, notes, and (marked) page headers and footers; insertions, but not what is deleted or
hidden, nor comments. A part is unfolded up to a bound, whatever the archive says of its size. Entities from outside are
never loaded.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree

from index.blocks import Block, Layout, lay_out
from index.docx_parts import Parts, local_name, value_of
from index.errors import Rejected
from index.metadata import find_metadata
from index.plain import one_line, printable
from index.types import Document, Field, Metadata

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_CONTAINERS = frozenset(["tc", "txbxContent", "footnote", "endnote"])  # in them paragraphs are joined, not out of them
_SKIPPED = frozenset(["del", "moveFrom", "Fallback", "pPrChange", "rPrChange", "sectPrChange", "tblPrChange"])
_CODE = re.compile(r"(?!d[89a-f]..)[0-9a-f]{1,4}", re.IGNORECASE)  # no half of a surrogate pair
_LEVEL = re.compile(r"[1-9]")
_OUTLINES = tuple("012345678")  # 9 is text
_OFF = ("0", "false", "off")
_TITLE = 0  # the level of the style "Title"; headings are 1 to 6


def load_docx(source: str, data: bytes) -> Document:
    """Return the document that a Word file holds; its byte offsets are not known.

    Raises Rejected for a file that is encrypted, damaged, unfolds to too much, holds no text, or has other files in it.
    """
    parts = Parts(source, data)
    main = parts.target("", "officeDocument") or "word/document.xml"
    levels = _levels(parts, parts.target(main, "styles"))
    blocks = list(_Reading(parts, levels).blocks(main))
    titled = next((at for at, block in enumerate(blocks) if block.level == _TITLE), None)
    blocks = [*blocks, *_notes(parts, main, levels), *_headers(parts, main, levels)]
    if not blocks:
        raise Rejected(f"{source}: no text (pictures are not read); fill it or exclude it")
    layout = lay_out(source, [_as_block(block) for block in blocks])
    return Document(
        source=source,
        text=layout.text,
        sha256=hashlib.sha256(data).hexdigest(),
        encoding=None,
        bom_bytes=0,
        media_type=MEDIA_TYPE,
        marks=layout.marks,
        metadata=_metadata(parts, layout, None if titled is None else layout.spans[titled]),
        headings=layout.headings,
    )


@dataclass(frozen=True, slots=True)
class _Styled:
    """A block with the level that its style gives it: `_TITLE`, 1 to 6 for headings, None for text."""

    text: str
    level: int | None = None
    label: str | None = None
    tight: bool = False


def _as_block(styled: _Styled) -> Block:
    level = 0 if styled.level is None else max(1, styled.level)
    return Block(styled.text, level, styled.label, styled.tight)


def _levels(parts: Parts, name: str | None) -> dict[str, int]:
    """Return the level of each style that has one, its own or that of the style it is based on."""
    own: dict[str, int] = {}
    based: dict[str, str] = {}
    style: str | None = None  # the one that is open
    for event, element in parts.events(name) if name is not None and parts.has(name) else ():
        kind, value = local_name(element), value_of(element)
        if kind == "style":
            style = value_of(element, "styleId") if event == "start" else None
        elif style is None or event == "start":
            continue
        elif kind == "name" and (level := _named_level(value)) is not None:
            own[style] = level
        elif kind == "outlineLvl" and value in _OUTLINES:
            own.setdefault(style, min(6, int(value) + 1))
        elif kind == "basedOn":
            based[style] = value
    _inherit(own, based)
    return own


def _inherit(own: dict[str, int], based: dict[str, str]) -> None:
    """Give each style the level of the one it is based on, over however many others; `based` is used up."""
    for identity in list(based):
        chain: dict[str, None] = {}  # in order; what it meets again, or has no level, ends it
        while identity in based and identity not in own and identity not in chain:
            chain[identity] = None
            identity = based[identity]
        for one in chain:
            del based[one]
            if identity in own:
                own[one] = own[identity]


def _named_level(name: str) -> int | None:
    """Return what a built-in style's name says; Word keeps it in English whatever language it speaks."""
    words = name.lower().split()
    if words == ["title"]:
        return _TITLE
    return min(6, int(words[1])) if len(words) == 2 and words[0] == "heading" and _LEVEL.fullmatch(words[1]) else None


@dataclass(slots=True)
class _Paragraph:
    """A paragraph that is being read."""

    parts: list[str] = field(default_factory=list)
    level: int | None = None
    listed: bool = False
    joined: bool = False  # to the next: a tracked change deletes its mark


@dataclass(slots=True)
class _Reading:
    """Reads one part. Paragraphs and rows nest (text boxes, tables in cells), so both are stacks."""

    package: Parts
    levels: dict[str, int]
    above: list[str] = field(default_factory=list)  # the names of the elements that are open
    waiting: _Paragraph | None = None  # for the next one in its container, to which it is joined
    paragraphs: list[_Paragraph] = field(default_factory=list)
    rows: list[list[list[str]]] = field(default_factory=list)
    runs: list[bool] = field(default_factory=list)  # for each run that is open, whether it is hidden
    row_before: bool = False
    list_before: bool = False

    def blocks(self, part: str) -> Iterator[_Styled]:
        """Yield the blocks of a part in order; Rejected if it takes in a file of another kind."""
        skipped = 0
        for event, element in self.package.events(part):
            name = local_name(element)
            if event == "end":
                self.above.pop()
            if name in _SKIPPED:
                self._delete_mark(name, skipped)
                skipped += 1 if event == "start" else -1
            elif not skipped and event == "start":
                yield from self._release() if name == "tbl" else ()
                self._start(name)
            elif not skipped:
                yield from self._end(name, element)
            if event == "start":
                self.above.append(name)
        yield from self._release()

    def _start(self, name: str) -> None:
        if name == "altChunk":
            raise Rejected(
                f"{self.package.source}: another file is put in whole (altChunk); open it in Word, and save it again"
            )
        if name == "p":
            self.paragraphs.append(_Paragraph(self.waiting.parts if self.waiting else []))
            self.waiting = None
        elif name == "tr":
            self.rows.append([])
        elif name == "tc" and self.rows:
            self.rows[-1].append([])
        elif name == "tbl":
            self.row_before = False
        elif name == "r":
            self.runs.append(False)

    def _end(self, name: str, element: ElementTree.Element) -> Iterator[_Styled]:
        if name == "p" and self.paragraphs:
            yield from self._paragraph(self.paragraphs.pop())
        elif name == "tr" and self.rows:
            yield from self._row(self.rows.pop())
        elif name == "r" and self.runs:
            self.runs.pop()
        elif name in _CONTAINERS:
            yield from self._release()
        elif self.paragraphs:
            self._inside(self.paragraphs[-1], name, element)

    def _delete_mark(self, name: str, skipped: int) -> None:
        if name in ("del", "moveFrom") and not skipped and self.above[-2:] == ["pPr", "rPr"] and self.paragraphs:
            self.paragraphs[-1].joined = True

    def _release(self) -> Iterator[_Styled]:
        """Yield the paragraph that waits: none follows that it could be joined to."""
        if self.waiting:
            alone, self.waiting = replace(self.waiting, joined=False), None
            yield from self._paragraph(alone)

    def _inside(self, paragraph: _Paragraph, name: str, element: ElementTree.Element) -> None:
        if name == "pStyle":
            paragraph.level = self.levels.get(value_of(element), paragraph.level)
        elif name == "outlineLvl" and value_of(element) in _OUTLINES:
            paragraph.level = min(6, int(value_of(element)) + 1)
        elif name == "numPr":
            paragraph.listed = True
        elif name == "vanish" and self.runs and self.above[-2:] == ["r", "rPr"]:
            self.runs[-1] = value_of(element) not in _OFF
        elif self.runs and not any(self.runs):
            paragraph.parts.append(_written(name, element))

    def _paragraph(self, paragraph: _Paragraph) -> Iterator[_Styled]:
        if paragraph.joined:
            self.waiting = paragraph
            return
        text = printable("".join(paragraph.parts)).strip()
        if not text:
            return
        if self.rows and self.rows[-1]:
            self.rows[-1][-1].append(text)
            return
        tight = paragraph.listed and self.list_before
        self.list_before = paragraph.listed
        yield _Styled(text, paragraph.level, None, tight)

    def _row(self, cells: list[list[str]]) -> Iterator[_Styled]:
        text = "\t".join("\n".join(cell) for cell in cells).strip()
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += [text] if text else []
        elif text:
            yield _Styled(text, tight=self.row_before)
            self.row_before, self.list_before = True, False


def _written(name: str, element: ElementTree.Element) -> str:
    """Return what an element of a run puts on paper."""
    if name == "t":
        return (element.text or "").replace("\n", " ").replace("\f", " ")
    if name == "sym":
        code = value_of(element, "char")
        return chr(int(code, 16)) if _CODE.fullmatch(code) else ""
    return {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\N{NON-BREAKING HYPHEN}"}.get(name, "")


def _notes(parts: Parts, main: str, levels: dict[str, int]) -> Iterator[_Styled]:
    """Yield the footnotes and endnotes."""
    for kind in ("footnotes", "endnotes"):
        for name in parts.targets(main, kind):
            if parts.has(name):
                yield from _Reading(parts, levels).blocks(name)


def _headers(parts: Parts, main: str, levels: dict[str, int]) -> list[_Styled]:
    """Return what stands at the head and foot of the pages, each line once, marked."""
    found: dict[str, _Styled] = {}
    for name in [*parts.targets(main, "header"), *parts.targets(main, "footer")]:
        if parts.has(name):
            for styled in _Reading(parts, levels).blocks(name):
                found.setdefault(styled.text, replace(styled, level=None, label="page header"))
    return list(found.values())


def _metadata(parts: Parts, layout: Layout, title: tuple[int, int] | None) -> Metadata:
    """Return what the text states and, of title and author, what the file's properties say.

    Its dates are left out: a file is made at another time than what it holds was published.
    """
    written = find_metadata(layout.text, layout.marks, headings=layout.headings)
    said = {local_name(element): one_line([printable(element.text or "")]) for element in _properties(parts)}
    if title:
        written = replace(written, title=Field(layout.text[slice(*title)], *title))
    elif written.title is None and said.get("title"):
        written = replace(written, title=Field(said["title"]))
    if written.author is None and " " in said.get("creator", ""):
        written = replace(written, author=Field(said["creator"]))
    return written


def _properties(parts: Parts) -> Iterator[ElementTree.Element]:
    return parts.elements(parts.target("", "core-properties"))
