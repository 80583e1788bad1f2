"""Comparison: published and measured accuracies, one line an experiment."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.plots.looks import ROLES
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap


@styled
def comparison(
    rows: Sequence[tuple[str, float | None, float, float, float]],
    *,
    title: str,
    xlabel: str = "test accuracy",
) -> Figure:
    """Draw published and measured accuracies, one line an experiment, in per cent.

    Args:
        rows: (name, published or None, mean, low, high), as fractions; low to high is the 95 % interval
            of the mean, NaN where there is none.

    Raises UsageError without rows.
    """
    if not rows:
        raise UsageError("nothing to compare: give at least one experiment")
    published, mean, low, high = np.array([row[1:] for row in rows], np.float64).T * 100
    y = np.arange(len(rows))
    above, below = y - 0.17, y + 0.17
    blue, red = ROLES["train"].color, ROLES["val"].color
    figure = new_figure(7.5, 1.7 + 0.55 * len(rows), layout="constrained")
    axes = figure.add_subplot(xlabel=f"{xlabel} (%)", ylim=(len(rows) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    axes.hlines(below, low, high, color=blue, linewidth=2.2)
    for end in (low, high):
        axes.plot(end, below, "|", color=blue, markersize=10, markeredgewidth=1.8)
    hollow: dict[str, Any] = {"fillstyle": "none", "markersize": 8, "markeredgewidth": 1.6}
    axes.plot(published, above, "D", color=red, label="published", **hollow)
    measured = "measured" + ("; bar: 95 % interval of the mean" if np.isfinite(low).any() else "")
    axes.plot(mean, below, "o", color=blue, markersize=6, label=measured)
    axes.set_yticks(y, [textwrap.fill(row[0], 28) for row in rows])
    numbers = axes.secondary_yaxis("right")
    numbers.set_yticks(
        y, [_numbers(*row) for row in zip(published, mean, low, high, strict=True)], fontsize=8.5
    )
    for axis in (axes, numbers):
        axis.tick_params(axis="y", length=0)
    numbers.spines["right"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2)
    figure.suptitle(wrap(title, 7), fontsize=TITLE_SIZE)
    return figure


def _numbers(published: float, mean: float, low: float, high: float) -> str:
    above = f"published {published:.2f}" if math.isfinite(published) else "none published"
    interval = f" [{low:.2f}, {high:.2f}]" if math.isfinite(low) and math.isfinite(high) else ""
    return f"{above}\nmeasured {mean:.2f}{interval}"
