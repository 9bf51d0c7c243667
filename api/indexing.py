"""One run of `pincite index`: find the files, open or make the store, bring it up to date."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from api.build import build_embedder, chunk_limits, manifest_for
from api.settings import Settings
from index.errors import UsageError
from index.files import Found, find_files
from index.ingest import (
    IngestOptions,
    IngestReport,
    Progress,
    ingest,
    known_documents,
    rebuild,
    remove,
    survey,
    vanished,
)
from index.manifest import Manifest
from index.store import Store
from index.types import Encoder


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """What to index, and how; see `pincite index --help`."""

    paths: tuple[Path, ...]
    exclude: tuple[str, ...] = ()
    prune: bool = False
    rebuild: bool = False
    dry_run: bool = False


def run_index(
    request: IndexRequest, settings: Settings, notify: Callable[[str], None], progress: Progress
) -> IngestReport:
    """Index and report. UsageError if a path is missing or there is nothing to index."""
    found = find_files(list(request.paths), list(request.exclude))
    exists = Store.exists(settings.store)
    if not found.files and not exists:
        raise UsageError(_nothing(request, found))
    encoder = build_embedder(settings, notify)
    options = IngestOptions(chunk_limits(encoder), settings.max_file_mb * 2**20)
    if request.dry_run and not exists:
        report = survey({}, found.files, encoder, options, progress)
    else:
        manifest = manifest_for(encoder)
        embedded = _rebuild(settings.store, manifest, encoder, progress) if request.rebuild and exists else 0
        with Store.open(settings.store, manifest, create=True) as store:
            report = _update(request, found, store, encoder, options, progress)
        report.embedded += embedded
    report.unsupported += found.unsupported
    report.excluded += found.excluded
    return report


def _rebuild(folder: Path, manifest: Manifest, encoder: Encoder, progress: Progress) -> int:
    with Store.open(folder) as store:
        return rebuild(store, manifest, encoder, chunk_limits(encoder), progress)


def _update(
    request: IndexRequest, found: Found, store: Store, encoder: Encoder, options: IngestOptions, progress: Progress
) -> IngestReport:
    gone = vanished(known_documents(store).values(), request.paths, found.files)
    if not found.files and not gone and not request.rebuild:
        raise UsageError(_nothing(request, found))
    if request.dry_run:
        report = survey(known_documents(store), found.files, encoder, options, progress)
    else:
        report = ingest(store, found.files, encoder, options, progress)
        if request.prune and gone:
            remove(store, gone)
    (report.pruned if request.prune else report.vanished).extend(gone)
    with store.snapshot() as snapshot:
        report.generation = snapshot.generation
    return report


def _nothing(request: IndexRequest, found: Found) -> str:
    named = ", ".join(map(str, request.paths))
    passed_over = f" ({len(found.unsupported)} unsupported, {len(found.excluded)} excluded)"
    return f"{named}: nothing to index{passed_over}; name a folder with .txt or .md files"
