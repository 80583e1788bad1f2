"""Scatter: one number of many models against another, a panel for each way to measure it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.looks import looks_of
from linclass.plots.style import TITLE_SIZE, legend_columns, new_figure, styled, wrap


@styled
def scatter(
    panels: Mapping[str, Array],
    y: Array,
    groups: Mapping[str, Array],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    lines: Mapping[str, float] | None = None,
) -> Figure:
    """Draw points (x, y), one a model.

    Args:
        panels: label -> x `(n,)`. y: `(n,)`, common to all panels.
        groups: label -> `(n,)` bool: which points get one colour and marker.
        lines: label -> a height that is marked with a line, named in the first panel.

    Raises UsageError for shapes that do not fit.
    """
    arrays = [*panels.values(), *groups.values()]
    if not panels or not groups or any(np.shape(array) != np.shape(y) for array in arrays):
        raise UsageError(f"cannot draw a scatter: expected {np.shape(y)} numbers in each panel and group")
    figure = new_figure(4.6 * len(panels), 4.4, layout="constrained")
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (label, x) in zip(all_axes, panels.items(), strict=True):
        for name, height in (lines or {}).items():
            axes.axhline(height, color="0.35", linewidth=1, linestyle=(0, (6, 3)))
            if axes is all_axes[0]:
                transform, right = axes.get_yaxis_transform(), {"ha": "right", "va": "top", "fontsize": 9}
                axes.annotate(
                    name, (1, height), (0, -3), xycoords=transform, textcoords="offset points", **right
                )
        for look, (name, mask) in zip(looks_of(list(groups)), groups.items(), strict=True):
            if not np.any(mask):
                continue
            style = {"color": look.color, "marker": look.marker, "linestyle": "none"}
            axes.plot(x[mask], y[mask], label=name, fillstyle="none", markersize=6, alpha=0.8, **style)
        axes.set_title(label, fontsize=10)
        axes.set_xlabel(xlabel)
    all_axes[0].set_ylabel(ylabel)
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=legend_columns(labels, figure.get_figwidth() - 0.2)
    )
    figure.suptitle(wrap(title, figure.get_figwidth() - 0.6), fontsize=TITLE_SIZE)
    return figure
