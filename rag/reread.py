"""Citations held against their source once more: the file on disk or, where that is gone, the stored text."""

from functools import lru_cache
from typing import Protocol

from index.decode import bom_of
from rag.types import Citation

_KEPT = 8  # documents kept decoded: citations of one document come together


class Files(Protocol):
    """The documents and the files they came from."""

    def text_of(self, document_id: str) -> str | None:
        """Return the stored text, None if there is no such document."""
        ...

    def file_of(self, document_id: str) -> bytes | None:
        """Return the file as it is on disk now, None if it is gone."""
        ...

    def encoding_of(self, document_id: str) -> str | None:
        """Return the codec that makes the text the file's bytes after its BOM; None where the text was extracted."""
        ...


class Reread:
    """Reads cited spans again, from the file on disk or, where that is gone, from the stored text."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._images = lru_cache(maxsize=_KEPT)(self._read)

    def confirms(self, citation: Citation) -> bool:
        """Tell whether the characters and, if the text is a decoded file, the bytes at the citation are its quote."""
        text, codec, images = self._images(citation.document_id)
        if text is None or text[citation.start : citation.end] != citation.quote:
            return False
        if codec is None or citation.byte_start is None or citation.byte_end is None:
            return codec is None and citation.byte_start is None and citation.byte_end is None
        quoted = citation.quote.encode(codec)
        return any(image[citation.byte_start : citation.byte_end] == quoted for image in images)

    def _read(self, document_id: str) -> tuple[str | None, str | None, tuple[bytes, ...]]:
        """Return the text, its codec and the bytes that the file has or, if it is gone, may have had."""
        codec = self._files.encoding_of(document_id)
        file = None if codec is None else self._files.file_of(document_id)
        if codec is None or file is None:
            text = self._files.text_of(document_id)
            if codec is None or text is None:
                return text, codec, ()
            body = text.encode(codec)
            return text, codec, (body, bom_of(codec) + body)
        try:
            return file.decode(codec).removeprefix("\ufeff"), codec, (file,)
        except UnicodeDecodeError:  # the file has changed since it was indexed
            return None, codec, ()
