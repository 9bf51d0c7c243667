"""HTML pages -> text, marks and metadata. With `index/html_blocks.py` the only import of `lxml` and `trafilatura`.

The text is what a reader sees, block by block. A block is marked where both witnesses agree that it is not the article:
trafilatura leaves it out, and the markup around it speaks against it, or it is links beside the article. A sentence in
the article is not marked for a name alone that the article's own sections may have.
"""

import codecs
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from trafilatura import bare_extraction
from trafilatura.metadata import extract_metadata

from index.blocks import Block, Layout, lay_out
from index.dates import find_date
from index.decode import decode
from index.errors import Rejected
from index.html_blocks import Seen, is_sentence, seen_blocks
from index.metadata import find_metadata
from index.plain import one_line, printable
from index.types import Document, Field, Metadata

_DECLARED = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_HEAD = 4096  # bytes in which a page declares its encoding
# As browsers take them (WHATWG encoding standard): what says Latin-1 or ASCII means Windows-1252.
_MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}
_STATEFUL = {"iso2022_jp", "hz"}  # valid UTF-8 by looks
_BIG = 2 * 2**20  # characters of markup; a larger page is marked by that alone: trafilatura takes its time
_LONG = 20  # letters from which a block is looked up anywhere
_EMBEDDING = ("src", "srcset", "href", "style", "poster", "data-src", "data-srcset")
_DATA = re.compile(r"^\s*data:.*|(?<=[\s,(\"'])data:[^\s\"'()]*", re.IGNORECASE | re.DOTALL)
_LINE = 150  # characters; a longer block states no author or date
_DATES = {"original_date": True, "extensive_search": False, "max_date": "2100-01-01"}


def load_html(source: str, data: bytes) -> Document:
    """Return the document that a page holds; its byte offsets are not known.

    Raises Rejected for a page that cannot be decoded, is nested too deeply to be read whole, or shows no text.
    """
    markup, charset = _decoded(source, data)
    page = _parsed(source, markup)
    embedded = _take_out_embedded(page) if page is not None else 0
    seen = list(seen_blocks(page)) if page is not None else []
    if page is None or not seen:
        raise Rejected(f"{source}: no visible text (a script may draw it); save the page as it is shown")
    main = _main_text(page) if len(markup) - embedded <= _BIG else None
    stated = _stated(page)
    layout = lay_out(source, [_block(block, label) for block, label in zip(seen, _labels(seen, main, ()), strict=True)])
    metadata = _metadata(layout, seen, stated)
    labels = _labels(seen, main, _places(layout, metadata))
    layout = lay_out(source, [_block(block, label) for block, label in zip(seen, labels, strict=True)])
    return Document(
        source=source,
        text=layout.text,
        sha256=hashlib.sha256(data).hexdigest(),
        encoding=None,
        bom_bytes=0,
        media_type=f"text/html; charset={charset}",
        marks=layout.marks,
        metadata=metadata,
        headings=layout.headings,
    )


def _decoded(source: str, data: bytes) -> tuple[str, str]:
    """Return markup and charset: BOM, UTF-8, what the page declares, then what fits (see `index.decode`)."""
    found = _DECLARED.search(data[:_HEAD])
    declared = _codec(found[1].decode("ascii")) if found else None
    if declared in _STATEFUL and (text := _strictly(data, declared)) is not None:
        return text, declared
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)):
        for codec in ("utf-8", declared):
            if codec and (text := _strictly(data, codec)) is not None:
                return text, codec
    text, codec, _ = decode(source, data)
    return text, codec.replace("_", "-")


_CUT = ("ERR_RESOURCE_LIMIT", "ERR_NO_MEMORY")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Not what a page says of itself: these would rewrite its text, or could not have been read so far.
_NOT_DECLARED = (
    "utf-16",
    "utf-32",
    "utf-7",
    "unicode-escape",
    "unicode_escape",
    "raw-unicode-escape",
    "raw_unicode_escape",
    "idna",
    "punycode",
)


def _codec(name: str) -> str | None:
    try:
        plain = codecs.lookup(name).name
        b" ".decode(plain)  # empty bytes would not be looked at
    except (LookupError, UnicodeError):  # unknown, or no encoding of text: hex, zlib
        return None
    # UTF-16 would have a BOM, or the declaration could not have been read.
    return None if plain.startswith(_NOT_DECLARED) else _MEANT.get(plain, plain)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeError:
        return None


def _parsed(source: str, markup: str) -> HtmlElement | None:
    if not markup.strip():
        return None
    # As UTF-8 bytes: a string with an encoding declaration is refused. `huge_tree` lifts the limit on text nodes.
    parser = HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        page = document_fromstring(printable(markup).encode(), parser=parser)
    except etree.ParserError:
        return None
    # The parser stops there, and would say nothing of what it leaves out.
    if cut := next((entry for entry in parser.error_log if entry.type_name in _CUT), None):
        raise Rejected(f"{source}: cannot be read whole (line {cut.line}: {cut.message}); save it as text")
    for more in list(page.itersiblings()):  # what follows `</html>` is a root of its own; browsers show it
        page.append(more)
    _clean(page)
    return page


def _clean(page: HtmlElement) -> None:
    """Take out what the markup may name (`&#1;`, `&#12;`) and XML may not hold: trafilatura gives up at it."""
    for element in page.iter():
        for name in ("text", "tail"):
            if (text := getattr(element, name)) and _CONTROL.search(text):
                setattr(element, name, printable(text.replace("\f", " ")))


def _take_out_embedded(page: HtmlElement) -> int:
    """Blank images and fonts that the markup itself holds, and style sheets; return how many characters they took."""
    taken = 0
    for element in page.iter():
        if element.tag == "style":
            taken += len(element.text or "")
            element.text = None
        for name in _EMBEDDING:
            value = element.get(name, "")
            if "data:" in value.lower():
                left = _DATA.sub("", value)
                element.set(name, left)
                taken += len(value) - len(left)
    return taken


def _main_text(page: HtmlElement) -> "_Main | None":
    """Return what trafilatura takes for the article, None where it finds none."""
    found = bare_extraction(page, favor_recall=True, include_comments=False)
    body = getattr(found, "body", None)
    if body is None:
        return None
    units = {_squashed("".join(unit.itertext())) for unit in body.iter()}
    return _Main(_squashed("".join(body.itertext())), frozenset(units))


@dataclass(frozen=True, slots=True)
class _Main:
    """The article's text without whitespace, and that of each of its parts."""

    text: str
    units: frozenset[str]

    def holds(self, block: Seen) -> bool:
        """Tell whether a block is part of the article; a short one only if it is a whole part of it."""
        squashed = _squashed(block.text)
        return squashed in self.units or (len(squashed) >= _LONG and squashed in self.text)


def _squashed(text: str) -> str:
    return "".join(text.split()).casefold()


def _labels(seen: Sequence[Seen], main: _Main | None, exempt: Sequence[int]) -> list[str | None]:
    """Return why each block is not part of the article, None where it is. Blocks in `exempt` state metadata."""
    if main is None:
        return [
            None if is_sentence(block.text, block.linked) or at in exempt else block.label
            for at, block in enumerate(seen)
        ]
    free = {_squashed(block.text) for block in seen if not block.label}
    # A list of contents and a pull quote repeat the article's words; they are not its text.
    inside = [main.holds(block) and not (block.label and _squashed(block.text) in free) for block in seen]
    first = next((at for at, held in enumerate(inside) if held), len(seen))
    last = max((at for at, held in enumerate(inside) if held), default=-1)
    title = next((at for at, block in enumerate(seen) if block.level == 1), first)
    labels: list[str | None] = []
    for at, (block, held) in enumerate(zip(seen, inside, strict=True)):
        beside = at < min(first, title) or at > last
        links = beside and not block.in_article and block.linked > 0.5
        told = block.may_be_subject and block.in_article and is_sentence(block.text, block.linked)
        if held or told or at in exempt:
            labels.append(None)
        else:
            labels.append(block.label or ("navigation" if links else None))
    return labels


def _block(seen: Seen, label: str | None) -> Block:
    return Block(seen.text, seen.level, label, seen.tight)


def _stated(page: HtmlElement) -> dict[str, str]:
    """Return what the page's head, and trafilatura's rules, say of it."""
    found = extract_metadata(page, date_config=dict(_DATES))
    known = {
        "title": found.title,
        "author": found.author,
        "publisher": found.sitename,
        "published": found.date,
        "url": found.url,
        "language": (page.get("lang") or page.get("{http://www.w3.org/XML/1998/namespace}lang") or "").split("-")[0],
    }
    flat = {name: one_line([printable(value)]) for name, value in known.items() if isinstance(value, str)}
    if not re.match(r"https?://", flat.get("url", "")):
        flat.pop("url", None)
    return {name: value.lower() if name == "language" else value for name, value in flat.items() if value}


def _metadata(layout: Layout, seen: Sequence[Seen], stated: dict[str, str]) -> Metadata:
    """Return what the text states, with spans, and else what the head states; of the title the h1, where they agree."""
    written = dict(find_metadata(layout.text, layout.marks, headings=layout.headings).items())
    facts: dict[str, Field] = {name: Field(value) for name, value in stated.items()}
    written.pop("title", None)
    if title := _title(layout, seen, stated.get("title")):
        facts["title"] = title
    for name in ("author", "publisher", "published"):
        line = written.pop(name, None)
        if name not in stated:
            facts |= {name: line} if line else {}
        elif line and _squashed(line.value) in _squashed(stated[name]):
            facts[name] = line
        else:
            facts[name] = _found(layout, name, stated[name])
    return replace(Metadata(**facts), **{name: value for name, value in written.items() if name not in facts})


def _title(layout: Layout, seen: Sequence[Seen], stated: str | None) -> Field | None:
    tops = [span for block, span in zip(seen, layout.spans, strict=True) if block.level == 1]
    for start, end in tops:
        words = layout.text[start:end]
        if stated is None or _squashed(words) in _squashed(stated) or len(tops) == 1:
            return Field(words, start, end)
    return Field(stated) if stated else None


def _found(layout: Layout, name: str, value: str) -> Field:
    """Return a fact of the head with the first short block that states it, if there is one."""
    for start, end in layout.spans:
        words = layout.text[start:end]
        if len(words) > _LINE:
            continue
        if name == "published":
            if (date := find_date(words)) and date.iso == value:
                return Field(value, start + date.start, start + date.end)
        elif stated := re.search(rf"(?<!\w){re.escape(value)}(?!\w)", words):
            return Field(value, start + stated.start(), start + stated.end())
    return Field(value)


def _places(layout: Layout, metadata: Metadata) -> list[int]:
    """Return the blocks in which title, author and date stand: they belong to the article, wherever they are."""
    facts = [fact for fact in (metadata.title, metadata.author, metadata.published) if fact]
    return [
        at
        for at, (start, end) in enumerate(layout.spans)
        if any(fact.start is not None and start <= fact.start < end for fact in facts)
    ]
