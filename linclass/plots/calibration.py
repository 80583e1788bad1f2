"""The reliability diagram: how often predictions of a stated probability are right."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from linclass.metrics import Reliability, wilson_interval
from linclass.plots.looks import ROLES
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap


@styled
def reliability_diagram(
    table: Reliability, *, title: str, probability: str = "the predicted class's probability"
) -> Figure:
    """Draw the fraction correct over the stated probability, bin by bin, and how many rows each bin has.

    Points have their 95 % Wilson interval; on the dashed diagonal they would be perfectly calibrated.
    """
    filled = np.flatnonzero(table.rows)
    intervals = [wilson_interval(int(table.correct[m]), int(table.rows[m])) for m in filled]
    low, high = np.array(intervals).T
    stated, accuracy = table.confidence[filled], table.accuracy[filled]
    blue = ROLES["train"].color
    figure = new_figure(6.4, 6.6, layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot((0, 1), (0, 1), color="0.3", linewidth=1.2, linestyle=(0, (6, 3)), label="perfectly calibrated")
    axes.vlines(stated, accuracy, stated, color="0.75", linewidth=5, label="gap")
    axes.vlines(stated, low, high, color=blue, linewidth=1.6, label="95 % interval")
    axes.plot(stated, accuracy, "o-", color=blue, markersize=5.5, linewidth=1.2, label="fraction right")
    axes.set(ylabel="fraction right", xlim=(0, 1), ylim=(0, 1.02))
    error = f"expected calibration error {100 * table.error:.2f} %"
    axes.text(0.98, 0.04, error, transform=axes.transAxes, ha="right")
    below.bar(table.edges[:-1], table.rows, np.diff(table.edges), align="edge", color="0.8", edgecolor="0.35")
    below.set(ylabel="rows", xlabel=textwrap.fill(probability, 64))
    below.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    below.yaxis.set_major_locator(ticker.MaxNLocator(4, integer=True))
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.2, handlelength=1.8)
    figure.suptitle(wrap(title, 5.8), fontsize=TITLE_SIZE)
    return figure
