"""`pincite index`, `list` and `remove`: what is in the store."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import note, print_json, progress
from api.cli.options import (
    ClusterOption,
    EmbedderOption,
    JsonOption,
    StoreOption,
    expect_writable,
    settings_of,
)
from api.words import count
from index.errors import UsageError

if TYPE_CHECKING:  # slow to import
    from api.indexing import IndexRequest
    from api.settings import Settings
    from index.file_report import FileReport
    from index.ingest import IngestReport

Paths = Annotated[
    list[Path] | None, typer.Argument(help="Files and folders (.txt, .md, .html, .pdf, .docx).", show_default=False)
]


CHANGED, KEPT = ("added", "replaced", "pruned"), ("unchanged", "rejected", "unsupported", "excluded")
SAID = {"left_out": "excluded now, still answered from (`pincite remove` removes it)"}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("index", epilog="Example:  pincite index articles --exclude 'drafts/*'")(index)
    app.command("list", epilog="Example:  pincite list --json")(list_documents)
    app.command("remove", epilog="Example:  pincite remove 2019/old.txt")(remove)


def index(
    paths: Paths = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out what matches this glob; repeatable.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove documents whose files are gone.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Cut and embed every stored document again, for another embedder.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was made of every file: a page (.html), else JSON.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a file was rejected.")] = False,
    cluster: ClusterOption = None,
    shards: Annotated[
        int | None, typer.Option(min=1, help="With --cluster: how many shards a new store has [4].", show_default=False)
    ] = None,
    pinned: Annotated[
        bool, typer.Option("--pinned", help="With --cluster: each shard is on the machine that offers pincite-shard-N.")
    ] = False,
    json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
) -> None:
    """Bring the store up to date with files. Only what is new or changed is read and embedded."""
    from api.indexing import IndexRequest  # the models and indexes are slow to import

    if cluster is None and (shards or pinned):
        raise UsageError("--shards and --pinned are of a store on a cluster; name it with --cluster")
    if not paths and not rebuild:
        raise UsageError("nothing to index: name files or folders, for example `pincite index articles`")
    request = IndexRequest(tuple(paths or ()), tuple(exclude or ()), prune, rebuild, dry_run, audit=report is not None)
    settings = settings_of(store, embedder)
    _expect_report(report, request)
    found = _run(request, settings) if cluster is None else _run_on(cluster, shards, pinned, request, settings)
    if report:
        write_report(report, found, request, settings)
    if json:
        print_json(asdict(found))
    else:
        print_report(found, dry_run)
    if strict and found.rejected:
        raise typer.Exit(1)


def _expect_report(report: Path | None, request: "IndexRequest") -> None:
    """Raise UsageError, before anything is indexed, where the report cannot be written or would replace a document."""
    from index.files import find_files

    expect_writable(report)
    if report and report.exists():
        place = report.resolve()
        if any(one.path.resolve() == place for one in find_files(request.paths, request.exclude).files):
            raise UsageError(f"{report}: is a file to be indexed; name another for the report")


def _run(request: "IndexRequest", settings: "Settings") -> "IngestReport":
    from api.indexing import run_index

    with progress("indexing") as step:
        return run_index(request, settings, note, step)


def _run_on(
    address: str, shards: int | None, pinned: bool, request: "IndexRequest", settings: "Settings"
) -> "IngestReport":
    from api.cluster.ingestion import ClusterRequest, run_cluster_index

    with progress("indexing") as step:
        return run_cluster_index(request, ClusterRequest(address, shards, pinned), settings, note, step)


def write_report(path: Path, report: "IngestReport", request: "IndexRequest", settings: "Settings") -> None:
    """Write the report where --report says: a page that shows what is marked in its place, or JSON."""
    from api.ingest_page import pages
    from index.files import find_files

    with path.open("w", encoding="utf-8") as file:
        if path.suffix.lower() in (".html", ".htm"):
            files = {one.source: one.path for one in find_files(request.paths, request.exclude).files}
            file.writelines(pages(report, files, settings.mark_boilerplate))
        else:
            file.write(dumps(asdict(report), ensure_ascii=False, indent=2))


def print_report(report: "IngestReport", dry_run: bool = False) -> None:
    """Say what was done: what needs a look as notes, what a dry run found of each file, and the totals."""
    would = "would be " if dry_run else ""
    # What is excluded was asked for, and may be long: only a dry run names it.
    for key in ("rejected", "unsupported", *(["excluded"] if dry_run else [])):
        for item in getattr(report, key):
            note(f"{key}: {item.source}: {item.reason}")
    for key in ("vanished", "left_out", "pruned"):
        for source in getattr(report, key):
            note(f"{would if key == 'pruned' else ''}{SAID.get(key, key)}: {source}")
    for file in report.files:
        if dry_run and file.characters is not None:
            typer.echo(file_line(file))
        elif file.notes:
            note(f"{file.source}: {'; '.join(file.notes)}")
    lengths = {key: len(getattr(report, key)) for key in (*CHANGED, *KEPT)}
    changed = [f"{count(lengths[key], 'document')} {would}{key}" for key in CHANGED if lengths[key]]
    kept = [f"{lengths[key]} {key}" for key in KEPT if lengths[key]]
    typer.echo(", ".join([*changed, *kept]) or ("cut and embedded again" if report.embedded else "nothing found"))
    passages = count(report.passages, "passage")
    typer.echo(f"{passages} would be made" if dry_run else f"{passages}, {report.embedded:,} embedded")
    for warning in report.warnings:
        note(f"warning: {warning}")
    if report.vanished:
        note("vanished files are still answered from; `--prune` removes them")


def file_line(file: "FileReport") -> str:
    """Return what a dry run says of a file that can be read, in one line."""
    title = (file.metadata or {}).get("title")
    marked = f"{100 * (file.marked or 0) // (file.characters or 1)}% marked" if file.marked is not None else ""
    copy = f"same bytes as {file.duplicate_of}" if file.duplicate_of else ""
    if file.near_duplicate_of:
        copy = f"near copy of {file.near_duplicate_of} ({file.likeness})"
    facts = (file.encoding, file.language, marked, title.value if title else "", copy, *file.notes)
    return "\t".join([file.status, file.source, " · ".join(fact for fact in facts if fact)])


def list_documents(json: JsonOption = False, store: StoreOption = None) -> None:
    """List the documents in the store, by source."""
    from api.schemas import DocumentReply, DocumentsReply
    from index.store import Store

    with Store.open(settings_of(store).store) as opened, opened.snapshot() as snapshot:
        documents = snapshot.list_documents()
    if json:
        reply = DocumentsReply(documents=[DocumentReply.of(document) for document in documents], next=None)
        print_json(reply.model_dump(mode="json"))
        return
    for document in documents:
        facts = [field.value for _, field in document.metadata.items()]
        typer.echo("\t".join([document.source, count(document.passages, "passage"), " · ".join(facts)]))
    if not documents:
        note("the store is empty; fill it with `pincite index PATHS`")


def remove(
    sources: Annotated[list[str], typer.Argument(help="Sources as `pincite list` shows them.", show_default=False)],
    store: StoreOption = None,
) -> None:
    """Remove documents from the store; the files stay. Once this returns, no question is answered from them."""
    from index.originals import remove_documents
    from index.store import Store
    from index.types import document_id_of

    with Store.open(settings_of(store).store) as opened:
        with opened.snapshot() as snapshot:
            known = {summary.source for summary in snapshot.list_documents()}
        if unknown := [source for source in sources if source not in known]:
            raise UsageError(f"not in the store: {', '.join(unknown)}; `pincite list` shows what is")
        remove_documents(opened, map(document_id_of, sources))
    typer.echo(f"{count(len(set(sources)), 'document')} removed")
