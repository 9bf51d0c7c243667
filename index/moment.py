"""What requests are answered from: one moment of the documents, be they in one store or in many."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.manifest import Manifest
from index.rankings import Rankings, WordCounts
from index.snapshot import DocumentSummary
from index.types import Filters, StoredDocument, StoredPassage

T = TypeVar("T")


class Moment(Protocol):
    """One state of the documents; nothing that is written meanwhile is seen. For one thread, inside its block."""

    @property
    def generation(self) -> int:
        """How many writes changed the documents before this moment."""
        ...

    @property
    def documents(self) -> int:
        """The number of documents."""
        ...

    @property
    def passages(self) -> int:
        """The number of passages."""
        ...

    @property
    def missing_shards(self) -> tuple[int, ...]:
        """The numbers of the shards that this moment does without, ascending; none where there are no shards."""
        ...

    def word_counts(self, question: str) -> WordCounts:
        """Return in how many passages each term of the question is."""
        ...

    def rankings(
        self,
        question: str,
        vector: NDArray[np.float32],
        reach: int,
        filters: Filters,
        counts: WordCounts | None = None,
    ) -> Rankings:
        """Return the first `reach` passages of either side that pass the filters, and all that tie with the last.

        `vector` is the question's, a unit row of shape (dimension,). Filters act before ranking. `counts` are those of
        all documents, where these are a part of them; None for these alone.
        """
        ...

    def stored_passages(self, ids: Iterable[int]) -> list[StoredPassage]:
        """Return these passages in the given order; raises KeyError for an id that is not there."""
        ...

    def stored_documents(self, document_ids: Iterable[str]) -> dict[str, StoredDocument]:
        """Return those of these documents that are there, by id."""
        ...

    def document(self, document_id: str) -> StoredDocument | None:
        """Return a document with its text; None if there is none."""
        ...

    def passages_of(self, document_id: str) -> list[StoredPassage]:
        """Return the passages of a document, in the order of the text; none if there is no such document."""
        ...

    def documents_by_sha256(self, sha256: str) -> list[DocumentSummary]:
        """Return the documents whose file had this sha256, ordered by source."""
        ...

    def list_documents(self, limit: int | None = None, after: str | None = None) -> list[DocumentSummary]:
        """Return up to `limit` documents (None: all), ordered by source, from the first source past `after`."""
        ...

    def iter_documents(self) -> Iterator[StoredDocument]:
        """Yield all documents with their texts, ordered by source, one at a time."""
        ...


class Corpus(Protocol):
    """Documents that can be asked: one store, or the shards of one."""

    @property
    def folder(self) -> Path:
        """Where what goes with the documents is kept: a calibration, the journals of evaluations."""
        ...

    @property
    def manifest(self) -> Manifest:
        """What the documents were cut and embedded with, read now."""
        ...

    def snapshot(self) -> AbstractContextManager[Moment]:
        """Read the documents as they are now."""
        ...

    def at_one_moment(self, look: Callable[[Moment], T]) -> T:
        """Return what `look` finds. It may be called again at another moment, where one could not be held."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
