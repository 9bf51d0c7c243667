"""All documents of a store made again, for another embedder or other rules."""

from dataclasses import replace
from pathlib import Path

from index.chunk import chunk
from index.chunk_limits import ChunkLimits
from index.errors import Rejected
from index.ingest import Progress
from index.load import load_bytes
from index.manifest import Manifest
from index.models import sha256_of
from index.originals import original
from index.store import Store
from index.types import Document, Encoder, StoredDocument


def rebuild(store: Store, manifest: Manifest, encoder: Encoder, limits: ChunkLimits, progress: Progress) -> int:
    """Read, cut and embed every document again, as one generation, under another manifest.

    A document whose file is gone or has changed is made again of its stored text. Returns the number of passages
    embedded. Until it is done the store answers as before.
    """
    embedded = 0
    with store.snapshot():
        pass  # settles the indexes, which cannot be done while this very process writes
    # The snapshot is taken under the lock: what another process removes before is not brought back.
    with store.write() as writer, store.snapshot() as before:
        writer.replace_manifest(manifest)
        for done, stored in enumerate(before.iter_documents()):
            progress(done, before.documents, stored.document.source)
            document = _again(store, stored, manifest.marks)
            passages = chunk(document, encoder, limits)
            vectors = encoder.encode_passages([passage.embedding_text for passage in passages])
            writer.put(document, stored.origin, stored.size, passages, vectors)
            embedded += len(passages)
    return embedded


def _again(store: Store, stored: StoredDocument, mark: bool) -> Document:
    """Return what the file gives now, if its bytes are those that were stored; else what was stored."""
    kept = stored.document if mark else replace(stored.document, marks=())
    path = Path(stored.origin) if stored.origin else original(store, stored.document.sha256)
    try:
        if path.stat().st_size != stored.size or sha256_of(path) != stored.document.sha256:
            return kept
        return load_bytes(stored.document.source, path.read_bytes(), mark)
    except (OSError, Rejected):
        return kept
