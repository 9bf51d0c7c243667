"""The documents of a store, as evaluation and verification look things up in them."""

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from index.moment import Moment
from index.types import document_id_of
from rag.candidates import reading_text
from rag.compose import found_passages
from rag.read import Piece
from rag.types import FoundPassage

KEPT = 16  # documents kept in memory: citations of one document come together


class StoredDocuments:
    """Look-ups in one moment: satisfies `rag.verify.Lookup` and `rag.evaluate.Sources`."""

    def __init__(self, snapshot: Moment) -> None:
        """Look things up while the snapshot is open."""
        self._snapshot = snapshot
        self._document = lru_cache(maxsize=KEPT)(snapshot.document)

    def sources(self) -> frozenset[str]:
        """Return the sources that are indexed."""
        return frozenset(summary.source for summary in self._snapshot.list_documents())

    def text_of(self, document_id: str) -> str | None:
        """Return a document's text, None if there is no such document."""
        stored = self._document(document_id)
        return stored.document.text if stored else None

    def source_of(self, document_id: str) -> str | None:
        """Return a document's source, None if there is no such document."""
        stored = self._document(document_id)
        return stored.document.source if stored else None

    def encoding_of(self, document_id: str) -> str | None:
        """Return the codec of a document's file, None where its text was extracted or there is no such document."""
        stored = self._document(document_id)
        return stored.document.encoding if stored else None

    def documents_with_sha256(self, sha256: str) -> list[str]:
        """Return the ids of the documents whose file had these bytes, ordered by source."""
        return [summary.document_id for summary in self._snapshot.documents_by_sha256(sha256)]

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """Yield (document_id, source, text) of every document, one at a time."""
        for stored in self._snapshot.iter_documents():
            yield stored.document.document_id, stored.document.source, stored.document.text

    def passages_to_read(self, source: str) -> Iterator[tuple[FoundPassage, tuple[Piece, ...]]]:
        """Yield the passages of a source, in order, each with what the reader reads of it; none if not indexed.

        Nothing ranked them, so their score is 0.
        """
        document_id = document_id_of(source)
        if not (stored := self._document(document_id)):
            return
        for passage in self._snapshot.passages_of(document_id):
            (found,) = found_passages([(passage, 0.0)], {document_id: stored})
            yield found, reading_text(stored, passage.passage)

    def file_of(self, document_id: str) -> bytes | None:
        """Return the file as it is on disk now, None if it is gone."""
        stored = self._document(document_id)
        try:
            return Path(stored.origin).read_bytes() if stored and stored.origin else None
        except OSError:
            return None


def corpus_fingerprint(snapshot: Moment) -> str:
    """Return sha256 over every (source, sha256 of its file), hex: equal for stores of the same files."""
    lines = (f"{summary.source}\t{summary.sha256}\n" for summary in snapshot.list_documents())
    return sha256("".join(lines).encode()).hexdigest()
