"""CIFAR-10 as published: 50,000 training rows in five batches, 10,000 test rows in one, three layouts.

    python   cifar-10-batches-py/data_batch_1       a pickle of data (10000, 3072) and labels
    binary   cifar-10-batches-bin/data_batch_1.bin  10,000 records: 1 label byte, 3072 pixel bytes
    matlab   cifar-10-batches-mat/data_batch_1.mat  data (10000, 3072) and labels (10000, 1)

and the archives cifar-10-python.tar.gz and cifar-10-binary.tar.gz as they were downloaded. All give identical
arrays. A row is one 32 x 32 image, channel-major: 1024 red, 1024 green, 1024 blue.

Source: Alex Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from linclass.datasets.archive import members
from linclass.datasets.mat_file import read_mat
from linclass.datasets.published import Layout
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


def _read_python(path: Path, rows: int) -> tuple[Array, Array]:
    return read_batch(read_capped(path, MAX_BYTES), str(path))


def _read_binary(path: Path, rows: int) -> tuple[Array, Array]:
    return _parse_binary(read_capped(path, MAX_BYTES), str(path), rows)


def _parse_binary(data: bytes, where: str, rows: int) -> tuple[Array, Array]:
    wanted = rows * (1 + PIXELS)
    if len(data) != wanted:
        raise DataError(f"{where} holds {len(data):,} bytes; expected {wanted:,}")
    records = np.frombuffer(data, np.uint8).reshape(rows, 1 + PIXELS)
    return records[:, 1:], records[:, 0].astype(np.int64)


def _read_matlab(path: Path, rows: int) -> tuple[Array, Array]:
    return read_mat(path, rows)


def _layout(name: str, folder: str, suffix: str, read: Callable[[Path, int], tuple[Array, Array]]) -> Layout:
    """A batch is one file, of the batch's name."""
    return Layout(
        name,
        folder,
        paths=lambda folder, batch: (folder / (batch + suffix),),
        read=lambda paths, batch, rows: read(paths[0], rows),
    )


PYTHON = _layout("python", "cifar-10-batches-py", "", _read_python)
BINARY = _layout("binary", "cifar-10-batches-bin", ".bin", _read_binary)
MATLAB = _layout("matlab", "cifar-10-batches-mat", ".mat", _read_matlab)


def _archive(file: str, inside: Layout, parse: Callable[[bytes, str, int], tuple[Array, Array]]) -> Layout:
    """All batches are in one `.tar.gz`."""

    def read(paths: Sequence[Path], batch: str, rows: int) -> tuple[Array, Array]:
        name = inside.path(Path(inside.folder), batch).as_posix()
        ((_, data),) = members(paths[0], {name: MAX_BYTES})
        return parse(data, f"{paths[0]}: {name}", rows)

    return Layout("archive", ".", lambda folder, batch: (folder / file,), read, is_archive=True)


PYTHON_ARCHIVE = _archive("cifar-10-python.tar.gz", PYTHON, lambda data, where, rows: read_batch(data, where))
BINARY_ARCHIVE = _archive("cifar-10-binary.tar.gz", BINARY, _parse_binary)
LAYOUTS = (PYTHON, BINARY, MATLAB)
ARCHIVES = (PYTHON_ARCHIVE, BINARY_ARCHIVE)
