"""The two derived indexes of a store: kept up with SQLite, or made again from it.

Both are only ever changed under the store's lock, at the end of the very transaction that changes the documents: so
with the new generation a reader finds its indexes too, and until then it uses the view that it has. Each index is
either exactly what its row in `derived` says (generation and digest), or it is made again; so no crash and no rollback
between two steps can leave a doubtful one. A mark lies in the folder from the first change of a file until what was
meant is done: it tells an interrupted write (which the next look finishes) from damage (which somebody should know of).
"""

import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.errors import StoreError
from index.lexical import LexicalIndex, LexicalView
from index.manifest import Manifest
from index.schema import Derived, State, deleted_ids, read_state, term_rows, vector_batches
from index.vector import VectorView, extend_base, verify_base, write_base

log = logging.getLogger(__name__)

# The vectors' base is written again once the passages added and deleted since the last exceed FLOOR + SHARE * live.
# Every generation copies the tail, and writing costs one pass over all rows: the share keeps that at about ten rows
# written for each one changed. The floor lets a store of a few hundred passages have a base, so that the small store
# takes the same road as the large one; the most bounds what a question reads of a large store's tail (31 MB).
REBASE_FLOOR = 256
REBASE_SHARE = 0.1
REBASE_MOST = 20_000

MARK = "unfinished"


@dataclass(frozen=True, slots=True)
class View:
    """Both derived indexes at exactly one generation, ready to be searched by any number of threads."""

    generation: int
    base_generation: int
    store_id: str
    manifest: Manifest
    documents: int
    passages: int
    vectors: VectorView
    lexical: LexicalView


class DerivedIndexes:
    """Keeps the derived files of one folder. Callers hold the store's lock wherever a method says that it writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lexical = LexicalIndex(folder / "lexical")
        self._mark = folder / MARK

    @property
    def interrupted(self) -> bool:
        """Tell whether a write was cut short (asked under the store's lock; without it, one may be going on)."""
        return self._mark.exists()

    def advance(self, connection: sqlite3.Connection, state: State, view: View | None) -> View:
        """Return the view of `state`, from an earlier one where there is one. Writes nothing.

        Raises StoreError where a derived index is behind, missing or damaged; `settle` mends that.
        """
        if view is not None and view.store_id != state.store_id:
            view = None  # the folder holds another store now
        if view is not None and view.generation == state.generation:
            return view
        if state.lexical.generation != state.generation:
            raise StoreError(f"{self._folder}: the lexical index is behind; try again")
        lexical = self.lexical(state)
        same_base = view is not None and view.base_generation == state.vectors.generation
        if view is not None and same_base and view.manifest == state.manifest:
            vectors, since = view.vectors, view.generation
        else:
            vectors, since = self._load_base(state), state.vectors.generation
        dead = deleted_ids(connection, since)
        batches = list(vector_batches(connection, since))
        if batches or len(dead):
            empty = (np.zeros(0, np.int64), np.zeros((0, state.manifest.embedder.dimension), np.float32))
            ids, rows = (np.concatenate(parts) for parts in zip(*(batches or [empty]), strict=True))
            vectors = vectors.advance(ids, rows, dead)
        documents, passages = connection.execute(
            "SELECT count(*), coalesce(sum(passages), 0) FROM documents"
        ).fetchone()
        if len(vectors) != passages:
            raise StoreError(f"{self._folder}: {len(vectors)} vectors for {passages} passages; see `pincite doctor`")
        base_generation = state.vectors.generation
        return View(
            state.generation, base_generation, state.store_id, state.manifest, documents, passages, vectors, lexical
        )

    def settle(self, connection: sqlite3.Connection, distrust: bool = False, rebuild: bool = False) -> None:
        """Bring both indexes to the store's generation. Writes; inside a transaction, which publishes them.

        `distrust` reads the base again to see whether it is what was written; `rebuild` makes both anew in any case.
        """
        state = read_state(connection)
        added = connection.execute(
            "SELECT coalesce(sum(passages), 0) FROM documents WHERE generation > ?", (state.vectors.generation,)
        ).fetchone()[0]
        removed = connection.execute(
            "SELECT count(*) FROM deletions WHERE generation > ?", (state.vectors.generation,)
        ).fetchone()[0]
        live = connection.execute("SELECT coalesce(sum(passages), 0) FROM documents").fetchone()[0]
        rebase = added + removed > REBASE_FLOOR + min(REBASE_SHARE * live, REBASE_MOST)
        self._settle_lexical(connection, state, rebuild or (rebase and removed > 0))
        if rebuild or rebase or not self._base_is_there(state, distrust):
            self._write_base(connection, state, live, anew=rebuild or not rebase)
        connection.execute("DELETE FROM deletions WHERE generation <= (SELECT min(generation) FROM derived)")

    def sweep(self, connection: sqlite3.Connection) -> None:
        """Delete what is no longer used, and last the mark. Writes; after the transaction that published `settle`."""
        kept = self._base(read_state(connection).vectors.generation)
        # What is done is done: a file that cannot be deleted now is deleted after the next write.
        with suppress(OSError):
            for old in self._folder.glob("vectors-*"):
                if old != kept:
                    old.unlink(missing_ok=True)
            self._lexical.sweep()
            self._mark.unlink(missing_ok=True)

    def leftovers(self, state: State) -> list[str]:
        """Return the names of files that no index uses (for checking the store)."""
        kept = self._base(state.vectors.generation)
        found = [*self._folder.glob("vectors-*"), *self._folder.glob("*.partial")]
        return sorted({file.name for file in found if file != kept})

    def _settle_lexical(self, connection: sqlite3.Connection, state: State, rebuild: bool) -> None:
        """Catch up where the files are what the last writer left, else make them anew; a new store has none."""
        done = state.lexical
        if not state.generation:
            self._lexical.clear()  # what an earlier store, or a first write that was cut short, left here
            return
        if done.sha256 and not rebuild and self._lexical.fingerprint() == done.sha256:
            if done.generation == state.generation:
                return
            self._begin()
            removed, added = deleted_ids(connection, done.generation), term_rows(connection, done.generation)
            try:
                sha256 = self._lexical.update(_marker(state), removed.tolist(), added)
            except StoreError as error:
                log.warning("%s: making the lexical index anew (%s)", self._folder, error)
            else:
                _record(connection, "lexical", Derived(state.generation, sha256))
                return
        elif done.sha256 and not rebuild:
            log.warning("%s: the lexical index is missing, damaged or an earlier one; making it anew", self._folder)
        self._begin()
        sha256 = self._lexical.rebuild(_marker(state), term_rows(connection, 0))
        _record(connection, "lexical", Derived(state.generation, sha256))

    def _begin(self) -> None:
        try:
            self._mark.touch()
        except OSError as error:
            raise StoreError(f"{self._mark}: {error.strerror}; make the folder writable, then try again") from error

    def _base_is_there(self, state: State, distrust: bool) -> bool:
        if not state.vectors.generation:
            return True
        try:
            if distrust:
                verify_base(self._base(state.vectors.generation), state.vectors.sha256)
                return True
        except StoreError as error:
            log.warning("%s; making it anew", error)
            return False
        return self._base(state.vectors.generation).is_file()

    def _write_base(self, connection: sqlite3.Connection, state: State, live: int, anew: bool) -> None:
        path, since = self._base(state.generation), state.vectors.generation
        self._begin()
        sha256 = None
        if since and not anew and self._base_is_there(state, distrust=True):
            changed, dead = vector_batches(connection, since), deleted_ids(connection, since)
            sha256 = extend_base(path, self._base(since), changed, dead, live)
        if sha256 is None:
            sha256 = write_base(path, lambda: vector_batches(connection, 0), live, state.manifest.embedder.dimension)
        _record(connection, "vectors", Derived(state.generation, sha256))

    def _load_base(self, state: State) -> VectorView:
        dimension = state.manifest.embedder.dimension
        if not state.vectors.generation:
            return VectorView.empty(dimension)
        return VectorView.load(self._base(state.vectors.generation), state.vectors.sha256, dimension)

    def _base(self, generation: int) -> Path:
        return self._folder / f"vectors-{generation}.faiss"

    def base(self, state: State) -> VectorView:
        """Return the base alone, as its file holds it (for checking it); raises StoreError if damaged."""
        return self._load_base(state)

    def lexical(self, state: State) -> LexicalView:
        """Return the lexical index as its files hold it, and a new store has none; raises StoreError if damaged."""
        if not state.generation:
            return self._lexical.empty()
        return self._lexical.open(_marker(state), state.lexical.sha256)


def _marker(state: State) -> str:
    """Return what tells this state's lexical index from any other, another store's included."""
    return f"{state.store_id}:{state.generation}"


def _record(connection: sqlite3.Connection, name: str, derived: Derived) -> None:
    connection.execute(
        "UPDATE derived SET generation = ?, sha256 = ? WHERE name = ?", (derived.generation, derived.sha256, name)
    )
