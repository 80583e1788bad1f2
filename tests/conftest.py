"""Data for tests: a few rows of CIFAR-10 and MNIST in every layout, and the full ones where they are here."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from linclass.datasets.cifar10 import BATCHES, BINARY, MATLAB, PYTHON
from linclass.datasets.cifar10_npm import pack_batch
from linclass.datasets.cifar10_published import CIFAR10, META
from linclass.datasets.load import Full
from linclass.datasets.locate import data_dirs, find
from linclass.datasets.mnist import PARTS, idx_names
from linclass.datasets.mnist_published import FASHION_MNIST, MNIST
from linclass.datasets.published import Facts, Layout, Published, array_digests

ROWS = 12


@pytest.fixture
def no_pictures() -> Iterator[None]:
    """Runs and searches draw nothing: it takes most of a small one's time, and has tests of its own."""
    yield from _no_pictures()


@pytest.fixture(scope="module")
def no_pictures_in_module() -> Iterator[None]:
    """`no_pictures` for the fixtures of a module."""
    yield from _no_pictures()


def _no_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for drawing in ("draw_curves", "draw_weights", "draw_function", "draw_animation"):
            patch.setattr(f"linclass.runs.pictures.{drawing}", lambda *_: None)
        patch.setattr("linclass.search.report.draw", lambda *_: None)
        yield


@dataclass(frozen=True)
class TinyCifar10:
    """Six batches of 12 random rows, the directory with all three layouts, and their digests."""

    directory: Path
    batches: dict[str, tuple[np.ndarray, np.ndarray]]
    facts: Facts

    @property
    def dataset(self) -> Published:
        return replace(CIFAR10, facts=self.facts)

    def folder(self, layout: Layout) -> Path:
        return self.directory / layout.folder


@pytest.fixture(scope="session")
def tiny_cifar10(tmp_path_factory: pytest.TempPathFactory) -> TinyCifar10:
    """A CIFAR-10 of six batches of 12 rows; tests that damage it work on a copy."""
    directory = tmp_path_factory.mktemp("tiny_cifar10")
    rng = np.random.default_rng(10)
    batches = {}
    for layout in (PYTHON, BINARY, MATLAB):
        (directory / layout.folder).mkdir()
    for name in BATCHES:
        x = rng.integers(0, 256, (ROWS, 3072), dtype=np.uint8)
        y = rng.integers(0, 10, ROWS)
        batches[name] = (x, y)
        filenames = [f"image_{i}.png" for i in range(ROWS)]
        PYTHON.path(directory / PYTHON.folder, name).write_bytes(pack_batch(name, x, y, filenames))
        records = np.hstack([y[:, None].astype(np.uint8), x])
        BINARY.path(directory / BINARY.folder, name).write_bytes(records.tobytes())
        content = {"data": x, "labels": y.astype(np.uint8)[:, None], "batch_label": name}
        savemat(MATLAB.path(directory / MATLAB.folder, name), content, do_compression=True)
    (directory / PYTHON.folder / META).write_bytes(b"label names")
    published = directory / PYTHON.folder
    facts = Facts(
        rows=dict.fromkeys(BATCHES, ROWS),
        file_md5={
            name: hashlib.md5((published / name).read_bytes()).hexdigest() for name in (*BATCHES, META)
        },
        arrays={name: array_digests(x, y) for name, (x, y) in batches.items()},
    )
    return TinyCifar10(directory, batches, facts)


MNIST_ROWS = {"train": 30, "t10k": 12}


def idx(array: np.ndarray) -> bytes:
    """A plain IDX file of bytes, written without the reader's help."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return struct.pack(">BBBB", 0, 0, 8, array.ndim) + sizes + array.astype(np.uint8).tobytes()


def pixel_csv(x: np.ndarray, y: np.ndarray | None) -> str:
    """A table with the lab's header."""
    columns = [*([] if y is None else ["label"]), *(f"pixel{i}" for i in range(784))]
    rows = x if y is None else np.column_stack([y, x])
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows.tolist()), ""])


@dataclass(frozen=True)
class TinyMnist:
    """30 training and 12 test rows, the directories that have them as IDX, .gz, npz and CSV; digests."""

    directory: Path
    parts: dict[str, tuple[np.ndarray, np.ndarray]]
    dataset: Published

    def of(self, form: str) -> Path:
        """The data directory with this form: idx, gz, npz or csv."""
        return self.directory / form


def tiny_mnist_of(dataset: Published, directory: Path, seed: int) -> TinyMnist:
    rng = np.random.default_rng(seed)
    parts = {
        part: (rng.integers(0, 256, (n, 784), dtype=np.uint8), rng.integers(0, 10, n))
        for part, n in MNIST_ROWS.items()
    }
    for form in ("idx", "gz", "npz", "csv"):
        (directory / form / dataset.name).mkdir(parents=True)
    for part, (x, y) in parts.items():
        for name, array in zip(idx_names(part), (x.reshape(-1, 28, 28), y), strict=True):
            (directory / "idx" / dataset.name / name).write_bytes(idx(array))
            (directory / "gz" / dataset.name / f"{name}.gz").write_bytes(gzip.compress(idx(array), mtime=0))
        file = "train.csv" if part == "train" else "test.csv"
        (directory / "csv" / dataset.name / file).write_text(pixel_csv(x, y))
    (x, y), (x_test, y_test) = (parts[part] for part in PARTS)
    np.savez(
        directory / "npz" / f"{dataset.name}.npz",
        x_train=x.reshape(-1, 28, 28),
        y_train=y.astype(np.uint8),
        x_test=x_test.reshape(-1, 28, 28),
        y_test=y_test.astype(np.uint8),
    )
    names = [f"{name}.gz" for part in PARTS for name in idx_names(part)]
    zipped = {name: (directory / "gz" / dataset.name / name).read_bytes() for name in names}
    facts = Facts(
        rows=MNIST_ROWS,
        file_md5={name: hashlib.md5(data).hexdigest() for name, data in zipped.items()},
        arrays={part: array_digests(x, y) for part, (x, y) in parts.items()},
    )
    return TinyMnist(directory, parts, replace(dataset, facts=facts))


@pytest.fixture(scope="session")
def tiny_mnist(tmp_path_factory: pytest.TempPathFactory) -> TinyMnist:
    """An MNIST of 42 rows; tests that damage it work on a copy."""
    return tiny_mnist_of(MNIST, tmp_path_factory.mktemp("tiny_mnist"), 28)


@pytest.fixture(scope="session")
def tiny_fashion(tmp_path_factory: pytest.TempPathFactory) -> TinyMnist:
    """A Fashion-MNIST of 42 rows."""
    return tiny_mnist_of(FASHION_MNIST, tmp_path_factory.mktemp("tiny_fashion"), 29)


def full(dataset: Published) -> Full:
    found = find(dataset, data_dirs())
    if found is None:
        pytest.skip(f'no full {dataset.title}: run "{dataset.fetch_command(None)}"')
    return Full(found)


@pytest.fixture(scope="session")
def full_cifar10() -> Full:
    """The full CIFAR-10; for tests marked `full_data`."""
    return full(CIFAR10)


@pytest.fixture(scope="session")
def full_mnist() -> Full:
    """The full MNIST; for tests marked `full_data`."""
    return full(MNIST)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes by their argument's name: a gzip holds the time it was made at, and a test's name must not."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published work is run in an empty place, where only the bundled samples are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LINCLASS_DATA", raising=False)
