"""Bytes of a file -> Document, by the kind of file that its name tells."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath

from index.decode import decode
from index.docx import load_docx
from index.errors import PinciteError, Rejected
from index.html_apart import load_html_apart
from index.language import language_of
from index.marks import find_marks
from index.metadata import find_metadata
from index.pdf import load_pdf
from index.types import Document, Field

Loader = Callable[[str, bytes], Document]

KINDS = ".txt, .md, .html, .pdf or .docx"
_INVISIBLE = "\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}\N{WORD JOINER}"


def supported(path: str | PurePath) -> bool:
    """Tell by its suffix whether a file is of a kind that can be loaded."""
    return PurePath(path).suffix.lower() in _LOADERS


def load_bytes(source: str, data: bytes, mark: bool = True) -> Document:
    """Return the document that the bytes of the file `source` hold, with its metadata and, if `mark`, its marks.

    Raises Rejected, with the reason, if the kind is not supported, the bytes are not of that kind, or there is no text.
    """
    suffix = PurePath(source).suffix.lower()
    if suffix not in _LOADERS:
        known = ", ".join(sorted(_LOADERS))
        raise Rejected(
            f"{source}: files of type {suffix or '(no suffix)'} are not supported; convert it to one of {known}"
        )
    try:
        document = _LOADERS[suffix](source, data)
    except PinciteError:
        raise
    except Exception as odd:  # in another's parser: one file must not stop the others
        raise Rejected(f"{source}: cannot be read ({type(odd).__name__}); save it anew, or as text") from odd
    if document.metadata.language is None and (language := language_of(document.text, document.marks)):
        document = replace(document, metadata=replace(document.metadata, language=Field(language)))
    return document if mark else replace(document, marks=())


def _load_plain(source: str, data: bytes) -> Document:
    return _load_text(source, data, "text/plain")


def _load_markdown(source: str, data: bytes) -> Document:
    return _load_text(source, data, "text/markdown")


def _load_text(source: str, data: bytes, media_type: str) -> Document:
    text, encoding, bom_bytes = decode(source, data)
    if not text.strip().strip(_INVISIBLE):
        raise Rejected(f"{source}: no text (the file is {'blank' if data else 'empty'}); fill it or exclude it")
    marks = find_marks(text)
    return Document(
        source=source,
        text=text,
        sha256=hashlib.sha256(data).hexdigest(),
        encoding=encoding,
        bom_bytes=bom_bytes,
        media_type=media_type,
        marks=marks,
        metadata=find_metadata(text, marks, front_matter=media_type == "text/markdown"),
    )


_LOADERS: dict[str, Loader] = {
    ".txt": _load_plain,
    ".md": _load_markdown,
    ".markdown": _load_markdown,
    ".html": load_html_apart,
    ".htm": load_html_apart,
    ".xhtml": load_html_apart,
    ".pdf": load_pdf,
    ".docx": load_docx,
}

# Lower case, with the dot.
SUFFIXES = tuple(sorted(_LOADERS))
