"""The bundled samples: 3000 real images each, so that everything runs before anything is downloaded.

200 training and 50 validation images a class, both from the training rows, and 50 test images a class from
the test rows; each split in the order of the published files. Stored without loss: one PNG mosaic a split
(also a picture to look at), and a CSV that says where each row is from.
"""

from __future__ import annotations

import csv
import importlib.resources
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.mnist_published import MNIST
from linclass.datasets.published import Published
from linclass.errors import DataError
from linclass.files import write_durably
from linclass.params import Array
from linclass.rng import permutation

PER_CLASS = {"train": 200, "validation": 50, "test": 50}
COLUMNS = 50  # tiles in a row of a mosaic
_INDEX = "sample.csv"
_FIELDS = ("split", "file", "row", "label")


class Sample(NamedTuple):
    """A sample of `dataset`: its files begin with `prefix`, its arrays have this `digest`."""

    dataset: Published
    prefix: str
    digest: str

    @property
    def name(self) -> str:
        """For `--dataset`."""
        return name_of(self.dataset.name)

    @property
    def files(self) -> list[str]:
        """The names of its files."""
        return [self.prefix + name for name in (_INDEX, *(f"{split}.png" for split in PER_CLASS))]


def name_of(dataset: str) -> str:
    """What the sample of a data set is called, or would be."""
    return f"{dataset}-sample"


CIFAR10_SAMPLE = Sample(CIFAR10, "", "4db32f1cf85404f2e51c64c19d5cc947cce1a932002b5b3de28f3f840f885616")
MNIST_SAMPLE = Sample(MNIST, "mnist-", "ceffcfdd59bf1ee5f4d57d633c0aa7620a3d309ac966396988880d02fcad3a55")
SAMPLES: Mapping[str, Sample] = {sample.name: sample for sample in (CIFAR10_SAMPLE, MNIST_SAMPLE)}


class Drawn(NamedTuple):
    """Splits by name, and the position of each of their rows in the published order `(n,)`."""

    splits: dict[str, Split]
    positions: dict[str, Array]


def draw(train: Split, test: Split) -> Drawn:
    """The sample of the full data: all training rows, all test rows, ten classes."""
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
    return np.stack([order[y[order] == c][:n] for c in range(int(y.max()) + 1)])


def write(sample: Sample, folder: Path, drawn: Drawn) -> None:
    """Write the sample's files into `folder`; `load` reads them back from the package."""
    from PIL import Image

    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(_FIELDS)
    for name, split in drawn.splits.items():
        png = io.BytesIO()
        Image.fromarray(_mosaic(split.x, sample.dataset)).save(png, "PNG", optimize=True)
        write_durably(folder / f"{sample.prefix}{name}.png", png.getvalue())
        parts = (sample.dataset.test,) if name == "test" else sample.dataset.train
        rows = sample.dataset.facts.rows[parts[0]]  # of each of them
        for position, label in zip(drawn.positions[name].tolist(), split.y.tolist(), strict=True):
            table.writerow((name, parts[position // rows], position % rows, label))
    write_durably(folder / (sample.prefix + _INDEX), lines.getvalue().encode())


def load(sample: Sample) -> Dataset:
    """A bundled sample. Raises DataError if the installed files are not the ones that were packed."""
    try:
        labels = _labels(_packed(sample.prefix + _INDEX).decode("ascii"))
        pngs = {name: _packed(f"{sample.prefix}{name}.png") for name in PER_CLASS}
        splits = {name: Split(_tiles(png, sample.dataset), labels[name]) for name, png in pngs.items()}
    except (OSError, ValueError, KeyError, SyntaxError) as error:
        raise DataError(
            f"the bundled {sample.name} cannot be read ({error}): install linclass again"
        ) from error
    dataset = Dataset(
        name=sample.name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        classes=sample.dataset.classes,
        image_shape=sample.dataset.image_shape,
        source="bundled sample",
        is_sample=True,
    )
    if dataset.digest() != sample.digest:
        raise DataError(f"the bundled {sample.name} is not the one that was packed: install linclass again")
    return dataset


def size(sample: Sample) -> int:
    """Bytes of the sample's files."""
    return sum(len(_packed(name)) for name in sample.files)


def _packed(name: str) -> bytes:
    return (importlib.resources.files("linclass.datasets") / "sample" / name).read_bytes()


def _labels(index: str) -> dict[str, Array]:
    rows = list(csv.DictReader(io.StringIO(index)))
    return {
        name: np.array([int(row["label"]) for row in rows if row["split"] == name], np.int64)
        for name in PER_CLASS
    }


def _tiles(png: bytes, dataset: Published) -> Array:
    """The rows `(n, d)` of a mosaic of tiles `(h, w)`."""
    from PIL import Image

    channels, h, w = dataset.image_shape
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        pixels = np.asarray(image)
    down = pixels.shape[0] // h
    # (down, h, across, w, channels) -> (down, across, channels, h, w)
    tiles = pixels.reshape(down, h, COLUMNS, w, channels).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(tiles).reshape(-1, dataset.features)


def _mosaic(x: Array, dataset: Published) -> Array:
    """Rows `(n, d)` as one picture `(h n / COLUMNS, w COLUMNS[, 3])`; n is a multiple of COLUMNS."""
    channels, h, w = dataset.image_shape
    down = len(x) // COLUMNS
    # (down, across, channels, h, w) -> (down, h, across, w, channels)
    tiles = x.reshape(down, COLUMNS, channels, h, w).transpose(0, 3, 1, 4, 2)
    picture = np.ascontiguousarray(tiles).reshape(down * h, COLUMNS * w, channels)
    return picture[:, :, 0] if channels == 1 else picture
