"""`pincite eval` and `calibrate`: how good the answers are, and how sure to be of them."""

import hashlib
import json as json_format
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.console import note, progress
from api.cli.options import (
    ClusterOption,
    EmbedderOption,
    ReaderOption,
    StoreOption,
    TopKOption,
    expect_writable,
    settings_of,
)
from api.words import count
from index.errors import UsageError

if TYPE_CHECKING:
    from api.settings import Settings
    from rag.compare import Baseline
    from rag.paired import Paired

GoldArgument = Annotated[Path, typer.Argument(help="A gold set: JSON Lines, SQuAD JSON or CSV.", show_default=False)]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the whole report to this file.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a page to read.")]
BaselineFile = Annotated[
    Path | None,
    typer.Option("--baseline", metavar="FILE", help="Compare with the JSON report of an earlier run."),
]
Minimums = Annotated[
    list[str] | None,
    typer.Option("--min", metavar="METRIC=V", help="Exit with 1 if a metric is below V; repeatable."),
]
Maximums = Annotated[
    list[str] | None,
    typer.Option("--max", metavar="METRIC=V", help="Exit with 1 if a metric is above V; repeatable."),
]
Drops = Annotated[
    list[str] | None,
    typer.Option("--max-drop", metavar="METRIC=V", help="Exit with 1 if it is worse than the baseline's by more."),
]
AllowDifferent = Annotated[
    bool, typer.Option("--allow-different", help="Compare over the common questions of other gold sets or documents.")
]
GATE_FAILED = 1
FEW = 100  # questions: a share seen in so many is known to +-0.1 (95 %: 1.96 * sqrt(0.25 / 100))
LISTED = 20  # the most questions won or lost that are printed; the files have them all


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("eval", epilog="Example:  pincite eval gold.jsonl --html report.html --min f1=0.75")(evaluate)
    app.command("calibrate", epilog="Example:  pincite calibrate gold.jsonl")(calibrate)


def evaluate(
    gold: GoldArgument,
    json: JsonFile = None,
    html: HtmlFile = None,
    baseline: BaselineFile = None,
    minimum: Minimums = None,
    maximum: Maximums = None,
    max_drop: Drops = None,
    allow_different: AllowDifferent = False,
    cluster: ClusterOption = None,
    top_k: TopKOption = 10,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Ask every question of a gold set, and measure the answers. Also citations, retrieval, confidence and time."""
    from rag.compare import check_drops, compare
    from rag.evaluate import check_gates

    minimums, maximums, drops = _gates(minimum), _gates(maximum), _gates(max_drop)
    settings = settings_of(store, embedder, reader)
    if baseline is None and (drops or allow_different):
        raise UsageError(
            "--max-drop and --allow-different compare with an earlier run; name its report with --baseline"
        )
    expect_writable(json, html)
    _expect_apart(gold, json, html)
    # What a cluster holds is known once it has been asked.
    earlier = _baseline(baseline, gold, settings.store, allow_different or cluster is not None) if baseline else None
    report = _report(gold, settings, top_k, cluster)
    failures = check_gates(report["metrics"], minimums, maximums)
    if earlier:
        report["comparison"] = compare(report, earlier, allow_different)
        failures += check_drops(report["comparison"], drops)
    _print_report(report)
    _write_files(report, json, html)
    for failure in failures:
        note(f"pincite: {failure}")
    if failures:
        raise typer.Exit(GATE_FAILED)


def _report(gold: Path, settings: "Settings", top_k: int, cluster: str | None) -> dict[str, Any]:
    with progress("asking") as step:
        if cluster is not None:
            from api.cluster.evaluating import run_cluster_evaluation

            return run_cluster_evaluation(cluster, gold, settings, top_k=top_k, notify=note, progress=step)
        from api.evaluating import run_evaluation  # the models and indexes are slow to import

        return run_evaluation(gold, settings, top_k, note, step)


def _gates(given: list[str] | None) -> dict[str, float]:
    gates = {}
    for text in given or []:
        name, _, value = text.partition("=")
        try:
            gates[name] = float(value)
        except ValueError:
            gates[name] = math.nan
        if not (name and math.isfinite(gates[name])):
            raise UsageError(f"{text!r} is no gate; write METRIC=NUMBER, for example f1=0.75")
    return gates


def _expect_apart(*paths: Path | None) -> None:
    """Raise UsageError, before any question is asked, where one file would be written over another."""
    places = [path.resolve() for path in paths if path]
    for number, path in enumerate(places):
        if path in places[:number]:
            raise UsageError(f"{path}: named twice, and would be written over; name another file")


def _baseline(path: Path, gold: Path, store: Path, allow_different: bool) -> "Baseline":
    """Return the report to compare with: refused, if it must be, before any model is loaded or question asked."""
    from api.build import open_corpus
    from rag.compare import load_baseline, refuse_different, refuse_disjoint
    from rag.documents import corpus_fingerprint
    from rag.gold import load_gold

    earlier = load_baseline(path)
    refuse_disjoint(((question.id, question.question) for question in load_gold(gold)), earlier)
    if not allow_different:
        with open_corpus(store) as opened, opened.snapshot() as snapshot:
            corpus = corpus_fingerprint(snapshot)
        refuse_different({"gold": hashlib.sha256(gold.read_bytes()).hexdigest(), "corpus": corpus}, earlier)
    return earlier


def _write_files(report: Mapping[str, Any], json: Path | None, html: Path | None) -> None:
    from rag.report import render_report

    if json:
        _write(json, json_format.dumps(report, ensure_ascii=False, indent=1) + "\n")
    if html:
        _write(html, render_report(report))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a file that can be written") from None


def _print_report(report: Mapping[str, Any]) -> None:
    from rag.evaluate import format_table, stages

    typer.echo("where answers were lost: " + ", ".join(f"{stage} {number}" for stage, number in stages(report)))
    typer.echo("")
    _print_table([("metric", "value", "95 % interval", "n"), *format_table(report)])
    if "comparison" in report:
        typer.echo("")
        _print_comparison(report["comparison"])


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows under one another: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        typer.echo("  ".join([name.ljust(widths[0]), *cells]).rstrip())


def _print_comparison(comparison: Mapping[str, Any]) -> None:
    paired = f"{count(comparison['paired'], 'question')} paired with {comparison['baseline']['file']}"
    if alone := comparison["only_run"] + comparison["only_baseline"]:
        paired += f", {alone} in one of the two left out"
    typer.echo(f"{'no difference: ' if comparison['same'] else ''}{paired}")
    for one in comparison["settings"]:
        typer.echo(f"  {one['name']}: {one['baseline']} -> {one['run']}")
    if comparison["same"]:
        return
    head = ("metric", "baseline", "now", "difference", "95 % interval", "p", "n", "")
    _print_table([head, *(_compared(name, one) for name, one in comparison["metrics"].items())])
    for outcome in ("won", "lost", "changed"):
        _print_moved(outcome, comparison[outcome])


def _compared(name: str, one: "Paired") -> tuple[str, ...]:
    from rag.compare import verdict

    digits = 1 if name.startswith("latency_ms") else 4
    low, high, p = one["ci_low"], one["ci_high"], one["p_value"]
    return (
        name,
        f"{one['baseline']:.{digits}f}",
        f"{one['value']:.{digits}f}",
        f"{one['difference']:+.{digits}f}",
        "" if low is None or high is None else f"{low:+.{digits}f}..{high:+.{digits}f}",
        "" if p is None else f"{p:.4f}",
        str(one["n"]),
        verdict(name, one),
    )


def _print_moved(outcome: str, questions: Sequence[Mapping[str, Any]]) -> None:
    typer.echo(f"\n{outcome}: {count(len(questions), 'question')}")
    for one in questions[:LISTED]:
        typer.echo(f"  {one['id']}: {one['question']}")
        for when in ("baseline", "run"):
            answer = " ".join((one[when]["prediction"] or "(no answer)").split())  # a quote may hold line breaks
            typer.echo(f"    {when.ljust(8)}  {answer}  [{one[when]['stage']}]")
    if len(questions) > LISTED:
        typer.echo(f"  and {len(questions) - LISTED} more; --json and --html list them all")


def calibrate(
    gold: GoldArgument,
    top_k: TopKOption = 10,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Fit confidence to a gold set over these documents. It is written into the store, never into a model."""
    from api.evaluating import run_calibration

    with progress("asking") as step:
        path, calibration = run_calibration(gold, settings_of(store, embedder, reader), top_k, note, step)
    typer.echo(
        f"{path}: fitted on {count(calibration.questions, 'question')}; "
        f"answers are given from confidence {calibration.threshold:.2f}"
    )
    if calibration.questions < FEW:
        note(f"warning: {calibration.questions} are few to tell how sure an answer is; {FEW} tell it to some 0.1")
    note("measure it with questions that it was not fitted on")
