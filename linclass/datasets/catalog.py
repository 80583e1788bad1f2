"""What data there is on this computer, and whether it is what was published."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from linclass.datasets import functions, sample
from linclass.datasets.known import KNOWN
from linclass.datasets.load import NAMES
from linclass.datasets.locate import data_dirs, find, not_found
from linclass.datasets.published import Published, Report
from linclass.datasets.sample import SAMPLES
from linclass.errors import UsageError


class Entry(NamedTuple):
    """One data set: its name, state, where, layout, bytes.

    state: "complete", "incomplete", "absent", "bundled" or "computed".
    """

    name: str
    state: str
    where: str
    layout: str
    size: int


def describe(data_dir: Path | None = None) -> list[Entry]:
    """A row for each data set that can be named. Raises DataError for a directory that may not be read."""
    stored = [_bundled(name) if name in SAMPLES else _full(KNOWN[name], data_dir) for name in NAMES]
    return stored + [Entry(name, "computed", "on [0, 2]", "", 0) for name in functions.FUNCTIONS]


def _full(dataset: Published, data_dir: Path | None) -> Entry:
    found = find(dataset, data_dirs(data_dir))
    if found is None:
        return Entry(dataset.name, "absent", f'run "{dataset.fetch_command(data_dir)}"', "", 0)
    state = "incomplete" if found.missing(found.needed) else "complete"
    return Entry(dataset.name, state, str(found.where), found.layout.name, found.size())


def _bundled(name: str) -> Entry:
    return Entry(name, "bundled", "part of linclass", "png", sample.size(SAMPLES[name]))


def verify(name: str, data_dir: Path | None, report: Report) -> None:
    """Check the data set `name` against the published digests, reporting file by file.

    Raises UsageError for an unknown name, DataError for data that is missing or unreadable,
    CheckFailedError for data that is not the published one.
    """
    if name not in NAMES:
        raise UsageError(f"cannot verify {name!r}: expected one of {', '.join(NAMES)}")
    if name in SAMPLES:
        sample.load(SAMPLES[name])
        report(f"{name}: the packed pixels and labels (sha256)")
        return
    dataset = KNOWN[name]
    found = find(dataset, data_dirs(data_dir))
    if found is None:
        raise not_found(dataset, data_dir)
    found.require(dataset.parts)
    dataset.verify(found.folder, found.layout, report)
