"""Examples: wrongly classified images, what they are and what they were taken for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.images import to_unit
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

_COLUMNS = 5
_GAP = 0.14  # inches
_CAPTION = 8.5  # points


@styled
def mistakes(
    images: Array,
    taken: Sequence[tuple[str, str, float]],
    *,
    image_shape: tuple[int, int, int],
    title: str,
) -> Figure:
    """Draw images in a grid, below a caption of "true → predicted, p" each.

    Args:
        images: `(n, d)`, channel-major rows; uint8 as they are, others from their own min to max.
        taken: (true class, predicted class, its probability), one an image.

    Raises UsageError for shapes that do not fit.
    """
    n, d = len(taken), math.prod(image_shape)
    if images.shape != (n, d) or n == 0 or image_shape[0] not in (1, 3):
        raise UsageError(
            f"cannot draw {n} mistakes from rows of shape {images.shape}: expected ({max(n, 1)}, {d}), "
            f"images of shape {image_shape} with 1 or 3 channels"
        )
    pictures = images.reshape(n, *image_shape).transpose(0, 2, 3, 1)
    columns, (_, h, w) = min(n, _COLUMNS), image_shape
    pixel = 0.04 * 32 / max(h, w) if max(h, w) > 32 else 0.04 * (32 // max(h, w))  # whole dots up to 32
    step_x = w * pixel + _GAP
    captions = _captions(taken, letters=max(16, int(step_x * 72 / (0.58 * _CAPTION))))
    step_y = h * pixel + 0.1 + 0.16 * (captions[0].count("\n") + 1)
    width = max(columns * step_x + _GAP, 5.0)
    heading = wrap(title, width - 2 * _GAP)
    top = 0.16 + 0.2 * len(heading.splitlines())
    height = round(top + math.ceil(n / columns) * step_y + _GAP, 2)
    left = 0.02 * round((width - columns * step_x + _GAP) / 0.04)
    figure = new_figure(width, height)
    figure.suptitle(heading, y=1 - 0.08 / height, va="top", fontsize=TITLE_SIZE)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(i, columns)
        x, y = left + column * step_x, height - top - (row + 1) * step_y
        axes = figure.add_axes((x / width, y / height, w * pixel / width, h * pixel / height))
        axes.imshow(_shown(picture), interpolation="nearest", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=_CAPTION, pad=3)
        axes.set_axis_off()
    return figure


def _shown(picture: Array) -> Array:
    """`(h, w, 3)` in [0, 1]."""
    values = picture.astype(np.float64)
    if picture.dtype == np.uint8:
        return to_unit(values, np.float64(0), np.float64(255))
    return to_unit(values, values.min(), values.max())


def _captions(taken: Sequence[tuple[str, str, float]], letters: int) -> list[str]:
    """On one line each if all fit, else on two; a probability is never cut off, and 1.000 is 1."""
    rows = [(_plain(true), _plain(predicted), _number(p)) for true, predicted, p in taken]
    lines = [f"{true} → {predicted}, {number}" for true, predicted, number in rows]
    if max(map(len, lines)) <= letters:
        return lines
    return [
        f"{_cut(true, letters - 2)} →\n{_cut(predicted, letters - len(number) - 2)}, {number}"
        for true, predicted, number in rows
    ]


def _number(p: float) -> str:
    return "> 0.999" if 0.9995 <= p < 1 else f"{p:.3f}"


def _plain(name: str) -> str:
    return " ".join(str(name).split())


def _cut(name: str, letters: int) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"
