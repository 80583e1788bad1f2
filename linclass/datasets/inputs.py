"""Inputs: the rows of a split as they are stored, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from linclass.datasets.dataset import Split
from linclass.params import Array

Selection = slice | Array
Batch = tuple[Array, Array]
Change = Callable[[Array], Array]
Order = tuple[Selection, Change | None]


class Inputs:
    """The rows of `split`, in batches that are made when they are asked for."""

    def __init__(self, split: Split) -> None:
        self.split = split
        self._gathered = split.x[:0]

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
            change: what is done to the rows, in other memory (augmentation).
        """
        x, y = self.split.x, self.split.y[selection]
        if isinstance(selection, slice):
            x = x[selection]
        else:
            # mode="clip": the default mode gathers into a hidden copy of `out` first
            x = np.take(x, selection, axis=0, out=self._memory(len(selection)), mode="clip")
        return x if change is None else change(x), y

    def _memory(self, n: int) -> Array:
        """Room for n rows; it grows to the largest batch."""
        if len(self._gathered) < n:
            self._gathered = np.empty((n, self.split.x.shape[1]), self.split.x.dtype)
        return self._gathered[:n]

    def stream(self, orders: Iterable[Order]) -> Iterator[Batch]:
        """`rows` of each order in turn."""
        return (self.rows(selection, change) for selection, change in orders)

    def slices(self, size: int) -> list[slice]:
        """All rows in order, `size` at a time; the last slice may be shorter."""
        return [slice(start, min(start + size, len(self))) for start in range(0, len(self), size)]

    def chunks(self, size: int) -> Iterator[Batch]:
        """The rows of each of `slices`."""
        return (self.rows(chunk) for chunk in self.slices(size))
