"""Inputs: a split as the model sees it, in the model's precision, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from linclass.datasets.dataset import Split
from linclass.datasets.scale import Scaler
from linclass.params import Array
from linclass.second_core import ALONE, Task, Worker

Selection = slice | Array
Batch = tuple[Array, Array]
Change = Callable[[Array], Array]
Order = tuple[Selection, Change | None]

GROUP_BYTES = 2**22
"""Of stored rows that a second core gathers at a time: an epoch of the linear model on CIFAR-10 then takes
0.86 of one core's time. Batch by batch, or scaled there too, it was 0.93 to 1.2: handing over costs 20 us and
more, and four times as many bytes have to come from the other core's cache."""


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
        (batch,) = self._gather([(selection, change)], buffer)
        return self._scaled(selection, batch, buffer)

    def stream(self, orders: Iterable[Order], worker: Worker = ALONE) -> Iterator[Batch]:
        """`rows` of each order in turn; a second core gathers and changes the next while these are used."""
        buffer, gathered = Buffer(), (Buffer(), Buffer())
        if not worker.parallel:
            for selection, change in orders:
                yield self.rows(selection, change, buffer)
            return
        ready: tuple[list[Order], Task[list[Batch]]] | None = None
        for number, group in enumerate(self._groups(orders)):
            coming = worker.start(partial(self._gather, group, gathered[number % 2]))
            if ready is not None:
                yield from self._all_scaled(*ready, buffer)
            ready = group, coming
        if ready is not None:
            yield from self._all_scaled(*ready, buffer)

    def _all_scaled(
        self, group: Sequence[Order], gathered: Task[list[Batch]], buffer: Buffer
    ) -> Iterator[Batch]:
        for (selection, _), batch in zip(group, gathered.result(), strict=True):
            yield self._scaled(selection, batch, buffer)

    def _groups(self, orders: Iterable[Order]) -> Iterator[list[Order]]:
        """As many orders at a time as GROUP_BYTES hold; the first comes alone, so that it comes soon."""
        group: list[Order] = []
        size = limit = 0
        for selection, change in orders:
            group.append((selection, change))
            n = selection.stop - selection.start if isinstance(selection, slice) else selection.size
            size += n * self.split.x[0].nbytes
            if size >= limit:
                yield group
                group, size, limit = [], 0, GROUP_BYTES
        if group:
            yield group

    def _gather(self, group: Sequence[Order], buffer: Buffer) -> list[Batch]:
        """x as it is stored, or changed, and y, of each order; scattered rows are gathered together."""
        x, y, scattered = (
            self.split.x,
            self.split.y,
            [s.ravel() for s, _ in group if not isinstance(s, slice)],
        )
        if scattered:
            index = np.concatenate(scattered) if len(scattered) > 1 else scattered[0]
            # mode="clip": the default mode gathers into a hidden copy of `out` first
            raw = buffer.get("raw", len(index), x.shape[1], x.dtype)
            gathered = np.take(x, index, axis=0, out=raw, mode="clip"), y[index]
        batches, start = [], 0
        for selection, change in group:
            if isinstance(selection, slice):
                rows, targets = x[selection], y[selection]
            else:
                stop = start + selection.size
                rows, targets = (array[start:stop] for array in gathered)
                start = stop
            batches.append((rows if change is None else change(rows), targets))
        return batches

    def _scaled(self, selection: Selection, batch: Batch, buffer: Buffer) -> Batch:
        """What the model sees of the rows that `_gather` made of `selection`."""
        x, y = batch
        if self.scaler is not None or x.dtype != self.dtype:
            scaled = buffer.get("scaled", len(x), x.shape[1], self.dtype)
            if self.scaler is None:
                scaled[...] = x
                x = scaled
            else:
                x = self.scaler.transform(x, self.dtype, out=scaled)
        if isinstance(selection, slice) or selection.ndim == 1:
            return x, y
        return x.reshape(len(selection), -1), y.reshape(*selection.shape, *y.shape[1:]).swapaxes(0, 1)

    def slices(self, size: int) -> list[slice]:
        """All rows in order, `size` at a time; the last slice may be shorter."""
        return [slice(start, min(start + size, len(self))) for start in range(0, len(self), size)]

    def chunks(self, size: int) -> Iterator[Batch]:
        """The rows of each of `slices`."""
        return (self.rows(chunk) for chunk in self.slices(size))
