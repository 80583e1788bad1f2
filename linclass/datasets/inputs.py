"""Inputs: a split as the model sees it, in the model's precision, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from linclass.datasets.dataset import Split
from linclass.datasets.scale import Scaler
from linclass.params import Array
from linclass.second_core import ALONE, Worker

Selection = slice | Array
Batch = tuple[Array, Array]
Change = Callable[[Array], Array]


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
    large, and gathering its rows takes 1.5 times as long as gathering bytes and converting them.
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

    def rows(self, selection: Selection, change: Change | None = None, buffer: Buffer | None = None) -> Batch:
        """x `(n, d)` and y `(n,)`, or `(n, C)`, of the selected rows: this is where every batch is made.

        Of a selection `(n, K)`, to each of K models its own: x `(n, K*d)` and y `(K, n)`, or `(K, n, C)`.

        Args:
            change: what is done to the rows before they are scaled, in other memory (augmentation).
            buffer: where x is, until the next call with it; one that is kept here if None.
        """
        buffer = buffer or self._buffer
        if not isinstance(selection, slice) and selection.ndim == 2:
            x, y = self.rows(selection.ravel(), change, buffer)
            return x.reshape(len(selection), -1), y.reshape(*selection.shape, *y.shape[1:]).swapaxes(0, 1)
        x, y = self.split.x, self.split.y[selection]
        n, d = len(y), x.shape[1]
        if isinstance(selection, slice):
            x = x[selection]
        else:
            # mode="clip": the default mode gathers into a hidden copy of `out` first
            x = np.take(x, selection, axis=0, out=buffer.get("raw", n, d, x.dtype), mode="clip")
        if change is not None:
            x = change(x)
        if self.scaler is None and x.dtype == self.dtype:
            return x, y
        scaled = buffer.get("scaled", n, d, self.dtype)
        if self.scaler is None:
            scaled[...] = x
            return scaled, y
        return self.scaler.transform(x, self.dtype, out=scaled), y

    def stream(
        self, orders: Iterable[tuple[Selection, Change | None]], worker: Worker = ALONE
    ) -> Iterator[Batch]:
        """`rows` of each order in turn; the worker makes the next batch while one is used."""
        buffers = Buffer(), Buffer()
        ready = None
        for number, (selection, change) in enumerate(orders):
            coming = worker.start(partial(self.rows, selection, change, buffers[number % 2]))
            if ready is not None:
                yield ready.result()
            ready = coming
        if ready is not None:
            yield ready.result()

    def slices(self, size: int) -> list[slice]:
        """All rows in order, `size` at a time; the last slice may be shorter."""
        return [slice(start, min(start + size, len(self))) for start in range(0, len(self), size)]

    def chunks(self, size: int) -> Iterator[Batch]:
        """The rows of each of `slices`."""
        return (self.rows(chunk) for chunk in self.slices(size))
