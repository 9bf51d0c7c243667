"""Files -> store: reads what is new or changed, embeds only what no passage held before, reports every file."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from index import ahead
from index.chunk import chunk
from index.chunk_limits import ChunkLimits
from index.errors import Rejected, UsageError
from index.file_report import FileReport, linked, of_document, of_summary
from index.files import FoundFile, Skipped
from index.load import load_bytes
from index.models import sha256_of
from index.put import Loaded, write_documents
from index.sketches import Sketches
from index.snapshot import DocumentSummary
from index.store import Store
from index.types import Document, Encoder, document_id_of

UPLOADED = "an uploaded document has this source; remove it (`pincite remove SOURCE`) or upload the file"


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one file before anything is cut, embedded or stored.

    `status` is added, replaced, unchanged or rejected, the last with a `reason`. `document` is what was read: of an
    unchanged file nothing, unless the run is an audit. `before` is what the store held of its source.
    """

    file: FoundFile
    status: str
    reason: str | None = None
    document: Document | None = None
    size: int = 0  # bytes
    before: DocumentSummary | None = None

    @property
    def to_store(self) -> Document | None:
        """Return the document that the store lacks; None where there is nothing to do."""
        return self.document if self.status in ("added", "replaced") else None


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

    def take(self, file: FileReport) -> None:
        """Take note of a file that was found."""
        rejected = file.status == "rejected"
        getattr(self, file.status).append(Skipped(file.source, file.reason or "") if rejected else file.source)
        self.files.append(file)


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How documents are cut, and the most bytes that a file may have. `mark`: whether boilerplate is marked.

    `audit`: unchanged files are read too, and texts that are nearly the same are linked in the report.
    """

    limits: ChunkLimits
    max_bytes: int
    mark: bool = True
    audit: bool = False


Progress = Callable[[int, int, str], None]  # files done, files in all, source; called in the thread that reads
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
    report, withdrawn, over = IngestReport(), list[str](), threading.Event()

    def tell(done: int, total: int, source: str) -> None:
        if over.is_set():  # nobody waits for what is read here: an error, or Ctrl-C
            raise CancelledError
        progress(done, total, source)

    changed = _changed(known_documents(store), files, encoder, options, (report, tell))
    with (
        closing(ahead.one_ahead(ahead.in_pieces(changed), over)) as read,
        closing(ahead.one_ahead(ahead.embedded(store, encoder, read, over), over)) as ready,
    ):
        for batch, rows, count in ready:
            report.embedded += count
            uploads = write_documents(store, batch, rows)
            stored = [loaded for loaded in batch if loaded.document.document_id not in uploads]
            report.passages += sum(len(loaded.passages) for loaded in stored)
            withdrawn += [loaded.document.source for loaded in batch if loaded.document.document_id in uploads]
    for source in withdrawn:  # not earlier: the thread that reads fills the lists of the report until its end
        _withdraw(report, source)
    return report


def origin_of(path: Path) -> str:
    """Return the absolute path that a document's origin is kept as; `..` is resolved, links are not."""
    return os.path.abspath(path)


def refuse_shared_source(file: FoundFile, known: DocumentSummary | None) -> None:
    """Raise UsageError if the store has the source from another file, which is still there."""
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
        refuse_shared_source(file, known.get(file.source))
    for done, file in enumerate(files):
        progress(done, len(files), file.source)
        seen = look_at(file, known.get(file.source), options)
        if seen.document and options.audit:
            sketches.add(seen.document)
        loaded = cut(seen, encoder, options.limits)
        report.take(report_of(seen, loaded))
        if loaded:
            yield loaded
    report.files = linked(report.files, sketches.copies())
    progress(len(files), len(files), "")


def look_at(file: FoundFile, before: DocumentSummary | None, options: IngestOptions) -> Look:
    """Read a file, unless the store holds what is in it: `before` is what it holds of the file's source."""
    if before and before.origin is None:
        return Look(file, "rejected", UPLOADED)
    try:
        same = before is not None and _is_stored(file, before)
        document, size = _read(file, options) if options.audit or not same else (None, 0)
    except Rejected as reason:
        kept = "; the version indexed before is kept" if before else ""
        return Look(file, "rejected", str(reason).removeprefix(f"{file.source}: ") + kept, before=before)
    status = "unchanged" if same else "replaced" if before else "added"
    return Look(file, status, None, document, size, before)


def report_of(look: Look, loaded: Loaded | None) -> FileReport:
    """Return what became of a file; `loaded` is what is stored of it now."""
    if look.document:
        known = look.before.passages if look.before and not loaded else 0
        return of_document(look.document, look.status, len(loaded.passages) if loaded else known)
    if look.before and look.status == "unchanged":
        return of_summary(look.before)
    return FileReport(look.file.source, look.status, look.reason)


def cut(look: Look, encoder: Encoder, limits: ChunkLimits) -> Loaded | None:
    """Return what is to be stored of a file, cut into passages; None where there is nothing to do."""
    if not (document := look.to_store):
        return None
    return Loaded(document, origin_of(look.file.path), look.size, chunk(document, encoder, limits))


def _withdraw(report: IngestReport, source: str) -> None:
    """Reject a file that the report has as stored: an upload came first."""
    for listed in (report.added, report.replaced):
        if source in listed:
            listed.remove(source)
    report.files = [file for file in report.files if file.source != source]
    report.take(FileReport(source, "rejected", UPLOADED))


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


def remove(store: Store, sources: Sequence[str]) -> None:
    """Remove documents by source, as one generation; no later question sees them."""
    with store.write() as writer:
        for source in sources:
            writer.remove(document_id_of(source))
