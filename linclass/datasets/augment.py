"""Augmentation: training images changed at random in ways that keep their class, anew in every epoch.

    mirror         left and right exchanged, half of the images
    shift:N        by -N..N whole pixels down and to the right (padding with N pixels and cropping is this)
    rotation:DEG   by an angle in [-DEG, DEG]
    crop:N         random resized crop: 0 to N rows and as many columns are cut off, the rest is enlarged
    brightness:X   all levels times a factor in [1 - X, 1 + X]
    contrast:X     the distance from the image's mean grey level times such a factor
    saturation:X   the distance from each pixel's grey level times such a factor; colour images only
    noise:X        plus normal noise with standard deviation X (of the full scale)

All choices are uniform, independent for each image, and a function of (seed, epoch, batch): nothing is
remembered, so a resumed run sees the images that an uninterrupted one sees. The operations are
applied in the order in which they are named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from linclass.datasets import image_ops
from linclass.datasets.dataset import Dataset
from linclass.errors import UsageError
from linclass.params import Array
from linclass.rng import generator

Generator = np.random.Generator


def mirror(images: Array, random: Generator, _: float) -> Array:
    return image_ops.mirror(images, random.random(len(images)) < 0.5)


def shift(images: Array, random: Generator, N: float) -> Array:
    down, right = (_whole(random, 2 * N + np.ones(len(images))) - int(N) for _ in range(2))
    return image_ops.shift(images, down, right)


def rotation(images: Array, random: Generator, limit: float) -> Array:
    return image_ops.rotate(images, limit * (2 * random.random(len(images)) - 1))


def crop(images: Array, random: Generator, N: float) -> Array:
    cut = _whole(random, N + np.ones(len(images)))
    top, left = _whole(random, cut + 1), _whole(random, cut + 1)
    return image_ops.crop(images, cut, top, left)


def brightness(images: Array, random: Generator, X: float) -> Array:
    return image_ops.brightness(images, _factor(images, random, X))


def contrast(images: Array, random: Generator, X: float) -> Array:
    return image_ops.contrast(images, _factor(images, random, X))


def saturation(images: Array, random: Generator, X: float) -> Array:
    return image_ops.saturation(images, _factor(images, random, X))


def noise(images: Array, random: Generator, X: float) -> Array:
    return image_ops.noise(images, random.standard_normal(images.shape, np.float32), 255 * X)


def _whole(random: Generator, count: Array) -> Array:
    """`(n,)` whole numbers, uniform in 0..count - 1."""
    return (random.random(len(count)) * count).astype(np.intp)


def _factor(images: Array, random: Generator, X: float) -> Array:
    """`(n,)` factors in [1 - X, 1 + X]."""
    return 1 + X * (2 * random.random(len(images)) - 1)


class _Kind(NamedTuple):
    """One operation in words: what its number must be, as a text and as a test that sees the side too."""

    change: Callable[[Array, Generator, float], Array]
    example: str
    expected: str = ""
    fits: Callable[[float, int], bool] = lambda value, side: True


_SHARE = "a number above 0 and at most 1"


def _is_share(value: float, side: int) -> bool:
    return 0 < value <= 1


def _is_pixels(value: float, side: int) -> bool:
    return value == int(value) and 1 <= value < side


KINDS: Mapping[str, _Kind] = {
    "mirror": _Kind(mirror, "mirror"),
    "shift": _Kind(shift, "shift:3", "whole pixels, fewer than an image has", _is_pixels),
    "rotation": _Kind(
        rotation,
        "rotation:10",
        "degrees above 0 and at most 180",
        lambda value, side: 0 < value <= 180 and side > 1,
    ),
    "crop": _Kind(crop, "crop:6", "whole pixels, fewer than an image has", _is_pixels),
    "brightness": _Kind(brightness, "brightness:0.2", _SHARE, _is_share),
    "contrast": _Kind(contrast, "contrast:0.2", _SHARE, _is_share),
    "saturation": _Kind(saturation, "saturation:0.2", _SHARE, _is_share),
    "noise": _Kind(noise, "noise:0.05", _SHARE, _is_share),
}
"""The operations that a text can name."""


class Operation(NamedTuple):
    """A name in KINDS and its number (0 where it has none)."""

    name: str
    amount: float


class Augmentation:
    """`operations` on batches of images of `image_shape` (channels, height, width), flattened in rows."""

    def __init__(self, operations: tuple[Operation, ...], image_shape: tuple[int, int, int]) -> None:
        self.operations, self.image_shape = operations, image_shape

    def __call__(self, x: Array, *, seed: int, epoch: int, batch: int) -> Array:
        """x `(n, d)` uint8, changed, in other memory; the labels stay what they are."""
        random = generator(seed, "augment", epoch, batch)
        images = x.reshape(-1, *self.image_shape)
        for name, amount in self.operations:
            images = KINDS[name].change(images, random, amount)
        return images.reshape(x.shape)


def parse(text: str, dataset: Dataset) -> Augmentation | None:
    """The augmentation that `--augment text` names ("mirror,shift:3"); None for an empty text.

    Raises UsageError for a text that names none, and for images that cannot be changed so.
    """
    if not text:
        return None
    shape = dataset.image_shape
    if shape is None:
        raise _refused(text, f"the rows of {dataset.name} are not images; leave the option out")
    if dataset.train.x.dtype != np.uint8:
        raise _refused(text, f"the pixels of {dataset.name} are {dataset.train.x.dtype}, expected uint8")
    operations = tuple(_operation(text, part, min(shape[1:])) for part in text.split(","))
    if shape[0] != 3 and any(name == "saturation" for name, _ in operations):
        raise _refused(text, f"the images of {dataset.name} have no colours; leave saturation out")
    return Augmentation(operations, shape)


def _operation(text: str, part: str, side: int) -> Operation:
    name, colon, word = part.strip().partition(":")
    if name not in KINDS:
        examples = ", ".join(kind.example for kind in KINDS.values())
        raise _refused(text, f"{name!r} is no operation; expected some of {examples}, with commas between")
    kind = KINDS[name]
    if not kind.expected:
        if colon:
            raise _refused(text, f"{name} takes no number")
        return Operation(name, 0)
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not kind.fits(value, side):
        raise _refused(text, f"the number of {name} is {word!r}: expected {kind.expected}: {kind.example}")
    return Operation(name, value)


def _refused(text: str, reason: str) -> UsageError:
    return UsageError(f"--augment is {text!r}: {reason}")
