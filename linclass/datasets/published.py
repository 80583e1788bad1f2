"""A published data set: its parts, the layouts that its files come in, and the digests that pin it.

A part is what is published in one piece: `data_batch_1`, `test_batch`; `train`, `t10k`. A container (an
archive, a .gz file) has a digest of its own. A mirror packs the same images differently, so what counts in
the end is the SHA-256 of the decoded pixels (one byte each, row after row) and labels (one byte each) of
every part.
"""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.datasets.dataset import Split
from linclass.datasets.labels import check_labels
from linclass.errors import CheckFailedError, DataError
from linclass.files import read_capped
from linclass.params import Array

MAX_BYTES = 512 << 20  # of a file whose digest is asked for

Report = Callable[[str], None]


class Layout(NamedTuple):
    """One of the forms that a data set's files come in.

    Attributes:
        folder: the name of their folder in a data directory.
        paths: `(folder, part)` -> the files that hold a part, as they are or would be named.
        read: `(paths, part, rows)` -> x, y as they are in those files; `rows` is what is expected.
        holds: whether a file is there and holds what it should.
        any_size: the number of rows is the user's, and there may be no test part.
        is_archive: all parts are in one file, which is read from its beginning for each.
    """

    name: str
    folder: str
    paths: Callable[[Path, str], tuple[Path, ...]]
    read: Callable[[Sequence[Path], str, int], tuple[Array, Array]]
    holds: Callable[[Path], bool] = Path.is_file
    any_size: bool = False
    is_archive: bool = False

    def path(self, folder: Path, part: str) -> Path:
        """The first file of a part."""
        return self.paths(folder, part)[0]

    def directory(self, folder: Path) -> Path:
        """The data directory whose folder this is."""
        return folder if self.folder == "." else folder.parents[self.folder.count("/")]

    def missing(self, folder: Path, part: str) -> list[Path]:
        """Those files of a part that are not there."""
        return [path for path in self.paths(folder, part) if not self.holds(path)]


class Remote(NamedTuple):
    """A published file: its address, its size at most, its digests (None where none is published)."""

    url: str
    limit: int
    md5: str
    sha256: str | None

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


class Facts(NamedTuple):
    """part -> rows; file name -> MD5 of the published file; part -> SHA-256 of pixels and of labels."""

    rows: Mapping[str, int]
    file_md5: Mapping[str, str]
    arrays: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Published:
    """A data set that was published.

    Attributes:
        name: for `--dataset`. title: for sentences.
        train: the training parts, in order, all of the same number of rows. test: the test part.
        val_size: how many of the last training rows `--split all` validates on.
        layouts: the preferred one first.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    train: tuple[str, ...]
    test: str
    val_size: int
    layouts: tuple[Layout, ...]
    facts: Facts

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts, the test part last."""
        return (*self.train, self.test)

    @property
    def features(self) -> int:
        """d, the pixels of a row."""
        return math.prod(self.image_shape)

    def fetch_command(self, directory: Path | None) -> str:
        """What to run to get the data into `directory` (None: wherever it goes by default)."""
        return f"linclass data fetch {self.name}" + (
            f" --data-dir {shlex.quote(str(directory))}" if directory else ""
        )

    def read(self, folder: Path, layout: Layout, parts: Sequence[str]) -> Split:
        """The rows of `parts`, one after the other: x `(n, d)` uint8, y `(n,)` int64.

        Raises DataError naming the file, what it holds and what it should, and how to get a whole one.
        """
        if len(parts) == 1:
            x, y = self._read_part(folder, layout, parts[0])
            return Split(np.require(x, np.uint8, ["C", "W"]), np.require(y, np.int64, ["C", "W"]))
        rows = [self.facts.rows[part] for part in parts]
        x, y = np.empty((sum(rows), self.features), np.uint8), np.empty(sum(rows), np.int64)
        start = 0
        for part, n in zip(parts, rows, strict=True):
            x[start : start + n], y[start : start + n] = self._read_part(folder, layout, part)
            start += n
        return Split(x, y)

    def _read_part(self, folder: Path, layout: Layout, part: str) -> tuple[Array, Array]:
        paths, rows = layout.paths(folder, part), self.facts.rows[part]
        try:
            x, y = layout.read(paths, part, rows)
            self._check(x, y, None if layout.any_size else rows, str(paths[0]))
        except DataError as error:
            if layout.any_size:  # the user's own files: there is none to replace them by
                raise
            raise DataError(
                f'{error}; replace it: run "{self.fetch_command(layout.directory(folder))}"'
            ) from error
        return x, y

    def _check(self, x: Array, y: Array, rows: int | None, label: str) -> None:
        d, n = self.features, len(y) if rows is None else rows
        if x.ndim == 2 and x.shape[0] == d != x.shape[1]:
            raise DataError(f"{label}: data {x.shape} looks transposed; expected ({n}, {d})")
        if x.shape != (n, d) or y.shape != (n,):
            raise DataError(f"{label}: data {x.shape} with {len(y):,} labels; expected ({n}, {d}) with {n:,}")
        if x.dtype != np.uint8:
            raise DataError(f"{label}: its pixels are {x.dtype}; expected uint8")
        check_labels(y, len(self.classes), label)

    def verify(self, folder: Path, layout: Layout, report: Report) -> None:
        """Report, part by part, that `folder` holds the published data.

        Raises DataError for a file that cannot be read, CheckFailedError for one that holds something else.
        """
        for part in self.parts:
            paths = layout.paths(folder, part)
            if all(self._is_published_file(path) for path in paths):
                for path in paths:
                    report(f"{path}: the published file (md5)")
                continue
            rows = self.read(folder, layout, [part])
            try:
                check_arrays(part, rows.x, rows.y, self.facts)
            except CheckFailedError as error:
                raise CheckFailedError(f"{folder}: {error}") from error
            for path in paths:
                report(f"{path}: the published pixels and labels (sha256)")

    def _is_published_file(self, path: Path) -> bool:
        wanted = self.facts.file_md5.get(path.name)
        return wanted is not None and md5(read_capped(path, MAX_BYTES)) == wanted


def array_digests(x: Array, y: Array) -> tuple[str, str]:
    """SHA-256 of pixels x `(n, d)` uint8 and of labels y `(n,)`, a byte each."""
    pixels, labels = np.ascontiguousarray(x).tobytes(), y.astype(np.uint8).tobytes()
    return hashlib.sha256(pixels).hexdigest(), hashlib.sha256(labels).hexdigest()


def check_arrays(part: str, x: Array, y: Array, facts: Facts) -> None:
    """Raise CheckFailedError unless these are the published pixels and labels of `part`."""
    for what, got, wanted in zip(("pixels", "labels"), array_digests(x, y), facts.arrays[part], strict=True):
        if got != wanted:
            raise CheckFailedError(
                f"{part}: its {what} are not the published ones (sha256 {got[:12]}..., "
                f"expected {wanted[:12]}...)"
            )


def md5(data: bytes) -> str:
    """The digest that most data sets were published with: against damage, not against malice."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
