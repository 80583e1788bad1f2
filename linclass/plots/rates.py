"""The learning-rate range test: the loss over a growing learning rate."""

from __future__ import annotations

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.looks import ROLES
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

_HEADROOM = 1.5  # the breakdown at the end may leave the picture: the way down is what is looked at


@styled
def learning_rate_range(
    rates: Array,
    losses: Array,
    smoothed: Array,
    bounds: tuple[float, float],
    *,
    title: str,
    steepest: float | None = None,
) -> Figure:
    """Draw a range test: every batch's loss faintly, the smoothed loss, and the suggested bounds.

    Args:
        rates, losses, smoothed: `(n,)`; the rates positive and rising, on a logarithmic axis.
        bounds: the suggested (low, high), a shaded stretch.
        steepest: the rate of steepest descent, a vertical line.

    Raises UsageError for shapes that do not fit.
    """
    shapes = {np.shape(array) for array in (rates, losses, smoothed)}
    if shapes != {(len(rates),)} or len(rates) < 2 or np.any(np.diff(rates) <= 0) or rates[0] <= 0:
        raise UsageError(
            "cannot draw the range test: expected rising positive rates, as many losses, and as many smoothed"
        )
    blue, red = ROLES["train"].color, ROLES["val"].color
    figure = new_figure(7, 4.5, layout="constrained")
    axes = figure.add_subplot(xlabel="learning rate", ylabel="training loss of the batch", xscale="log")
    axes.plot(rates, losses, ".", color="0.6", markersize=4, label="each batch")
    axes.plot(rates, smoothed, color=blue, linewidth=2, label="smoothed")
    low, high = bounds
    axes.axvspan(low, high, color=red, alpha=0.15, linewidth=0, label=f"suggested: {low:.2g} to {high:.2g}")
    if steepest is not None:
        label = f"steepest: {steepest:.2g}"
        axes.axvline(steepest, color=red, linewidth=1.5, linestyle=(0, (5, 2)), label=label)
    bottom, top = float(np.min(losses)), float(np.max(losses))
    start = float(np.max(losses[: max(1, len(losses) // 10)]))
    ceiling = min(top, bottom + _HEADROOM * (start - bottom))
    margin = 0.05 * (ceiling - bottom) or 0.5
    axes.set_ylim(bottom - margin, ceiling + margin)
    axes.xaxis.set_major_locator(ticker.LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axes.set_title(wrap(title, 6.4), fontsize=TITLE_SIZE)
    figure.legend(loc="outside lower center", ncols=2)
    return figure
