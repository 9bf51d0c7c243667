"""`pincite verify`, `doctor` and `backup`: whether answers still hold, whether the store is sound, and a copy of it."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import note, print_json, progress
from api.cli.options import JsonOption, StoreOption, settings_of
from api.cli.replies import read_replies, told_of
from api.words import count
from index.errors import StoreError

if TYPE_CHECKING:
    from index.doctor import Problem

CHECK_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("verify", epilog="Example:  pincite ask 'Who ...?' --json | pincite verify -")(verify)
    app.command("doctor", epilog="Example:  pincite doctor --repair")(doctor)
    app.command("backup", epilog="Example:  pincite backup /backups/articles-2026-03-01")(backup)


def verify(
    answers: Annotated[str, typer.Argument(help="Saved replies, JSON or JSON Lines; - for stdin.", show_default=False)],
    json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Check that the citations of saved answers still hold.

    They are held against the documents as they are now. Exit code 1 unless all are ok.
    """
    from index.store import Store
    from rag.documents import StoredDocuments
    from rag.verify import claims_from
    from rag.verify import verify as verify_claims

    saved = read_replies(answers)
    with told_of(answers):
        claims = claims_from(saved)
    with Store.open(settings_of(store).store) as opened, opened.snapshot() as snapshot:
        verdicts = verify_claims(claims, StoredDocuments(snapshot))
    if json:
        print_json({"results": [asdict(verdict) for verdict in verdicts]})
    else:
        for claim, verdict in zip(claims, verdicts, strict=True):
            where = f"{verdict.source} [{verdict.start}:{verdict.end}]" if verdict.source else "nowhere"
            typer.echo(f"{verdict.status}\t{where}\t{' '.join(claim.quote.split())}")
        kinds = Counter(verdict.status for verdict in verdicts)
        note(", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "no citations")
    if any(verdict.status != "ok" for verdict in verdicts):
        raise typer.Exit(CHECK_FAILED)


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Make the derived indexes again.")] = False,
    json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Check everything in the store against everything else. Exit code 1 if something is wrong."""
    from index import doctor as checks
    from index.store import Store

    with Store.open(settings_of(store).store) as opened:
        problems = checks.repair(opened) if repair else checks.check(opened)
        problems += _calibration_problems(opened.folder)
    if json:
        print_json({"problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            told = problem.what if problem.repair in problem.what else f"{problem.what}; {problem.repair}"
            typer.echo(f"{problem.where}: {told}")
        well = "the indexes were made again; all is well" if repair else "all is well"
        note(f"{count(len(problems), 'problem')} found" if problems else well)
    if problems:
        raise typer.Exit(CHECK_FAILED)


def _calibration_problems(folder: Path) -> "list[Problem]":
    from api.build import CALIBRATION
    from index.doctor import Problem
    from rag.calibrate import Calibration

    path = folder / CALIBRATION
    try:
        if path.is_file():
            Calibration.load(path)
    except StoreError as error:
        what, _, mended = str(error).removeprefix(f"{path}: ").partition("; ")
        return [Problem(what, CALIBRATION, mended)]
    return []


def backup(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A folder that does not exist.")],
    json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Copy the store, while it is in use, to a new folder. The copy is a store itself (use it with --store)."""
    from index import backup as backups
    from index.store import Store

    with Store.open(settings_of(store).store) as opened, progress("copying") as step:
        made = backups.backup(opened, destination, step)
    if json:
        print_json({"folder": str(made.folder), "generation": made.generation, "documents": made.documents})
    else:
        typer.echo(made.folder)
        note(f"{count(made.documents, 'document')}, generation {made.generation}")
