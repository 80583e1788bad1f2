"""Rows, labels, and the three splits of an experiment, as plain values.

Images stay uint8 as they are in the files (a quarter of the memory of float32); `scale.Scaler` turns
each batch into the model's input.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from linclass.datasets.labels import with_noise
from linclass.params import Array


@dataclass(frozen=True)
class Split:
    """Rows and what belongs to them: x `(n, d)` uint8 or float; y `(n,)` integers in [0, C), or for a
    regression `(n, C)` float."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Array) -> Split:
        """The rows of an index `(n,)` (copies)."""
        return Split(self.x[index], self.y[index])

    def first(self, n: int) -> Split:
        """The first n rows (views)."""
        return Split(self.x[:n], self.y[:n])


@dataclass(frozen=True)
class Dataset:
    """What an experiment trains, validates and tests on.

    Attributes:
        name: as given to `--dataset`.
        train, validation: never None. test: None where the source has none.
        classes: C names, in label order; of a regression those of the C numbers to be predicted.
        image_shape: (channels, height, width) where rows are channel-major images, else None.
        source: where the rows come from, for run.json ("full: data/cifar-10-batches-py", ...).
        is_sample: True for the bundled sample, which every output then says.
        remark: how the files were read, where that is worth a line.
    """

    name: str
    train: Split
    validation: Split
    test: Split | None
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
    source: str
    is_sample: bool = False
    remark: str = ""

    @property
    def features(self) -> int:
        """d, the columns of x."""
        return int(self.train.x.shape[1])

    @property
    def is_regression(self) -> bool:
        """Whether the targets are numbers, not classes."""
        return self.train.y.ndim == 2

    @property
    def rows_of_classes(self) -> dict[str, int]:
        """Class -> number of its training rows, in label order; empty for a regression."""
        if self.is_regression:
            return {}
        counts = np.bincount(self.train.y.astype(np.intp, copy=False), minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @property
    def title(self) -> str:
        """For figures: the name, and that it is the sample where it is."""
        return f"{self.name} (bundled sample)" if self.is_sample else self.name

    def splits(self) -> dict[str, Split]:
        """The splits there are, by name."""
        named = {"train": self.train, "validation": self.validation}
        return named if self.test is None else {**named, "test": self.test}

    def with_train_size(self, n: int) -> Dataset:
        """The same with only the first n training rows."""
        return replace(self, train=self.train.first(n))

    def with_label_noise(self, share: float, seed: int) -> Dataset:
        """The same with some of the training labels drawn at random; see `labels.with_noise`."""
        x, y = self.train.x, self.train.y
        return replace(self, train=Split(x, with_noise(y, len(self.classes), share, seed)))

    def digest(self) -> str:
        """SHA-256 over all splits: two runs with the same digest saw the same numbers."""
        return digest_arrays(*(array for split in self.splits().values() for array in (split.x, split.y)))


def digest_arrays(*arrays: Array) -> str:
    """SHA-256 over shapes, types and contents of arrays; labels count as int64, however stored."""
    sha = hashlib.sha256()
    for array in arrays:
        plain = array.astype("<i8") if array.dtype.kind in "iu" and array.ndim == 1 else array
        sha.update(f"{plain.shape}{plain.dtype.str}".encode())
        sha.update(np.ascontiguousarray(plain).data)
    return sha.hexdigest()
