"""Where data is looked for: --data-dir alone if given, else $LINCLASS_DATA, ./data, the user cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from linclass.datasets.known import KNOWN
from linclass.datasets.published import Layout, Published
from linclass.errors import DataError

VARIABLE = "LINCLASS_DATA"
_MOST_FOLDERS = 100  # that are looked into


class Found(NamedTuple):
    """A folder that holds at least one part of a data set, and the layout it is in."""

    dataset: Published
    folder: Path
    layout: Layout

    def missing(self, parts: Sequence[str]) -> list[str]:
        """Those of `parts` of which a file is not there."""
        return [part for part in parts if self.layout.missing(self.folder, part)]

    def require(self, parts: Sequence[str]) -> None:
        """Raise DataError naming what is missing and how to get it."""
        files = [path.name for part in self.missing(parts) for path in self.layout.missing(self.folder, part)]
        if files:
            command = self.dataset.fetch_command(self.layout.directory(self.folder))
            names = ", ".join(dict.fromkeys(files))
            raise DataError(f'{self.folder} is incomplete, {names} missing: run "{command}"')

    @property
    def needed(self) -> tuple[str, ...]:
        """The parts without which it is incomplete; the user's own files need no test part."""
        return self.dataset.train if self.layout.any_size else self.dataset.parts

    @property
    def where(self) -> Path:
        """The folder, or the archive."""
        return self.layout.path(self.folder, self.dataset.test) if self.layout.is_archive else self.folder

    @property
    def remark(self) -> str:
        """A line for an archive."""
        name = self.dataset.name
        command = f"linclass data fetch {name} --mirror {self.where} --data-dir {self.folder}"
        return (
            f"{self.where} is read as it is; faster unpacked: `{command}`" if self.layout.is_archive else ""
        )

    def size(self) -> int:
        """Bytes of the files that are there."""
        paths = {path for part in self.dataset.parts for path in self.layout.paths(self.folder, part)}
        return sum(path.stat().st_size for path in paths if path.is_file())


def data_dirs(explicit: Path | None = None) -> list[Path]:
    """The directories to look in, in order."""
    if explicit is not None:
        return [explicit]
    named = os.environ.get(VARIABLE, "")
    cache = user_cache()
    return [*([Path(named)] if named else []), Path("data"), *([] if cache is None else [cache])]


def fetch_dir(explicit: Path | None = None) -> Path:
    """Where a download goes: the first of `data_dirs` that was named or exists, else the user cache."""
    first, *others = data_dirs(explicit)
    named = explicit is not None or bool(os.environ.get(VARIABLE))
    return first if named or first.is_dir() or not others else others[-1]


def user_cache() -> Path | None:
    """`~/.cache/linclass`, $XDG_CACHE_HOME honoured, or what the platform has in its place.

    None for a user without a home, as in many a container.
    """
    variable = {"win32": "LOCALAPPDATA", "darwin": ""}.get(sys.platform, "XDG_CACHE_HOME")
    named = os.environ.get(variable, "")
    # The XDG specification: a relative path is to be ignored
    if Path(named).is_absolute():
        return Path(named) / "linclass"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    own = {"win32": Path("AppData", "Local"), "darwin": Path("Library", "Caches")}
    return home / own.get(sys.platform, Path(".cache")) / "linclass"


def find(dataset: Published, directories: Sequence[Path]) -> Found | None:
    """The first directory with any of the data set in it decides; in it, the most complete layout wins.

    A directory may hold the published folders, be one of them, or hold a folder that holds them. None where
    there is no part at all; DataError where a directory may not be read; the user cache, which nobody named,
    then counts as empty.
    """
    for directory in directories:
        try:
            here = list(_found_in(directory, dataset))
        except OSError as error:
            if directory == user_cache():
                continue
            raise DataError(f"cannot look for data in {directory}: {error.strerror or error}") from error
        if here:
            return min(here, key=lambda found: len(found.missing(dataset.parts)))
    return None


def _found_in(directory: Path, dataset: Published) -> Iterator[Found]:
    """Everything of the data set that is in `directory`; only where that is nothing, in its folders too."""
    empty, here = [], 0
    for layout in dataset.layouts:
        for folder in _folders(directory, dataset, layout):
            found = Found(dataset, folder, layout)
            if _has_any(found):
                here += 1
                yield found
            elif folder != directory and folder.is_dir():
                empty.append(found)
    if not here and directory.is_dir():
        for inside in sorted(path for path in directory.iterdir() if path.is_dir())[:_MOST_FOLDERS]:
            nested = (Found(dataset, inside / layout.folder, layout) for layout in dataset.layouts)
            yield from (found for found in nested if found.folder != inside and _has_any(found))
    yield from empty  # a folder with nothing in it is incomplete, not absent


def _has_any(found: Found) -> bool:
    layout, folder = found.layout, found.folder
    return any(path.is_file() for part in found.dataset.parts for path in layout.paths(folder, part))


def _folders(directory: Path, dataset: Published, layout: Layout) -> Iterator[Path]:
    """Where a layout's files may be: in its folder, or `directory` is that folder, or one that holds it."""
    yield directory / layout.folder
    if _may_be(directory, dataset, layout):
        yield directory
    parts = Path(layout.folder).parts
    for count in range(1, len(parts)):
        if _is_at(directory, Path(*parts[:count])):
            yield directory.joinpath(*parts[count:])


def _may_be(directory: Path, dataset: Published, layout: Layout) -> bool:
    """Whether `directory` itself may be the data set's folder: many files are called train.csv, and the
    files of MNIST and Fashion-MNIST have the same names."""
    if layout.any_size or layout.folder == ".":
        return _is_at(directory, Path(layout.folder))
    others = (other for other in KNOWN.values() if other.name != dataset.name)
    return not any(_is_at(directory, Path(layout.folder)) for other in others for layout in other.layouts)


def _is_at(directory: Path, folder: Path) -> bool:
    """Whether the path of `directory` ends with `folder`."""
    n = len(folder.parts)
    return n > 0 and directory.resolve().parts[-n:] == folder.parts


def not_found(dataset: Published, data_dir: Path | None) -> DataError:
    """The error for a data set that is nowhere: where it was looked for, and how to get it."""
    where = ", ".join(str(directory) for directory in data_dirs(data_dir))
    return DataError(f'no {dataset.title} in {where}: run "{dataset.fetch_command(data_dir)}"')
