"""Curves: metrics over epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from linclass.params import Array
from linclass.plots.looks import Look, looks_of
from linclass.plots.points import Points, checked_series, marked_points, note_on, starts_of, summary
from linclass.plots.style import TITLE_SIZE, legend_columns, new_figure, styled, wrap


def _draw_threshold(axes: Axes, threshold: float, highest: float) -> None:
    """A labelled line; or, where it would press the curves flat, a remark on how far above them it is."""
    y, text = threshold, f"threshold {threshold:g}"
    transform = axes.get_yaxis_transform()
    if axes.get_yscale() == "linear" and 0 < highest < threshold / 6:
        text += f": above this picture, {threshold / highest:.3g} times the largest value"
        y, transform = 1.0, axes.transAxes
    else:
        axes.axhline(threshold, color="0.25", linewidth=1.2, linestyle=(0, (10, 3)))
    axes.annotate(
        text, (1, y), (-4, 3), xycoords=transform, textcoords="offset points", ha="right", va="bottom"
    )


@styled
def curves(
    epochs: Sequence[float] | Array,
    series: Mapping[str, Sequence[float] | Array],
    *,
    title: str,
    ylabel: str,
    threshold: float | None = None,
    percent: bool = False,
    log_epochs: bool = False,
    log_y: bool = False,
) -> Figure:
    """Draw metrics over epochs.

    Args:
        epochs: `(E,)`, rising.
        series: label -> `(E,)`, or `(E, K)` for K seeds: their mean as a line, min to max as a band.
            A label's first word fixes its line: train solid, validation dashed, test dotted.
            Values that are not finite are left out. Above 300 epochs, neighbours share a point
            (their mean) and the band spans them all; the legend says so.
        ylabel: without the unit; `percent` multiplies fractions by 100 and adds "(%)".
        threshold: a horizontal line in the units of `series`; if it lies far above every value, a
            remark instead, so that the curves keep the picture.
        log_epochs: logarithmic epochs, for long runs that change early on (needs epochs >= 1).

    Raises UsageError for shapes that do not fit.
    """
    x = np.asarray(epochs, np.float64)
    factor = 100.0 if percent else 1.0
    arrays = checked_series(x, series, factor)
    logarithmic = log_epochs and len(x) > 1 and x[0] >= 1
    position = np.log(x) if logarithmic else x
    starts = starts_of(position)
    figure = new_figure(7, 4.5, layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel=f"{ylabel} (%)" if percent else ylabel)
    highest = -math.inf
    for i, (look, (label, values)) in enumerate(zip(looks_of(list(arrays)), arrays.items(), strict=True)):
        points = summary(x, values, starts)
        _draw_line(axes, points, label, look, shift=(i + 0.5) / len(arrays), logarithmic=logarithmic)
        highest = max(highest, points.high.max(initial=-math.inf))
    _scale_axes(axes, x, logarithmic, log_y and highest > 0)
    if not math.isfinite(highest):
        axes.text(0.5, 0.5, "no finite values", transform=axes.transAxes, ha="center")
        axes.set_yticks([])
    elif threshold is not None:
        _draw_threshold(axes, threshold * factor, highest)
    axes.set_title(wrap(title, 6.4), fontsize=TITLE_SIZE, pad=18 if threshold is not None else 8)
    note = note_on(list(arrays.values()), grouped=len(starts) < len(x))
    figure.legend(
        loc="outside lower center", ncols=legend_columns(arrays, 6.8), title=note or None, title_fontsize=9.5,
        handlelength=4,
    )  # fmt: skip
    return figure


def _draw_line(
    axes: Axes, points: Points, label: str, look: Look, *, shift: float, logarithmic: bool
) -> None:
    x, mean, low, high = points
    if len(x) == 1:  # a band needs two epochs to be seen; bars of several lines stand side by side
        x = x + 0.1 * (shift - 0.5)
        axes.vlines(x, low, high, color=look.color, linewidth=1.5)
    elif np.any(low < high):
        axes.fill_between(x, low, high, color=look.color, alpha=0.22, linewidth=0)
    edge: dict[str, Any] = {"markersize": 5.5, "markeredgecolor": "white", "markeredgewidth": 0.6}
    marked = marked_points(np.log(x) if logarithmic else x, shift)
    axes.plot(x, mean, label=label, linewidth=1.8, markevery=marked, **edge, **look._asdict())


def _scale_axes(axes: Axes, epochs: Array, logarithmic: bool, log_y: bool) -> None:
    """All the epochs, drawn or not, and numbers plainly written; on logarithmic axes 1, 2, 5, 10, ..."""
    first, last = epochs[0], epochs[-1]
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if logarithmic:
        axes.set_xscale("log")
        margin = (last / first) ** 0.04
        axes.set_xlim(first / margin, last * margin)
    else:
        margin = 0.04 * (last - first) or 1
        axes.set_xlim(first - margin, last + margin)
    if log_y:
        axes.set_yscale("log")
    for axis, is_log in ((axes.xaxis, logarithmic), (axes.yaxis, log_y)):
        if is_log:
            low, high = axis.get_view_interval()
            axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if high < 1e4 * low else (1,)))
            axis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
            axis.set_minor_locator(ticker.NullLocator())
