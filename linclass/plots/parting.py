"""Trainings that began alike: their losses step by step, and how far their parameters have parted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.looks import ROLES, Look, looks_of
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

Series = Mapping[str, Array]
_OTHERS = [*ROLES.values(), *(look._replace(linestyle="-.") for look in ROLES.values())]


@styled
def parting(
    losses: Mapping[str, Sequence[Array]],
    distances: Mapping[str, Series],
    *,
    title: str,
    twins: Sequence[str],
    thresholds: Sequence[float] = (),
) -> Figure:
    """Draw losses above, and below them one panel of distances for each kind of comparison.

    Args:
        losses: label -> as many arrays `(steps,)` as `twins`, trainings that should be one: the first is
            drawn broad, the others narrow on top of it.
        distances: panel title -> label -> `(steps,)`; the panels have a common logarithmic axis. A label
            that `losses` has too keeps its colour. Zeros and values that are not finite are left out.
        twins: what the arrays of a label in `losses` are called.
        thresholds: horizontal lines in the panels of distances.

    Raises UsageError for shapes that do not fit.
    """
    curves = [curve for group in losses.values() for curve in group]
    curves += [curve for panel in distances.values() for curve in panel.values()]
    if len({np.shape(curve) for curve in curves}) != 1 or {len(g) for g in losses.values()} != {len(twins)}:
        raise UsageError("cannot draw the trainings: expected as many steps, and as many twins, of each")
    figure = new_figure(9, 3.2 * (1 + len(distances)), layout="constrained")
    rows = 1 + len(distances)
    top = figure.add_subplot(rows, 1, 1)
    looks = dict(zip(losses, looks_of(list(losses)), strict=True))
    _draw_losses(top, losses, looks, twins)
    axes, common = top, None
    for row, (name, series) in enumerate(distances.items(), start=2):
        axes = figure.add_subplot(rows, 1, row, sharex=top, sharey=common)
        common = common or axes
        _draw_distances(axes, series, looks, thresholds)
        axes.set_title(wrap(name, 6.0), fontsize=TITLE_SIZE - 1, loc="left")
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    figure.suptitle(wrap(title, 8.4), fontsize=TITLE_SIZE)
    return figure


def _draw_losses(
    axes: Axes, losses: Mapping[str, Sequence[Array]], looks: Mapping[str, Look], twins: Sequence[str]
) -> None:
    for label, group in losses.items():
        look = looks[label]
        for i, curve in enumerate(group):
            steps, values = _drawable(curve)
            if i == 0:
                axes.plot(steps, values, color=look.color, linewidth=5, alpha=0.3)
            else:
                axes.plot(steps, values, color=look.color, linestyle=look.linestyle, label=label)
    _logarithmic(axes, "loss of the batch", "{x:g}")
    broad, *narrow = twins
    _legend(axes, f"broad: {broad}, narrow: {', '.join(narrow)}" if narrow else broad)


def _draw_distances(
    axes: Axes, series: Series, looks: Mapping[str, Look], thresholds: Sequence[float]
) -> None:
    others = [label for label in series if label not in looks]
    own = dict(zip(others, itertools.cycle(_OTHERS), strict=False))
    for label, curve in series.items():
        look = looks.get(label) or own[label]
        steps, values = _drawable(curve)
        label = label if len(steps) else f"{label}: none"
        axes.plot(steps, values, color=look.color, linestyle=look.linestyle, label=label)
    _logarithmic(axes, "largest difference\nof a parameter", "{x:.0e}")
    for threshold in thresholds:
        axes.axhline(threshold, color="0.25", linewidth=1, linestyle=(0, (10, 3)))
    _legend(axes, "")


def _drawable(curve: Array) -> tuple[Array, Array]:
    """Steps from 1 and values, of those that a logarithmic axis can show."""
    shown = np.isfinite(curve) & (curve > 0)
    return np.flatnonzero(shown) + 1, curve[shown]


def _logarithmic(axes: Axes, ylabel: str, numbers: str) -> None:
    axes.set_yscale("log")
    axes.set_ylabel(ylabel)
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter(numbers))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())


def _legend(axes: Axes, title: str) -> None:
    axes.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), title=title or None, title_fontsize=9.5, handlelength=4
    )
