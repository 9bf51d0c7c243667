"""Confidence drawn, as SVG to stand in a page. The only home of matplotlib, imported when there is a plot to draw.

Text stays text, colours are the page's own (`var(--ink)`, ...), and the same pairs give the same bytes.
"""

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.calibrate import risk_curve
from rag.metrics import ECE_BINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Z = 1.96  # of a 95 % interval
_SIZE = (4.6, 3.5)  # inches of 72 units: its text is 10 units high
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
# matplotlib knows no custom properties: each of these stands for one, and is replaced in the finished drawing.
_INK, _SOFT, _RULE, _ACCENT, _RAISED = "#010101", "#020202", "#030303", "#040404", "#050505"
_PROPERTIES = {_INK: "--ink", _SOFT: "--soft", _RULE: "--rule", _ACCENT: "--accent", _RAISED: "--raised"}
_STYLE: dict[Any, Any] = {  # matplotlib types its keys one by one
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _SOFT,
    "axes.edgecolor": _RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
}

Pairs = Sequence[tuple[float, bool]]  # (confidence, right), one a question
Draw = Callable[["Axes"], None]


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions of like confidence: the mean of it, the share that was right with its 95 % interval, how many."""

    confidence: float
    right: float
    low: float
    high: float
    n: int


def reliability_bins(pairs: Pairs, bins: int = ECE_BINS) -> list[Bin]:
    """Return the bins of `metrics.ece`, highest confidence first: runs of equal mass, ties sharing their outcomes.

    The interval is Wilson's (1927).
    """
    ranked = sorted(pairs, key=lambda pair: -pair[0])
    confidence, tie = np.unique([pair[0] for pair in ranked], return_inverse=True)
    outcome = np.bincount(tie, [pair[1] for pair in ranked]) / np.bincount(tie)
    count = min(bins, len(ranked))
    runs = [tie[number * len(tie) // count : (number + 1) * len(tie) // count] for number in range(count)]
    return [_bin(float(confidence[run].mean()), float(outcome[run].mean()), len(run)) for run in runs]


def _bin(confidence: float, right: float, n: int) -> Bin:
    centre = (right + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(right * (1 - right) / n + Z**2 / (4 * n**2))
    return Bin(confidence, right, min(right, centre - half), max(right, centre + half), n)


def reliability_diagram(pairs: Pairs) -> str:
    """Draw the share that was right over the confidence, by bins; `pairs` are not empty."""
    bins = reliability_bins(pairs)
    stated, right = [one.confidence for one in bins], [one.right for one in bins]
    bars = [[one.right - one.low for one in bins], [one.high - one.right for one in bins]]

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.9, dashes=(4, 3))
        axes.errorbar(stated, right, bars, fmt="o", markersize=5, color=_ACCENT, ecolor=_ACCENT, elinewidth=0.8)
        axes.set(xlabel="confidence", ylabel="share that was right")

    return _svg(
        draw, f"Reliability diagram: {len(bins)} groups of questions by confidence, and the share right in each"
    )


def risk_and_coverage(pairs: Pairs, run: tuple[float, float] | None) -> str:
    """Draw the share wrong among the most confident candidates over how many those are; `pairs` are not empty.

    `run` is the (coverage, risk) of the answers that were given, None if none was.
    """
    ranked = sorted(pairs, key=lambda pair: -pair[0])
    points = risk_curve([pair[0] for pair in ranked], [pair[1] for pair in ranked])
    coverage, risk = [point.answers / len(ranked) for point in points], [point.risk for point in points]

    def draw(axes: "Axes") -> None:
        axes.plot(coverage, risk, color=_ACCENT, linewidth=1.6)
        if run:
            axes.plot(*run, "o", markersize=7, color=_RAISED, markeredgecolor=_INK, markeredgewidth=1.4)
            # Above the curve, which rises; below it where there is no room on the left.
            offset, side = ((-8, 8), "right") if run[0] > 0.2 else ((8, -14), "left")
            axes.annotate("this run", run, offset, textcoords="offset points", ha=side)
        axes.set(xlabel="share of questions answered", ylabel="share wrong among them")

    return _svg(draw, "Risk and coverage: the share wrong among the most confident answers, by how many are given")


def _svg(draw: Draw, label: str) -> str:
    """Return the drawing on axes from 0 to 1 as an `<svg>` element that scales with its place."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # The salt makes ids the same in every run, and different in two drawings of one page.
    with rc_context({**_STYLE, "svg.hashsalt": label}):
        figure = Figure(figsize=_SIZE, layout="constrained", facecolor="none")
        axes = figure.subplots()
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=_TICKS, yticks=_TICKS, facecolor="none")
        draw(axes)
        return _inline(_saved(figure), label)


def _saved(figure: "Figure") -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    return written.getvalue()


def _inline(document: str, label: str) -> str:
    """Return the element of an SVG document, without size, with the page's colours and the label for who cannot see."""
    element = document[document.index("<svg") :].strip()
    for colour, name in _PROPERTIES.items():
        element = element.replace(colour, f"var({name})")
    element = re.sub(r'<g id="[^"]+">', "<g>", element)  # figure_1 and its like, which two drawings would share
    element = re.sub(r"<defs>\s*<style.*?</defs>", "", element, count=1, flags=re.DOTALL)  # it would rule the page
    element = re.sub(r' (width|height)="[\d.]+pt"', "", element, count=2)
    return element.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
