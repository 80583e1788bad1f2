"""From the name given to --dataset to its rows, wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from linclass.datasets import functions, pixel_csv, sample
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.known import KNOWN
from linclass.datasets.locate import Found, data_dirs, find, not_found
from linclass.datasets.npz_dataset import OwnData, read_npz
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


def load(name: str, *, data_dir: Path | None = None, allow_sample: bool = True) -> Source:
    """What `name` stands for: `Full`, `Own`, or a bundled sample (a `Dataset`).

    The sample takes the place of its data set where that is nowhere, if `allow_sample` and no `data_dir`
    was given; never of one that is damaged or incomplete. Raises UsageError for an unknown name, DataError
    for data that is not there.
    """
    if name in SAMPLES:
        return sample.load(SAMPLES[name])
    suffix = Path(name).suffix.lower()
    if suffix in OWN_FILES:
        return Own(Path(name), OWN_FILES[suffix](Path(name)))
    if name not in KNOWN:
        known = ", ".join((*NAMES, *functions.FUNCTIONS))
        raise UsageError(f"--dataset is {name!r}: expected one of {known}, or your own FILE.npz or FILE.csv")
    found = find(KNOWN[name], data_dirs(data_dir))
    if found is not None:
        return Full(found)
    stand_in = SAMPLES.get(sample.name_of(name))
    if stand_in is not None and data_dir is None and allow_sample:
        return sample.load(stand_in)
    raise not_found(KNOWN[name], data_dir)


def read_own_csv(path: Path) -> OwnData:
    """The labelled images in `path`, and as test rows those of a `test.csv` beside it that has labels.

    Raises DataError for a table that has no labels or is not one of 28 x 28 images.
    """
    train = Split(*pixel_csv.read_labelled_csv(path))
    beside = path.with_name("test.csv")
    has_test = beside.name != path.name and pixel_csv.has_labels(beside)
    test = Split(*pixel_csv.read_labelled_csv(beside)) if has_test else None
    return OwnData(train, None, test, pixel_csv.IMAGE_SHAPE)


OWN_FILES: Mapping[str, Callable[[Path], OwnData]] = {".npz": read_npz, ".csv": read_own_csv}


def _check_not_another(found: Found, part: str, rows: Split) -> None:
    """MNIST and Fashion-MNIST have files of the same names and sizes: tell them apart by their labels."""
    labels = array_digests(rows.x[:0], rows.y)[1]
    for other in KNOWN.values():
        if other.name != found.dataset.name and labels == other.facts.arrays.get(part, ("", ""))[1]:
            raise DataError(f"{found.folder} holds {other.title}: use --dataset {other.name}")
