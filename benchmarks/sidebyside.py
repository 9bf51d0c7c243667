"""Figures of several systems over several rounds -> medians, ranges, ratios, tables. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rag.metrics import Metric

Figures = Mapping[str, float]  # by measure
Rounds = Sequence[Mapping[str, Figures]]  # one a round, by system


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured, how its figures are shown, and whether more of it is better."""

    name: str
    label: str
    digits: int
    more_is_better: bool = False


MEASURES = (
    Measure("index_per_s", "indexing, passages/s", 0, more_is_better=True),
    Measure("start_s", "start to first answer, s", 1),
    Measure("search_p50_ms", "search p50, ms", 1),
    Measure("search_p95_ms", "search p95, ms", 1),
    Measure("ask_p50_ms", "ask p50, ms", 0),
    Measure("ask_p95_ms", "ask p95, ms", 0),
    Measure("resident_mib", "memory, MiB", 0),
)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, and the range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of `values`. Raises ValueError if there are none."""
        if not values:
            raise ValueError("no round has this figure")
        return cls(median(values), min(values), max(values))

    def show(self, digits: int, unit: str = "") -> str:
        """Return `median (low–high)`, or the median alone where all rounds show the same."""
        middle, low, high = (f"{value:,.{digits}f}" for value in (self.median, self.low, self.high))
        return f"{middle}{unit}" if low == high else f"{middle}{unit} ({low}–{high})"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that at least `percent` per cent are no greater than (nearest rank).

    Raises ValueError if there are none.
    """
    if not values:
        raise ValueError("no value to rank")
    rank = max(1, -(-len(values) * percent // 100))  # from 1, rounded up
    return sorted(values)[rank - 1]


def spreads(rounds: Rounds, measure: Measure) -> dict[str, Spread]:
    """Return each system's spread of a measure; systems that it was not taken of are left out."""
    return {
        system: Spread.of([one[system][measure.name] for one in rounds if measure.name in one.get(system, {})])
        for system in rounds[0]
        if measure.name in rounds[0][system]
    }


def ratios(rounds: Rounds, measure: Measure, reference: str) -> dict[str, Spread]:
    """Return by how much the reference is better than each other system: above 1 where it is.

    A round's ratio is of its own two figures, so that what slows a round down slows both; the median is of these.
    """
    found: dict[str, list[float]] = {}
    for one in rounds:
        ours = one[reference].get(measure.name)
        for system, figures in one.items():
            theirs = figures.get(measure.name)
            if system != reference and ours is not None and theirs is not None:
                found.setdefault(system, []).append(ours / theirs if measure.more_is_better else theirs / ours)
    return {system: Spread.of(values) for system, values in found.items()}


def figures_table(rounds: Rounds, measures: Sequence[Measure] = MEASURES) -> str:
    """Return the figures as Markdown: a line a system, median (range) of the rounds."""
    return _table(
        rounds[0], [(one.label, {s: v.show(one.digits) for s, v in spreads(rounds, one).items()}) for one in measures]
    )


def ratios_table(rounds: Rounds, reference: str) -> str:
    """Return the ratios as Markdown: a line a system."""
    others = [system for system in rounds[0] if system != reference]
    found = ((one.label, ratios(rounds, one, reference)) for one in MEASURES)
    return _table(others, [(label, {s: v.show(2, "×") for s, v in of.items()}) for label, of in found])


def quality_table(quality: Mapping[str, Mapping[str, Metric]]) -> str:
    """Return measures of answers as Markdown: a line a system, per cent with the 95 % interval."""
    names = list(dict.fromkeys(name for measures in quality.values() for name in measures))
    columns = [
        (name, {s: _percent(measures[name]) for s, measures in quality.items() if name in measures}) for name in names
    ]
    return _table(quality, columns)


def _percent(metric: Metric) -> str:
    return f"{metric['value'] * 100:.1f} ({metric['ci_low'] * 100:.1f}–{metric['ci_high'] * 100:.1f})"


def _table(systems: Mapping[str, object] | Sequence[str], columns: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Return Markdown; a cell that nobody filled holds a dash."""
    lines = [f"| | {' | '.join(label for label, _ in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for system in systems:
        lines.append(f"| {system} | {' | '.join(cells.get(system, '–') for _, cells in columns)} |")
    return "\n".join(lines)
