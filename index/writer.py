"""One write: documents put and removed, together one generation."""

import sqlite3

import numpy as np
from numpy.typing import NDArray

from index.errors import StoreError
from index.manifest import Manifest
from index.schema import State, pack, pack_metadata, pack_spans, text_sha256
from index.types import Document, Passage

UNIT = 1e-3  # how far a vector's length may be from 1


class Writer:
    """Changes a store inside `Store.write`; nothing is seen by anyone before that block ends."""

    def __init__(self, connection: sqlite3.Connection, state: State) -> None:
        self._connection = connection
        self._manifest = state.manifest
        self._generation = state.generation + 1
        self._manifest_replaced = False
        self._changed = False

    @property
    def generation(self) -> int:
        """The store's generation once this write is done."""
        return self._generation if self._changed else self._generation - 1

    def put(
        self, document: Document, origin: str | None, size: int, passages: list[Passage], vectors: NDArray[np.float32]
    ) -> bool:
        """Insert a document, or replace the one of its source as a whole; tell whether there was one.

        `origin` is the file's absolute path (None for an upload), `size` its bytes. `vectors` has shape
        (len(passages), dimension); its rows are of unit length, or zero where the encoder found nothing to encode.
        Raises ValueError where passages or vectors do not fit the document or the manifest.
        """
        _require_slices(document, passages)
        self._require_vectors(vectors, len(passages))
        replaced = self.remove(document.document_id)
        key = self._insert_document(document, origin, size, len(passages))
        rows = [
            (key, passage.start, passage.end, passage.context, passage.embedding_key, checksum, blob)
            for passage, (checksum, blob) in zip(passages, pack(vectors), strict=True)
        ]
        self._connection.executemany(
            "INSERT INTO passages (document_key, start, end, context, embedding_key, checksum, vector)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._changed = True
        return replaced

    def remove(self, document_id: str) -> bool:
        """Remove a document with all its passages; tell whether there was one."""
        found = self._connection.execute(
            "SELECT document_key FROM documents WHERE document_id = ?", (document_id,)
        ).fetchone()
        if found is None:
            return False
        self._connection.execute(
            "INSERT INTO deletions SELECT passage_id, ? FROM passages WHERE document_key = ?",
            (self._generation, *found),
        )
        self._connection.execute("DELETE FROM passages WHERE document_key = ?", found)
        self._connection.execute("DELETE FROM documents WHERE document_key = ?", found)
        self._changed = True
        return True

    def replace_manifest(self, manifest: Manifest) -> None:
        """Set another manifest. Every document must be put again (or removed) in this same write."""
        self._manifest = manifest
        self._manifest_replaced = self._changed = True
        self._connection.execute("UPDATE store SET manifest = ?", (manifest.to_json(),))
        # A base made by another embedder is no base.
        self._connection.execute("UPDATE derived SET generation = 0, sha256 = '' WHERE name = 'vectors'")

    def finish(self) -> bool:
        """Mark the changes as one new generation; without changes, none. Tell which (called by the store).

        Raises StoreError where a document is left that was made under another manifest.
        """
        if self._manifest_replaced:
            left = self._connection.execute(
                "SELECT count(*), min(source) FROM documents WHERE generation < ?", (self._generation,)
            ).fetchone()
            if left[0]:
                raise StoreError(
                    f"{left[1]} and {left[0] - 1} more documents still have the vectors of another manifest;"
                    " put or remove every document in the write that replaces it"
                )
        if self._changed:
            self._connection.execute("UPDATE store SET generation = ?", (self._generation,))
        return self._changed

    def _insert_document(self, document: Document, origin: str | None, size: int, passages: int) -> int:
        metadata = document.metadata
        columns = {
            "document_id": document.document_id,
            "source": document.source,
            "generation": self._generation,
            "passages": passages,
            "characters": len(document.text),
            "sha256": document.sha256,
            "size": size,
            "encoding": document.encoding,
            "bom_bytes": document.bom_bytes,
            "media_type": document.media_type,
            "origin": origin,
            "publisher": metadata.publisher.value if metadata.publisher else None,
            "published": metadata.published.value if metadata.published else None,
            "metadata": pack_metadata(metadata),
            "marks": pack_spans(document),
            "text_sha256": text_sha256(document.text),
            "text": document.text,
        }
        names, places = ", ".join(columns), ", ".join("?" * len(columns))
        statement = f"INSERT INTO documents ({names}) VALUES ({places}) RETURNING document_key"
        key: int = self._connection.execute(statement, tuple(columns.values())).fetchone()[0]
        return key

    def _require_vectors(self, vectors: NDArray[np.float32], count: int) -> None:
        shape = (count, self._manifest.embedder.dimension)
        if vectors.shape != shape or vectors.dtype != np.float32:
            raise ValueError(f"need float32 vectors of shape {shape}, got {vectors.dtype} {vectors.shape}")
        lengths = np.linalg.norm(vectors, axis=1)
        if not bool(np.all((np.abs(lengths - 1) <= UNIT) | (lengths == 0))):
            raise ValueError("every vector must be of unit length or zero")


def _require_slices(document: Document, passages: list[Passage]) -> None:
    for passage in passages:
        if passage.document_id != document.document_id:
            raise ValueError(f"a passage of {passage.document_id}, put with {document.document_id}")
        # A span that runs past the end would still slice: so its length is compared too.
        inside = 0 <= passage.start <= passage.end <= len(document.text)
        if not inside or document.text[passage.start : passage.end] != passage.text:
            raise ValueError(f"{document.source}: the text at {passage.start}:{passage.end} is not the passage's")
