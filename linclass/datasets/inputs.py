"""Inputs: a split as the model sees it, in the model's precision, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from linclass.datasets.dataset import Split
from linclass.datasets.scale import Scaler
from linclass.params import Array

Selection = slice | Array
Batch = tuple[Array, Array]
Change = Callable[[Array], Array]
Order = tuple[Selection, Change | None]


class Buffer:
    """Memory for one batch: as it is gathered, and as it is scaled. It grows to the largest batch."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def get(self, name: str, n: int, d: int, dtype: Any) -> Array:
        """The first n rows of the array of that name; their contents are whatever was left there."""
        array = self._arrays.get(name)
        if array is None or len(array) < n:
            array = self._arrays[name] = np.empty((n, d), dtype)
        return array[:n]


class Inputs:
    """Rows of `split` through `scaler` (None: as they are) in `dtype`.

    Batches are made when they are asked for, from bytes: the whole split in float32 would be four times as
    large.
    """

    def __init__(self, split: Split, scaler: Scaler | None, dtype: Any) -> None:
        self.split = split
        self.scaler = scaler
        self.dtype = np.dtype(dtype)
        self._buffer = Buffer()

    def __len__(self) -> int:
        return len(self.split)

    @property
    def is_regression(self) -> bool:
        """Whether y is `(n, C)` numbers instead of `(n,)` classes."""
        return self.split.y.ndim == 2

    def rows(self, selection: Selection, change: Change | None = None) -> Batch:
        """x `(n, d)` and y `(n,)`, or `(n, C)`, of the selected rows: this is where every batch is made.

        x is valid until the next call.

        Args:
            change: what is done to the rows before they are scaled, in other memory (augmentation).
        """
        x, y = self.split.x, self.split.y[selection]
        if isinstance(selection, slice):
            x = x[selection]
        else:
            # mode="clip": the default mode gathers into a hidden copy of `out` first
            gathered = self._buffer.get("raw", len(selection), x.shape[1], x.dtype)
            x = np.take(x, selection, axis=0, out=gathered, mode="clip")
        return self._scaled(x if change is None else change(x)), y

    def _scaled(self, x: Array) -> Array:
        """x as the model sees it."""
        if self.scaler is None and x.dtype == self.dtype:
            return x
        scaled = self._buffer.get("scaled", len(x), x.shape[1], self.dtype)
        if self.scaler is not None:
            return self.scaler.transform(x, self.dtype, out=scaled)
        scaled[...] = x
        return scaled

    def stream(self, orders: Iterable[Order]) -> Iterator[Batch]:
        """`rows` of each order in turn."""
        return (self.rows(selection, change) for selection, change in orders)

    def slices(self, size: int) -> list[slice]:
        """All rows in order, `size` at a time; the last slice may be shorter."""
        return [slice(start, min(start + size, len(self))) for start in range(0, len(self), size)]

    def chunks(self, size: int) -> Iterator[Batch]:
        """The rows of each of `slices`."""
        return (self.rows(chunk) for chunk in self.slices(size))
