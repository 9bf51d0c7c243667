"""Nearest vectors: the only import of faiss. Everywhere else higher is better, best first, and no id is -1."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.errors import StoreError

Ids = NDArray[np.int64]
Rows = NDArray[np.float32]
# faiss's own sums depend on where a row lies in its index; so its ranking serves to find candidates, which are then
# scored again in float64. Rows whose faiss scores lie closer than this to the last one wanted are candidates too.
ROUNDING = 1e-5
_parameters: Any = faiss.SearchParameters  # faiss's stub knows none of its keywords
SLACK = 16  # candidates fetched beyond k at first


class VectorView:
    """An immutable set of rows: a base (from a file), a tail (in memory), and the ids of the base that are dead.

    Searching needs no lock: what changes the set makes a new view.
    """

    def __init__(self, base: Any, tail_ids: Ids, tail_rows: Rows, dead: Ids) -> None:  # noqa: ANN401 (faiss has no types)
        self._base = base
        self._base_ids: Ids = faiss.vector_to_array(base.id_map)  # ascending: see `write_base`
        self._tail_ids, self._tail_rows, self._dead = tail_ids, tail_rows, dead
        self._tail = _flat(tail_rows.shape[1])
        if len(tail_ids):
            self._tail.add_with_ids(tail_rows, tail_ids)

    @classmethod
    def empty(cls, dimension: int) -> "VectorView":
        """Return a view of no rows."""
        return cls(_flat(dimension), np.zeros(0, np.int64), np.zeros((0, dimension), np.float32), np.zeros(0, np.int64))

    @classmethod
    def load(cls, path: Path, sha256: str, dimension: int) -> "VectorView":
        """Return a view of a base file; raises StoreError unless it is byte for byte what `write_base` wrote."""
        verify_base(path, sha256)
        try:
            base = faiss.read_index(str(path))
        except RuntimeError as error:
            raise StoreError(f"{path}: cannot be read; run `pincite doctor --repair`") from error
        if base.d != dimension:
            raise StoreError(f"{path}: dimension {base.d}, not {dimension}; run `pincite doctor --repair`")
        return cls(base, np.zeros(0, np.int64), np.zeros((0, dimension), np.float32), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self._base_ids) - len(self._dead) + len(self._tail_ids)

    def advance(self, ids: Ids, rows: Rows, dead: Ids) -> "VectorView":
        """Return a view with `rows` under `ids`, and without `dead` (which may name ids that are not here)."""
        dead_here = dead[np.isin(dead, self._base_ids)]
        kept = ~np.isin(self._tail_ids, dead)
        fresh = ~np.isin(ids, dead)
        return VectorView(
            self._base,
            np.concatenate([self._tail_ids[kept], ids[fresh]]),
            np.concatenate([self._tail_rows[kept], rows[fresh]]),
            np.union1d(self._dead, dead_here),
        )

    def search(self, query: Rows, k: int, allowed: Ids | None = None) -> list[tuple[int, float]]:
        """Return at most `k` (id, cosine) pairs, best first; ties go to the smaller id.

        `query` has shape (dim,) and unit length, so the inner product is the cosine. `allowed`, where given, are the
        only ids ranked. Equal rows have equal cosines, wherever they lie.
        Raises ValueError if `k` < 1 or the dimension differs.
        """
        if k < 1 or query.shape != (self._base.d,):
            raise ValueError(f"need k >= 1 and shape ({self._base.d},), got k={k} and {query.shape}")
        if allowed is not None:
            allowed = np.setdiff1d(allowed, self._dead)
            if not len(allowed):
                return []
        parts = [
            _candidates(self._base, query, k, _selector(allowed, self._dead)),
            _candidates(self._tail, query, k, _selector(allowed, self._dead[:0])),
        ]
        ids, rows = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        # Row by row, so that a row's sum does not depend on the others (a matrix product's may).
        cosines = (rows.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
        best = np.lexsort((ids, -cosines))[:k]
        return [(int(ids[at]), float(cosines[at])) for at in best]

    def base_rows(self) -> tuple[Ids, Rows]:
        """Return all ids and rows of the base, dead or not (for checking it)."""
        ids = self._base_ids
        return ids, self._base.reconstruct_batch(ids) if len(ids) else np.zeros((0, self._base.d), np.float32)


def write_base(path: Path, batches: Iterable[tuple[Ids, Rows]], dimension: int) -> str:
    """Write the rows as a base file and return its sha256. Ids must come in ascending order.

    The file appears whole or not at all. Raises StoreError where it cannot be written.
    """
    base = _flat(dimension)
    for ids, rows in batches:
        base.add_with_ids(rows, ids)
    partial = path.with_suffix(".partial")
    try:
        faiss.write_index(base, str(partial))
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        partial.replace(path)
    except (RuntimeError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written ({error}); free space on the disk, then try again") from error
    return digest


def verify_base(path: Path, sha256: str) -> None:
    """Raise StoreError unless the file is there and has this sha256."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; run `pincite doctor --repair`") from error
    if found != sha256:
        raise StoreError(f"{path}: not the bytes that were written; run `pincite doctor --repair`")


def _flat(dimension: int) -> Any:  # noqa: ANN401 (faiss has no types)
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


def _selector(allowed: Ids | None, dead: Ids) -> Any:  # noqa: ANN401 (faiss has no types)
    """Return the search parameters that rank `allowed` only, or all but `dead`; None where nothing is left out."""
    if allowed is not None:
        return _parameters(sel=faiss.IDSelectorBatch(allowed))
    if len(dead):
        return _parameters(sel=faiss.IDSelectorNot(faiss.IDSelectorBatch(dead)))
    return None


def _candidates(index: Any, query: Rows, k: int, parameters: Any) -> tuple[Ids, Rows]:  # noqa: ANN401 (faiss has no types)
    """Return ids and rows among which the best `k` surely are, all that tie with the last of them included."""
    fetch = min(k + SLACK, index.ntotal)
    # A question has one thread: cores are filled by concurrent questions. On a busy machine OpenMP's own threads made a
    # search six times slower. The setting holds for the calling thread alone, so it is made anew each time.
    faiss.omp_set_num_threads(1)
    while fetch:
        scores, found = index.search(query[None], fetch, params=parameters)  # (1, d) -> (1, fetch), (1, fetch)
        # faiss pads missing hits with id -1.
        ids, approximate = found[0][found[0] >= 0], scores[0][found[0] >= 0]
        settled = len(ids) < fetch or fetch == index.ntotal or approximate[-1] < approximate[k - 1] - ROUNDING
        if settled and len(ids):
            return ids, index.reconstruct_batch(ids)
        if settled:
            break
        fetch = min(fetch * 2, index.ntotal)
    return np.zeros(0, np.int64), np.zeros((0, index.d), np.float32)
