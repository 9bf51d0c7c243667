"""The tables of a store, and the rows of one read transaction. Rows come and go; none is ever changed.

A passage's text is not stored: it is sliced in Python from its document's text. So it cannot differ from it, and no
offset depends on SQLite's own text functions (its `substr` and `length` stop at U+0000).
"""

import hashlib
import json
import sqlite3
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.errors import StoreError
from index.lock import Locked
from index.manifest import FORMAT_VERSION, Manifest
from index.types import Document, Field, Heading, Mark, Metadata, StoredDocument

# `text` is the last column of its row, so that reading any other never walks the pages it overflows to.
# `documents_by_generation` holds `passages` so that their sum is read from it alone.
# `deletions` is kept until both derived indexes have passed the generation.
TABLES = """
CREATE TABLE store (
    only INTEGER PRIMARY KEY CHECK (only = 1), store_id TEXT NOT NULL, manifest TEXT NOT NULL,
    generation INTEGER NOT NULL);
CREATE TABLE derived (name TEXT PRIMARY KEY, generation INTEGER NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE documents (
    document_key INTEGER PRIMARY KEY AUTOINCREMENT, document_id TEXT NOT NULL UNIQUE, source TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL, passages INTEGER NOT NULL, characters INTEGER NOT NULL, sha256 TEXT NOT NULL,
    size INTEGER NOT NULL, encoding TEXT, bom_bytes INTEGER NOT NULL, media_type TEXT NOT NULL, origin TEXT,
    publisher TEXT, published TEXT, metadata TEXT NOT NULL, marks TEXT NOT NULL, text_sha256 TEXT NOT NULL,
    text TEXT NOT NULL);
CREATE INDEX documents_by_generation ON documents (generation, passages);
CREATE INDEX documents_by_sha256 ON documents (sha256);
CREATE TABLE passages (
    passage_id INTEGER PRIMARY KEY AUTOINCREMENT, document_key INTEGER NOT NULL REFERENCES documents,
    start INTEGER NOT NULL, end INTEGER NOT NULL, context TEXT NOT NULL, embedding_key TEXT NOT NULL,
    checksum INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX passages_by_document ON passages (document_key);
CREATE INDEX passages_by_embedding_key ON passages (embedding_key);
CREATE TABLE deletions (passage_id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX deletions_by_generation ON deletions (generation);
"""
REMAKE = "move the store away, and put a backup in its place or index the files again"
_HEADING = "#"  # begins the label of a heading, and of no mark
_HELD = ("SQLITE_BUSY", "SQLITE_LOCKED")
BATCH = 4096  # rows of a batch of vectors: 6 MB at dimension 384

DOCUMENT_COLUMNS = (
    "source, text, text_sha256, sha256, encoding, bom_bytes, media_type, marks, metadata, origin, size, passages"
)


@dataclass(frozen=True, slots=True)
class Derived:
    """How far a derived index is known to be finished, and the digest of its files. Generation 0: never made."""

    generation: int
    sha256: str


@dataclass(frozen=True, slots=True)
class State:
    """A store at one moment."""

    store_id: str
    manifest: Manifest
    generation: int
    vectors: Derived
    lexical: Derived


def create(connection: sqlite3.Connection, manifest: Manifest) -> None:
    """Make the tables of an empty store, all or none."""
    with transaction(connection):
        for statement in TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO store VALUES (1, ?, ?, 0)", (uuid.uuid4().hex, manifest.to_json()))
        connection.executemany("INSERT INTO derived VALUES (?, 0, '')", [("vectors",), ("lexical",)])
        # Outside the tables, so that a later format is recognised whatever its tables are.
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    # Only now: so all of it lies in the file itself, which may be moved alone.
    connection.execute("PRAGMA journal_mode = WAL")


def read_state(connection: sqlite3.Connection) -> State:
    """Return the state that this transaction sees (its first call is what fixes a read transaction's snapshot)."""
    try:
        [(store_id, manifest, generation)] = connection.execute("SELECT store_id, manifest, generation FROM store")
        derived = {name: Derived(at, sha) for name, at, sha in connection.execute("SELECT * FROM derived")}
        made_with = Manifest.from_json(manifest)
        return State(store_id, made_with, generation, derived["vectors"], derived["lexical"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the store's manifest is damaged ({error}); restore a backup") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one write transaction; whatever it raises undoes it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def sqlite_errors(file: Path) -> Iterator[None]:
    """Turn what SQLite says of the file (never a fault of a statement) into a StoreError, Locked where it is busy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
            raise
        name = getattr(error, "sqlite_errorname", None) or ""
        kind = Locked if name.startswith(_HELD) else StoreError
        raise kind(f"{file}: {error}; {_advice(name)}") from error


def _advice(name: str) -> str:
    """Return what to do about an SQLite result code."""
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return "nothing was lost: free space on the disk (or mend it), then try again"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return "nothing was changed: make the folder and its files writable, then try again"
    if name.startswith(_HELD):
        return "another process is writing: try again when it is done"
    return f"the file is damaged: {REMAKE}"


def pack(rows: NDArray[np.float32]) -> list[tuple[int, bytes]]:
    """Return each row as (crc32, little-endian float32 bytes)."""
    blobs = [row.tobytes() for row in np.ascontiguousarray(rows, dtype="<f4")]
    return [(zlib.crc32(blob), blob) for blob in blobs]


def intact(blob: object, checksum: int) -> bool:
    """Tell whether a stored vector is the one that was stored (a damaged column may hold anything)."""
    return isinstance(blob, bytes) and zlib.crc32(blob) == checksum


def vectors_by_key(connection: sqlite3.Connection, keys: Iterable[str]) -> dict[str, NDArray[np.float32]]:
    """Return the stored vector of each embedding key that has one, shape (dimension,).

    A vector that fails its checksum is left out.
    """
    rows = connection.execute(
        "SELECT embedding_key, checksum, vector FROM json_each(?) AS wanted"
        " CROSS JOIN passages ON embedding_key = wanted.value",
        (json.dumps(list(dict.fromkeys(keys))),),
    )
    return {key: np.frombuffer(blob, "<f4") for key, checksum, blob in rows if intact(blob, checksum)}


def vector_batches(
    connection: sqlite3.Connection, since: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield (ids, rows) of the passages newer than generation `since`, ids ascending, in batches.

    Raises StoreError where a stored vector does not match its checksum.
    """
    if since == 0:
        cursor = connection.execute("SELECT passage_id, checksum, vector FROM passages ORDER BY passage_id")
    else:
        # CROSS JOIN fixes the order: from the few new documents to their passages, not the other way round.
        cursor = connection.execute(
            "SELECT passage_id, checksum, vector FROM documents CROSS JOIN passages USING (document_key)"
            " WHERE generation > ? ORDER BY passage_id",
            (since,),
        )
    while rows := cursor.fetchmany(BATCH):
        for passage_id, checksum, blob in rows:
            if not intact(blob, checksum):
                raise StoreError(f"passage {passage_id}: its vector is damaged; see `pincite doctor`")
        joined = b"".join(blob for _, _, blob in rows)
        ids = np.array([row[0] for row in rows], np.int64)
        yield ids, np.frombuffer(joined, "<f4").reshape(len(rows), -1).astype(np.float32, copy=False)


def term_rows(connection: sqlite3.Connection, since: int) -> Iterator[tuple[int, str, str]]:
    """Yield (passage_id, document_id, context and text) of the passages newer than generation `since`."""
    documents = connection.execute(
        "SELECT document_key, document_id, text FROM documents WHERE generation > ? ORDER BY document_key", (since,)
    )
    for key, document_id, text in documents:
        passages = connection.execute(
            "SELECT passage_id, start, end, context FROM passages WHERE document_key = ? ORDER BY passage_id", (key,)
        )
        for passage_id, start, end, context in passages:
            yield passage_id, document_id, f"{context}\n{text[start:end]}"


def deleted_ids(connection: sqlite3.Connection, since: int) -> NDArray[np.int64]:
    """Return the ids of the passages deleted after generation `since`."""
    rows = connection.execute("SELECT passage_id FROM deletions WHERE generation > ?", (since,))
    return np.array([row[0] for row in rows], np.int64)


def text_sha256(text: str) -> str:
    """Return sha256 of a text in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def pack_metadata(metadata: Metadata) -> str:
    """Return the known facts as JSON: {name: [value, start, end]}."""
    return json.dumps({name: [field.value, field.start, field.end] for name, field in metadata.items()})


def unpack_metadata(text: str) -> Metadata:
    """Return what `pack_metadata` wrote; StoreError if it is damaged."""
    with _damaged(text):
        return Metadata(**{name: Field(*parts) for name, parts in json.loads(text).items()})


def pack_spans(document: Document) -> str:
    """Return marks and headings as JSON: [start, end, label]; the label of a heading is its level behind a "#"."""
    headings = [(heading.start, heading.end, f"{_HEADING}{heading.level}") for heading in document.headings]
    return json.dumps([(mark.start, mark.end, mark.label) for mark in document.marks] + headings)


def unpack_spans(text: str) -> tuple[tuple[Mark, ...], tuple[Heading, ...]]:
    """Return marks and headings as `pack_spans` wrote them; StoreError if they are damaged."""
    with _damaged(text):
        spans = [Mark(*span) for span in json.loads(text)]
        headings = [span for span in spans if span.label.startswith(_HEADING)]
        return (
            tuple(span for span in spans if not span.label.startswith(_HEADING)),
            tuple(Heading(span.start, span.end, int(span.label[len(_HEADING) :])) for span in headings),
        )


@contextmanager
def _damaged(text: object) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{str(text)[:60]!r}: damaged in the store; see `pincite doctor`") from error


def stored_document(
    row: tuple[str, str, str, str, str | None, int, str, str, str, str | None, int, int],
) -> StoredDocument:
    """Return the document of a row of DOCUMENT_COLUMNS; StoreError if its text is not the one that was stored."""
    source, text, digest, sha256, encoding, bom_bytes, media_type, marks, metadata, origin, size, passages = row
    if not isinstance(text, str) or text_sha256(text) != digest:
        raise StoreError(f"{source}: its stored text is damaged; `pincite remove` it, then index the file again")
    found, headings = unpack_spans(marks)
    document = Document(
        source, text, sha256, encoding, bom_bytes, media_type, found, unpack_metadata(metadata), headings
    )
    return StoredDocument(document, origin, size, passages)
