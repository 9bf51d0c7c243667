"""Nearest vectors: the only import of faiss. Everywhere else higher is better, best first, and no id is -1.

A base of up to EXACT_LIMIT rows holds them as they are, and its ranking is exact. A larger one holds them in a byte a
dimension, in lists around centroids (an inverted file), reads the lists nearest to the question, and scores what it
finds there again, from the rows that the store keeps. So cosines are exact in both; what may differ is who is found.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.errors import StoreError
from index.processor import kernels_named

with kernels_named():
    import faiss

Ids = NDArray[np.int64]
Rows = NDArray[np.float32]
# faiss's own sums depend on where a row lies in its index; so its ranking serves to find candidates, which are then
# scored again in float64. Rows whose faiss scores lie closer than this to the last one wanted are candidates too.
ROUNDING = 1e-5
_parameters: Any = faiss.SearchParameters  # faiss's stubs know none of their keywords
_inverted: Any = faiss.SearchParametersIVF
SLACK = 16  # candidates fetched beyond k at first

# `python -m benchmarks.scale` measures what they give (decision 0013).
EXACT_LIMIT = 50_000  # rows; 77 MB to look through at dimension 384
PROBES = 64  # lists read for a question; a filter reads more, as it leaves fewer rows in each
_LISTS = 4  # lists = _LISTS * sqrt(rows): as many centroids to compare as rows to read, about
_SAMPLE = 64  # rows a centroid is fitted to
_PASSES = 4  # of k-means; FAISS makes ten
_STALE = 1.5  # centroids are fitted anew once their number is off by this factor
_WIDEN = 0.25  # of the range of values found in the sample, on either side
_LOSS, _LOOKED_AT = 2e-3, 256  # squared, of unit rows; texts of subjects that the sample lacked lose about 1e-4
_WIDER, _MORE = 2, 64  # of an approximate ranking, _WIDER * k + _MORE candidates are scored again

Batches = Iterable[tuple[Ids, Rows]]
Stored = Callable[[Ids], Rows]


class VectorView:
    """An immutable set of rows: a base (from a file), a tail (in memory), and the ids of the base that are dead.

    Searching needs no lock: what changes the set makes a new view.
    """

    def __init__(self, base: Any, tail_ids: Ids, tail_rows: Rows, dead: Ids) -> None:  # noqa: ANN401 (faiss has no types)
        self._base = base
        self._base_ids = _ids_of(base)
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
        """Return a view of a base file; raises StoreError unless it is byte for byte what `write_base` wrote.

        The file is mapped into memory, not read: processes that serve one store share it. Nothing writes into it; what
        takes its place is another file.
        """
        verify_base(path, sha256)
        try:
            base = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
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

    def search(
        self, query: Rows, k: int, allowed: Ids | None = None, stored: Stored | None = None
    ) -> list[tuple[int, float]]:
        """Return at most `k` (id, cosine) pairs, best first; ties go to the smaller id of those found.

        `query` has shape (dim,) and unit length, so the inner product is the cosine. `allowed`, where given, are the
        only ids ranked. Equal rows have equal cosines, wherever they lie, but an approximate base need not find all of
        them. It needs `stored`, which gives the rows of ids, shape (len, dim), in their order.
        Raises ValueError if `k` < 1 or the dimension differs, or `stored` is missing where it is needed.
        """
        if k < 1 or query.shape != (self._base.d,):
            raise ValueError(f"need k >= 1 and shape ({self._base.d},), got k={k} and {query.shape}")
        if allowed is not None:
            allowed = np.setdiff1d(allowed, self._dead)
            if not len(allowed):
                return []
        parts = [
            self._of_base(query, k, allowed, stored),
            self._of_tail(query, k, allowed),
        ]
        ids, rows = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        # Row by row, so that a row's sum does not depend on the others (a matrix product's may).
        cosines = (rows.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
        best = np.lexsort((ids, -cosines))[:k]
        return [(int(ids[at]), float(cosines[at])) for at in best]

    def _of_base(self, query: Rows, k: int, allowed: Ids | None, stored: Stored | None) -> tuple[Ids, Rows]:
        selector = _selector(allowed, self._dead)
        if self.exact:
            return _with_rows(self._base, _candidates(self._base, query, k, k + SLACK, _parameters(sel=selector)))
        if stored is None:
            raise ValueError("an approximate base ranks with the rows that the store keeps: give `stored`")
        share = 1.0 if allowed is None else len(self._base_ids) / len(allowed)
        probes = min(math.ceil(PROBES * share), self._base.nlist)
        parameters = _inverted(nprobe=probes, sel=selector)
        ids = _candidates(self._base, query, k, _WIDER * k + _MORE, parameters)
        return ids, stored(ids)

    def _of_tail(self, query: Rows, k: int, allowed: Ids | None) -> tuple[Ids, Rows]:
        parameters = _parameters(sel=_selector(allowed, self._dead[:0]))
        return _with_rows(self._tail, _candidates(self._tail, query, k, k + SLACK, parameters))

    @property
    def exact(self) -> bool:
        """Tell whether every ranking is the true one."""
        return isinstance(self._base, faiss.IndexIDMap2)

    def differing(self, stored: Iterable[tuple[int, bytes]]) -> int:
        """Count those of `stored` (ids, rows as little-endian float32) that the base lacks or holds otherwise.

        An approximate base holds no rows as they are: of it the ids are compared.
        """
        if not self.exact:
            held = set(self._base_ids.tolist())
            return sum(passage_id not in held for passage_id, _ in stored)
        rows = self._base.reconstruct_batch(self._base_ids) if len(self._base_ids) else []
        based = dict(zip(self._base_ids.tolist(), rows, strict=True))
        return sum(passage_id not in based or based[passage_id].tobytes() != blob for passage_id, blob in stored)


def write_base(path: Path, batches: Callable[[], Batches], rows: int, dimension: int) -> str:
    """Write the rows as a base file and return its sha256. Ids must come in ascending order.

    `batches` gives all rows, their number is `rows`; it is called twice where the base will be approximate. The file
    appears whole or not at all. Raises StoreError where it cannot be written.
    """
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    base = _flat(dimension) if rows <= EXACT_LIMIT else _lists(batches(), rows, dimension)
    for ids, added in batches():
        base.add_with_ids(added, ids)
    return _write(path, base)


def extend_base(path: Path, old: Path, batches: Batches, dead: Ids, rows: int) -> str | None:
    """Write `old` without `dead` and with `batches` as a base file of `rows` rows; return its sha256.

    None, and nothing is written, where that does not serve: `old` is exact, cannot be read, or it was fitted to far
    fewer or more rows, or to others than these. To write it costs reading and writing the file once, and no fitting.
    """
    if rows <= EXACT_LIMIT:
        return None
    try:
        base: Any = faiss.read_index(str(old))
    except RuntimeError:
        return None
    wanted = _list_count(rows)
    if isinstance(base, faiss.IndexIDMap2) or not base.nlist / _STALE <= wanted <= base.nlist * _STALE:
        return None
    if len(dead):  # it looks at every row
        base.remove_ids(faiss.IDSelectorBatch(dead))
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    for ids, added in batches:
        if _lost(base, added) > _LOSS:
            return None
        base.add_with_ids(added, ids)
    return _write(path, base)


def _lost(base: Any, rows: Rows) -> float:  # noqa: ANN401 (faiss has no types)
    """Return what a byte a dimension loses of such rows: the mean squared distance of some to what is kept of them."""
    some = rows[:: max(1, len(rows) // _LOOKED_AT)]
    return float(np.mean(np.sum((base.sq.decode(base.sq.compute_codes(some)) - some) ** 2, axis=1)))


def _write(path: Path, base: Any) -> str:  # noqa: ANN401 (faiss has no types)
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


def _list_count(rows: int) -> int:
    return max(1, min(round(_LISTS * math.sqrt(rows)), rows // 39))  # faiss wants 39 rows a centroid at least


def _lists(batches: Batches, rows: int, dimension: int) -> Any:  # noqa: ANN401 (faiss has no types)
    """Return an inverted file without rows, its centroids fitted to evenly spaced ones of the batches."""
    count = _list_count(rows)
    wanted, seen, sample = min(rows, _SAMPLE * count), 0, []
    for ids, found in batches:
        places = np.arange(seen, seen + len(ids))
        sample.append(found[(places + 1) * wanted // rows > places * wanted // rows])
        seen += len(ids)
    # Not by residual: equal rows then have equal codes in whichever list they lie, and rows of subjects that the sample
    # had nothing of are still within the range of values, which is widened for them.
    kind, by_residual = faiss.ScalarQuantizer.QT_8bit, False
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, count, kind, faiss.METRIC_INNER_PRODUCT, by_residual
    )
    index.sq.rangestat_arg = _WIDEN
    index.cp.niter = _PASSES
    index.train(np.concatenate(sample))
    return index


def _ids_of(base: Any) -> Ids:  # noqa: ANN401 (faiss has no types)
    """Return the ids of a base, ascending."""
    if isinstance(base, faiss.IndexIDMap2):
        ids: Ids = faiss.vector_to_array(base.id_map)  # ascending: see `write_base`
        return ids
    lists = base.invlists
    sizes = [lists.list_size(number) for number in range(base.nlist)]
    parts = [faiss.rev_swig_ptr(lists.get_ids(number), size).copy() for number, size in enumerate(sizes) if size]
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def _selector(allowed: Ids | None, dead: Ids) -> Any:  # noqa: ANN401 (faiss has no types)
    """Return what ranks `allowed` only, or all but `dead`; None where nothing is left out."""
    if allowed is not None:
        return faiss.IDSelectorBatch(allowed)
    return faiss.IDSelectorNot(faiss.IDSelectorBatch(dead)) if len(dead) else None


def _candidates(index: Any, query: Rows, k: int, fetch: int, parameters: Any) -> Ids:  # noqa: ANN401 (faiss has no types)
    """Return `fetch` ids by faiss's scores, or more: until all that tie with the `k`-th are among them."""
    fetch = min(fetch, index.ntotal)
    # A question has one thread: cores are filled by concurrent questions. On a busy machine OpenMP's own threads made a
    # search six times slower. The setting holds for the calling thread alone, so it is made anew each time.
    faiss.omp_set_num_threads(1)
    while fetch:
        scores, found = index.search(query[None], fetch, params=parameters)  # (1, d) -> (1, fetch), (1, fetch)
        # faiss pads missing hits with id -1.
        ids, approximate = found[0][found[0] >= 0], scores[0][found[0] >= 0]
        if len(ids) < fetch or fetch == index.ntotal or approximate[-1] < approximate[k - 1] - ROUNDING:
            return np.asarray(ids, np.int64)
        fetch = min(fetch * 2, index.ntotal)
    return np.zeros(0, np.int64)


def _with_rows(index: Any, ids: Ids) -> tuple[Ids, Rows]:  # noqa: ANN401 (faiss has no types)
    return ids, index.reconstruct_batch(ids) if len(ids) else np.zeros((0, index.d), np.float32)
