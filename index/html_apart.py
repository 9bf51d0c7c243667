"""HTML pages read in a process of their own, which is this module run as a program."""

import hashlib
import importlib.util
from collections.abc import Mapping

from index.apart import Apart, serve
from index.errors import Rejected
from index.schema import pack_metadata, pack_spans, unpack_metadata, unpack_spans
from index.types import Document

MEMORY = 2 * 2**30  # bytes that the process may take: a page's tree takes many times what its file does
_NEEDED = ("lxml", "trafilatura")  # an extra: they bring 68 MB

_reading = Apart("index.html_apart")


def load_html_apart(source: str, data: bytes) -> Document:
    """Return what `index.html.load_html` does; Rejected also where that takes too long, or more memory than it may."""
    if missing := next((name for name in _NEEDED if importlib.util.find_spec(name) is None), None):
        raise Rejected(f"{source}: reading .html needs `pip install 'pincite[html]'` (no {missing})")
    reply = _reading.read(source, data)
    if "rejected" in reply:
        raise Rejected(reply["rejected"])
    marks, headings = unpack_spans(reply["spans"])
    return Document(
        source=source,
        text=reply["text"],
        sha256=hashlib.sha256(data).hexdigest(),
        encoding=None,
        bom_bytes=0,
        media_type=reply["media_type"],
        marks=marks,
        metadata=unpack_metadata(reply["metadata"]),
        headings=headings,
    )


def main() -> None:
    """Read pages from stdin until it ends."""
    from index.html import load_html  # slow to import, and not needed by who starts us

    def read(source: str, data: bytes) -> Mapping[str, str]:
        try:
            document = load_html(source, data)
        except Rejected as reason:
            return {"rejected": str(reason)}
        except MemoryError:
            raise  # the next page gets a process with all its memory
        except Exception as odd:
            return {"rejected": f"{source}: cannot be read ({type(odd).__name__}); save it anew, or as text"}
        return {
            "text": document.text,
            "media_type": document.media_type,
            "spans": pack_spans(document),
            "metadata": pack_metadata(document.metadata),
        }

    serve(read, MEMORY)


if __name__ == "__main__":
    main()
