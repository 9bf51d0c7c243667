"""Figures of several systems drawn side by side: the benchmarks' only import of matplotlib."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.sidebyside import Measure, Spread

_WIDTH, _BAR = 8.0, 0.32  # inches: of the drawing, and of the height that a bar takes
_NOTE = 120  # characters of a line of the note
_OURS, _THEIRS, _INK = "#2f6db3", "#b8bec6", "#333333"


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
