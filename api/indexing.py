"""One run of `pincite index`: find the files, open or make the store, bring it up to date."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.build import build_embedder, chunk_limits, manifest_for
from api.embedding_progress import CountedEncoder
from api.ingest_record import save_record
from api.settings import Settings
from index.errors import UsageError
from index.file_report import FileReport
from index.files import Found, find_files
from index.gone import not_found, remove_gone
from index.ingest import (
    IngestOptions,
    IngestReport,
    Progress,
    ingest,
    known_documents,
    survey,
)
from index.load import KINDS
from index.models import DEFAULT_EMBEDDER
from index.originals import sweep
from index.rebuild import rebuild
from index.store import Store
from index.types import Encoder

COVERED = "en"  # the language that the default models were trained on


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """What to index, and how; see `pincite index --help`.

    `audit`: the report describes unchanged files too, and links texts that are nearly the same.
    """

    paths: tuple[Path, ...]
    exclude: tuple[str, ...] = ()
    prune: bool = False
    rebuild: bool = False
    dry_run: bool = False
    audit: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run works with."""

    request: IndexRequest
    found: Found
    encoder: Encoder
    options: IngestOptions
    progress: Progress


def run_index(
    request: IndexRequest, settings: Settings, notify: Callable[[str], None], progress: Progress
) -> IngestReport:
    """Index and report. UsageError if a path is missing or there is nothing to index."""
    if request.rebuild and request.dry_run:
        raise UsageError("--rebuild and --dry-run do not go together; leave one out")
    found = find_files(list(request.paths), list(request.exclude))
    exists = Store.exists(settings.store)
    if request.rebuild and not request.paths:
        Store.open(settings.store).close()
    elif not found.files and not exists:
        raise UsageError(nothing_in(request, found))
    encoder = build_embedder(settings, notify)
    options = IngestOptions(
        chunk_limits(encoder), settings.max_file_mb * 2**20, settings.mark_boilerplate, request.audit or request.dry_run
    )
    counted = CountedEncoder(encoder, progress)
    run = _Run(request, found, counted, options, counted.progress)
    if request.dry_run and not exists:
        report = survey({}, found.files, encoder, options, progress)
    else:
        report = _update(run, settings.store, exists)
    complete(report, found, settings)
    if not request.dry_run:
        save_record(settings.store, report, datetime.now(UTC).isoformat(timespec="seconds"))
    return report


def complete(report: IngestReport, found: Found, settings: Settings) -> None:
    """Add to a report what was found and not read, and what the user should know of the whole."""
    for status in ("rejected", "unsupported", "excluded"):
        skipped = getattr(found, status)
        getattr(report, status).extend(skipped)
        report.files += [FileReport(one.source, status, one.reason) for one in skipped]
    report.found = len(report.files)
    report.warnings += warnings_of(report.files, settings)


def warnings_of(files: Sequence[FileReport], settings: Settings) -> list[str]:
    """Return what the user should know of the files that were indexed: languages that the models do not cover."""
    if settings.embedder != DEFAULT_EMBEDDER:
        return []  # what another embedder covers is not known
    languages = Counter(file.language for file in files if file.language and not file.language.startswith(COVERED))
    if not languages:
        return []
    listed = ", ".join(f"{language} {number}" for language, number in languages.most_common())
    return [
        f"{languages.total()} of the documents are not in English ({listed}): the default models know English alone, "
        "so answers from these are poor; name others with --embedder and --reader"
    ]


def _update(run: _Run, folder: Path, exists: bool) -> IngestReport:
    manifest = manifest_for(run.encoder, run.options.mark)
    rebuilt = 0
    if run.request.rebuild and exists:
        with Store.open(folder) as store:
            rebuilt = rebuild(store, manifest, run.encoder, run.options.limits, run.progress)
    with Store.open(folder, manifest, create=True) as store:
        report = _ingest(run, store)
    report.embedded += rebuilt
    if not run.request.paths:  # else it has the passages of what was added and replaced
        report.passages += rebuilt
    return report


def _ingest(run: _Run, store: Store) -> IngestReport:
    request, files = run.request, run.found.files
    known = known_documents(store)
    gone, left_out = not_found(known, request.paths, files)
    if not (files or run.found.rejected or gone or left_out or request.rebuild):
        raise UsageError(nothing_in(request, run.found))
    if request.dry_run:
        report = survey(known, files, run.encoder, run.options, run.progress)
    else:
        report = ingest(store, files, run.encoder, run.options, run.progress)
        if request.prune and gone:
            gone = remove_gone(store, gone)
        sweep(store)  # bytes of uploads that a call which was cut off left behind
    (report.pruned if request.prune else report.vanished).extend(gone)
    report.left_out += left_out
    with store.snapshot() as snapshot:
        report.generation = snapshot.generation
    return report


def nothing_in(request: IndexRequest, found: Found) -> str:
    """Return the error of a run that has nothing to do."""
    named = ", ".join(map(str, request.paths))
    lists = ("rejected", "unsupported", "excluded")
    passed_over = ", ".join(f"{len(getattr(found, status))} {status}" for status in lists)
    first = next((f"; {one.source}: {one.reason}" for one in found.rejected), "")
    return f"{named}: nothing to index ({passed_over}){first}; name a folder with files of {KINDS}"
