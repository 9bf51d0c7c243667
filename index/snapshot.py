"""One moment of a store. Everything a request reads comes from one snapshot, so it never mixes two states."""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from index.derived import View
from index.lexical import SLACK
from index.manifest import Manifest
from index.rankings import Rankings, WordCounts, with_ties
from index.schema import DOCUMENT_COLUMNS, stored_document, unpack_metadata
from index.types import Filters, Metadata, Passage, StoredDocument, StoredPassage

_PERIOD = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
_SUMMARY = "document_id, source, metadata, sha256, characters, passages, origin, size"


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """What a list shows of a document; its text is not loaded. `characters` and `passages` are counts."""

    document_id: str
    source: str
    metadata: Metadata
    sha256: str
    characters: int
    passages: int
    origin: str | None
    size: int


class Snapshot:
    """A store at one generation: an `index.moment.Moment`. For one thread, inside its `Store.snapshot` block only."""

    def __init__(self, connection: sqlite3.Connection, view: View) -> None:
        self._connection = connection
        self._view = view

    @property
    def state(self) -> str:
        """What tells this state from every other of this store, and of any other store."""
        return f"{self._view.store_id}:{self._view.generation}"

    @property
    def manifest(self) -> Manifest:
        """What the store was made with."""
        return self._view.manifest

    @property
    def generation(self) -> int:
        """How many writes changed the store before this moment."""
        return self._view.generation

    @property
    def documents(self) -> int:
        """The number of documents."""
        return self._view.documents

    @property
    def passages(self) -> int:
        """The number of passages."""
        return self._view.passages

    @property
    def missing_shards(self) -> tuple[int, ...]:
        """Nothing: a store is whole, or it is refused."""
        return ()

    def word_counts(self, question: str) -> WordCounts:
        """Return in how many passages each term of the question is."""
        return self._view.lexical.word_counts(question)

    def rankings(
        self,
        question: str,
        vector: NDArray[np.float32],
        reach: int,
        filters: Filters,
        counts: WordCounts | None = None,
    ) -> Rankings:
        """See `Moment.rankings`."""
        allowed = self.allowed(filters)
        return Rankings(
            with_ties(lambda k: self.nearest(vector, k, allowed), reach),
            with_ties(lambda k: self._view.lexical.search(question, k, allowed, counts), reach, SLACK),
        )

    def nearest(
        self, query: NDArray[np.float32], k: int, allowed: frozenset[str] | None = None
    ) -> list[tuple[int, float]]:
        """Return at most `k` (passage_id, cosine) pairs, best first; ties go to the smaller id.

        `query` has shape (dimension,) and unit length. `allowed` are the only document ids ranked (None: all).
        Raises ValueError if `k` < 1 or the dimension differs.
        """
        ids = None if allowed is None else self._passage_ids(allowed)
        return self._view.vectors.search(query, k, ids, self._rows)

    def matching(self, text: str, k: int, allowed: frozenset[str] | None = None) -> list[tuple[int, float]]:
        """Return at most `k` (passage_id, BM25) pairs that share a term with `text`, best first; ties as `nearest`.

        Raises ValueError if `k` < 1.
        """
        return self._view.lexical.search(text, k, allowed)

    def allowed(self, filters: Filters) -> frozenset[str] | None:
        """Return the ids of the documents that pass; None where nothing is restricted."""
        if not filters:
            return None
        # GLOB and fnmatch agree but for brackets; it leaves few rows to look at here, where a filter is narrow.
        pattern = filters.source if filters.source and "[" not in filters.source else "*"
        rows = self._connection.execute(
            "SELECT document_id, source, publisher, published FROM documents WHERE source GLOB ?", (pattern,)
        )
        return frozenset(row[0] for row in rows if _passes(filters, *row[1:]))

    def stored_passages(self, ids: Iterable[int]) -> list[StoredPassage]:
        """Return these passages in the given order; raises KeyError for an id that this snapshot does not hold."""
        wanted = list(ids)
        # CROSS JOIN fixes the order: from the few ids to their rows.
        rows = self._connection.execute(
            "SELECT passage_id, document_key, document_id, source, start, end, context"
            " FROM json_each(?) AS wanted CROSS JOIN passages ON passage_id = wanted.value"
            " JOIN documents USING (document_key)",
            (json.dumps(wanted),),
        ).fetchall()
        texts = self._texts({row[1] for row in rows})
        found = {
            passage_id: StoredPassage(
                passage_id, source, Passage(document_id, start, end, texts[key][start:end], context)
            )
            for passage_id, key, document_id, source, start, end, context in rows
        }
        return [found[passage_id] for passage_id in wanted]

    def document(self, document_id: str) -> StoredDocument | None:
        """Return a document with its text; None if there is none."""
        return next(self._stored("WHERE document_id = ?", document_id), None)

    def stored_documents(self, document_ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Return those of these documents that are there, by id."""
        wanted = json.dumps(list(document_ids))
        found = self._stored("WHERE document_id IN (SELECT value FROM json_each(?))", wanted)
        return {stored.document.document_id: stored for stored in found}

    def passages_of(self, document_id: str) -> list[StoredPassage]:
        """Return the passages of a document, in the order of the text; none if there is no such document."""
        rows = self._connection.execute(
            "SELECT passage_id FROM passages JOIN documents USING (document_key)"
            " WHERE document_id = ? ORDER BY start, passage_id",
            (document_id,),
        )
        return self.stored_passages([row[0] for row in rows])

    def documents_by_sha256(self, sha256: str) -> list[DocumentSummary]:
        """Return the documents whose file had this sha256, ordered by source (a moved file is found so)."""
        return self._summaries("WHERE sha256 = ? ORDER BY source", sha256)

    def list_documents(self, limit: int | None = None, after: str | None = None) -> list[DocumentSummary]:
        """Return up to `limit` documents (None: all), ordered by source, from the first source past `after`."""
        bounds = (after or "", -1 if limit is None else limit)
        return self._summaries("WHERE source > ? ORDER BY source LIMIT ?", *bounds)

    def iter_documents(self) -> Iterator[StoredDocument]:
        """Yield all documents with their texts, ordered by source, one at a time."""
        return self._stored("ORDER BY source")

    def _rows(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of these passages, in the given order, shape (len, dimension)."""
        found = dict(
            self._connection.execute(
                "SELECT passage_id, vector FROM json_each(?) AS wanted"
                " CROSS JOIN passages ON passage_id = wanted.value",
                (json.dumps(ids.tolist()),),
            )
        )
        joined = b"".join(found[passage_id] for passage_id in ids.tolist())
        return np.frombuffer(joined, "<f4").reshape(len(ids), self.manifest.embedder.dimension)

    def _passage_ids(self, allowed: frozenset[str]) -> NDArray[np.int64]:
        rows = self._connection.execute(
            "SELECT passage_id FROM json_each(?) AS wanted CROSS JOIN documents ON document_id = wanted.value"
            " JOIN passages USING (document_key)",
            (json.dumps(sorted(allowed)),),
        )
        return np.array([row[0] for row in rows], np.int64)

    def _texts(self, keys: set[int]) -> dict[int, str]:
        rows = self._connection.execute(
            "SELECT document_key, text FROM json_each(?) AS wanted CROSS JOIN documents ON document_key = wanted.value",
            (json.dumps(sorted(keys)),),
        )
        return dict(rows.fetchall())

    def _stored(self, where: str, *values: str) -> Iterator[StoredDocument]:
        return map(
            stored_document, self._connection.execute(f"SELECT {DOCUMENT_COLUMNS} FROM documents {where}", values)
        )

    def _summaries(self, where: str, *values: str | int) -> list[DocumentSummary]:
        rows = self._connection.execute(f"SELECT {_SUMMARY} FROM documents {where}", values)
        return [
            DocumentSummary(document_id, source, unpack_metadata(metadata), sha256, characters, passages, origin, size)
            for document_id, source, metadata, sha256, characters, passages, origin, size in rows
        ]


def _passes(filters: Filters, source: str, publisher: str | None, published: str | None) -> bool:
    if filters.source and not fnmatchcase(source, filters.source):
        return False
    if filters.publisher and (publisher is None or publisher.casefold() != filters.publisher.casefold()):
        return False
    if not filters.date_from and not filters.date_to:
        return True
    if published is None or not _PERIOD.fullmatch(published):
        return False
    # ISO dates sort as text; a partial one stands for its first or its last day ("2020" ends before "2021-01-01").
    starts_in_time = not filters.date_to or _first(published) <= _last(filters.date_to)
    return starts_in_time and (not filters.date_from or _last(published) >= _first(filters.date_from))


def _first(period: str) -> str:
    return period + "0000-01-01"[len(period) :]


def _last(period: str) -> str:
    return period + "0000-12-31"[len(period) :]
