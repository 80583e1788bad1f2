"""Data for tests: a CIFAR-10 of a few rows in every layout, and the full one where it is on this computer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from linclass.datasets.cifar10 import BATCHES, BINARY, MATLAB, PYTHON, Layout
from linclass.datasets.cifar10_npm import pack_batch
from linclass.datasets.cifar10_published import META, Facts, array_digests
from linclass.datasets.load import Cifar10
from linclass.datasets.locate import data_dirs, find_cifar10

ROWS = 12


@dataclass(frozen=True)
class TinyCifar10:
    """Six batches of 12 random rows, the directory with all three layouts, and their digests."""

    directory: Path
    batches: dict[str, tuple[np.ndarray, np.ndarray]]
    facts: Facts

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
        rows=ROWS,
        file_md5={
            name: hashlib.md5((published / name).read_bytes()).hexdigest() for name in (*BATCHES, META)
        },
        arrays={name: array_digests(x, y) for name, (x, y) in batches.items()},
    )
    return TinyCifar10(directory, batches, facts)


@pytest.fixture(scope="session")
def full_cifar10() -> Cifar10:
    """The full CIFAR-10; for tests marked `full_data`."""
    found = find_cifar10(data_dirs())
    if found is None:
        pytest.skip('no full CIFAR-10: run "linclass data fetch cifar10"')
    return Cifar10(found)
