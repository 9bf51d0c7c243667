"""`pincite index`, `list` and `remove`: what is in the store."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import count, note, print_json, progress
from api.cli.options import EmbedderOption, JsonOption, StoreOption, settings_of
from index.errors import UsageError

Paths = Annotated[list[Path] | None, typer.Argument(help="Files and folders (.txt, .md).", show_default=False)]


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
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a file was rejected.")] = False,
    json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
) -> None:
    """Bring the store up to date with files: only what is new or changed is read and embedded."""
    from api.indexing import IndexRequest, run_index  # the models and indexes are slow to import

    if not paths and not rebuild:
        raise UsageError("nothing to index: name files or folders, for example `pincite index articles`")
    request = IndexRequest(tuple(paths or ()), tuple(exclude or ()), prune, rebuild, dry_run)
    with progress("indexing") as step:
        report = run_index(request, settings_of(store, embedder), note, step)
    if json:
        print_json(asdict(report))
    else:
        _print_report(asdict(report), dry_run)
    if strict and report.rejected:
        raise typer.Exit(1)


def _print_report(report: dict[str, list[object]], dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    for key in ("rejected", "unsupported", "vanished", "left_out"):
        for item in report[key]:
            line = f"{item['source']}: {item['reason']}" if isinstance(item, dict) else str(item)
            note(f"{SAID.get(key, key)}: {line}")
    changed = [
        f"{count(len(report[key]), 'document')} {would}{key}" for key in ("added", "replaced", "pruned") if report[key]
    ]
    kept = [f"{len(report[key])} {key}" for key in ("unchanged", "rejected", "unsupported", "excluded") if report[key]]
    typer.echo(", ".join([*changed, *kept]) or "nothing found")
    passages = f"{report['passages']:,} passages, {report['embedded']:,} embedded"
    typer.echo(passages if not dry_run else f"{report['passages']:,} passages would be made")
    if report["vanished"]:
        note("vanished files are still answered from; `--prune` removes them")


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
    """Remove documents: once this returns, no question is answered from them. The files stay where they are."""
    from index.ingest import remove as remove_documents
    from index.store import Store

    with Store.open(settings_of(store).store) as opened:
        with opened.snapshot() as snapshot:
            known = {summary.source for summary in snapshot.list_documents()}
        if unknown := [source for source in sources if source not in known]:
            raise UsageError(f"not in the store: {', '.join(unknown)}; `pincite list` shows what is")
        remove_documents(opened, sources)
    typer.echo(f"{count(len(set(sources)), 'document')} removed")
