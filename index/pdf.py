"""PDF -> text, page by page, with what repeats on every page marked. The file is read in a process of its own."""

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from index.errors import Rejected
from index.marks import find_marks, merged_marks
from index.metadata import find_metadata
from index.plain import LONGEST, one_line, printable
from index.types import PAGE_BREAK, PDF, Document, Field, Mark, Metadata

SECONDS = 60  # that reading one file may take
_BETWEEN = f"{PAGE_BREAK}\n"  # a new page begins on a new line, and cuts no sentence
_REASONS = {
    "password": "is protected with a password; save it without one",
    "damaged": "is damaged or no PDF; open it in a viewer, and save it again",
    "long": f"holds more than {LONGEST:,} characters of text; split it",
}
_UNKNOWN = re.compile("[\ufffd\ue000-\uf8ff]")  # what a font shows without saying which letter it is
_READABLE = 0.8  # of the characters; with fewer the text layer is of no use
_REPEATS, _OFTEN = 3, 0.4  # pages, and share of the pages, on which a running head stands at least
_HEAD_LINE, _DEPTH = 100, 2  # characters of a running head at most; lines of them at either end of a page
_NO_TITLE = re.compile(r"(?i)untitled|document\d*|microsoft word\b.*|.*\.(?:docx?|pdf|indd|tex|qxd|dvi|rtf)|[\W\d_]*")


def load_pdf(source: str, data: bytes) -> Document:
    """Return the document that a PDF holds; its pages are the parts between the form feeds of the text.

    Raises Rejected for a file that is encrypted, damaged, without a text layer, or too much to read.
    """
    pages, info = _pages(source, data)
    text = _BETWEEN.join(pages)
    visible = sum(map(len, text.split()))
    if not visible:
        raise Rejected(f"{source}: no text on its {len(pages)} pages (scanned?); run it through OCR")
    if len(_UNKNOWN.findall(text)) > (1 - _READABLE) * visible:
        raise Rejected(f"{source}: its fonts do not say which letters they show; run it through OCR")
    marks = merged_marks(text, _running_heads(pages), find_marks(text))
    return Document(
        source=source,
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        encoding=None,
        bom_bytes=0,
        media_type=PDF,
        marks=marks,
        metadata=_metadata(text, marks, pages[0], info),
    )


def blank_pages(document: Document) -> list[int]:
    """Return the numbers of a PDF's pages without text, from 1; none for other documents."""
    pages = document.text.split(PAGE_BREAK) if document.media_type == PDF else []
    return [number for number, page in enumerate(pages, start=1) if not page.strip()]


def _pages(source: str, data: bytes) -> tuple[list[str], dict[str, str]]:
    if b"%PDF-" not in data[:1024]:
        raise Rejected(f"{source}: not a PDF (its first bytes say so); name it after what it is")
    if importlib.util.find_spec("pypdfium2") is None:
        raise Rejected(f"{source}: reading .pdf needs `pip install 'pincite[pdf]'`")
    # -P: modules that happen to lie in the folder we are started from are not ours.
    command = [sys.executable, "-P", "-m", "index.pdf_pages"]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Rejected(f"{source}: not read after {SECONDS} seconds; print it to a new PDF, or exclude it") from None
    if done.returncode != 0:
        raise Rejected(f"{source}: cannot be read (PDFium gave up, or ran out of memory); print it to a new PDF")
    reply = json.loads(done.stdout)
    if "refused" in reply:
        raise Rejected(f"{source}: {_REASONS[reply['refused']]}")
    return reply["pages"], reply["info"]


def _running_heads(pages: Sequence[str]) -> list[Mark]:
    """Return marks on the first and last lines that come back on many pages, but for their numbers."""
    places = [_outer_lines(page) for page in pages]
    counts = Counter(key for place in places for key in {key for key, _, _ in place})
    least = max(_REPEATS, _OFTEN * len(pages))
    marks: list[Mark] = []
    offset = 0
    for page, place in zip(pages, places, strict=True):
        marks += [
            Mark(offset + start, offset + end, "page header") for key, start, end in place if counts[key] >= least
        ]
        offset += len(page) + len(_BETWEEN)
    return marks


def _outer_lines(page: str) -> list[tuple[tuple[int, str], int, int]]:
    """Return (place and words, start, end) of the first and last lines of a page, in order, each once."""
    lines = [found.span() for found in re.finditer(r"\S[^\n]*", page)]
    places = [*enumerate(lines[:_DEPTH]), *zip(range(-_DEPTH, 0), lines[-_DEPTH:], strict=False)]
    found: dict[int, tuple[tuple[int, str], int, int]] = {}
    for place, (start, end) in places:
        words = re.sub(r"\d+", "#", one_line([page[start:end]]))
        if len(words) <= _HEAD_LINE:
            found.setdefault(start, ((place, words), start, end))
    return [found[start] for start in sorted(found)]


def _metadata(text: str, marks: Sequence[Mark], first: str, info: dict[str, str]) -> Metadata:
    """Return what the text states and, of title and author, what the file's properties say.

    Its dates are left out: a file is made at another time than what it holds was published.
    """
    written = find_metadata(text, marks)
    title, author = (one_line([printable(info.get(name, ""))]) for name in ("Title", "Author"))
    if title and not _NO_TITLE.fullmatch(title):
        written = replace(written, title=_on_page(first, title))
    if written.author is None and " " in author:
        written = replace(written, author=_on_page(first, author))
    return written


def _on_page(page: str, value: str) -> Field:
    """Return a fact of the properties with its place on the first page, if it stands there (over any line breaks)."""
    found = re.search(r"\s+".join(map(re.escape, value.split())), page, re.IGNORECASE)
    return Field(value, *found.span()) if found else Field(value)
