"""MNIST as published, and its drop-in replacement Fashion-MNIST: 60,000 training and 10,000 test images.

    idx   mnist/train-images-idx3-ubyte, train-labels-idx1-ubyte, and the same with t10k; or with .gz;
          or in MNIST/raw, where torchvision puts them
    npz   mnist.npz of x_train (60000, 28, 28), y_train, x_test, y_test, as Keras has it
    csv   mnist/train.csv of label,pixel0,...,pixel783, of any length; test.csv too, if there is one; or
          another table of 784 columns and a label (see table.py)

A row is one 28 x 28 image of grey values, 0 the background.

Sources: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition,
Proc. IEEE 86 (1998); H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv:1708.07747 (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from linclass.datasets.idx import read_idx
from linclass.datasets.labels import numbered
from linclass.datasets.npz_dataset import read_npz
from linclass.datasets.published import Layout
from linclass.datasets.table import has_labels, joint, read_table
from linclass.errors import DataError, quoted
from linclass.params import Array

DIGITS = tuple(str(digit) for digit in range(10))
GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
TRAIN, TEST = "train", "t10k"
PARTS = (TRAIN, TEST)
IMAGE_SHAPE = (1, 28, 28)
PIXELS = 784
ROWS = {TRAIN: 60_000, TEST: 10_000}


def idx_names(part: str) -> tuple[str, str]:
    """The published names of a part's images and labels, without .gz."""
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


def _idx_paths(folder: Path, part: str) -> tuple[Path, ...]:
    return tuple(_there(folder, name) for name in idx_names(part))


def _there(folder: Path, name: str) -> Path:
    """The form of a file that is there: plain or .gz, and with the dot that some unpackers leave."""
    forms = [folder / (form + end) for form in (name, name.replace("-idx", ".idx")) for end in ("", ".gz")]
    return next((path for path in forms if path.is_file()), forms[0])


def _read_idx(paths: Sequence[Path], part: str, rows: int) -> tuple[Array, Array]:
    images = read_idx(paths[0], (rows, *IMAGE_SHAPE[1:]))
    return images.reshape(rows, PIXELS), read_idx(paths[1], (rows,)).astype(np.int64)


def _read_npz(paths: Sequence[Path], part: str, rows: int) -> tuple[Array, Array]:
    data = read_npz(paths[0])
    split = data.train if part == TRAIN else data.test
    if split is None:
        raise DataError(f"{paths[0]} has no test rows")
    y, _ = numbered({str(paths[0]): split.y}, classes=DIGITS)
    return split.x, y[str(paths[0])]


def _csv_paths(folder: Path, part: str) -> tuple[Path, ...]:
    """train.csv, or as it is called elsewhere: mnist_train.csv, train.csv.gz."""
    name = "train.csv" if part == TRAIN else "test.csv"
    forms = [folder / (form + end) for form in (name, f"{folder.name}_{name}") for end in ("", ".gz")]
    return (next((path for path in forms if path.is_file()), forms[0]),)


def _read_csv(paths: Sequence[Path], part: str, rows: int) -> tuple[Array, Array]:
    table = read_table(paths[0])
    if table.y is None:
        raise DataError(f"{paths[0]} has no column of labels; without it rows can only be predicted")
    (y,), names = joint([table])
    if names is not None:
        shown = quoted(", ".join(names), 60)[1:-1]
        raise DataError(f"{paths[0]}: its labels are {shown}; expected 0 to {len(DIGITS) - 1}")
    if table.x.dtype != np.uint8:
        row, pixel = np.argwhere((table.x < 0) | (table.x > 255) | (table.x != np.floor(table.x)))[0]
        value = table.x[row, pixel]
        raise DataError(
            f"{paths[0]}: pixel {pixel} of row {row:,} is {value:g}; expected a whole number from 0 to 255"
        )
    return table.x, y


def _has_labels(path: Path) -> bool:
    """Whether a table is there with labels; False for one that is meant for predicting only."""
    return path.is_file() and has_labels(path, PIXELS)


def layouts(folder: str, torchvision: str) -> tuple[Layout, ...]:
    """The forms of a data set of MNIST's shape whose folder has this name, and that name in torchvision."""
    return (
        Layout("idx", folder, _idx_paths, _read_idx),
        Layout("idx", f"{torchvision}/raw", _idx_paths, _read_idx),
        Layout("npz", folder, lambda directory, part: (directory / f"{folder}.npz",), _read_npz),
        Layout("csv", folder, _csv_paths, _read_csv, holds=_has_labels, any_size=True),
    )
