"""The pages of a PDF as text: the only import of `pypdfium2`.

Run as a process of its own (`python -m index.pdf_pages`): PDFium is not safe for threads, a damaged file may end its
process, and a few kilobytes may unfold to more than the memory there is.
"""

import json
import sys
from contextlib import suppress

import pypdfium2
from pypdfium2 import raw

from index.apart import bound_memory
from index.plain import LONGEST, printable

MEMORY = 2**30  # bytes that the process may take


def main() -> None:
    """Read a PDF from stdin; write JSON: `pages` and `info` (title and author), or `refused` with the reason."""
    bound_memory(MEMORY)
    data = sys.stdin.buffer.read()
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
        reply: dict[str, object] = {"refused": "password" if locked else "damaged"}
    else:
        reply = _read(document)
    json.dump(reply, sys.stdout)


def _read(document: pypdfium2.PdfDocument) -> dict[str, object]:
    pages: list[str] = []
    length = 0
    for number in range(len(document)):
        pages.append(_text(document, number))
        length += len(pages[-1])
        if length > LONGEST:
            return {"refused": "long"}
    return {"pages": pages, "info": _info(document)}


def _info(document: pypdfium2.PdfDocument) -> dict[str, str]:
    """Return what the file's properties say; what is no whole UTF-16 (cut inside a surrogate pair) says nothing."""
    info: dict[str, str] = {}
    for name in ("Title", "Author"):
        with suppress(UnicodeDecodeError):
            info[name] = document.get_metadata_value(name)
    return info


def _text(document: pypdfium2.PdfDocument, number: int) -> str:
    try:
        page = document[number]
        found = page.get_textpage().get_text_range()
    except pypdfium2.PdfiumError:
        return ""  # reported as a page without text
    page.close()
    # U+FFFE is where PDFium saw a word hyphenated over two lines; a form feed would count as a page.
    lines = found.replace("\ufffe", "").replace("\r\n", "\n").replace("\r", "\n").replace("\f", " ").split("\n")
    return printable("\n".join(line.rstrip() for line in lines)).strip()


if __name__ == "__main__":
    main()
