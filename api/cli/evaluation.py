"""`pincite eval` and `calibrate`: how good the answers are, and how sure to be of them."""

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import count, note, progress
from api.cli.options import EmbedderOption, ReaderOption, StoreOption, TopKOption, settings_of
from index.errors import UsageError

GoldArgument = Annotated[Path, typer.Argument(help="A gold set: JSON Lines, SQuAD JSON or CSV.", show_default=False)]
Minimums = Annotated[
    list[str] | None,
    typer.Option("--min", metavar="METRIC=V", help="Exit with 1 if a metric is below V; repeatable."),
]
Maximums = Annotated[
    list[str] | None,
    typer.Option("--max", metavar="METRIC=V", help="Exit with 1 if a metric is above V; repeatable."),
]
GATE_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("eval", epilog="Example:  pincite eval gold.jsonl --json report.json --min f1=0.75")(evaluate)
    app.command("calibrate", epilog="Example:  pincite calibrate gold.jsonl")(calibrate)


def evaluate(
    gold: GoldArgument,
    json: Annotated[Path | None, typer.Option("--json", help="Write the whole report to this file.")] = None,
    minimum: Minimums = None,
    maximum: Maximums = None,
    top_k: TopKOption = 10,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Ask every question of a gold set, and measure answers, citations, retrieval, confidence and time."""
    from api.evaluating import run_evaluation  # the models and indexes are slow to import
    from rag.evaluate import check_gates

    minimums, maximums = _gates(minimum), _gates(maximum)
    with progress("asking") as step:
        report = run_evaluation(gold, settings_of(store, embedder, reader), top_k, note, step)
    _print_table(report)
    if json:
        _write(json, report)
    failures = check_gates(report["metrics"], minimums, maximums)
    for failure in failures:
        note(f"pincite: {failure}")
    if failures:
        raise typer.Exit(GATE_FAILED)


def _gates(given: list[str] | None) -> dict[str, float]:
    gates = {}
    for text in given or []:
        name, _, value = text.partition("=")
        try:
            gates[name] = float(value)
        except ValueError:
            raise UsageError(f"{text!r} is no gate; write METRIC=NUMBER, for example f1=0.75") from None
    return gates


def _write(path: Path, report: dict[str, object]) -> None:
    try:
        path.write_text(json_format.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from None


def _print_table(report: dict[str, object]) -> None:
    from rag.evaluate import format_table, stages

    rows = [("metric", "value", "95 % interval", "n"), *format_table(report)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, *numbers in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        typer.echo("  ".join([name.ljust(widths[0]), *cells]))
    typer.echo("")
    typer.echo("where answers were lost: " + ", ".join(f"{stage} {number}" for stage, number in stages(report)))


def calibrate(
    gold: GoldArgument,
    top_k: TopKOption = 10,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Fit confidence to a gold set over these documents; it is written into the store, never into a model."""
    from api.evaluating import run_calibration

    with progress("asking") as step:
        path, calibration = run_calibration(gold, settings_of(store, embedder, reader), top_k, note, step)
    typer.echo(
        f"{path}: fitted on {count(calibration.questions, 'question')}; "
        f"answers are given from confidence {calibration.threshold:.2f}"
    )
    note("measure it with questions that it was not fitted on")
