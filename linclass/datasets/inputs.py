"""Inputs: a split as the model sees it, scaled and in the model's precision, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from linclass.datasets.dataset import Split
from linclass.datasets.scale import Scaler
from linclass.params import Array


class Inputs:
    """Rows of `split` through `scaler` (None: as they are) in `dtype`.

    Batches are scaled when they are asked for: the whole split in float32 would be four times as large.
    """

    def __init__(self, split: Split, scaler: Scaler | None, dtype: Any) -> None:
        self.split = split
        self.scaler = scaler
        self.dtype = np.dtype(dtype)
        self._raw: Array = np.empty((0, split.x.shape[1]), split.x.dtype)
        self._scaled: Array = np.empty((0, split.x.shape[1]), self.dtype)

    def __len__(self) -> int:
        return len(self.split)

    @property
    def is_regression(self) -> bool:
        """Whether y is `(n, C)` numbers instead of `(n,)` classes."""
        return self.split.y.ndim == 2

    def rows(
        self, selection: slice | Array, change: Callable[[Array], Array] | None = None
    ) -> tuple[Array, Array]:
        """x `(n, d)` and y `(n,)`, or `(n, C)`, of the selected rows; x is valid until the next call.

        change: what is done to the rows before they are scaled, in other memory (augmentation).
        """
        x, y = self.split.x, self.split.y[selection]
        n = len(y)
        if isinstance(selection, slice):
            x = x[selection]
        else:
            self._raw = _at_least(self._raw, n)
            # mode="clip": the default mode gathers into a hidden copy of `out` first
            x = np.take(x, selection, axis=0, out=self._raw[:n], mode="clip")
        if change is not None:
            x = change(x)
        if self.scaler is None and x.dtype == self.dtype:
            return x, y
        self._scaled = _at_least(self._scaled, n)
        if self.scaler is None:
            self._scaled[:n] = x
            return self._scaled[:n], y
        return self.scaler.transform(x, self.dtype, out=self._scaled[:n]), y

    def chunks(self, size: int) -> Iterator[tuple[Array, Array]]:
        """All rows in order, `size` at a time; the last chunk may be shorter."""
        for start in range(0, len(self), size):
            yield self.rows(slice(start, start + size))


def _at_least(buffer: Array, n: int) -> Array:
    return buffer if len(buffer) >= n else np.empty((n, buffer.shape[1]), buffer.dtype)
