"""Documents that were cut -> store: each passage's vector found or made, all of a batch written as one generation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from index.store import Store
from index.types import Document, Encoder, Passage

NOTHING: Mapping[str, NDArray[np.float32]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document that is to be stored, cut into passages."""

    document: Document
    origin: str | None
    size: int
    passages: list[Passage]


def vectors_of(
    store: Store, encoder: Encoder, passages: Sequence[Passage], made: Mapping[str, NDArray[np.float32]] = NOTHING
) -> tuple[NDArray[np.float32], int]:
    """Return a row for each passage, shape (len(passages), dimension), and how many texts had to be embedded.

    Vectors of texts that the store holds already are taken from it, so a renamed file costs no embedding; so are those
    in `made`, by embedding key, which are yet to be written.
    """
    known = store.vectors_by_key(passage.embedding_key for passage in passages)
    return vectors_with({**made, **known}, encoder, passages)


def vectors_with(
    known: Mapping[str, NDArray[np.float32]], encoder: Encoder, passages: Sequence[Passage]
) -> tuple[NDArray[np.float32], int]:
    """Return the same, where `known` holds the vectors that need not be made, by embedding key."""
    keys = [passage.embedding_key for passage in passages]
    vectors = dict(known)
    texts = {key: passage.embedding_text for key, passage in zip(keys, passages, strict=True) if key not in vectors}
    vectors |= zip(texts, encoder.encode_passages(list(texts.values())), strict=True)
    rows = np.array([vectors[key] for key in keys], np.float32).reshape(len(keys), encoder.info.dimension)
    return rows, len(texts)


def write_documents(store: Store, batch: Sequence[Loaded], rows: NDArray[np.float32]) -> set[str]:
    """Store documents as one generation; `rows` are those of all their passages, shape (passages, dimension).

    Returns the ids of those that are not stored, for something was uploaded in their place since they were read.
    """
    with store.write() as writer:
        uploaded = _uploaded(store, [loaded.document.document_id for loaded in batch])
        for loaded in batch:
            count = len(loaded.passages)
            if loaded.document.document_id not in uploaded:
                writer.put(loaded.document, loaded.origin, loaded.size, loaded.passages, rows[:count])
            rows = rows[count:]
    return uploaded


def _uploaded(store: Store, document_ids: Sequence[str]) -> set[str]:
    """Return those ids that are uploads'."""
    with store.reading() as (connection, _):
        rows = connection.execute(
            "SELECT document_id FROM documents"
            " WHERE origin IS NULL AND document_id IN (SELECT value FROM json_each(?))",
            (json.dumps(document_ids),),
        ).fetchall()
    return {document_id for (document_id,) in rows}
