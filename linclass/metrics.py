"""Scores -> numbers: what is reported about a classifier, and how sure that number is."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from linclass.errors import decimal
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
        spread = "" if math.isnan(self.half_width) else f" ± {decimal(self.half_width * scale, digits)}"
        return f"{decimal(self.mean * scale, digits)}{spread}{unit}"


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


class McNemar(NamedTuple):
    """Of the rows that two classifiers disagree on: b only the first has right, c only the second; p."""

    b: int
    c: int
    p: float


def mcnemar(correct_a: Array, correct_b: Array) -> McNemar:
    """Exact test of whether two classifiers err equally often on the same rows (McNemar, 1947; two-sided).

    p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2); 1 where they never disagree.

    Args:
        correct_a, correct_b: `(n,)` bool, of the same rows in the same order.
    """
    a_right, b_right = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a_right.shape != b_right.shape or a_right.ndim != 1:
        raise ValueError(f"shapes {a_right.shape} and {b_right.shape}: expected (n,), the same rows twice")
    b, c = int((a_right & ~b_right).sum()), int((~a_right & b_right).sum())
    if b == c:
        return McNemar(b, c, 1.0)
    from scipy.special import bdtr

    return McNemar(b, c, min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))))


def confusion_matrix(y: Array, predicted: Array, classes: int) -> Array:
    """`(C, C)` counts: row the true class, column the predicted one."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (y, predicted), 1)
    return counts


class Reliability(NamedTuple):
    """How often predictions of a stated probability are right; bin m is (edges[m], edges[m+1]].

    edges `(M + 1,)`; rows and correct `(M,)` counts; confidence `(M,)`, the mean stated probability, NaN
    in an empty bin.
    """

    edges: Array
    rows: Array
    correct: Array
    confidence: Array

    @property
    def accuracy(self) -> Array:
        """`(M,)` fraction correct; NaN in an empty bin."""
        return _ratio(self.correct, self.rows)

    @property
    def error(self) -> float:
        """The expected calibration error: sum_m rows_m / n |accuracy_m - confidence_m|."""
        gap = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(gap * self.rows) / self.rows.sum())


def reliability(confidence: Array, correct: Array, bins: int = 15) -> Reliability:
    """Bins of equal width over [0, 1] (Guo et al., On calibration of modern neural networks, ICML 2017).

    Args:
        confidence: `(n,)` the probability of the predicted class. correct: `(n,)` bool.
    """
    if len(confidence) == 0 or not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("expected at least one probability, all in [0, 1]")
    edges = np.linspace(0, 1, bins + 1)
    # right-closed; 0 itself goes to the first bin
    index = np.searchsorted(edges[1:-1], confidence, side="left")
    rows = np.bincount(index, minlength=bins)
    right = np.bincount(index, weights=correct, minlength=bins).astype(np.int64)
    total = np.bincount(index, weights=confidence, minlength=bins)
    return Reliability(edges, rows, right, _ratio(total, rows))


def _ratio(part: Array, whole: Array) -> Array:
    ratio: Array = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratio


def total_variation(images: Array) -> Array:
    """How rough pictures are: mean absolute difference between neighbours, over the standard deviation.

    images `(..., h, w)`; the last two axes are the picture, and any other axes after the first are
    channels, pooled. Returns `(first axis,)`. Independent noise has 2/sqrt(pi) = 1.128 whatever its
    variance; a smooth pattern is far below (Rudin, Osher & Fatemi 1992, anisotropic, normalised).
    """
    n = len(images)
    # of no scale, so in units of a power of two: sums of numbers near the largest overflow
    images = np.ldexp(images, -np.frexp(np.abs(images).max(initial=0))[1])
    horizontal = np.abs(np.diff(images, axis=-1)).reshape(n, -1)
    vertical = np.abs(np.diff(images, axis=-2)).reshape(n, -1)
    mean = (horizontal.sum(1) + vertical.sum(1)) / (horizontal.shape[1] + vertical.shape[1])
    std = images.reshape(n, -1).std(axis=1)
    roughness: Array = np.divide(mean, std, out=np.zeros_like(mean), where=std > 0)
    return roughness
