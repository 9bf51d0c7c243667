"""How a cost grows with a size: cost = a * size^b, fitted as a line through the logarithms of both. Pure functions.

A cost that grows like its size has b = 1; one that does not grow has 0. What comes with a fixed part has less at small
sizes than at large ones: so costs over passages are fitted over all sizes, and again over the large ones alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

AT_MOST = 1.05  # the exponent: fits to a cost that is linear scatter about 1 by a few hundredths, as its times do
LARGE = 100_000  # passages: both this size and those above are searched approximately
FEWEST = 3  # points to fit a line through, so that an error can be told

Points = Sequence[tuple[float, float]]  # (size, cost), by size
Result = Mapping[str, float]  # what `benchmarks.scale` found at one size


@dataclass(frozen=True, slots=True)
class Curve:
    """What `what` cost at each size, `how` it was looked at; `unit` is of the cost, `of` is what the size counts."""

    what: str
    how: str
    unit: str
    of: str
    points: Points
    sublinear: bool = False  # has to grow less than its size, where that is large

    @property
    def large(self) -> Points:
        """Its points at large sizes; none where there are too few to fit, or the sizes are not of passages."""
        found = [(size, cost) for size, cost in self.points if size >= LARGE]
        return found if self.of == PASSAGES and len(found) >= FEWEST else []


@dataclass(frozen=True, slots=True)
class Fit:
    """cost = factor * size^exponent; `error` is the standard error of the exponent."""

    exponent: float
    error: float
    factor: float

    def __str__(self) -> str:
        return f"{self.exponent:.2f} ± {self.error:.2f}".replace("-", "−")

    def at(self, size: float) -> float:
        """Return the cost that is fitted at a size."""
        cost: float = self.factor * size**self.exponent
        return cost


@dataclass(frozen=True, slots=True)
class Growth:
    """A curve, and what was fitted to it: to all of it, and to its large sizes alone if it has enough of them."""

    curve: Curve
    fit: Fit
    large: Fit | None

    @property
    def faults(self) -> list[str]:
        """Return what of it grows as it may not, in words."""
        fits = [("", self.fit), (f" from {LARGE:,}", self.large)]
        found = [f"{one} is above {AT_MOST}{where}" for where, one in fits if one and one.exponent > AT_MOST]
        if self.curve.sublinear and self.large and 1 <= self.large.exponent <= AT_MOST:
            found.append(f"{self.large} is not below 1 from {LARGE:,}")
        return found

    @property
    def verdict(self) -> str:
        """Return what is shown, in a few words."""
        if self.faults:
            return f"**no**: {', '.join(self.faults)}"
        if not self.curve.sublinear:
            return "yes"
        return f"yes, sub-linear from {LARGE:,}" if self.large else f"yes; too few sizes from {LARGE:,}"


PASSAGES = "passages"
_OVER_PASSAGES = (  # of a Curve: what, how, unit; what `benchmarks.scale` calls it; whether it has to be sub-linear
    ("search", "fused, as for a question", "ms", "fused_p50_ms", True),
    ("search", "vectors alone", "ms", "dense_p50_ms", True),
    ("search", "words alone", "ms", "lexical_p50_ms", True),
    ("search", "fused, 1 folder of 100", "ms", "filtered_p50_ms", False),
    ("store", "memory", "GB", "resident_gb", False),
    ("store", "disk", "GB", "disk_gb", False),
    ("store", "open, search once", "s", "open_s", False),
    ("store", "replace a document", "s", "replace_s", False),
)


def over_passages(results: Mapping[str, Result]) -> list[Curve]:
    """Return the curves of what `python -m benchmarks.scale --json` kept: figures by the number of passages.

    Building is told as a rate from each size to the next: its curve is the seconds from nothing to a size. Raises
    ValueError if a size lacks a figure.
    """
    by_size = {int(size): results[size] for size in sorted(results, key=int)}
    try:
        curves = [
            Curve(what, how, unit, PASSAGES, [(size, one[key]) for size, one in by_size.items()], sublinear)
            for what, how, unit, key, sublinear in _OVER_PASSAGES
        ]
        steps = zip(pairwise([0, *by_size]), by_size.values(), strict=True)
        seconds = [(size - before) / one["build_passages_per_s"] for (before, size), one in steps]
    except KeyError as error:
        raise ValueError(f"no {error} at some size; measure anew with `python -m benchmarks.scale --json`") from error
    built = list(zip(by_size, np.cumsum(seconds).tolist(), strict=True))
    return [*curves, Curve("store", "build", "s", PASSAGES, built)]


def fit(points: Points) -> Fit:
    """Return the line of least squares through the logarithms.

    Raises ValueError for fewer than three points, a size that comes twice, or anything that is not above 0.
    """
    sizes, costs = np.array(points, float).reshape(-1, 2).T
    if len(set(sizes)) < max(FEWEST, len(points)):
        raise ValueError(f"an exponent is fitted to {FEWEST} different sizes and more, here are {sizes.tolist()}")
    if not (np.concatenate([sizes, costs]) > 0).all():
        raise ValueError(f"sizes and costs have to be above 0, here are {points}")
    (exponent, constant), covariance = np.polyfit(np.log(sizes), np.log(costs), 1, cov=True)
    return Fit(float(exponent), float(np.sqrt(max(0.0, covariance[0, 0]))), float(np.exp(constant)))


def growth(curve: Curve) -> Growth:
    """Fit a curve. Raises ValueError as `fit` does, and says of which curve."""
    try:
        return Growth(curve, fit(curve.points), fit(curve.large) if curve.large else None)
    except ValueError as error:
        raise ValueError(f"{curve.what}, {curve.how}, against {curve.of}: {error}") from error


def table(found: Sequence[Growth]) -> str:
    """Return the exponents as Markdown, a line a curve."""
    heads = ("cost", "against", "range", "exponent", f"from {LARGE:,}", "at most linear?")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for one in found:
        (least, first), (most, last) = one.curve.points[0], one.curve.points[-1]
        span = f"{least:,.0f}–{most:,.0f}: {_three(first)}–{_three(last)} {one.curve.unit}"
        cells = (
            f"{one.curve.what}: {one.curve.how}",
            one.curve.of,
            span,
            str(one.fit),
            str(one.large or "–"),
            one.verdict,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _three(cost: float) -> str:
    """Return three digits of a cost, or all before the point."""
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.3g}"
