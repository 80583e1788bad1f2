"""The bundled sample: 3000 real CIFAR-10 images, so that everything runs before anything is downloaded.

200 training and 50 validation images a class, both from the 50,000 training rows, and 50 test images a
class from the 10,000 test rows; each split in the order of the published files. Stored without loss: one
PNG mosaic of 32 x 32 tiles a split (also a picture to look at), and a CSV that says where each row is from.
"""

from __future__ import annotations

import csv
import importlib.resources
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.datasets.cifar10 import CLASSES, IMAGE_SHAPE, PIXELS, ROWS, TEST, TRAIN
from linclass.datasets.dataset import Dataset, Split
from linclass.errors import DataError
from linclass.files import write_durably
from linclass.params import Array
from linclass.rng import permutation

NAME = "cifar10-sample"
PER_CLASS = {"train": 200, "validation": 50, "test": 50}
COLUMNS = 50  # tiles in a row of a mosaic
DIGEST = "4db32f1cf85404f2e51c64c19d5cc947cce1a932002b5b3de28f3f840f885616"
_INDEX = "sample.csv"
_FIELDS = ("split", "file", "row", "label")
_SIDE = 32


class Drawn(NamedTuple):
    """Splits by name, and the position of each of their rows in the published order `(n,)`."""

    splits: dict[str, Split]
    positions: dict[str, Array]


def draw(train: Split, test: Split) -> Drawn:
    """The sample of the full data: train `(50000, 3072)`, test `(10000, 3072)`."""
    n_train, n_validation, n_test = PER_CLASS.values()
    drawn = _first_of_each_class(train.y, "sample train", n_train + n_validation)
    held = _first_of_each_class(test.y, "sample test", n_test)
    positions = {
        "train": np.sort(drawn[:, :n_train], axis=None),
        "validation": np.sort(drawn[:, n_train:], axis=None),
        "test": np.sort(held, axis=None),
    }
    of = {"train": train, "validation": train, "test": test}
    splits = {name: Split(of[name].x[rows], of[name].y[rows]) for name, rows in positions.items()}
    return Drawn(splits, positions)


def _first_of_each_class(y: Array, purpose: str, n: int) -> Array:
    """`(C, n)` positions: the first n rows of each class in a random order."""
    order = permutation(len(y), 0, purpose)
    return np.stack([order[y[order] == c][:n] for c in range(len(CLASSES))])


def write(folder: Path, drawn: Drawn) -> None:
    """Write the sample's files into `folder`; `load` reads them back from the package."""
    from PIL import Image

    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(_FIELDS)
    for name, split in drawn.splits.items():
        png = io.BytesIO()
        Image.fromarray(_mosaic(split.x)).save(png, "PNG", optimize=True)
        write_durably(folder / f"{name}.png", png.getvalue())
        for position, label in zip(drawn.positions[name].tolist(), split.y.tolist(), strict=True):
            file = TEST if name == "test" else TRAIN[position // ROWS]
            table.writerow((name, file, position % ROWS, label))
    write_durably(folder / _INDEX, lines.getvalue().encode())


def load() -> Dataset:
    """The bundled sample. Raises DataError if the installed files are not the ones that were packed."""
    try:
        labels = _labels(_packed(_INDEX).decode("ascii"))
        splits = {name: Split(_tiles(_packed(f"{name}.png")), labels[name]) for name in PER_CLASS}
    except (OSError, ValueError, KeyError, SyntaxError) as error:
        raise DataError(f"the bundled sample cannot be read ({error}): install linclass again") from error
    dataset = Dataset(
        name=NAME,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        classes=CLASSES,
        image_shape=IMAGE_SHAPE,
        source="bundled sample",
        is_sample=True,
    )
    if dataset.digest() != DIGEST:
        raise DataError("the bundled sample is not the one that was packed: install linclass again")
    return dataset


def size() -> int:
    """Bytes of the sample's files."""
    return sum(len(_packed(name)) for name in (_INDEX, *(f"{split}.png" for split in PER_CLASS)))


def _packed(name: str) -> bytes:
    return (importlib.resources.files("linclass.datasets") / "sample" / name).read_bytes()


def _labels(index: str) -> dict[str, Array]:
    rows = list(csv.DictReader(io.StringIO(index)))
    return {
        name: np.array([int(row["label"]) for row in rows if row["split"] == name], np.int64)
        for name in PER_CLASS
    }


def _tiles(png: bytes) -> Array:
    """The rows `(n, 3072)` of a mosaic."""
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        pixels = np.asarray(image)
    down = pixels.shape[0] // _SIDE
    # (down, 32, across, 32, 3) -> (down, across, 3, 32, 32)
    tiles = pixels.reshape(down, _SIDE, COLUMNS, _SIDE, 3).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(tiles).reshape(-1, PIXELS)


def _mosaic(x: Array) -> Array:
    """Rows `(n, 3072)` as one picture `(32 n / COLUMNS, 32 COLUMNS, 3)`; n is a multiple of COLUMNS."""
    down = len(x) // COLUMNS
    # (down, across, 3, 32, 32) -> (down, 32, across, 32, 3)
    tiles = x.reshape(down, COLUMNS, 3, _SIDE, _SIDE).transpose(0, 3, 1, 4, 2)
    return np.ascontiguousarray(tiles).reshape(down * _SIDE, COLUMNS * _SIDE, 3)
