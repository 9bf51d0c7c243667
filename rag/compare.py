"""A run of the evaluation against an earlier one: the same questions, paired by id."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from index.errors import UsageError
from rag.metrics import ECE_BINS, Statistic, aurc_statistic, ece_statistic
from rag.paired import Paired, compare_pairs

DIGITS = 4  # to which metrics are shown; a smaller difference is none
SIGNIFICANT = 0.05
_CALIBRATION: dict[str, Statistic] = {"ece": ece_statistic(ECE_BINS), "aurc": aurc_statistic}
_TEXTS = ("id", "question", "stage")
_MAYBE_NUMBERS = ("f1", "exact_match")

Row = Mapping[str, Any]
Report = Mapping[str, Any]
Pair = tuple[Row, Row]  # the same question in the baseline and in the run


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier report, and the file that it was read from."""

    name: str
    report: Report


def load_baseline(path: Path) -> Baseline:
    """Read the JSON report of an earlier run. Raises UsageError if there is none, or it is damaged."""
    try:
        report = json.loads(path.read_bytes().decode(), parse_constant=_refuse_constant)
        _check_report(report)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name the JSON report of an earlier run") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise _no_report(path, str(error)) from None
    except KeyError as error:
        raise _no_report(path, f"{error} is missing") from None
    except (AttributeError, TypeError):  # a list where an object should be, and the like
        raise _no_report(path, "its parts have other types") from None
    return Baseline(str(path), report)


def _no_report(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path}: no evaluation report ({reason}); write one with `pincite eval GOLD --json {path.name}`")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check_report(report: Report) -> None:
    """Raise an error, whichever comes first, unless everything that a comparison looks at is there."""
    for key in ("gold", "corpus"):
        _expect(isinstance(report["run"][key], str), f"run.{key}")
    for name, metric in report["metrics"].items():
        _expect(_is_number(metric["value"]), f"metrics.{name}")
    for row in report["questions"]:
        place = f"the question {row['id']!r}"
        _expect(all(isinstance(row[key], str) for key in _TEXTS), place)
        _expect(isinstance(row["answerable"], bool), place)
        _expect(isinstance(row["prediction"], str | None), place)
        _expect(_is_number(row["confidence"]) and 0 <= row["confidence"] <= 1, place)
        _expect(all(row[key] is None or _is_number(row[key]) for key in _MAYBE_NUMBERS), place)
        _expect(all(_is_number(value) for value in row.get("measures", {}).values()), place)
    ids = {row["id"] for row in report["questions"]}
    _expect(0 < len(ids) == len(report["questions"]), "the list of questions")


def _expect(holds: bool, place: str) -> None:
    if not holds:
        raise ValueError(f"{place} is malformed")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def refuse_different(run: Mapping[str, Any], baseline: Baseline) -> None:
    """Raise UsageError if the baseline was asked other questions than `run`, or of other documents.

    Of `run` only `gold` and `corpus` are looked at, so that it can be told before any question is asked.
    """
    earlier = baseline.report["run"]
    differs = [words for key, words in (("gold", "gold set"), ("corpus", "corpus")) if run[key] != earlier[key]]
    if differs:
        raise UsageError(
            f"{baseline.name}: is of another {' and '.join(differs)}; compare runs over the same, "
            "or pair the questions that they share with --allow-different"
        )


def refuse_disjoint(questions: Iterable[tuple[str, str]], baseline: Baseline) -> None:
    """Raise UsageError if the baseline has none of the questions, given as (id, question)."""
    if not {(row["id"], row["question"]) for row in baseline.report["questions"]} & set(questions):
        raise UsageError(f"{baseline.name}: has no question in common with this run; name a report that has")


def compare(report: Report, baseline: Baseline, allow_different: bool = False) -> dict[str, Any]:
    """Return what changed since the baseline, as the report's `comparison`.

    `metrics` has a `Paired` for each metric that both runs have, over the common questions (the same id and the same
    words); one whose values a report does not give by question (latency) is compared by its value alone, and only
    where all questions are common. `won` and `lost` are the questions that went right and no longer do, or the other
    way round; `changed` those with another answer and the same outcome. `same` means that nothing but time differs.
    Raises UsageError where the gold sets or corpora differ, unless `allow_different`, or no question is common.
    """
    if not allow_different:
        refuse_different(report["run"], baseline)
    refuse_disjoint(((row["id"], row["question"]) for row in report["questions"]), baseline)
    earlier = {(row["id"], row["question"]): row for row in baseline.report["questions"]}
    keys = [(row["id"], row["question"]) for row in report["questions"]]
    pairs = [(earlier[key], row) for key, row in zip(keys, report["questions"], strict=True) if key in earlier]
    metrics = _differences(pairs, report, baseline.report)
    won, lost, changed = _outcomes(pairs)
    return {
        "baseline": {"file": baseline.name, "run": baseline.report["run"]},
        "paired": len(pairs),
        "only_baseline": len(earlier) - len(pairs),
        "only_run": len(keys) - len(pairs),
        "settings": _changed_settings(baseline.report["run"], report["run"]),
        "metrics": metrics,
        "won": won,
        "lost": lost,
        "changed": changed,
        "same": not (won or lost or changed) and not any(map(_differs, metrics, metrics.values())),
    }


def _differs(name: str, difference: Paired) -> bool:
    return not _is_time(name) and round(difference["difference"], DIGITS) != 0


def _is_time(name: str) -> bool:
    return name.startswith("latency")


def lower_is_better(name: str) -> bool:
    """Tell whether a metric is the better the lower it is."""
    return name in _CALIBRATION or _is_time(name)


def verdict(name: str, difference: Paired) -> str:
    """Return "better" or "worse" where the interval of the difference leaves out 0 and p is below 0.05, else ""."""
    low, high, p = difference["ci_low"], difference["ci_high"], difference["p_value"]
    if low is None or high is None or p is None or low <= 0 <= high or p >= SIGNIFICANT:
        return ""
    return "better" if (low > 0) != lower_is_better(name) else "worse"


def _differences(pairs: Sequence[Pair], report: Report, earlier: Report) -> dict[str, Paired]:
    whole = len(pairs) == len(report["questions"]) == len(earlier["questions"])
    differences = {}
    for name, metric in report["metrics"].items():
        if name not in earlier["metrics"]:
            continue
        if name in _CALIBRATION:
            if known := [sure for pair in pairs if (sure := _confidences(pair))]:
                differences[name] = compare_pairs(known, _CALIBRATION[name])
        elif rows := _rows(name, pairs):
            differences[name] = compare_pairs(rows)
        elif whole:
            differences[name] = _by_value(earlier["metrics"][name]["value"], metric)
    return differences


def _rows(name: str, pairs: Sequence[Pair]) -> list[list[list[float]]]:
    """Return a metric's values, NaN for a run that has none; empty unless both runs have one somewhere."""
    values = [[measures(row).get(name, math.nan) for row in pair] for pair in pairs]
    known = [pair for pair in values if not all(map(math.isnan, pair))]
    if any(all(math.isnan(pair[run]) for pair in known) for run in (0, 1)):
        return []
    return [[[before], [now]] for before, now in known]


def _by_value(baseline: float, metric: Mapping[str, Any]) -> Paired:
    value = metric["value"]
    return Paired(
        baseline=baseline,
        value=value,
        difference=value - baseline,
        n=metric["n"],
        ci_low=None,
        ci_high=None,
        p_value=None,
    )


def measures(row: Row) -> dict[str, float]:
    """Return what a question of a report adds to each metric, by the metric's name."""
    given: Mapping[str, float] = row.get("measures", {})
    if row["f1"] is None:
        return dict(given)
    overall = {"overall_exact_match": row["exact_match"], "overall_f1": row["f1"]}
    if not row["answerable"]:
        return {"no_answer_accuracy": row["f1"], **overall, **given}
    answered = float(row["prediction"] is not None)
    return {"exact_match": row["exact_match"], "f1": row["f1"], "has_answer_rate": answered, **overall, **given}


def candidate_right(row: Row) -> bool | None:
    """Tell whether a question's best candidate, given or withheld, was right; None where nobody knows."""
    if row["f1"] is None:
        return None
    # On an answerable question, "ok" and "withheld" are the stages of a right candidate, given and not.
    return row["answerable"] and row["stage"] in ("ok", "withheld")


def _confidences(pair: Pair) -> list[tuple[float, bool]] | None:
    """Return (confidence, right) in both runs; None where nobody knows what is right."""
    known = [(row["confidence"], right) for row in pair if (right := candidate_right(row)) is not None]
    return known if len(known) == len(pair) else None


def _outcomes(pairs: Sequence[Pair]) -> tuple[list[dict[str, Any]], ...]:
    """Return the questions won, lost, and answered otherwise with the same outcome."""
    won: list[dict[str, Any]] = []
    lost: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for before, now in pairs:
        was, is_now = before["stage"] == "ok", now["stage"] == "ok"
        if (before["prediction"], before["stage"]) == (now["prediction"], now["stage"]):
            continue
        (changed if was == is_now else won if is_now else lost).append(
            {
                "id": now["id"],
                "question": now["question"],
                "baseline": {"prediction": before["prediction"], "stage": before["stage"]},
                "run": {"prediction": now["prediction"], "stage": now["stage"]},
            }
        )
    return won, lost, changed


def _changed_settings(baseline: Mapping[str, Any], run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the runs were made with and is not the same: {"name", "baseline", "run"}, None for absent."""
    before, now = flat(baseline), flat(run)
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [{"name": name, "baseline": before.get(name), "run": now.get(name)} for name in names]


def flat(run: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return what a run was made with as one level of names: `settings.top_k` and its like."""
    flattened: dict[str, Any] = {}
    for key, value in run.items():
        flattened |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flattened


def check_drops(comparison: Mapping[str, Any], limits: Mapping[str, float]) -> list[str]:
    """Return a sentence for each metric that got worse than its limit allows, or that not both runs have."""
    return [
        failure for name, limit in limits.items() if (failure := _drop(comparison["metrics"].get(name), name, limit))
    ]


def _drop(difference: Paired | None, name: str, limit: float) -> str | None:
    if difference is None:
        return f"{name} was not measured in both runs, so its largest drop {limit:g} is not kept"
    worse = difference["difference"] if lower_is_better(name) else -difference["difference"]
    # Rounded, so that 0.80 - 0.75 is a drop of 0.05, no more.
    if round(worse, 9) <= limit:
        return None
    return f"{name} went from {difference['baseline']:.4f} to {difference['value']:.4f}, its largest drop is {limit:g}"
