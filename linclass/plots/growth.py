"""Growth: accuracy against the number of training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.plots.looks import looks_of
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap


@styled
def growth(
    sizes: Sequence[int],
    accuracies: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    title: str,
    chance: float,
) -> Figure:
    """Draw accuracies in per cent over a logarithmic axis of training rows, with their 95 % intervals.

    Args:
        sizes: rising numbers of training rows.
        accuracies: label -> (accuracy, low, high) for each size, as fractions; NaN for no interval.
        chance: what guessing gives, a grey line.

    Raises UsageError without sizes, or for lengths that do not fit.
    """
    if not sizes or any(len(points) != len(sizes) for points in accuracies.values()):
        raise UsageError("cannot draw growth: expected at least one size, and a point for each")
    figure = new_figure(7, 4.5, layout="constrained")
    axes = figure.add_subplot(xlabel="training rows", ylabel="accuracy (%)", xscale="log", ylim=(0, 103))
    axes.axhline(100 * chance, color="0.5", linewidth=1, label="guessing")
    for (label, points), look in zip(accuracies.items(), looks_of(list(accuracies)), strict=True):
        accuracy, low, high = 100 * np.array(points).T
        # an interval's ends may be a rounding error on the wrong side
        bars = np.maximum([accuracy - low, high - accuracy], 0)
        axes.errorbar(sizes, accuracy, bars, label=label, capsize=4, linewidth=1.6, **look._asdict())
    labels = [f"{size:,}" for size in sizes]  # turned, since doubled sizes stand close together
    axes.set_xticks(sizes, labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_title(wrap(title, 6.4), fontsize=TITLE_SIZE)
    figure.legend(loc="outside lower center", ncols=4)
    return figure
