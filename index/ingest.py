"""Files -> store: reads what is new or changed, embeds only what no passage held before, reports every file."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from index.chunk import ChunkLimits, chunk
from index.errors import Rejected, UsageError
from index.files import FoundFile, Skipped
from index.load import load_bytes
from index.manifest import Manifest
from index.models import sha256_of
from index.snapshot import DocumentSummary
from index.store import Store
from index.types import Document, Encoder, Passage, document_id_of

BATCH = 512  # passages embedded and written together: bounds memory, and fills batches of like length


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document that is to be stored, cut into passages."""

    document: Document
    origin: str | None
    size: int
    passages: list[Passage]


@dataclass(slots=True)
class IngestReport:
    """What became of every file. Sources are listed, never only counted, so that nothing vanishes silently."""

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    rejected: list[Skipped] = field(default_factory=list)
    unsupported: list[Skipped] = field(default_factory=list)
    excluded: list[Skipped] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)  # indexed before; the file is gone
    left_out: list[str] = field(default_factory=list)  # indexed before; the file is there, and excluded now
    pruned: list[str] = field(default_factory=list)
    passages: int = 0  # of the documents added and replaced
    embedded: int = 0  # passages; those whose text was embedded before are not embedded again
    generation: int = 0  # of the store afterwards


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How documents are cut, and the most bytes that a file may have."""

    limits: ChunkLimits
    max_bytes: int


Progress = Callable[[int, int, str], None]  # files done, files in all, source
Known = Mapping[str, DocumentSummary]  # what the store holds, by source


def known_documents(store: Store) -> Known:
    """Return what the store holds, by source."""
    with store.snapshot() as snapshot:
        return {summary.source: summary for summary in snapshot.list_documents()}


def survey(
    known: Known, files: Sequence[FoundFile], encoder: Encoder, options: IngestOptions, progress: Progress
) -> IngestReport:
    """Read and cut what `ingest` would store, and store nothing."""
    report = IngestReport()
    for loaded in _changed(known, files, encoder, options, (report, progress)):
        report.passages += len(loaded.passages)
    return report


def ingest(
    store: Store, files: Sequence[FoundFile], encoder: Encoder, options: IngestOptions, progress: Progress
) -> IngestReport:
    """Bring the store up to date with `files`; what one file suffers does not stop the others.

    Raises UsageError if a file's source belongs to another file that is still there, StoreError if the store cannot
    be written. What was written before an error stays.
    """
    report = IngestReport()
    for batch in _in_batches(_changed(known_documents(store), files, encoder, options, (report, progress))):
        report.passages += sum(len(loaded.passages) for loaded in batch)
        report.embedded += _write(store, encoder, batch)
    return report


def rebuild(store: Store, manifest: Manifest, encoder: Encoder, limits: ChunkLimits, progress: Progress) -> int:
    """Cut and embed every stored text again, as one generation, under another manifest; the files are not needed.

    Returns the number of passages embedded. Until it is done the store answers as before.
    """
    embedded = 0
    with store.snapshot():
        pass  # settles the indexes, which cannot be done while this very process writes
    # The snapshot is taken under the lock: what another process removes before is not brought back.
    with store.write() as writer, store.snapshot() as before:
        writer.replace_manifest(manifest)
        for done, stored in enumerate(before.iter_documents()):
            progress(done, before.documents, stored.document.source)
            passages = chunk(stored.document, encoder, limits)
            vectors = encoder.encode_passages([passage.embedding_text for passage in passages])
            writer.put(stored.document, stored.origin, stored.size, passages, vectors)
            embedded += len(passages)
    return embedded


def origin_of(path: Path) -> str:
    """Return the absolute path that a document's origin is kept as; `..` is resolved, links are not."""
    return os.path.abspath(path)


def _refuse_shared_source(file: FoundFile, known: DocumentSummary | None) -> None:
    if known is None or known.origin is None or known.origin == origin_of(file.path):
        return
    if Path(known.origin).is_file() and not Path(known.origin).samefile(file.path):
        raise UsageError(
            f"{file.path} and {known.origin} would both be {file.source!r} in this store; "
            "index the folder above them, or remove one (`pincite remove`)"
        )


def _changed(
    known: Known,
    files: Sequence[FoundFile],
    encoder: Encoder,
    options: IngestOptions,
    watch: tuple[IngestReport, Progress],
) -> Iterator[Loaded]:
    """Yield what is new or changed, read and cut; the report takes note of every file."""
    report, progress = watch
    for file in files:
        _refuse_shared_source(file, known.get(file.source))
    for done, file in enumerate(files):
        progress(done, len(files), file.source)
        before = known.get(file.source)
        try:
            if before and before.origin == origin_of(file.path) and _same_bytes(file.path, before):
                report.unchanged.append(file.source)
                continue
            loaded = _load(file, encoder, options)
        except Rejected as reason:
            kept = "; the version indexed before is kept" if before else ""
            why = str(reason).removeprefix(f"{file.source}: ")
            report.rejected.append(Skipped(file.source, f"{why}{kept}"))
            continue
        (report.replaced if before else report.added).append(file.source)
        yield loaded
    progress(len(files), len(files), "")


def _same_bytes(path: Path, before: DocumentSummary) -> bool:
    try:
        return path.stat().st_size == before.size and sha256_of(path) == before.sha256
    except OSError as error:
        raise Rejected(f"cannot be read ({error.strerror})") from None


def _load(file: FoundFile, encoder: Encoder, options: IngestOptions) -> Loaded:
    try:
        size = file.path.stat().st_size
        if size > options.max_bytes:
            raise Rejected(
                f"{size / 2**20:.1f} MiB is over the limit of {options.max_bytes / 2**20:g} MiB; "
                "split it, or raise PINCITE_MAX_FILE_MB"
            )
        data = file.path.read_bytes()
    except OSError as error:
        raise Rejected(f"cannot be read ({error.strerror})") from None
    document = load_bytes(file.source, data)
    return Loaded(document, origin_of(file.path), len(data), chunk(document, encoder, options.limits))


def _in_batches(documents: Iterable[Loaded]) -> Iterator[list[Loaded]]:
    """Yield runs of documents with at least `BATCH` passages together; the last may have fewer."""
    batch: list[Loaded] = []
    for loaded in documents:
        batch.append(loaded)
        if sum(len(one.passages) for one in batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(store: Store, encoder: Encoder, batch: Sequence[Loaded]) -> int:
    """Store documents as one generation; return how many passages had to be embedded.

    Vectors of texts that the store holds already are taken from it, so a renamed file costs no embedding.
    """
    passages = [passage for loaded in batch for passage in loaded.passages]
    keys = [passage.embedding_key for passage in passages]
    with store.snapshot() as snapshot:
        vectors = dict(snapshot.vectors_by_key(set(keys)))
    texts = {key: passage.embedding_text for key, passage in zip(keys, passages, strict=True) if key not in vectors}
    vectors |= zip(texts, encoder.encode_passages(list(texts.values())), strict=True)
    rows = np.array([vectors[key] for key in keys], np.float32).reshape(len(keys), encoder.info.dimension)
    with store.write() as writer:
        for loaded in batch:
            count = len(loaded.passages)
            writer.put(loaded.document, loaded.origin, loaded.size, loaded.passages, rows[:count])
            rows = rows[count:]
    return len(texts)


def not_found(known: Known, folders: Sequence[Path], found: Sequence[FoundFile]) -> tuple[list[str], list[str]]:
    """Return the stored sources from under `folders` that were not found: those whose files are gone, and the others.

    A file that may be there (its folder cannot be read) is not gone.
    """
    here = {file.source for file in found}
    roots = [origin_of(folder) for folder in folders]
    missed = {
        source: Path(summary.origin)
        for source, summary in known.items()
        if summary.origin and source not in here and any(Path(summary.origin).is_relative_to(root) for root in roots)
    }
    gone = [source for source, origin in missed.items() if _is_gone(origin)]
    return gone, [source for source in missed if source not in gone]


def _is_gone(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def remove(store: Store, sources: Sequence[str]) -> None:
    """Remove documents by source, as one generation; no later question sees them."""
    with store.write() as writer:
        for source in sources:
            writer.remove(document_id_of(source))
