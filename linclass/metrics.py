"""Scores -> numbers: what is reported about a classifier, and how sure that number is."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from linclass.params import Array


class Interval(NamedTuple):
    """A mean and the half-width of its 95 % interval (NaN for a single value)."""

    mean: float
    half_width: float

    def bounds(self) -> tuple[float, float]:
        """The two ends of the interval (NaN for a single value)."""
        return self.mean - self.half_width, self.mean + self.half_width

    def text(self, percent: bool = False) -> str:
        """Such as `38.97 ± 0.12 %` or `1.899 ± 0.002`; the mean alone where there is one value."""
        scale, digits, unit = (100, 2, " %") if percent else (1, 5, "")
        spread = "" if math.isnan(self.half_width) else f" ± {self.half_width * scale:.{digits}f}"
        return f"{self.mean * scale:.{digits}f}{spread}{unit}"


def mean_interval(values: Array) -> Interval:
    """Mean and 95 % interval of independent values: mean ± t_{0.975, n-1} s / sqrt(n) (Student, 1908).

    NaN values (models that did not finish) are left out.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan)
    if n == 1:
        return Interval(float(values[0]), math.nan)
    from scipy.special import stdtrit

    t = float(stdtrit(n - 1, 0.975))
    return Interval(float(values.mean()), t * float(values.std(ddof=1)) / math.sqrt(n))


def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, JASA 1927), better than the normal one near 0 and 1.

    (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.96
    """
    if not 0 <= correct <= n or n < 1:
        raise ValueError(f"{correct} correct of {n}: expected 0 <= correct <= n and n >= 1")
    z = 1.959963984540054
    p = correct / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))


def confusion_matrix(y: Array, predicted: Array, classes: int) -> Array:
    """`(C, C)` counts: row the true class, column the predicted one."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (y, predicted), 1)
    return counts


def total_variation(images: Array) -> Array:
    """How rough pictures are: mean absolute difference between neighbours, over the standard deviation.

    images `(..., h, w)`; the last two axes are the picture, and any other axes after the first are
    channels, pooled. Returns `(first axis,)`. Independent noise has 2/sqrt(pi) = 1.128 whatever its
    variance; a smooth pattern is far below (Rudin, Osher & Fatemi 1992, anisotropic, normalised).
    """
    n = len(images)
    horizontal = np.abs(np.diff(images, axis=-1)).reshape(n, -1)
    vertical = np.abs(np.diff(images, axis=-2)).reshape(n, -1)
    mean = (horizontal.sum(1) + vertical.sum(1)) / (horizontal.shape[1] + vertical.shape[1])
    std = images.reshape(n, -1).std(axis=1)
    roughness: Array = np.divide(mean, std, out=np.zeros_like(mean), where=std > 0)
    return roughness
