"""What data there is on this computer, and whether it is what was published."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from linclass.datasets import sample
from linclass.datasets.cifar10 import BATCHES, fetch_command
from linclass.datasets.cifar10_published import PUBLISHED, Facts, Report, verify_folder
from linclass.datasets.load import NAMES
from linclass.datasets.locate import Found, data_dirs, find_cifar10, no_cifar10
from linclass.errors import UsageError


class Entry(NamedTuple):
    """One data set: its name, "complete", "incomplete", "absent" or "bundled", where, layout, bytes."""

    name: str
    state: str
    where: str
    layout: str
    size: int


def describe(data_dir: Path | None = None) -> list[Entry]:
    """A row for each data set that can be named. Raises DataError for a directory that may not be read."""
    found = find_cifar10(data_dirs(data_dir))
    if found is None:
        full = Entry("cifar10", "absent", f'run "{fetch_command(data_dir)}"', "", 0)
    else:
        state = "incomplete" if found.missing() else "complete"
        full = Entry("cifar10", state, str(found.folder), found.layout.name, _size(found))
    bundled = Entry(sample.NAME, "bundled", "part of linclass", "png", sample.size())
    return [full, bundled]


def verify(name: str, data_dir: Path | None, report: Report, facts: Facts = PUBLISHED) -> None:
    """Check the data set `name` against the published digests, reporting file by file.

    Raises UsageError for an unknown name, DataError for data that is missing or unreadable,
    CheckFailedError for data that is not the published one.
    """
    if name not in NAMES:
        raise UsageError(f"cannot verify {name!r}: expected one of {', '.join(NAMES)}")
    if name == sample.NAME:
        sample.load()
        report(f"{name}: the packed pixels and labels (sha256)")
        return
    found = find_cifar10(data_dirs(data_dir))
    if found is None:
        raise no_cifar10(data_dir)
    found.require(BATCHES)
    verify_folder(found.folder, found.layout, report, facts)


def _size(found: Found) -> int:
    paths = (found.layout.path(found.folder, batch) for batch in BATCHES)
    return sum(path.stat().st_size for path in paths if path.is_file())
