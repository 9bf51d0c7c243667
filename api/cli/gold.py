"""`pincite gold check` and `gold new`: a gold set held against the documents, and made from confirmed answers."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import note, print_json
from api.cli.options import StoreOption, settings_of
from api.cli.replies import read_replies, told_of
from api.words import count
from index.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag.gold import GoldQuestion

CHECK_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add these commands."""
    gold = typer.Typer(
        name="gold",
        help="Check a gold set, or make one of answers that you confirmed.",
        epilog="Example:  pincite gold check gold.jsonl",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    gold.command("check", epilog="Example:  pincite gold check gold.jsonl")(check)
    gold.command("new", epilog="Example:  pincite ask 'Who ...?' --json | pincite gold new - --out gold.jsonl")(new)
    app.add_typer(gold)


def check(
    gold: Annotated[Path, typer.Argument(help="A gold set: JSON Lines, SQuAD JSON or CSV.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    store: StoreOption = None,
) -> None:
    """Check a gold set against the documents. Exit code 1 if something is wrong.

    Answers and evidence have to be in the documents, and nothing may come twice. An answer that is there in its
    normalised form alone is noted, and is nothing wrong.
    """
    from index.store import Store
    from rag.documents import StoredDocuments
    from rag.gold import load_placed
    from rag.goldcheck import check_gold

    placed = load_placed(gold)
    with Store.open(settings_of(store).store) as opened, opened.snapshot() as snapshot:
        findings = check_gold(placed, StoredDocuments(snapshot))
    faults = sum(not finding.note for finding in findings)
    if json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            typer.echo(f"{finding.place}: {finding.id}: {'note: ' if finding.note else ''}{finding.what}")
        note(f"{count(len(placed), 'question')}: {count(faults, 'fault') if faults else 'nothing wrong'}")
    if faults:
        raise typer.Exit(CHECK_FAILED)


def new(
    answers: Annotated[str, typer.Argument(help="Saved replies, JSON or JSON Lines; - for stdin.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="Add the lines to this file, not to stdout.")] = None,
    store: StoreOption = None,
) -> None:
    """Make gold questions of answers that you confirmed. Exit code 1 if something was left out.

    Evidence are the citations that still hold; a null answer becomes an unanswerable question. A question that is in
    the file already is passed over.
    """
    from index.store import Store
    from rag.documents import StoredDocuments
    from rag.gold import load_lines
    from rag.goldnew import new_gold

    replies = read_replies(answers)
    there = load_lines(out) if out and out.exists() else []
    with Store.open(settings_of(store).store) as opened, opened.snapshot() as snapshot, told_of(answers):
        made = new_gold(replies, StoredDocuments(snapshot), there)
    _put(made.questions, out)
    for sentence in made.skipped:
        note(f"pincite: {sentence}")
    known = f", {made.known} there already" if made.known else ""
    note(f"{count(len(made.questions), 'question')} added{known}")
    if made.skipped:
        raise typer.Exit(CHECK_FAILED)


def _put(questions: "Sequence[GoldQuestion]", out: Path | None) -> None:
    from rag.gold import line_of

    lines = "".join(f"{line_of(question)}\n" for question in questions)
    if out is None or not lines:
        typer.echo(lines, nl=False)
        return
    try:
        with out.open("a+b") as file:
            file.seek(0)
            content = file.read()
            file.write((b"\n" if content and not content.endswith(b"\n") else b"") + lines.encode())
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}; name a file that can be written") from None
