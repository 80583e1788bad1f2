"""Scaler: rows as they are stored -> what the first layer sees, fitted on the training split only.

With v = x / 255 for uint8 rows and v = x for float rows:

    raw         x' = x
    unit        x' = v
    global      x' = (v - mean) / std      one mean and one std over all entries
    per-pixel   x' = (v - mean) / std      one mean and one std for each column (std 0 -> 1)

All four are computed as x' = x * gain + offset, one multiplication and one addition an entry. Numbers that
are all equal have std 0 exactly, and become 0 exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from linclass.errors import DataError
from linclass.params import Array

KINDS = ("raw", "unit", "global", "per-pixel")


@dataclass(frozen=True)
class Scaler:
    """x' = x * gain + offset; gain and offset are float64 of shape `(d,)`."""

    gain: Array
    offset: Array

    @cached_property
    def is_identity(self) -> bool:
        """Whether x' = x."""
        return bool((self.gain == 1).all() and (self.offset == 0).all())

    def same_as(self, other: Scaler) -> bool:
        """Whether both scale by the same numbers."""
        return np.array_equal(self.gain, other.gain) and np.array_equal(self.offset, other.offset)

    def select(self, features: Array) -> Scaler:
        """That of these columns alone."""
        return Scaler(self.gain[features], self.offset[features])

    @classmethod
    def fit(cls, x: Array, kind: str) -> Scaler:
        """The scaler of `kind` for training rows x `(n, d)`. Raises DataError where 1 / std overflows."""
        d = x.shape[1]
        level = 255.0 if x.dtype == np.uint8 else 1.0
        if kind == "raw":
            return cls(np.ones(d), np.zeros(d))
        if kind == "unit":
            return cls(np.full(d, 1 / level), np.zeros(d))
        if kind not in KINDS:
            raise ValueError(f"scaling {kind!r}: expected one of {', '.join(KINDS)}")
        mean, std = _moments(x) if kind == "per-pixel" else _moments_of_all(x)
        std = np.where(std > 0, std, level)
        with np.errstate(over="ignore"):
            # (x / level - mean / level) / (std / level) = x / std - mean / std
            gain = np.broadcast_to(1 / std, d).copy()
        if not np.isfinite(gain).all():
            raise DataError(
                f"--scaling {kind}: the numbers differ by {std.min():g} only, which is too little to divide "
                "by: multiply the data by a constant"
            )
        return cls(gain, np.broadcast_to(-mean / std, d).copy())

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

        Rows are multiplied by one number sooner than by a row of numbers.
        """
        cache: dict[Any, tuple[Array, Array]] = self.__dict__.setdefault("_cache", {})
        if dtype not in cache:
            cache[dtype] = (_as_one(self.gain.astype(dtype)), _as_one(self.offset.astype(dtype)))
        return cache[dtype]


IDENTITY = Scaler(np.ones(1), np.zeros(1))
"""x' = x, of rows of any width."""


def check_fits(x: Array, kind: str, dtype: Any) -> None:
    """DataError where training rows x `(n, d)`, not scaled to their spread, overflow or vanish in `dtype`."""
    if kind not in ("raw", "unit") or x.dtype == np.uint8:
        return
    largest, limits = float(np.maximum(-x.min(), x.max())), np.finfo(dtype)
    if largest > float(limits.max) or 0 < largest < float(limits.smallest_normal):
        what = "infinite" if largest > 1 else "zero"
        raise DataError(
            f"the training rows go up to {largest:g}, which --scaling {kind} leaves and {np.dtype(dtype)} "
            f"makes {what}: use --scaling per-pixel, or --dtype float64"
        )


def _as_one(values: Array) -> Array:
    """The number that all values are, or the values."""
    return np.asarray(values[0]) if (values == values[0]).all() else values


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and population standard deviation of each column, `(d,)`.

    For uint8 both sums are taken in integers, hence exact in any order: std is 0 exactly for a constant
    column. For floats the two-pass formula is used, and a column of one value has std 0 exactly too.
    """
    n = len(x)
    if x.dtype != np.uint8:
        low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
        unit = _unit(np.maximum(-low, high))
        z = x if (unit == 1).all() else x / unit
        mean = z.mean(axis=0, dtype=np.float64)
        std = np.sqrt(np.mean((z - mean) ** 2, axis=0, dtype=np.float64))
        return np.where(low == high, low, mean * unit), np.where(low == high, 0.0, std * unit)
    total = np.zeros(x.shape[1], np.int64)
    squares = np.zeros(x.shape[1], np.int64)
    for start in range(0, n, 1000):
        rows = x[start : start + 1000].astype(np.int64)
        total += rows.sum(axis=0)
        squares += (rows * rows).sum(axis=0)
    # Var = (n sum x^2 - (sum x)^2) / n^2; the numerator is an exact integer (below 2^63 for n < 10^7)
    return total / n, np.sqrt((n * squares - total * total) / float(n) ** 2)


def _moments_of_all(x: Array) -> tuple[Array, Array]:
    """Mean and population standard deviation over all entries, `()`.

    Var[x] = E[Var[x | column]] + Var[E[x | column]]
    """
    mean, std = _moments(x)
    if not std.any() and (mean == mean[0]).all():
        return mean[0], std[0]
    unit = _unit(np.maximum(np.abs(mean), std).max())
    mean, std = mean / unit, std / unit
    return mean.mean() * unit, np.sqrt(np.mean(std**2) + np.var(mean)) * unit


def _unit(largest: Array) -> Array:
    """A power of two near `largest` where its square is no float64, else 1: dividing by it rounds nothing."""
    ordinary = (largest == 0) | ((largest > 1e-100) & (largest < 1e100))
    return np.where(ordinary, 1.0, np.ldexp(1.0, np.frexp(largest)[1] - 1))
