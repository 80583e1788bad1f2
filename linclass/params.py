"""Params: the named arrays of K models, all views into one flat buffer `(K, P)`.

Row k of the buffer is model k, name after name, so a model of a stack lies in memory as it would alone: what
is computed of it has the same bits. An array `(K, ...)` of several models is therefore not contiguous: what
is written through a reshape of it may land in a copy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Params(Mapping[str, Array]):
    """Named arrays `(K, ...)` in one flat buffer.

    Args:
        shapes: name -> shape of one model's array, without the model axis.
        K: number of models side by side.
        dtype: float32 or float64.
        flat: the buffer `(K, P)` to use, P the parameters of one model; a new zeroed one if None.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        K: int = 1,
        dtype: Any = np.float64,
        flat: Array | None = None,
    ) -> None:
        self.shapes = dict(shapes)
        self.size = sum(math.prod(shape) for shape in self.shapes.values())
        self.flat = np.zeros((K, self.size), dtype) if flat is None else flat
        if self.flat.shape != (K, self.size):
            raise ValueError(f"flat has shape {self.flat.shape}; expected ({K}, {self.size})")
        self.K = K
        self._arrays: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            self._arrays[name] = self.flat[:, start:stop].reshape(K, *shape)
            start = stop

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.flat.dtype

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def copy(self) -> Params:
        """A new buffer with the same numbers."""
        return self.with_flat(np.array(self.flat))

    def zeros_like(self) -> Params:
        """A new zeroed buffer of the same layout."""
        return Params(self.shapes, self.K, self.dtype)

    def select(self, models: int | slice) -> Params:
        """Model k alone, K = 1, or a slice of the models.

        They share memory: what is written there is written here.
        """
        flat = self.flat[as_slice(models)]
        return Params(self.shapes, len(flat), self.dtype, flat)

    def with_flat(self, flat: Array) -> Params:
        """The same names on another buffer `(K, P)`."""
        return Params(self.shapes, len(flat), flat.dtype, flat)

    def norm(self) -> Array:
        """`(K,)` Euclidean norms, summed in float64."""
        flat = [array.reshape(self.K, -1) for array in self.values()]
        squares = [np.einsum("kp,kp->k", array, array, dtype=np.float64) for array in flat]
        norms: Array = np.sqrt(np.sum(squares, axis=0))
        return norms


def as_slice(models: int | slice) -> slice:
    """Model k as the slice of it alone."""
    return slice(models, models + 1) if isinstance(models, int) else models


LARGE = 8192
"""Numbers of one model from which those of a stack are worked on a model at a time, in the cache."""


def per_model(values: Array, theta: Array) -> Array:
    """`(K,)` numbers in theta's precision, shaped so that each multiplies its own model's part of theta."""
    return values.astype(theta.dtype).reshape(-1, *(1,) * (theta.ndim - 1))


def by_model(values: Array, *arrays: Array) -> Iterator[tuple[Any, ...]]:
    """(values as `per_model`, arrays `(K, ...)`); or, where a model is large, (value, arrays of model k), one
    model after the other."""
    theta = arrays[0]
    if theta[0].size < LARGE:
        yield per_model(values, theta), *arrays
    else:
        yield from zip(values.astype(theta.dtype), *arrays, strict=True)


def surely_finite(params: Params) -> bool:
    """False where a number is infinite or NaN, and, rarely, where their squares add up to more than the root
    of the largest number, so that a penalty may be infinite."""
    flat = params.flat
    return bool(np.vdot(flat, flat) <= math.sqrt(np.finfo(flat.dtype).max))


def finite(params: Params) -> Array:
    """`(K,)`: whether all of each model's numbers are finite."""
    return np.asarray(np.isfinite(params.flat).all(axis=1))
