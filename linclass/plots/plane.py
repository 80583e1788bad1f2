"""Planes: the loss over two directions, and the paths of trainings in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from linclass.params import Array
from linclass.plots.looks import looks_of
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

LEVELS = 14
_LEAST_RANGE = 1e-9  # a plane whose loss varies less is flat but for rounding
_MOST_RANGE = 1e5  # above this many times the lowest loss, a plane is one shade


class Relief(NamedTuple):
    """The loss `(len(t), len(s))` at the points (s, t) of a plane."""

    s: Array
    t: Array
    loss: Array


class Track(NamedTuple):
    """A path in a plane: `(n, 2)` points, and a word for some of them, by index."""

    points: Array
    words: Mapping[int, str]


@styled
def plane(
    reliefs: Mapping[str, Relief | None],
    tracks: Mapping[str, Sequence[Track]] | None = None,
    *,
    title: str,
    labels: tuple[str, str] | Mapping[str, tuple[str, str]] = ("direction 1", "direction 2"),
) -> Figure:
    """A panel a name: contour lines of the loss with their values (spaced evenly in its logarithm) over
    shades of cividis, which are even in grey; and in it the tracks of the same name.

    Args:
        reliefs: name -> the loss, None where only tracks are drawn.
        labels: of the axes, for all panels or for each.
    """
    figure = new_figure(5.4 * len(reliefs), 5.2, layout="constrained")
    for axes, (name, relief) in zip(
        figure.subplots(1, len(reliefs), squeeze=False)[0], reliefs.items(), strict=True
    ):
        axes.grid(visible=False)
        if relief is not None:
            shades = _draw_relief(axes, relief)
            if shades is not None:
                figure.colorbar(shades, ax=axes, shrink=0.8, label="loss", format="{x:.3g}")
        _draw_tracks(axes, (tracks or {}).get(name, ()))
        xlabel, ylabel = labels[name] if isinstance(labels, Mapping) else labels
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_title(name, fontsize=10.5)
    figure.suptitle(wrap(title, 5.4 * len(reliefs) - 0.6), fontsize=TITLE_SIZE)
    return figure


def _draw_relief(axes: Axes, relief: Relief) -> QuadContourSet | None:
    """The contours; the shades, for their colour bar, None where the loss is the same everywhere."""
    finite = relief.loss[np.isfinite(relief.loss) & (relief.loss > 0)]
    if not len(finite):
        axes.text(0.5, 0.5, "there is no finite loss above 0", transform=axes.transAxes, ha="center")
        return None
    low, high = finite.min(), min(finite.max(), finite.min() * _MOST_RANGE)
    if np.isinf(relief.loss).any():
        high = max(high, low * _MOST_RANGE)
    if high <= low * (1 + _LEAST_RANGE):
        axes.text(0.5, 0.5, "the loss is the same everywhere", transform=axes.transAxes, ha="center")
        return None
    levels = np.geomspace(low, high, LEVELS)
    loss = np.clip(np.nan_to_num(relief.loss, nan=high, posinf=high), low, high)
    shades = axes.contourf(relief.s, relief.t, loss, levels, cmap="cividis", norm=LogNorm(low, high))
    lines = axes.contour(relief.s, relief.t, loss, levels[1:-1:2], colors="white", linewidths=0.8)
    axes.clabel(lines, fontsize=7.5, fmt="%.3g")
    return shades


def _draw_tracks(axes: Axes, tracks: Sequence[Track]) -> None:
    for look, track in zip(looks_of([str(i) for i in range(len(tracks))]), tracks, strict=True):
        x, y = track.points.T
        edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.6}
        axes.plot(x, y, color=look.color, marker=look.marker, linewidth=1.1, markersize=4.5, **edge)
        axes.plot(x[-1:], y[-1:], "*", color=look.color, markersize=12, **edge)
        for i, word in track.words.items():
            axes.annotate(
                word, track.points[i], (4, 4), textcoords="offset points", fontsize=7.5,
                bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
            )  # fmt: skip
