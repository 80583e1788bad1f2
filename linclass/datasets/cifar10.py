"""CIFAR-10 as published: 50,000 training rows in five batches, 10,000 test rows in one, three layouts.

    python   cifar-10-batches-py/data_batch_1       a pickle of data (10000, 3072) and labels
    binary   cifar-10-batches-bin/data_batch_1.bin  10,000 records: 1 label byte, 3072 pixel bytes
    matlab   cifar-10-batches-mat/data_batch_1.mat  data (10000, 3072) and labels (10000, 1)

All give identical arrays. A row is one 32 x 32 image, channel-major: 1024 red, 1024 green, 1024 blue.

Source: Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.datasets.dataset import Split
from linclass.datasets.labels import check_labels
from linclass.datasets.mat_file import read_mat
from linclass.datasets.safe_pickle import MAX_BYTES, read_batch
from linclass.errors import DataError
from linclass.files import read_capped
from linclass.params import Array

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGE_SHAPE = (3, 32, 32)
PIXELS = 3072
ROWS = 10_000  # of one batch
TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = "test_batch"
BATCHES = (*TRAIN, TEST)


class Layout(NamedTuple):
    """How one of the published forms stores a batch: `read(path, rows) -> (x, y)`."""

    name: str
    folder: str
    suffix: str
    read: Callable[[Path, int], tuple[Array, Array]]

    def path(self, folder: Path, batch: str) -> Path:
        """The file of a batch such as `data_batch_1`."""
        return folder / (batch + self.suffix)


def read_batches(folder: Path, layout: Layout, batches: Sequence[str], rows: int = ROWS) -> Split:
    """The rows of `batches`, one after the other: x `(n, 3072)` uint8, y `(n,)` int64.

    `rows` is what each batch must hold. Raises DataError naming the file, what it holds and what it
    should, and how to get a whole one.
    """
    x = np.empty((len(batches) * rows, PIXELS), np.uint8)
    y = np.empty(len(x), np.int64)
    for i, batch in enumerate(batches):
        part = slice(i * rows, (i + 1) * rows)
        try:
            x[part], y[part] = _checked(layout.path(folder, batch), layout, rows)
        except DataError as error:
            raise DataError(f'{error}; replace it: run "{fetch_command(folder.parent)}"') from error
    return Split(x, y)


def fetch_command(directory: Path | None) -> str:
    """What to run to get the data into `directory` (None: wherever it goes by default)."""
    return "linclass data fetch cifar10" + (f" --data-dir {shlex.quote(str(directory))}" if directory else "")


def _checked(path: Path, layout: Layout, rows: int) -> tuple[Array, Array]:
    x, y = layout.read(path, rows)
    if x.ndim == 2 and x.shape[0] == PIXELS != x.shape[1]:
        raise DataError(f"{path}: data {x.shape} looks transposed; expected ({rows}, {PIXELS})")
    if x.shape != (rows, PIXELS) or y.shape != (rows,):
        raise DataError(
            f"{path}: data {x.shape} with {len(y):,} labels; expected ({rows}, {PIXELS}) with {rows:,}"
        )
    check_labels(y, len(CLASSES), str(path))
    return x, y


def _read_python(path: Path, rows: int) -> tuple[Array, Array]:
    return read_batch(read_capped(path, MAX_BYTES), str(path))


def _read_binary(path: Path, rows: int) -> tuple[Array, Array]:
    wanted = rows * (1 + PIXELS)
    data = read_capped(path, MAX_BYTES)
    if len(data) != wanted:
        raise DataError(f"{path} holds {len(data):,} bytes; expected {wanted:,}")
    records = np.frombuffer(data, np.uint8).reshape(rows, 1 + PIXELS)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _read_matlab(path: Path, rows: int) -> tuple[Array, Array]:
    return read_mat(path)


PYTHON = Layout("python", "cifar-10-batches-py", "", _read_python)
BINARY = Layout("binary", "cifar-10-batches-bin", ".bin", _read_binary)
MATLAB = Layout("matlab", "cifar-10-batches-mat", ".mat", _read_matlab)
LAYOUTS = (PYTHON, BINARY, MATLAB)
