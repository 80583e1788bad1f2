"""From the name given to --dataset to its rows, wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linclass.datasets import sample
from linclass.datasets.cifar10 import BATCHES, read_batches
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.locate import Found, data_dirs, find_cifar10, no_cifar10
from linclass.datasets.npz_dataset import OwnData, read_npz
from linclass.errors import UsageError

NAMES = ("cifar10", sample.NAME)


@dataclass(frozen=True)
class Cifar10:
    """The full CIFAR-10, found but not yet read."""

    found: Found

    def read(self, batches: Sequence[str] = BATCHES) -> Split:
        """The rows of these batches, in this order. DataError where one is missing or damaged."""
        self.found.require(batches)
        return read_batches(self.found.folder, self.found.layout, batches)


@dataclass(frozen=True)
class Own:
    """A user's own `.npz`."""

    path: Path
    data: OwnData


Source = Cifar10 | Own | Dataset


def load(name: str, *, data_dir: Path | None = None, allow_sample: bool = True) -> Source:
    """What `name` stands for: `Cifar10`, `Own`, or the bundled sample (a `Dataset`).

    The sample takes the place of a CIFAR-10 that is nowhere, if `allow_sample` and no `data_dir` was
    given; never of one that is damaged or incomplete. Raises UsageError for an unknown name, DataError
    for data that is not there.
    """
    if name == sample.NAME:
        return sample.load()
    if name.lower().endswith(".npz"):
        return Own(Path(name), read_npz(Path(name)))
    if name not in NAMES:
        known = ", ".join(NAMES)
        raise UsageError(f"--dataset is {name!r}: expected one of {known}, or your own FILE.npz")
    found = find_cifar10(data_dirs(data_dir))
    if found is not None:
        return Cifar10(found)
    if data_dir is None and allow_sample:
        return sample.load()
    raise no_cifar10(data_dir)
