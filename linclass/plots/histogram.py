"""The histogram of the true class's probability, where the prediction is right and where it is wrong."""

from __future__ import annotations

import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure

from linclass.errors import UsageError, counted
from linclass.params import Array
from linclass.plots.looks import ROLES
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

_FLOOR = 0.6  # below one row, on a logarithmic axis: an empty bin lies out of sight
_BOTTOM = 0.7


@styled
def probability_histogram(edges: Array, right: Array, wrong: Array, *, title: str) -> Figure:
    """Draw two histograms over the same bins, the rows on a logarithmic axis.

    Args:
        edges: `(B + 1,)` in [0, 1]. right, wrong: `(B,)` counts.

    Colour, line style and hatching each tell the two apart. Raises UsageError for shapes that do not fit.
    """
    if not len(edges) - 1 == len(right) == len(wrong) > 0:
        raise UsageError(
            f"cannot draw histograms of {len(right)} and {len(wrong)} bins with {len(edges)} edges"
        )
    blue, red = ROLES["train"].color, ROLES["val"].color
    figure = new_figure(7, 4.5, layout="constrained")
    axes = figure.add_subplot(xlabel="probability of the true class", ylabel="rows", yscale="log")
    for counts, color, hatch, style, name in (
        (right, blue, None, "-", "right"),
        (wrong, red, "////", (0, (5, 2)), "wrong"),
    ):
        shown = np.maximum(counts, _FLOOR)
        label = f"predicted {name}: {counted(int(np.sum(counts)), 'row')}"
        axes.stairs(
            shown,
            edges,
            baseline=_FLOOR,
            fill=True,
            facecolor="none" if hatch else (color, 0.3),
            edgecolor=color,
            hatch=hatch,
            linewidth=1.8,
            linestyle=style,
            label=label,
        )
    top = max(np.max(right), np.max(wrong), 1)
    axes.set(xlim=(0, 1), ylim=(_BOTTOM, top * 1.6))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    axes.set_title(wrap(title, 6.4), fontsize=TITLE_SIZE)
    figure.legend(loc="outside lower center", ncols=2, handlelength=3)
    return figure
