"""`pincite verify` and `doctor`: whether what was answered still holds, and whether the store is sound."""

import json as json_format
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import count, note, print_json
from api.cli.options import JsonOption, StoreOption, settings_of
from index.errors import UsageError

CHECK_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("verify", epilog="Example:  pincite ask 'Who ...?' --json | pincite verify -")(verify)
    app.command("doctor", epilog="Example:  pincite doctor --repair")(doctor)


def verify(
    answers: Annotated[str, typer.Argument(help="Saved replies, JSON or JSON Lines; - for stdin.", show_default=False)],
    json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Check the citations of saved answers against the documents as they are now. Exit code 1 unless all are ok."""
    from index.store import Store
    from rag.documents import StoredDocuments
    from rag.verify import claims_from
    from rag.verify import verify as verify_claims

    claims = claims_from(_read_answers(answers))
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


def _read_answers(name: str) -> object:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}; name a file of saved replies, or - for stdin") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 at byte {error.start}; save the replies as JSON") from None
    if not text.strip():
        raise UsageError(f"{name}: empty; give replies as JSON or JSON Lines")
    try:
        return json_format.loads(text)
    except (ValueError, RecursionError):
        return [_reply(line, f"{name}:{number}") for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _reply(line: str, place: str) -> object:
    try:
        return json_format.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: not JSON ({error}); give replies as JSON or JSON Lines") from None


def doctor(
    repair: Annotated[bool, typer.Option("--repair", help="Make the derived indexes again.")] = False,
    json: JsonOption = False,
    store: StoreOption = None,
) -> None:
    """Check everything in the store against everything else. Exit code 1 if something is wrong."""
    from index import doctor as checks
    from index.store import Store

    with Store.open(settings_of(store).store) as opened:
        if repair:
            checks.repair(opened)
        problems = checks.check(opened)
    if json:
        print_json({"problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(f"{problem.where}: {problem.what}; {problem.repair}")
        note(f"{count(len(problems), 'problem')} found" if problems else "all is well")
    if problems:
        raise typer.Exit(CHECK_FAILED)
