"""Trials of a search: the score against each parameter, and all parameters side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.looks import ROLES
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

_LOG_SPAN = 20
"""Positive numbers that span more than this factor are drawn on a logarithmic axis."""


@styled
def scores(
    name: str,
    values: Sequence[Any],
    accuracies: Sequence[float],
    errors: Sequence[float],
    close: Sequence[bool],
    best: int,
    *,
    title: str,
) -> Figure:
    """Draw validation accuracy against one parameter, with one standard error each way.

    Args:
        values: `(n,)` numbers or words. accuracies, errors: `(n,)` fractions.
        close: which are within one standard error of the best's accuracy: filled, the others hollow.
        best: the index of the best, a star; its accuracy less one standard error is a line.

    Raises UsageError for shapes that do not fit.
    """
    if not len(values) == len(accuracies) == len(errors) == len(close) or not 0 <= best < len(values):
        raise UsageError("cannot draw the scores: expected a value, an accuracy and an error for each trial")
    x = _positions(values)
    y, bars = 100 * np.asarray(accuracies, np.float64), 100 * np.asarray(errors, np.float64)
    blue, red = ROLES["train"].color, ROLES["val"].color
    figure = new_figure(6.5, 4.3, layout="constrained")
    axes = figure.add_subplot(xlabel=name, ylabel="validation accuracy (%)")
    axes.errorbar(x, y, bars, fmt="none", ecolor="0.6", elinewidth=1, capsize=2, zorder=1)
    filled = np.asarray(close, bool)
    axes.plot(
        x[~filled], y[~filled], "o", color=blue, fillstyle="none", label="trial; bar: one standard error"
    )
    axes.plot(x[filled], y[filled], "o", color=blue, label="within one standard error of the best")
    axes.plot(x[best], y[best], "*", color=red, markersize=15, markeredgecolor="white", label="best")
    axes.axhline(y[best] - bars[best], color=red, linewidth=1.2, linestyle=(0, (5, 2)))
    _mark_axis(axes, values)
    axes.set_title(wrap(title, 6), fontsize=TITLE_SIZE)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, handletextpad=0.3)
    return figure


@styled
def parallel(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    accuracies: Sequence[float],
    best: int,
    *,
    title: str,
) -> Figure:
    """Draw trials as lines over parallel axes, one a parameter, the last one the validation accuracy.

    Args:
        names: of the parameters. rows: `(n, parameters)` values, numbers or words. accuracies: `(n,)`.
        best: the index of the best trial, a thick dashed line; of the others the better are darker.

    Raises UsageError for shapes that do not fit.
    """
    if len(rows) != len(accuracies) or not rows or any(len(row) != len(names) for row in rows):
        raise UsageError("cannot draw the trials: expected as many values in each row as there are names")
    columns: list[Sequence[Any]] = [list(column) for column in zip(*rows, strict=True)]
    columns.append([100 * accuracy for accuracy in accuracies])
    heights = np.array([_heights(column) for column in columns])
    shade = _heights(np.argsort(np.argsort(accuracies)).tolist())
    figure = new_figure(1.8 * len(columns) + 1.4, 4.3, layout="constrained")
    axes = figure.add_subplot(ylim=(-0.04, 1.04), xlim=(-0.15, len(columns) - 0.6))
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.set_xticks(range(len(columns)), [*names, "validation\naccuracy (%)"])
    for i in np.argsort(accuracies):
        if i != best:
            grey = f"{0.82 - 0.62 * shade[i]:.2f}"
            axes.plot(heights[:, i], color=grey, linewidth=0.9 + 0.9 * shade[i])
    red = ROLES["val"].color
    axes.plot(heights[:, best], color=red, linewidth=2.6, linestyle=(0, (5, 1.5)), label="best")
    for i, column in enumerate(columns):
        axes.axvline(i, color="0.25", linewidth=1)
        for height, text in _labels(column):
            axes.annotate(
                text, (i, height), (4, 0), textcoords="offset points", va="center", fontsize=8.5, bbox=_BEHIND
            )
    axes.set_title(wrap(title + "\n(the darker, the better; dashed: the best)", 6), fontsize=TITLE_SIZE)
    return figure


_BEHIND = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


def _is_number(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _is_logarithmic(values: Sequence[Any]) -> bool:
    return _is_number(values) and min(values) > 0 and max(values) > _LOG_SPAN * min(values)


def _words(values: Sequence[Any]) -> list[str]:
    """The words there are, in the order of their first appearance; widths by size."""
    words = list(dict.fromkeys(map(str, values)))
    return sorted(words, key=_as_sizes) if all(_as_sizes(word) for word in words) else words


def _as_sizes(word: str) -> list[int]:
    parts = word.split(",")
    return [int(part) for part in parts] if all(part.isdecimal() for part in parts) else []


def _positions(values: Sequence[Any]) -> Array:
    """Numbers as they are; words by their place."""
    if _is_number(values):
        return np.asarray(values, np.float64)
    words = _words(values)
    if all(word.isdecimal() for word in words):
        return np.array([float(value) for value in values])
    return np.array([words.index(str(value)) for value in values], np.float64)


def _mark_axis(axes: Axes, values: Sequence[Any]) -> None:
    if _is_logarithmic(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        if max(values) < 100 * min(values):
            axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    elif not _is_number(values) and not all(word.isdecimal() for word in _words(values)):
        words = _words(values)
        axes.set_xticks(range(len(words)), words)
        axes.set_xlim(-0.5, len(words) - 0.5)


def _heights(values: Sequence[Any]) -> Array:
    """Each value's place between the lowest (0) and the highest (1); a half where all are the same."""
    x = _positions(values)
    if _is_logarithmic(values):
        x = np.log(x)
    span = float(x.max() - x.min())
    return (x - x.min()) / span if span else np.full(len(x), 0.5)


def _labels(values: Sequence[Any]) -> list[tuple[float, str]]:
    """(height, text) along one axis: the lowest and the highest number, or every word."""
    heights = _heights(values)
    few = len(set(map(str, values))) <= 6
    ends = {int(np.argmin(heights)), int(np.argmax(heights))}
    chosen = range(len(values)) if few else sorted(ends)
    found = {round(float(heights[i]), 3): _text(values[i]) for i in chosen}
    return list(found.items())


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
