"""From the name given to --dataset to its rows, wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linclass.datasets import functions, sample
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.known import KNOWN
from linclass.datasets.locate import Found, data_dirs, find, not_found
from linclass.datasets.npz_dataset import OwnData
from linclass.datasets.own_data import FORMS, is_path, read_own
from linclass.datasets.published import array_digests
from linclass.datasets.sample import SAMPLES
from linclass.errors import DataError, UsageError

NAMES = tuple(
    name for known in KNOWN for name in (known, sample.name_of(known)) if name in {**KNOWN, **SAMPLES}
)


@dataclass(frozen=True)
class Full:
    """A published data set, found but not yet read."""

    found: Found

    def read(self, parts: Sequence[str]) -> Split:
        """The rows of these parts, in this order. DataError where one is missing or damaged."""
        self.found.require(parts)
        rows = self.found.dataset.read(self.found.folder, self.found.layout, parts)
        if len(parts) == 1:
            _check_not_another(self.found, parts[0], rows)
        return rows

    def read_test(self) -> Split | None:
        """The test rows; None where the files are the user's own and none of them has labelled ones."""
        test = self.found.dataset.test
        if self.found.layout.any_size and self.found.missing([test]):
            return None
        return self.read([test])


@dataclass(frozen=True)
class Own:
    """A user's own file."""

    path: Path
    data: OwnData


Source = Full | Own | Dataset


def load(name: str, *, data_dir: Path | None = None, label: str = "", allow_sample: bool = True) -> Source:
    """What `name` stands for: `Full`, `Own`, or a bundled sample (a `Dataset`).

    label: the column of a user's table that holds the labels.

    The sample takes the place of its data set where that is nowhere, if `allow_sample` and no `data_dir`
    was given; never of one that is damaged or incomplete. Raises UsageError for an unknown name, DataError
    for data that is not there.
    """
    if name not in NAMES and is_path(name):
        return Own(Path(name), read_own(Path(name), label))
    if name not in NAMES:
        known = ", ".join((*NAMES, *functions.FUNCTIONS))
        raise UsageError(f"--dataset is {name!r}: expected one of {known}, or your own {FORMS}")
    if label:
        raise UsageError(f"--label is {label}: it names a column of your own table; leave it out for {name}")
    if name in SAMPLES:
        return sample.load(SAMPLES[name])
    found = find(KNOWN[name], data_dirs(data_dir))
    if found is not None:
        return Full(found)
    stand_in = SAMPLES.get(sample.name_of(name))
    if stand_in is not None and data_dir is None and allow_sample:
        return sample.load(stand_in)
    raise not_found(KNOWN[name], data_dir)


def _check_not_another(found: Found, part: str, rows: Split) -> None:
    """MNIST and Fashion-MNIST have files of the same names and sizes: tell them apart by their labels."""
    labels = array_digests(rows.x[:0], rows.y)[1]
    for other in KNOWN.values():
        if other.name != found.dataset.name and labels == other.facts.arrays.get(part, ("", ""))[1]:
            raise DataError(f"{found.folder} holds {other.title}: use --dataset {other.name}")
