"""Fits: a function of one number, and what models make of it, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.looks import ROLES
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

COLUMNS = 3
_SEEDS_DRAWN = 10


@styled
def fits(x: Array, y: Array, models: Mapping[str, Array], *, title: str) -> Figure:
    """A panel for each of `models`: the true function, and below it in colour the fits of several seeds.

    Args:
        x, y: `(n,)`, the true function.
        models: label -> `(n, K)`, one column a seed; the first of them are drawn.

    Raises UsageError for shapes that do not fit.
    """
    if not models or any(values.ndim != 2 or len(values) != len(x) for values in models.values()):
        raise UsageError(f"cannot draw fits: expected ({len(x)}, K) numbers a model, one column a seed")
    columns = min(COLUMNS, len(models))
    rows = -(-len(models) // columns)
    width = 7 if columns == 1 else 3.3 * columns
    figure = new_figure(width, 0.9 + (3.4 if columns == 1 else 2.5) * rows, layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    fitted, seeds = ROLES["val"], min(_SEEDS_DRAWN, max(values.shape[1] for values in models.values()))
    for axes, (label, values) in zip(panels, models.items(), strict=False):
        axes.plot(x, y, color="black", linewidth=2.6, alpha=0.35, label="the function")
        for k, one in enumerate(values.T[:seeds]):
            width, name = (1.6, "a model") if k == 0 else (0.7, "other seeds")
            axes.plot(
                x,
                np.where(np.isfinite(one), one, np.nan),
                color=fitted.color,
                linestyle=fitted.linestyle if k == 0 else "-",
                linewidth=width,
                alpha=1.0 if k == 0 else 0.45,
                label=name if k < 2 else None,
            )
        axes.set_title(label, fontsize=10)
        axes.set_xlabel("x")
    for axes in panels[len(models) :]:
        axes.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), handlelength=3.5)
    figure.suptitle(wrap(title, figure.get_figwidth() - 0.6), fontsize=TITLE_SIZE)
    return figure
