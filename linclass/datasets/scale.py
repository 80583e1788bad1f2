"""Scaler: raw rows -> model input, fitted on the training split only.

With v = x / 255 for uint8 rows and v = x for float rows:

    raw         x' = x
    unit        x' = v
    global      x' = (v - mean) / std      one mean and one std over all entries
    per-pixel   x' = (v - mean) / std      one mean and one std for each column (std 0 -> 1)

All four are computed as x' = x * gain + offset, one multiplication and one addition an entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from linclass.params import Array

KINDS = ("raw", "unit", "global", "per-pixel")


@dataclass(frozen=True)
class Scaler:
    """x' = x * gain + offset; gain and offset are float64 of shape `(d,)`."""

    gain: Array
    offset: Array

    @classmethod
    def fit(cls, x: Array, kind: str) -> Scaler:
        """The scaler of `kind` for training rows x `(n, d)`."""
        d = x.shape[1]
        level = 255.0 if x.dtype == np.uint8 else 1.0
        if kind == "raw":
            return cls(np.ones(d), np.zeros(d))
        if kind == "unit":
            return cls(np.full(d, 1 / level), np.zeros(d))
        mean, std = _moments(x)
        if kind == "global":
            # Var[x] = E[Var[x | column]] + Var[E[x | column]]
            mean, std = np.full(d, mean.mean()), np.full(d, np.sqrt(np.mean(std**2) + np.var(mean)))
        elif kind != "per-pixel":
            raise ValueError(f"scaling {kind!r}: expected one of {', '.join(KINDS)}")
        std = np.where(std > 0, std, level)
        # (x / level - mean / level) / (std / level) = x / std - mean / std
        return cls(1 / std, -mean / std)

    def transform(self, x: Array, dtype: Any, out: Array | None = None) -> Array:
        """x' `(n, d)` of `dtype`, written into `out` if given."""
        if x.dtype != np.uint8:
            # x * gain and offset may nearly cancel (mean far above std), so not in float32
            scaled = x * self.gain + self.offset
            if out is None:
                return scaled.astype(dtype)
            out[...] = scaled
            return out
        if out is None:
            out = np.empty(x.shape, dtype)
        gain, offset = self.constants(np.dtype(dtype))
        out[...] = x  # multiplied while it is cast, it would go through numpy's small buffers
        out *= gain
        if offset.any():
            out += offset
        return out

    def constants(self, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """gain and offset in `dtype`: `(d,)`, or `()` where all are one number.

        100 rows of 784 bytes times one number take a third of the time of those times a row of numbers.
        """
        cache: dict[Any, tuple[Array, Array]] = self.__dict__.setdefault("_cache", {})
        if dtype not in cache:
            cache[dtype] = (_as_one(self.gain.astype(dtype)), _as_one(self.offset.astype(dtype)))
        return cache[dtype]


def _as_one(values: Array) -> Array:
    """The number that all values are, or the values."""
    return np.asarray(values[0]) if (values == values[0]).all() else values


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and population standard deviation of each column.

    For uint8 both sums are taken in integers, hence exact in any order: std is 0 exactly for a constant
    column. For floats the two-pass formula is used, and a column of one value has std 0 exactly too.
    """
    n = len(x)
    if x.dtype != np.uint8:
        mean = x.mean(axis=0, dtype=np.float64)
        std = np.sqrt(np.mean((x - mean) ** 2, axis=0, dtype=np.float64))
        return mean, np.where(np.ptp(x, axis=0) == 0, 0.0, std)
    total = np.zeros(x.shape[1], np.int64)
    squares = np.zeros(x.shape[1], np.int64)
    for start in range(0, n, 1000):
        rows = x[start : start + 1000].astype(np.int64)
        total += rows.sum(axis=0)
        squares += (rows * rows).sum(axis=0)
    # Var = (n sum x^2 - (sum x)^2) / n^2; the numerator is an exact integer (below 2^63 for n < 10^7)
    return total / n, np.sqrt((n * squares - total * total) / float(n) ** 2)
