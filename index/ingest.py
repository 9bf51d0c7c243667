"""Files -> store: reads what is new or changed, embeds only what no passage held before, reports every file."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.chunk import ChunkLimits, chunk
from index.errors import Rejected, UsageError
from index.file_report import FileReport, linked, of_document, of_summary
from index.files import FoundFile, Skipped
from index.load import load_bytes
from index.models import sha256_of
from index.sketches import Sketches
from index.snapshot import DocumentSummary
from index.store import Store
from index.types import Document, Encoder, Passage, document_id_of

UPLOADED = "an uploaded document has this source; remove it (`pincite remove SOURCE`) or upload the file"
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
    found: int = 0  # files, and folders left out whole: the sum of the first six lists
    files: list[FileReport] = field(default_factory=list)  # each one that was found
    warnings: list[str] = field(default_factory=list)
    passages: int = 0  # of the documents added and replaced
    embedded: int = 0  # passages; those whose text was embedded before are not embedded again
    generation: int = 0  # of the store afterwards


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How documents are cut, and the most bytes that a file may have. `mark`: whether boilerplate is marked.

    `audit`: unchanged files are read too, and texts that are nearly the same are linked in the report.
    """

    limits: ChunkLimits
    max_bytes: int
    mark: bool = True
    audit: bool = False


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

    A file whose source is an upload's is rejected, and the upload stays: nothing else holds its bytes.
    Raises UsageError if a file's source belongs to another file that is still there, StoreError if the store cannot
    be written. What was written before an error stays.
    """
    report = IngestReport()
    for batch in _in_batches(_changed(known_documents(store), files, encoder, options, (report, progress))):
        _write(store, encoder, batch, report)
    return report


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
    sketches = Sketches()
    for file in files:
        _refuse_shared_source(file, known.get(file.source))
    for done, file in enumerate(files):
        progress(done, len(files), file.source)
        before = known.get(file.source)
        if before and before.origin is None:
            _reject(report, file.source, Rejected(UPLOADED), kept=False)
            continue
        try:
            same = before if before and _is_stored(file, before) else None
            document, size = _read(file, options) if options.audit or not same else (None, 0)
        except Rejected as reason:
            _reject(report, file.source, reason, kept=before is not None)
            continue
        if document and options.audit:
            sketches.add(document)
        passages = chunk(document, encoder, options.limits) if document and not same else []
        status = "unchanged" if same else "replaced" if before else "added"
        getattr(report, status).append(file.source)
        if document:
            report.files.append(of_document(document, status, same.passages if same else len(passages)))
        elif same:
            report.files.append(of_summary(same))
        if document and not same:
            yield Loaded(document, origin_of(file.path), size, passages)
    report.files = linked(report.files, sketches.copies())
    progress(len(files), len(files), "")


def _reject(report: IngestReport, source: str, reason: Rejected, kept: bool) -> None:
    why = str(reason).removeprefix(f"{source}: ") + ("; the version indexed before is kept" if kept else "")
    report.rejected.append(Skipped(source, why))
    report.files.append(FileReport(source, "rejected", why))


def _withdraw(report: IngestReport, source: str) -> None:
    """Reject a file that the report has as stored: an upload came first."""
    for listed in (report.added, report.replaced):
        if source in listed:
            listed.remove(source)
    report.files = [file for file in report.files if file.source != source]
    _reject(report, source, Rejected(UPLOADED), kept=False)


def _is_stored(file: FoundFile, before: DocumentSummary) -> bool:
    return before.origin == origin_of(file.path) and _same_bytes(file.path, before)


def _same_bytes(path: Path, before: DocumentSummary) -> bool:
    try:
        return path.stat().st_size == before.size and sha256_of(path) == before.sha256
    except OSError as error:
        raise Rejected(f"cannot be read ({error.strerror})") from None


def _read(file: FoundFile, options: IngestOptions) -> tuple[Document, int]:
    """Return what a file holds, and its bytes."""
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
    return load_bytes(file.source, data, options.mark), len(data)


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


def vectors_of(store: Store, encoder: Encoder, passages: Sequence[Passage]) -> tuple[NDArray[np.float32], int]:
    """Return a row for each passage, shape (len(passages), dimension), and how many texts had to be embedded.

    Vectors of texts that the store holds already are taken from it, so a renamed file costs no embedding.
    """
    keys = [passage.embedding_key for passage in passages]
    with store.snapshot() as snapshot:
        vectors = dict(snapshot.vectors_by_key(set(keys)))
    texts = {key: passage.embedding_text for key, passage in zip(keys, passages, strict=True) if key not in vectors}
    vectors |= zip(texts, encoder.encode_passages(list(texts.values())), strict=True)
    rows = np.array([vectors[key] for key in keys], np.float32).reshape(len(keys), encoder.info.dimension)
    return rows, len(texts)


def _write(store: Store, encoder: Encoder, batch: Sequence[Loaded], report: IngestReport) -> None:
    """Store documents as one generation, but not over what was uploaded since they were read."""
    rows, embedded = vectors_of(store, encoder, [passage for loaded in batch for passage in loaded.passages])
    report.embedded += embedded
    with store.write() as writer:
        uploaded = _uploaded(store, [loaded.document.document_id for loaded in batch])
        for loaded in batch:
            count = len(loaded.passages)
            if loaded.document.document_id not in uploaded:
                writer.put(loaded.document, loaded.origin, loaded.size, loaded.passages, rows[:count])
                report.passages += count
            rows = rows[count:]
    for loaded in batch:
        if loaded.document.document_id in uploaded:
            _withdraw(report, loaded.document.source)


def _uploaded(store: Store, document_ids: Sequence[str]) -> set[str]:
    """Return those ids that are uploads'."""
    with store.reading() as (connection, _):
        rows = connection.execute(
            "SELECT document_id FROM documents"
            " WHERE origin IS NULL AND document_id IN (SELECT value FROM json_each(?))",
            (json.dumps(document_ids),),
        ).fetchall()
    return {document_id for (document_id,) in rows}


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
