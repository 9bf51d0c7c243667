"""Figures drawn: of several systems side by side, and of costs that grow. The benchmarks' only import of matplotlib."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.exponents import LARGE, PASSAGES, Fit, Growth, Points
from benchmarks.sidebyside import Measure, Spread
from index.vector import EXACT_LIMIT

_WIDTH, _BAR = 8.0, 0.32  # inches: of the drawing, and of the height that a bar takes
_NOTE, _WIDE_NOTE = 120, 175  # characters of a line of the note
_OURS, _THEIRS, _INK = "#2f6db3", "#b8bec6", "#333333"
_LINES = (_OURS, "#c8643c", "#3a8f6b", "#8a5aa8")  # told apart by eyes of all kinds, and by their markers
_MARKERS = "osD^"
_ACROSS, _PANEL = 3, (3.5, 3.0)  # panels in a row, and inches of one
_DECADES = 2.0  # the least that a panel's axis of costs spans, so that noise does not look like growth
_HEAD = 0.1  # of a panel's height, for each line of its legend


def bars(spreads: Sequence[tuple[Measure, Mapping[str, Spread]]], ours: Sequence[str], note: str, path: Path) -> None:
    """Draw a panel for each measure: a bar a system, as long as the median, with a whisker from least to greatest.

    `ours` are the systems drawn in colour; `note` stands below. The ending of `path` says which format is written.
    """
    count = max(len(of) for _, of in spreads)
    rows = -(-len(spreads) // 2)
    figure = Figure(figsize=(_WIDTH, rows * (count * _BAR + 0.8) + 0.3), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for panel, (measure, of) in zip(panels, spreads, strict=False):
        _panel(panel, measure, of, ours)
    for unused in panels[len(spreads) :]:
        unused.set_axis_off()
    figure.supxlabel(textwrap.fill(note, _NOTE), fontsize=7, color=_INK)
    figure.savefig(path, dpi=150)


def _panel(axes: Axes, measure: Measure, of: Mapping[str, Spread], ours: Sequence[str]) -> None:
    systems = list(of)[::-1]  # the first is drawn on top
    values = [of[system].median for system in systems]
    whiskers = [[of[s].median - of[s].low for s in systems], [of[s].high - of[s].median for s in systems]]
    colours = [_OURS if system in ours else _THEIRS for system in systems]
    axes.barh(systems, values, xerr=whiskers, color=colours, ecolor=_INK, height=0.7, error_kw={"linewidth": 0.8})
    for system, value in zip(systems, values, strict=True):
        end = (of[system].high, system)
        axes.annotate(f"{value:,.{measure.digits}f}", end, (4, 0), textcoords="offset points", va="center", fontsize=7)
    better = "more" if measure.more_is_better else "less"
    axes.set_title(f"{measure.label} ({better} is better)", fontsize=9, loc="left", color=_INK)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def growths(found: Sequence[Growth], note: str, path: Path) -> None:
    """Draw costs against sizes, both logarithmic: a panel for what has one unit and grows with the same.

    `note` stands below. The ending of `path` says which format is written.
    """
    grouped: dict[tuple[str, str], list[Growth]] = {}
    for one in found:
        grouped.setdefault((one.curve.of, one.curve.unit), []).append(one)
    rows = -(-len(grouped) // _ACROSS)
    figure = Figure(figsize=(_ACROSS * _PANEL[0], rows * _PANEL[1] + 0.5), layout="constrained")
    panels = figure.subplots(rows, _ACROSS, squeeze=False).ravel()
    for panel, group in zip(panels, grouped.values(), strict=False):
        _growing(panel, group)
    for unused in panels[len(grouped) :]:
        unused.set_axis_off()
    legend = (
        "Beside each name: b ± standard error of cost = a · size^b. The thin line is that fit; the thick one, and the "
        f"second b, are fitted to {LARGE:,} passages and more. Dashed: what linear growth would be. Dotted: above "
        f"{EXACT_LIMIT:,} passages search is approximate."
    )
    lines = (line for text in (legend, note) for line in textwrap.wrap(text, _WIDE_NOTE))
    figure.supxlabel("\n".join(lines), fontsize=7.5, color=_INK)
    figure.savefig(path, dpi=150)


def _growing(axes: Axes, group: Sequence[Growth]) -> None:
    axes.set(xscale="log", yscale="log")
    for one, colour, marker in zip(group, _LINES, _MARKERS, strict=False):
        label = f"{one.curve.how}  {one.fit}" + (f"; {one.large}" if one.large else "")
        axes.plot(*zip(*one.curve.points, strict=True), marker, color=colour, markersize=4.5, label=label)
        _line(axes, one.fit, one.curve.points, colour, 0.9)
        if one.large:
            _line(axes, one.large, one.curve.large, colour, 2.2)
    curve = group[0].curve
    costs = [cost for one in group for size, found in one.curve.points for cost in (found, one.fit.at(size))]
    _scale(axes, costs, len(group))
    axes.set_xticks([size for size, _ in curve.points])
    size, cost = curve.points[0]
    # Clipped: it shows a direction, and asks for no room of its own.
    axes.axline((size, cost), (10 * size, 10 * cost), color=_THEIRS, linewidth=1, linestyle="--", zorder=0)
    if (curve.of, curve.what) == (PASSAGES, "search"):
        axes.axvline(EXACT_LIMIT, color=_INK, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_title(f"{curve.what}, {curve.unit}", fontsize=9.5, loc="left", color=_INK)
    axes.set_xlabel(curve.of, fontsize=8, color=_INK)
    drawn = axes.legend(
        loc="upper left", fontsize=7, framealpha=0.9, edgecolor="none", borderaxespad=0.4, handlelength=1
    )
    drawn.set_in_layout(False)  # else a long one makes its column wider


def _line(axes: Axes, fit: Fit, over: Points, colour: str, width: float) -> None:
    ends = [over[0][0], over[-1][0]]
    axes.plot(ends, [fit.at(size) for size in ends], color=colour, linewidth=width)


def _scale(axes: Axes, costs: Sequence[float], lines: int) -> None:
    """Set the axes: numbers written out, and room for a legend of so many lines above the costs."""
    low, high = math.log10(min(costs)), math.log10(max(costs))
    short = max(0.0, _DECADES - (high - low)) / 2
    low, high = low - short - 0.1, high + short + 0.1
    axes.set_ylim(10**low, 10 ** (high + (high - low) * _HEAD * lines))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)
    axes.grid(color=_THEIRS, linewidth=0.3, alpha=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _short(value: float) -> str:
    """Return 1,000 as 1k and 1,000,000 as 1M: there is little room below a panel."""
    for unit, sign in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{sign}"
    return f"{value:g}"
