"""Samples: images of a data set, class by class, and what augmentation makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.images import to_unit
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

_GAP = 3  # pixels of the images, white


@styled
def samples(
    images: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    image_shape: tuple[int, int, int],
    title: str,
) -> Figure:
    """Draw a table of images.

    Args:
        images: `(rows, columns, d)` uint8, channel-major.
        rows, columns: their names.

    Raises UsageError for images of other than 1 or 3 channels.
    """
    channels, h, w = image_shape
    if channels not in (1, 3):
        raise UsageError(f"cannot draw images of {channels} channels: expected 1 or 3")
    mosaic, step_y, step_x = _mosaic(images.reshape(*images.shape[:2], *image_shape)), h + _GAP, w + _GAP
    pixel = 0.02 * max(1, 32 // max(h, w))  # inches; whole dots at 150 dpi
    width, height = mosaic.shape[1] * pixel, mosaic.shape[0] * pixel
    left, right, bottom = 1.15, 0.15, 0.12
    total_width = max(left + width + right, 5.0)
    heading = wrap(title, total_width - 0.3)
    total_height = bottom + height + 0.45 + 0.2 * len(heading.splitlines())
    figure = new_figure(total_width, total_height)
    figure.suptitle(heading, y=1 - 0.08 / total_height, va="top", fontsize=TITLE_SIZE)
    place = (left / total_width, bottom / total_height, width / total_width, height / total_height)
    axes = figure.add_axes(place)
    axes.imshow(mosaic, interpolation="nearest", aspect="auto")
    axes.set_xticks(np.arange(len(columns)) * step_x + (w - 1) / 2, columns)
    axes.set_yticks(np.arange(len(rows)) * step_y + (h - 1) / 2, rows)
    axes.tick_params(length=0, labelsize=9, top=False, bottom=False, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _mosaic(images: Array) -> Array:
    """`(rows, columns, channels, h, w)` side by side on white: `(height, width, 3)` in [0, 1]."""
    pictures = images.astype(np.float64).transpose(0, 1, 3, 4, 2)
    pictures = to_unit(pictures, np.float64(0), np.float64(255))
    gaps = ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0))
    pictures = np.pad(pictures, gaps, constant_values=1.0)
    rows, columns, step_y, step_x, _ = pictures.shape
    mosaic: Array = pictures.transpose(0, 2, 1, 3, 4).reshape(rows * step_y, columns * step_x, 3)
    return mosaic[:-_GAP, :-_GAP]
