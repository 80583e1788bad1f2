"""The confusion matrix: which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

_MOST_NUMBERS = 20  # classes; with more of them the numbers would not be readable
_MOST_NAMES = 60
_MOST_LETTERS = 18


@styled
def confusion(counts: Array, classes: Sequence[str], *, title: str) -> Figure:
    """Draw counts `(C, C)`, row the true class, column the predicted one.

    The shade is the root of the share of the true class (cividis, even in grey and to the colour-blind);
    the numbers are counts. Above 20 classes there are shades only.

    Raises UsageError for shapes that do not fit.
    """
    counts, C = np.asarray(counts), len(classes)
    if counts.shape != (C, C) or C == 0:
        raise UsageError(f"cannot draw a confusion matrix of shape {counts.shape} with {C} class names")
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    digits = len(str(counts.max()))
    side = min(max(4.0, C * max(0.5, 0.17 + 0.09 * digits)), 11.0) if C <= _MOST_NUMBERS else 9.0
    figure = new_figure(side + 2.2, side + 1.6, layout="constrained")
    axes = figure.add_subplot(xlabel="predicted class", ylabel="true class")
    axes.grid(visible=False)
    shade = PowerNorm(0.5, 0, 1)  # linear shades would show no mistake of a good classifier
    picture = axes.imshow(share, cmap="cividis", norm=shade, interpolation="nearest")
    if C <= _MOST_NUMBERS:
        for (row, column), n in np.ndenumerate(counts):
            dark = shade(share[row, column]) < 0.5
            axes.text(
                column, row, f"{n}", ha="center", va="center", fontsize=9, color="white" if dark else "black"
            )
    if C <= _MOST_NAMES:
        names = [_short(name) for name in classes]
        size = 9 if C <= _MOST_NUMBERS else 6
        upright = C * max(map(len, names)) * size * 0.62 / 72 < 0.9 * side
        turned = {"rotation": 0} if upright else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(C), names, fontsize=size, **turned)
        axes.set_yticks(range(C), names, fontsize=size)
    axes.tick_params(length=0)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="share of the true class's rows")
    figure.suptitle(wrap(title, side + 1.8), fontsize=TITLE_SIZE)
    return figure


def _short(name: str) -> str:
    name = " ".join(str(name).split())
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"
