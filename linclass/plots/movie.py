"""Animation: the templates of several snapshots, one after the other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from linclass.errors import UsageError
from linclass.files import write_durably
from linclass.params import Array
from linclass.plots.images import Scale, checked_images, limits, scale_name, tiled, to_unit
from linclass.plots.style import raster, styled, wrap


@styled
def animation(
    frames: Sequence[tuple[int, Array]],
    classes: Sequence[str],
    path: Path,
    *,
    title: str = "",
    image_shape: tuple[int, int, int] | None = (3, 32, 32),
    scale: Scale = "class",
    fps: float = 4,
) -> None:
    """Write a GIF of the templates of several snapshots, the epoch in the title; the last one stays longer.

    Args:
        frames: (epoch, weights `(C, d)`) of each snapshot.
        scale: as in `templates`; "shared" and "symmetric" span all the snapshots, so that growth is seen.
        fps: snapshots a second.

    Raises UsageError as `templates` does, StorageError if `path` cannot be written.
    """
    if not frames or not 0 < fps <= 50:
        raise UsageError(
            f"cannot animate {len(frames)} snapshots at {fps:g} a second: give some, and 0 < fps <= 50"
        )
    images = np.stack([checked_images(np.asarray(weights), classes, image_shape) for _, weights in frames])
    low, high = limits(images, scale)
    tiles = to_unit(images, low, high)
    digits = max(len(str(epoch)) for epoch, _ in frames)
    headings = [f"{title}\nepoch {e:>{digits}}\n{scale_name(scale, low, high)}" for e, _ in frames]
    figure = tiled(tiles[0], classes, headings[0])
    pictures = []
    for heading, tile in zip(headings, tiles, strict=True):
        figure.suptitle(wrap(heading, figure.get_figwidth() - 0.24))
        for axes, image in zip(figure.axes, tile, strict=True):
            axes.images[0].set_data(image)
        pictures.append(raster(figure, 75).quantize(128, dither=Image.Dither.NONE))
    durations = [round(1000 / fps)] * (len(pictures) - 1) + [max(2000, round(1000 / fps))]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    write_durably(path, buffer.getvalue())
