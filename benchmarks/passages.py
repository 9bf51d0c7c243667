"""A collection's passages in a store, each text embedded once whatever is tried with it later."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.chunk import chunk
from index.chunk_limits import ChunkLimits
from index.manifest import Manifest
from index.store import Store
from index.types import Document, Encoder

BATCH = 512  # texts between two reports of progress
Progress = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


@dataclass(frozen=True, slots=True)
class Cut:
    """How documents become passages, and which sides of retrieval see their titles and headings."""

    limits: ChunkLimits
    dense_context: bool = True
    lexical_context: bool = True


class Vectors:
    """Remembers the vector of every text that was embedded, in a file if a folder for it is given."""

    def __init__(self, encoder: Encoder, folder: Path | None, progress: Progress) -> None:
        """Read what `folder` holds of this encoder's."""
        self._encoder, self._progress = encoder, progress
        self._file = folder / f"{encoder.info.sha256[:16]}-{encoder.info.precision}.npz" if folder else None
        self._known: dict[str, NDArray[np.float32]] = {}
        if self._file and self._file.exists():
            with np.load(self._file) as saved:
                self._known = dict(zip(saved["keys"].tolist(), saved["rows"], strict=True))

    def of_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, shape (len(texts), dimension)."""
        rows = self._rows("passages", texts, self._encoder.encode_passages)
        return np.array(rows, np.float32).reshape(len(texts), self._encoder.info.dimension)

    def of_questions(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return one unit row a question."""
        return self._rows("questions", texts, lambda some: [self._encoder.encode_query(text) for text in some])

    def _rows(
        self, kind: str, texts: Sequence[str], encode: Callable[[list[str]], Iterable[NDArray[np.float32]]]
    ) -> list[NDArray[np.float32]]:
        keys = [key_of(kind, text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        for done in range(0, len(missing), BATCH):
            self._progress(f"embedding {kind}", done, len(missing))
            some = list(missing)[done : done + BATCH]
            self._known |= zip(some, encode([missing[key] for key in some]), strict=True)
            self._save()
        return [self._known[key] for key in keys]

    def _save(self) -> None:
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial.npz")
            np.savez(partial, keys=list(self._known), rows=np.array(list(self._known.values()), np.float32))
            partial.replace(self._file)


def key_of(kind: str, text: str) -> str:
    """Return what a vector is remembered by; a question may be embedded otherwise than a passage."""
    return hashlib.sha256(f"{kind}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def fill(folder: Path, documents: Sequence[Document], encoder: Encoder, vectors: Vectors, cut: Cut) -> Store:
    """Make a store with the documents, cut and embedded as `cut` says, all in one generation."""
    passages = [chunk(document, encoder, cut.limits) for document in documents]
    texts = [one.embedding_text if cut.dense_context else one.text for some in passages for one in some]
    rows = vectors.of_passages(texts)
    store = Store.open(folder, Manifest(encoder.info, asdict(cut.limits)), create=True)
    with store.write() as writer:
        for document, some in zip(documents, passages, strict=True):
            kept = some if cut.lexical_context else [replace(one, context="") for one in some]
            writer.put(document, None, len(document.text), kept, rows[: len(some)])
            rows = rows[len(some) :]
    return store
