"""Labels: integers in [0, C), one for each row."""

from __future__ import annotations

import numpy as np

from linclass import rng
from linclass.errors import DataError, UsageError
from linclass.params import Array


def check_labels(y: Array, C: int, label: str) -> None:
    """Raise DataError naming the first row of y `(n,)` whose label is outside [0, C)."""
    outside = (y < 0) | (y >= C)
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(f"{label}: the label of row {row:,} is {int(y[row])}; expected 0 to {C - 1}")


def with_noise(y: Array, C: int, share: float, seed: int) -> Array:
    """y `(n,)` with a share of the labels, rounded to whole rows, replaced by uniformly drawn ones.

    One in C of those happens to be the label that was there. A larger share of the same seed replaces the
    same rows by the same labels, and more of them. Raises UsageError for targets that are no classes.
    Source: Zhang et al., arXiv:1611.03530, section 2 (their "partially corrupted labels").
    """
    if y.ndim != 1:
        raise UsageError("--label-noise is for classes: leave it out for targets that are numbers")
    noisy: Array = y.copy()
    replaced = rng.permutation(len(y), seed, "labels", 0)[: round(share * len(y))]
    # raw outputs, which PCG64's definition fixes; the remainder's bias is below 1e-17
    noisy[replaced] = rng.stream(seed, "labels", 1).random_raw(len(replaced)) % np.uint64(C)
    return noisy
