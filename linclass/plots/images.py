"""Templates: each class's weights as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from matplotlib.figure import Figure

from linclass.errors import UsageError
from linclass.params import Array
from linclass.plots.style import TITLE_SIZE, new_figure, styled, wrap

Scale = Literal["class", "shared", "symmetric"]


def checked_images(weights: Array, classes: Sequence[str], image_shape: tuple[int, int, int] | None) -> Array:
    """Weights `(C, d)` as float64 pictures `(C, h, w, channels)`."""
    if image_shape is None or len(image_shape) != 3 or image_shape[0] not in (1, 3):
        raise UsageError(
            f"cannot draw weights as pictures: the images' shape is {image_shape}; "
            "expected (1 or 3 channels, height, width)"
        )
    d = math.prod(image_shape)
    if weights.ndim != 2 or weights.shape[1] != d or d == 0:
        raise UsageError(
            f"cannot draw weights of shape {weights.shape} as pictures: expected (classes, {d}), "
            f"as images of shape {image_shape} have {d} values"
        )
    if len(weights) != len(classes) or len(weights) == 0:
        raise UsageError(
            f"cannot draw {len(weights)} rows of weights with {len(classes)} class names: one each"
        )
    bad = np.flatnonzero(~np.isfinite(weights).all(axis=1))
    if len(bad):
        raise UsageError(
            f"cannot draw the weights of class {classes[bad[0]]!r}: they are not finite, the run has "
            "diverged; take an earlier snapshot or train with a smaller --eta"
        )
    # a row is channel-major: W[c].reshape(channels, h, w) -> (h, w, channels)
    images: Array = weights.astype(np.float64).reshape(-1, *image_shape).transpose(0, 2, 3, 1)
    return images


def limits(images: Array, scale: Scale) -> tuple[Array, Array]:
    """Weights shown as 0 and as 1, to be broadcast over images `(..., C, h, w, channels)`."""
    if scale == "class":
        pixels = (-3, -2, -1)
        return images.min(axis=pixels, keepdims=True), images.max(axis=pixels, keepdims=True)
    if scale == "shared":
        return images.min(), images.max()
    if scale == "symmetric":
        m = np.abs(images).max()
        return -m, m
    raise UsageError(f"unknown template scale {scale!r}; expected one of {', '.join(get_args(Scale))}")


def to_unit(images: Array, low: Array, high: Array) -> Array:
    """(w - low) / (high - low), and mid grey where they are equal; one channel becomes three."""
    with np.errstate(over="ignore"):
        # a difference of numbers near 1e308 overflows, that of their halves does not
        half = np.where(np.isfinite(high - low), 1.0, 0.5)
    images, low, width = half * images, half * low, half * high - half * low
    unit = np.where(width > 0, (images - low) / np.where(width > 0, width, 1), 0.5)
    return np.repeat(unit, 3, axis=-1) if unit.shape[-1] == 1 else unit


def scale_name(scale: Scale, low: Array, high: Array) -> str:
    if scale == "class":
        return "scale: class (each from its own min to its own max)"
    zero = ", 0 is mid grey" if scale == "symmetric" else ""
    return f"scale: {scale} ({low:.3g} to {high:.3g} for all{zero})"


def tiled(images: Array, classes: Sequence[str], heading: str) -> Figure:
    """A grid of named pictures; every length is a whole number of dots at 50, 100, 150, ... dpi."""
    C, h, w, _ = images.shape
    side = max(h, w)
    pixel = 0.04 * (32 // side) if side <= 32 else 0.04 / math.ceil(side / 32)
    columns = min(C, 5 if C <= 10 else 10)
    rows = math.ceil(C / columns)
    gap, name_height = 0.12, 0.26
    step_x, step_y = w * pixel + gap, h * pixel + name_height
    width = max(columns * step_x + gap, 5.0)
    heading = wrap(heading, width - 2 * gap)
    top = 0.1 + 0.2 * len(heading.splitlines())
    height = round(top + rows * step_y + gap, 2)
    left = 0.02 * round((width - columns * step_x + gap) / 0.04)
    figure = new_figure(width, height)
    figure.suptitle(heading, y=1 - 0.08 / height, va="top", fontsize=TITLE_SIZE)
    letters = max(4, int(step_x * 72 / (0.58 * 10)))
    for c, (image, name) in enumerate(zip(images, classes, strict=True)):
        row, column = divmod(c, columns)
        x, y = left + column * step_x, height - top - (row + 1) * step_y
        axes = figure.add_axes((x / width, y / height, w * pixel / width, h * pixel / height))
        axes.imshow(image, interpolation="nearest", aspect="auto", vmin=0, vmax=1)
        name = " ".join(str(name).split())
        axes.set_title(name if len(name) <= letters else name[: letters - 1] + "…", fontsize=10, pad=3)
        axes.set_axis_off()
    return figure


@styled
def templates(
    weights: Array,
    classes: Sequence[str],
    *,
    image_shape: tuple[int, int, int] | None = (3, 32, 32),
    scale: Scale = "class",
    title: str,
) -> Figure:
    """Draw each class's weights as the picture it looks for.

    Args:
        weights: `(C, d)`, rows channel-major like the images.
        classes: C names.
        image_shape: (channels, height, width), d their product; 1 channel is drawn in grey.
        scale: what is black and what is white. "class": the min and max of each template; "shared": of
            all together; "symmetric": -m and m, m the largest magnitude of all, so that 0 is mid grey.
            A template without any contrast is mid grey.

    Raises UsageError if the rows are not images, or not finite.
    """
    images = checked_images(np.asarray(weights), classes, image_shape)
    low, high = limits(images, scale)
    return tiled(to_unit(images, low, high), classes, f"{title}\n{scale_name(scale, low, high)}")
