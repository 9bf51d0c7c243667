"""Checks everything in a store against everything else, and makes the derived indexes again."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from index.derived import DerivedIndexes
from index.errors import StoreError
from index.models import sha256_of
from index.originals import original
from index.schema import REMAKE, State, intact, transaction, unpack_metadata, unpack_spans
from index.store import FILE, Store
from index.types import Passage, document_id_of
from index.writer import UNIT

REPAIR = "pincite doctor --repair"
REINDEX = "`pincite remove` the document and index its file again"
UPLOAD = "upload it again; `--repair` cannot bring it back"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a store: what it is, where, and what mends it."""

    what: str
    where: str
    repair: str


def check(store: Store) -> list[Problem]:
    """Return all that is wrong, in a fixed order.

    No fault is an index that is behind, or that a write cut short left half done: whoever reads next brings it up, and
    so does this. Writers wait meanwhile. Raises StoreError where the store cannot be read at all.
    """
    with store.maintaining() as writable:
        if store.derived.interrupted:
            # Where the tables are too damaged for that, what follows says so.
            with suppress(StoreError, sqlite3.DatabaseError):
                _settle(store.derived, writable, rebuild=False)
        with store.reading() as (connection, state):
            problems = list(_database(connection, str(store.folder / FILE)))
            if problems:
                return problems  # what a damaged file says of its rows means nothing
            return [
                *_tables(connection, state.manifest.embedder.dimension),
                *_originals(connection, store),
                *_files(connection, state, store.derived),
            ]


def repair(store: Store) -> list[Problem]:
    """Make both derived indexes anew from SQLite, and return what is wrong then.

    Raises StoreError where nothing but the disk stood in the way.
    """
    failure: StoreError | None = None
    try:
        with store.maintaining() as connection:
            _settle(store.derived, connection, rebuild=True)
    except StoreError as error:
        failure = error
    problems = check(store)
    if failure and all(problem.repair == REPAIR for problem in problems):
        raise failure
    return problems


def _settle(derived: DerivedIndexes, connection: sqlite3.Connection, rebuild: bool) -> None:
    with transaction(connection):
        derived.settle(connection, distrust=True, rebuild=rebuild)
    derived.sweep(connection)


def _database(connection: sqlite3.Connection, file: str) -> Iterator[Problem]:
    try:
        for (message,) in connection.execute("PRAGMA integrity_check"):
            if message != "ok":
                yield Problem(f"SQLite: {message}", file, REMAKE)
    except sqlite3.DatabaseError as error:
        yield Problem(f"SQLite: {error}", file, REMAKE)


def _tables(connection: sqlite3.Connection, dimension: int) -> Iterator[Problem]:
    """Compare every row with what it must agree with. Columns that nothing else tells are taken as they are."""
    rows = connection.execute(
        # As bytes: damaged text need not be UTF-8 any more.
        "SELECT document_key, document_id, source, passages, characters, size, encoding, bom_bytes, metadata, marks,"
        " text_sha256, CAST(text AS BLOB), media_type, origin, publisher, published FROM documents ORDER BY source"
    )
    # The last four agree with nothing: that they can be read is all that can be told.
    for key, *facts, blob, _, _, _, _ in rows:
        document = _Row._make([*facts, (blob or b"").decode("utf-8", "surrogateescape")])
        if faults := list(_document(document)):
            yield from (Problem(fault, document.source, REINDEX) for fault in faults)
            continue
        passages = connection.execute(f"SELECT {_PASSAGE} FROM passages WHERE document_key = ?", (key,)).fetchall()
        if document.passages != len(passages):
            yield Problem(f"{len(passages)} passages, {document.passages} were stored", document.source, REINDEX)
        for passage_id, *columns in passages:
            fault = _passage(document, *columns[:4]) or _vector(dimension, *columns[4:])
            if fault:
                yield Problem(fault, f"{document.source}, passage {passage_id}", REINDEX)
    orphans = "SELECT passage_id FROM passages WHERE document_key NOT IN (SELECT document_key FROM documents)"
    for (passage_id,) in connection.execute(orphans):
        yield Problem("a passage of no document", f"passage {passage_id}", REMAKE)


class _Row(NamedTuple):
    """The columns of a document that can be checked."""

    document_id: str
    source: str
    passages: int
    characters: int
    size: int
    encoding: str | None
    bom_bytes: int
    metadata: str
    marks: str
    text_sha256: str
    text: str


_PASSAGE = "passage_id, start, end, context, embedding_key, checksum, vector"


def _document(row: _Row) -> Iterator[str]:
    if hashlib.sha256(row.text.encode("utf-8", "surrogateescape")).hexdigest() != row.text_sha256:
        yield "the text is not the one that was stored (sha256 differs)"
    elif len(row.text) != row.characters:
        yield f"{row.characters} characters were stored, the text has {len(row.text)}"
    if document_id_of(row.source) != row.document_id:
        yield f"its id {row.document_id} is not the one of its source"
    try:
        unpack_metadata(row.metadata), unpack_spans(row.marks)
        if (
            row.encoding is not None
            and len(row.text.encode(row.encoding, "surrogateescape")) + row.bom_bytes != row.size
        ):
            yield f"its text in {row.encoding} is not the {row.size} bytes of its file"
    except StoreError as error:
        yield f"its metadata or marks cannot be read ({error})"
    except (LookupError, UnicodeEncodeError):
        yield f"its text cannot be written in {row.encoding}"


def _passage(row: _Row, start: int, end: int, context: str, key: str) -> str | None:
    if not 0 <= start <= end <= row.characters:
        return f"its span {start}:{end} is outside the text of {row.characters} characters"
    if Passage(row.document_id, start, end, row.text[start:end], context).embedding_key != key:
        return f"the text at {start}:{end} is not the one that was embedded (sha256 differs)"
    return None


def _vector(dimension: int, checksum: int, blob: bytes) -> str | None:
    if not intact(blob, checksum):
        return "its vector is not the one that was stored (checksum differs)"
    if len(blob) != 4 * dimension:
        return f"its vector has {len(blob)} bytes, not 4 * {dimension}"
    length = float(np.linalg.norm(np.frombuffer(blob, "<f4")))
    if not (abs(length - 1) <= UNIT or length == 0):
        return f"its vector has length {length:.4f}, not 1"
    return None


def _originals(connection: sqlite3.Connection, store: Store) -> Iterator[Problem]:
    """Compare the bytes kept for every upload with what was uploaded."""
    uploads = "SELECT source, sha256 FROM documents WHERE origin IS NULL ORDER BY source"
    for source, sha256 in connection.execute(uploads):
        try:
            fault = None if sha256_of(original(store, sha256)) == sha256 else "are not those that came (sha256 differs)"
        except FileNotFoundError:
            fault = "are gone"
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            fault = f"cannot be read ({error})"
        if fault:
            yield Problem(f"its uploaded bytes {fault}", source, UPLOAD)


def _files(connection: sqlite3.Connection, state: State, derived: DerivedIndexes) -> list[Problem]:
    problems = [*_vectors(connection, state, derived), *_terms(connection, state, derived)]
    left = [Problem("left over: no index uses it", name, REPAIR) for name in derived.leftovers(state)]
    return problems or left


def _vectors(connection: sqlite3.Connection, state: State, derived: DerivedIndexes) -> Iterator[Problem]:
    """Compare every live row of the base with SQLite's."""
    where = f"vectors-{state.vectors.generation}.faiss"
    if state.vectors.generation > state.generation:
        yield Problem(f"generation {state.vectors.generation} of {state.generation}", where, REPAIR)
        return
    try:
        base = derived.base(state)
    except StoreError as error:
        yield Problem(str(error), where, REPAIR)
        return
    differing = base.differing(
        connection.execute(
            "SELECT passage_id, vector FROM passages JOIN documents USING (document_key) WHERE generation <= ?",
            (state.vectors.generation,),
        )
    )
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
