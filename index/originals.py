"""Documents that come as bytes, not as files: stored under a source, their bytes kept as `originals/<sha256>`."""

import json
import os
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path

from index.chunk import chunk
from index.chunk_limits import ChunkLimits
from index.durable import publish, sync_folder
from index.errors import StoreError
from index.load import load_bytes
from index.lock import Locked, exclusive
from index.put import vectors_of
from index.store import WRITE_WAIT, Store
from index.types import Encoder, StoredDocument

FOLDER = "originals"
# Held from before the bytes are kept until after they are needed: else one call could drop what another just kept.
LOCK = "originals.lock"


def original(store: Store, sha256: str) -> Path:
    """Return where the bytes of uploads with this sha256 are kept."""
    return store.folder / FOLDER / sha256


def put_bytes(
    store: Store, encoder: Encoder, limits: ChunkLimits, source: str, data: bytes
) -> tuple[StoredDocument, bool]:
    """Store what `data` holds as the document of `source`, and tell whether it replaced one.

    On return it is on disk and searchable. Raises Rejected for bytes that `load_bytes` does not take, StoreError.
    """
    document = load_bytes(source, data, store.manifest.marks)
    passages = chunk(document, encoder, limits)
    vectors, _ = vectors_of(store, encoder, passages)
    with exclusive(store.folder, WRITE_WAIT, LOCK):
        before = _upload(store, document.document_id)
        _keep(store, document.sha256, data)
        with store.write() as writer:
            replaced = writer.put(document, None, len(data), passages, vectors)
        _drop(store, [before] if before else [])
    return StoredDocument(document, None, len(data), len(passages)), replaced


def remove_document(store: Store, document_id: str) -> bool:
    """Remove a document as `remove_documents` does; tell whether there was one."""
    return remove_documents(store, [document_id]) == 1


def remove_documents(store: Store, document_ids: Iterable[str]) -> int:
    """Remove documents as one generation, with the bytes of those that were uploads; return how many there were.

    Files on disk stay. Only bytes need the lock: while a backup copies them, other documents are removed all the same.
    """
    ids = list(dict.fromkeys(document_ids))
    has_bytes = any(_upload(store, document_id) for document_id in ids)
    with exclusive(store.folder, WRITE_WAIT, LOCK) if has_bytes else nullcontext():
        before = [_upload(store, document_id) for document_id in ids] if has_bytes else []
        with store.write() as writer:
            removed = sum(writer.remove(document_id) for document_id in ids)
        _drop(store, [sha256 for sha256 in before if sha256])
    return removed


def sweep(store: Store) -> None:
    """Delete the originals that no upload in the store needs; where a backup copies them just now, leave them."""
    folder = store.folder / FOLDER
    with suppress(Locked):
        if folder.is_dir():
            with exclusive(store.folder, 0, LOCK):
                _drop(store, os.listdir(folder))


def _drop(store: Store, names: Iterable[str]) -> None:
    """Delete these originals, but not what an upload needs."""
    folder = store.folder / FOLDER
    with store.reading() as (connection, _):
        rows = connection.execute(
            "SELECT value FROM json_each(?)"
            " WHERE NOT EXISTS (SELECT 1 FROM documents WHERE sha256 = value AND origin IS NULL)",
            (json.dumps(list(names)),),
        ).fetchall()
    try:
        for (name,) in rows:
            (folder / name).unlink(missing_ok=True)
        if rows:
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"{error.filename}: {error.strerror}; delete it, no document needs it") from error


def _upload(store: Store, document_id: str) -> str | None:
    """Return the sha256 of the upload that has this id; None if there is none, or it came from a file."""
    with store.reading() as (connection, _):
        row = connection.execute(
            "SELECT sha256 FROM documents WHERE document_id = ? AND origin IS NULL", (document_id,)
        ).fetchone()
    return row[0] if row else None


def _keep(store: Store, sha256: str, data: bytes) -> None:
    final = original(store, sha256)
    partial = final.with_name(f"{sha256}.partial")
    try:
        if not final.parent.is_dir():
            final.parent.mkdir()
            sync_folder(store.folder)
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(partial, final)
    except OSError as error:
        reason = error.strerror or error
        raise StoreError(f"{final}: {reason}; nothing was stored: free space, make it writable, try again") from error
