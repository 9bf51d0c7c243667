"""`pincite index --cluster`: Ray Data reads, cuts and embeds files all over a cluster; one writer a shard stores them.

A document is stored whole or not at all, and what is stored is not embedded again: so a run that was killed goes on
where it was with the next one. Every file comes out with what became of it, or it is tried again, then reported.
"""

import logging
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.data import DataContext
from ray.exceptions import RayError

from api.build import build_embedder, chunk_limits, manifest_for
from api.cluster.connection import as_store_error, connected, resources_of
from api.cluster.workers import TRIES, Done, Indexer, Work, Writer, failure, index_one, read
from api.indexing import IndexRequest, complete, nothing_in
from api.ingest_record import save_record
from api.settings import Settings
from index.errors import UsageError
from index.file_report import FileReport
from index.files import FoundFile, find_files
from index.gone import not_found
from index.ingest import IngestOptions, IngestReport, Known, Progress, origin_of, refuse_shared_source
from index.manifest import Manifest
from index.shards import make_shards, shard_count, shard_folder, shard_of
from index.snapshot import DocumentSummary
from index.types import Encoder, document_id_of

PASSES = 2  # over all files; what is left after them, for processes that ended, is indexed file by file
RESTARTS = 1  # in a pass, of a process that ended with what it was at
SHARDS = 4  # of a store that is made without saying how many
READ_TOGETHER = 16  # files of one task
_READING = 0.25  # of a core; embedding has the rest, so that even one core has place for both
EMBEDDED_TOGETHER = 32  # files of which the passages are embedded, and written, together

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shards:
    """Where the shards are, and what they are made with. `pinned`: each is on the machine that offers its resource."""

    folder: Path
    count: int
    manifest: Manifest
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """Where to index, in how many shards (None: those there are, else 4); `pinned`: see `Shards`."""

    address: str
    shards: int | None = None
    pinned: bool = False


def run_cluster_index(
    request: IndexRequest,
    cluster: ClusterRequest,
    settings: Settings,
    notify: Callable[[str], None],
    progress: Progress,
) -> IngestReport:
    """Index on a cluster, and report. UsageError if a path is missing, there is nothing to index, or no cluster."""
    if request.rebuild or request.dry_run or request.audit:
        raise UsageError("--rebuild, --dry-run and --report do not go with --cluster; leave them out")
    paths = [Path(origin_of(path)) for path in request.paths]  # a process elsewhere has another working folder
    found = find_files(paths, list(request.exclude))
    if not found.files and shard_count(settings.store) is None:
        raise UsageError(nothing_in(request, found))
    encoder = build_embedder(settings, notify)
    options = IngestOptions(chunk_limits(encoder), settings.max_file_mb * 2**20, settings.mark_boilerplate)
    manifest = manifest_for(encoder, settings.mark_boilerplate)
    with connected(cluster.address):
        count = make_shards(settings.store, cluster.shards, SHARDS)  # it stays so: only now that all is there
        shards = Shards(settings.store.absolute(), count, manifest, cluster.pinned)
        work = Work(partial(_single_threaded, settings), options)
        report = ingest_on_cluster(shards, found.files, paths, work, request.prune, progress)
    if not (found.files or found.rejected or report.pruned or report.vanished or report.left_out):
        raise UsageError(nothing_in(request, found))
    complete(report, found, settings)
    save_record(settings.store, report, datetime.now(UTC).isoformat(timespec="seconds"))
    return report


def _single_threaded(settings: Settings) -> Encoder:
    return build_embedder(settings.model_copy(update={"threads": 1}))


def ingest_on_cluster(
    shards: Shards, files: Sequence[FoundFile], folders: Sequence[Path], work: Work, prune: bool, progress: Progress
) -> IngestReport:
    """Bring all shards up to date with `files`, found under `folders`; what one file suffers stops no other.

    Raises UsageError as `index.ingest.ingest` does, StoreError where a shard cannot be opened.
    """
    writers = _writers(shards)
    before = _known(writers)
    for file in files:
        refuse_shared_source(file, before.get(file.source))
    report = _taken_in(writers, before, files, work, progress)
    gone, left_out = not_found(before, folders, files)
    if prune:
        _remove(writers, gone)
    (report.pruned if prune else report.vanished).extend(gone)
    report.left_out += left_out
    report.files.sort(key=lambda file: file.source)
    report.generation = sum(_got([writer.generation.remote() for writer in writers]))
    return report


def _writers(shards: Shards) -> list[Any]:
    make = ray.remote(Writer)
    return [
        make.options(
            num_cpus=0, resources=resources_of(number, shards.pinned), max_restarts=TRIES, max_task_retries=TRIES
        ).remote(shard_folder(shards.folder, number), shards.manifest)
        for number in range(shards.count)
    ]


def _known(writers: Sequence[Any]) -> Known:
    return {summary.source: summary for some in _got([w.known.remote() for w in writers]) for summary in some}


def _got(futures: Sequence[Any]) -> Sequence[Any]:
    """Return what processes elsewhere give; raises what went wrong there as an error of ours."""
    try:
        given: Sequence[Any] = ray.get(list(futures))
        return given
    except RayError as error:
        raise as_store_error(error) from error


def _taken_in(
    writers: Sequence[Any], before: Known, files: Sequence[FoundFile], work: Work, progress: Progress
) -> IngestReport:
    """Index the files; those whose outcome was lost with a process are looked at again, at last each by itself."""
    report, seen = IngestReport(), set[str]()

    def take(done: Done) -> None:
        for file in done.files:
            seen.add(file.source)
            _take(report, file, before.get(file.source))
        report.embedded += done.embedded
        progress(len(seen), len(files), done.files[-1].source if done.files else "")

    known, left = before, list(files)
    for _ in range(PASSES):
        if not left:
            return report
        try:
            for done in _pipeline(writers, known, left, work):
                take(done)
        except RayError as error:
            log.warning("a process was lost (%s); what it had not done is done again", type(error).__name__)
        left = [file for file in files if file.source not in seen]
        known = _known(writers)
    for file in left:
        take(_alone(writers, known.get(file.source), file, work))
    return report


def _take(report: IngestReport, file: FileReport, before: DocumentSummary | None) -> None:
    """Take note of a file. What a process stored before its end is unchanged by now: it is told as what it was."""
    if file.status == "unchanged" and (before is None or before.sha256 != file.sha256):
        file = replace(file, status="replaced" if before else "added")
    report.take(file)
    if file.status in ("added", "replaced"):
        report.passages += file.passages or 0


def _pipeline(writers: Sequence[Any], known: Known, files: Sequence[FoundFile], work: Work) -> Iterator[Done]:
    """Yield what became of the files, as it comes."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    items = [{"item": pickle.dumps((file, known.get(file.source)))} for file in files]
    blocks = max(1, min(len(items) // READ_TOGETHER, 16 * cores))
    looks = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
        read,
        batch_size=READ_TOGETHER,
        batch_format="pyarrow",
        fn_kwargs={"options": work.options},
        num_cpus=_READING,
        max_retries=TRIES,
    )
    done = looks.map_batches(
        Indexer,
        batch_size=EMBEDDED_TOGETHER,
        batch_format="pyarrow",
        fn_constructor_kwargs={"work": work, "writers": list(writers)},
        concurrency=(1, cores),
        num_cpus=1 - _READING,
        max_restarts=RESTARTS,
        max_task_retries=RESTARTS,
    )
    for row in done.iter_rows():
        yield pickle.loads(row["item"])


def _alone(writers: Sequence[Any], before: DocumentSummary | None, file: FoundFile, work: Work) -> Done:
    """Index one file in processes that nothing else depends on."""
    task = ray.remote(index_one).options(max_retries=TRIES - 1)
    try:
        done: Done = ray.get(task.remote(list(writers), before, file, work))
        return done
    except RayError as error:
        return Done([FileReport(file.source, "rejected", failure(error))], 0)


def _remove(writers: Sequence[Any], sources: Sequence[str]) -> None:
    parts: dict[int, list[str]] = {}
    for source in sources:
        parts.setdefault(shard_of(document_id_of(source), len(writers)), []).append(source)
    _got([writers[number].remove.remote(part) for number, part in parts.items()])
