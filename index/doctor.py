"""Checks everything in a store against everything else, and makes the derived indexes again."""

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from index.derived import DerivedIndexes
from index.errors import StoreError
from index.schema import State, transaction
from index.store import FILE, Store
from index.writer import UNIT

REPAIR = "pincite doctor --repair"
REINDEX = "`pincite remove` the document and index its file again"
REMAKE = "move the store away and index the files again"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a store: what it is, where, and what mends it."""

    what: str
    where: str
    repair: str


def check(store: Store) -> list[Problem]:
    """Return all that is wrong, in a fixed order; an index that is merely behind is not (it is caught up when read).

    Writers wait meanwhile. Raises StoreError where the store cannot be read at all.
    """
    with store.maintaining(), store.reading() as (connection, state):
        problems = list(_database(connection, str(store.folder / FILE)))
        if problems:
            return problems  # what a damaged file says of its rows means nothing
        dimension = state.manifest.embedder.dimension
        problems = [*_documents(connection), *_passages(connection, dimension)]
        return [*problems, *_vectors(connection, state, store.derived), *_terms(connection, state, store.derived)]


def repair(store: Store) -> None:
    """Make both derived indexes anew from SQLite. Raises StoreError where that cannot be done."""
    with store.maintaining() as connection:
        with transaction(connection):
            store.derived.settle(connection, rebuild=True)
        store.derived.sweep(connection)


def _database(connection: sqlite3.Connection, file: str) -> Iterator[Problem]:
    try:
        for (message,) in connection.execute("PRAGMA integrity_check"):
            if message != "ok":
                yield Problem(f"SQLite: {message}", file, REMAKE)
    except sqlite3.DatabaseError as error:
        yield Problem(f"SQLite: {error}", file, REMAKE)


def _documents(connection: sqlite3.Connection) -> Iterator[Problem]:
    rows = connection.execute(
        # As bytes: damaged text need not be UTF-8 any more.
        "SELECT source, CAST(text AS BLOB), text_sha256, passages,"
        " (SELECT count(*) FROM passages WHERE passages.document_key = documents.document_key)"
        " FROM documents ORDER BY source"
    )
    for source, text, sha256, passages, counted in rows:
        if hashlib.sha256(text).hexdigest() != sha256:
            yield Problem("the text is not the one that was stored (sha256 differs)", source, REINDEX)
        if passages != counted:
            yield Problem(f"{counted} passages, {passages} were stored", source, REINDEX)


def _passages(connection: sqlite3.Connection, dimension: int) -> Iterator[Problem]:
    rows = connection.execute(
        "SELECT passage_id, source, start, end, characters, checksum, vector"
        " FROM passages LEFT JOIN documents USING (document_key) ORDER BY passage_id"
    )
    for passage_id, source, start, end, characters, checksum, blob in rows:
        where = f"{source}, passage {passage_id}"
        if source is None:
            yield Problem("a passage of no document", f"passage {passage_id}", REINDEX)
        elif not 0 <= start <= end <= characters:
            yield Problem(f"its span {start}:{end} is outside the text of {characters} characters", where, REINDEX)
        if zlib.crc32(blob) != checksum:
            yield Problem("its vector is not the one that was stored (checksum differs)", where, REINDEX)
        elif len(blob) != 4 * dimension:
            yield Problem(f"its vector has {len(blob)} bytes, not 4 * {dimension}", where, REINDEX)
        else:
            length = float(np.linalg.norm(np.frombuffer(blob, "<f4")))
            if not (abs(length - 1) <= UNIT or length == 0):
                yield Problem(f"its vector has length {length:.4f}, not 1", where, REINDEX)


def _vectors(connection: sqlite3.Connection, state: State, derived: DerivedIndexes) -> Iterator[Problem]:
    """Compare every live row of the base with SQLite's."""
    where = f"vectors-{state.vectors.generation}.faiss"
    if state.vectors.generation > state.generation:
        yield Problem(f"generation {state.vectors.generation} of {state.generation}", where, REPAIR)
        return
    try:
        ids, rows = derived.base(state).base_rows()
    except StoreError as error:
        yield Problem(str(error), where, REPAIR)
        return
    based = dict(zip(ids.tolist(), rows, strict=True))
    stored = connection.execute(
        "SELECT passage_id, vector FROM passages JOIN documents USING (document_key) WHERE generation <= ?",
        (state.vectors.generation,),
    )
    differing = sum(passage_id not in based or based[passage_id].tobytes() != blob for passage_id, blob in stored)
    if differing:
        yield Problem(f"{differing} vectors differ from the stored ones", where, REPAIR)


def _terms(connection: sqlite3.Connection, state: State, derived: DerivedIndexes) -> Iterator[Problem]:
    """Compare the ids that the lexical index holds with SQLite's; behind is no fault, ahead is."""
    if state.lexical.generation > state.generation:
        yield Problem(f"generation {state.lexical.generation} of {state.generation}", "lexical", REPAIR)
    if state.lexical.generation != state.generation or state.generation == 0:
        return
    try:
        held = derived.lexical(state).ids()
    except StoreError as error:
        yield Problem(str(error), "lexical", REPAIR)
        return
    stored = [row[0] for row in connection.execute("SELECT passage_id FROM passages ORDER BY passage_id")]
    if held != stored:
        differing = sorted(set(held) ^ set(stored))
        yield Problem(
            f"{len(differing)} passages differ from the stored ones: {json.dumps(differing[:5])}", "lexical", REPAIR
        )
