"""Where data is looked for: --data-dir alone if given, else $LINCLASS_DATA, ./data, the user cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from linclass.datasets.cifar10 import BATCHES, LAYOUTS, Layout, fetch_command
from linclass.errors import DataError

VARIABLE = "LINCLASS_DATA"


class Found(NamedTuple):
    """A folder that holds at least one batch of CIFAR-10, and the layout it is in."""

    folder: Path
    layout: Layout

    def missing(self, batches: Sequence[str] = BATCHES) -> list[str]:
        """Those of `batches` that are not there."""
        return [batch for batch in batches if not self.layout.path(self.folder, batch).is_file()]

    def require(self, batches: Sequence[str]) -> None:
        """Raise DataError naming what is missing and how to get it."""
        names = [self.layout.path(Path(), batch).name for batch in self.missing(batches)]
        if names:
            command = fetch_command(self.folder.parent)
            raise DataError(f'{self.folder} is incomplete, {", ".join(names)} missing: run "{command}"')


def data_dirs(explicit: Path | None = None) -> list[Path]:
    """The directories to look in, in order."""
    if explicit is not None:
        return [explicit]
    named = os.environ.get(VARIABLE, "")
    return [*([Path(named)] if named else []), Path("data"), user_cache()]


def fetch_dir(explicit: Path | None = None) -> Path:
    """Where a download goes: the first of `data_dirs` that was named or exists, else the user cache."""
    directories = data_dirs(explicit)
    named = explicit is not None or len(directories) == 3
    return directories[0] if named or directories[0].is_dir() else directories[-1]


def user_cache() -> Path:
    """`~/.cache/linclass`, $XDG_CACHE_HOME honoured, or what the platform has in its place."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "linclass"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "linclass"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is to be ignored
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "linclass"


def find_cifar10(directories: Sequence[Path], batches: Sequence[str] = BATCHES) -> Found | None:
    """The first directory with any CIFAR-10 in it decides; in it, a layout that has all of `batches` wins.

    A directory may hold the published folders or be one of them. None where there is no batch at all;
    DataError where a directory may not be read.
    """
    for directory in directories:
        try:
            here = list(_layouts_in(directory))
        except OSError as error:
            raise DataError(f"cannot look for data in {directory}: {error.strerror or error}") from error
        if here:
            return min(here, key=lambda found: len(found.missing(batches)))
    return None


def _layouts_in(directory: Path) -> Iterator[Found]:
    for layout in LAYOUTS:
        for folder in (directory / layout.folder, directory):
            found = Found(folder, layout)
            if (folder != directory and folder.is_dir()) or len(found.missing()) < len(BATCHES):
                yield found
                break


def no_cifar10(data_dir: Path | None) -> DataError:
    """The error for a CIFAR-10 that is nowhere: where it was looked for, and how to get it."""
    where = ", ".join(str(directory) for directory in data_dirs(data_dir))
    return DataError(f'no CIFAR-10 in {where}: run "{fetch_command(data_dir)}"')
