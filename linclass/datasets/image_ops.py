"""Changes of images that keep their class: one number an image, the whole batch at once.

Images are `(n, channels, h, w)`, uint8; so is what comes back, in new memory. What falls outside an image
is its nearest pixel, because black borders would be a pattern of their own to a network that sees
every pixel as a feature. Results between two levels are rounded to the nearest one.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from linclass.params import Array

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in a grey level: Rec. ITU-R BT.601."""


def mirror(images: Array, mirrored: Array) -> Array:
    """out[..., j] = image[..., w - 1 - j] where `mirrored` `(n,)` bool, left and right exchanged."""
    out: Array = images.copy()
    out[mirrored] = images[mirrored][..., ::-1]
    return out


def shift(images: Array, down: Array, right: Array) -> Array:
    """out[i, j] = image[i - down, j - right]; down, right `(n,)` whole pixels."""
    n, _, h, w = images.shape
    N = int(max(np.abs(down).max(initial=0), np.abs(right).max(initial=0)))
    rows, columns = np.arange(-N, h + N).clip(0, h - 1), np.arange(-N, w + N).clip(0, w - 1)
    padded = images.take(rows, axis=2).take(columns, axis=3)
    # every shifted image is a window of the padded one: a block copy each, no index a pixel
    windows = sliding_window_view(padded, (h, w), axis=(2, 3))
    shifted: Array = windows[np.arange(n), :, N - down, N - right]
    return shifted


def rotate(images: Array, degrees: Array) -> Array:
    """Turned about the centre by `degrees` `(n,)`, counter-clockwise, bilinear.

    With c the centre and a the angle, out at (i, j) is the image at

        y = c_y + cos(a) (i - c_y) + sin(a) (j - c_x)
        x = c_x - sin(a) (i - c_y) + cos(a) (j - c_x)
    """
    _, _, h, w = images.shape
    a = np.deg2rad(degrees).astype(np.float32)[:, None, None]
    i = np.arange(h, dtype=np.float32)[:, None] - np.float32((h - 1) / 2)
    j = np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2)
    y = np.cos(a) * i + np.sin(a) * j + np.float32((h - 1) / 2)
    x = np.cos(a) * j - np.sin(a) * i + np.float32((w - 1) / 2)
    return _bilinear(images, y, x)


def _bilinear(images: Array, y: Array, x: Array) -> Array:
    """Images at the points y, x `(n, h, w)`, between the four pixels around each.

    (1 - p)(1 - q) I[k, m] + (1 - p) q I[k, m + 1] + p (1 - q) I[k + 1, m] + p q I[k + 1, m + 1]
    """
    n, channels, h, w = images.shape
    y, x = y.clip(0, h - 1).reshape(n, -1), x.clip(0, w - 1).reshape(n, -1)
    k, m = np.minimum(y.astype(np.intp), h - 2), np.minimum(x.astype(np.intp), w - 2)
    p, q = (y - k).astype(np.float32), (x - m).astype(np.float32)
    flat, place = images.reshape(-1), np.arange(n)[:, None] * (channels * h * w) + k * w + m
    out = np.empty((n, channels, h * w), np.float32)
    for channel in range(channels):
        corner = place + channel * h * w
        above = (1 - q) * flat.take(corner) + q * flat.take(corner + 1)
        corner += w
        below = (1 - q) * flat.take(corner) + q * flat.take(corner + 1)
        out[:, channel] = above + p * (below - above)
    return _levels(out).reshape(images.shape)


def crop(images: Array, cut: Array, top: Array, left: Array) -> Array:
    """A window of h - cut by w - cut pixels, its corner at (top, left), enlarged to h by w, bilinear.

    All `(n,)` whole pixels, 0 <= top, left <= cut. Along each axis out = R image, where R `(h, h)` holds the
    weights of two neighbours in each row, so that the batch is two batched products.
    """
    h, w = images.shape[2:]
    R, Q = _enlarging(h, cut, top), _enlarging(w, cut, left)
    enlarged = np.matmul(R[:, None], images.astype(np.float32)) @ Q[:, None].transpose(0, 1, 3, 2)
    return _levels(enlarged)


def _enlarging(size: int, cut: Array, start: Array) -> Array:
    """`(n, size, size)`: row i has the weights of the pixels that output pixel i lies between.

    The centre of output pixel i lies at start + (i + 1/2) (size - cut) / size - 1/2, kept in the window.
    """
    window = size - cut[:, None]
    place = (np.arange(size) + 0.5) * window / size - 0.5
    place = start[:, None] + place.clip(0, window - 1)
    distance = np.abs(place[:, :, None] - np.arange(size))
    weights: Array = np.maximum(1 - distance, 0).astype(np.float32)
    return weights


def brightness(images: Array, factor: Array) -> Array:
    """out = f image; factor f `(n,)`."""
    return _levels(_each(factor) * images)


def contrast(images: Array, factor: Array) -> Array:
    """out = m + f (image - m), m the mean grey level of the image; factor f `(n,)`."""
    mean = _grey(images).mean(axis=(1, 2, 3), keepdims=True)
    return _levels(mean + _each(factor) * (images - mean))


def saturation(images: Array, factor: Array) -> Array:
    """out = g + f (image - g), g the grey level of each pixel; factor f `(n,)`; three channels."""
    grey = _grey(images)
    return _levels(grey + _each(factor) * (images - grey))


def noise(images: Array, normal: Array, std: float) -> Array:
    """out = image + std z; z `(n, channels, h, w)` standard normal, std in levels (of 255)."""
    return _levels(images + np.float32(std) * normal)


def _grey(images: Array) -> Array:
    """`(n, 1, h, w)` float32: 0.299 R + 0.587 G + 0.114 B, or the only channel."""
    if images.shape[1] == 1:
        return images.astype(np.float32)
    grey: Array = np.einsum("nchw,c->nhw", images, LUMA, dtype=np.float32)[:, None]
    return grey


def _each(factor: Array) -> Array:
    return factor.astype(np.float32)[:, None, None, None]


def _levels(values: Array) -> Array:
    """The nearest of the levels 0 to 255; `values` is overwritten."""
    np.rint(values, out=values)
    return values.clip(0, 255, out=values).astype(np.uint8)
