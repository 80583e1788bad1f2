"""Panels: several measures over the same numbers, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.looks import looks_of
from linclass.plots.style import TITLE_SIZE, legend_columns, new_figure, styled, wrap

COLUMNS = 2
_MARKERS = 12


class Panel(NamedTuple):
    """One measure: series label -> `(n,)`, or `(n, K)` for K seeds; fractions are drawn in per cent if so."""

    ylabel: str
    series: Mapping[str, Array]
    log_y: bool = False
    percent: bool = False


@styled
def panels(
    x: Sequence[float] | Array,
    measures: Sequence[Panel],
    *,
    title: str,
    xlabel: str,
    log_x: bool = False,
    marks: Mapping[float, str] | None = None,
) -> Figure:
    """Draw each of `measures` over x `(n,)`: the mean of the seeds as a line, min to max as a band.

    Args:
        marks: x -> a word, for upright lines such as the two ends of a path.

    Values that are not finite are left out. Raises UsageError for shapes that do not fit.
    """
    x = np.asarray(x, np.float64)
    if not measures or any(len(values) != len(x) for panel in measures for values in panel.series.values()):
        raise UsageError(f"cannot draw panels: expected {len(x)} numbers a series")
    columns = min(COLUMNS, len(measures))
    rows = -(-len(measures) // columns)
    figure = new_figure(4.6 * columns, 1.1 + 3.2 * rows, layout="constrained")
    every_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(every_axes, measures, strict=False):
        _draw(axes, x, panel, log_x, marks or {})
        axes.set(xlabel=xlabel, ylabel=f"{panel.ylabel} (%)" if panel.percent else panel.ylabel)
    for axes in every_axes[len(measures) :]:
        axes.set_visible(False)
    found = dict(
        pair[::-1] for axes in every_axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)
    )
    seeds = max(np.ndim(values) and values[0].size for panel in measures for values in panel.series.values())
    figure.legend(
        found.values(),
        found.keys(),
        loc="outside lower center",
        ncols=legend_columns(found, figure.get_figwidth() - 0.2),
        handlelength=4,
        title=f"line: mean of {seeds} seeds, band: min to max" if seeds > 1 else None,
        title_fontsize=9.5,
    )
    figure.suptitle(wrap(title, 4.6 * columns - 0.6), fontsize=TITLE_SIZE)
    return figure


def _draw(axes: Axes, x: Array, panel: Panel, log_x: bool, marks: Mapping[float, str]) -> None:
    for position, word in marks.items():
        axes.axvline(position, color="0.45", linewidth=1, linestyle=(0, (6, 3)))
        axes.annotate(
            word, (position, 1), (2, -2), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
            rotation=90, va="top", fontsize=8.5, color="0.25",
        )  # fmt: skip
    for look, (label, values) in zip(looks_of(list(panel.series)), panel.series.items(), strict=True):
        y = np.reshape(np.asarray(values, np.float64), (len(x), -1)) * (100 if panel.percent else 1)
        drawn = np.isfinite(y).all(axis=1) & ((y > 0).all(axis=1) | (not panel.log_y))
        y, at = y[drawn], x[drawn]
        if y.shape[1] > 1 and len(y):
            axes.fill_between(at, y.min(axis=1), y.max(axis=1), color=look.color, alpha=0.22, linewidth=0)
        axes.plot(
            at, y.mean(axis=1), label=label, linewidth=1.8, markersize=5, markeredgecolor="white",
            markeredgewidth=0.6, markevery=max(1, len(at) // _MARKERS), **look._asdict(),
        )  # fmt: skip
    if panel.log_y:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,)))
        axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    if np.all(x == np.round(x)):
        axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if log_x:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        if len(x) <= _MARKERS // 2:
            axes.set_xticks(x)
            axes.xaxis.set_minor_locator(ticker.NullLocator())
