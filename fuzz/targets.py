"""The readers, each as a function of bytes that raises only what it may, and says it in one short line."""

from __future__ import annotations

import atexit
import functools
import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from fuzz import seeds
from linclass import npz
from linclass.datasets.archive import members
from linclass.datasets.cifar10 import BINARY
from linclass.datasets.cifar10_npm import _read_sprite
from linclass.datasets.idx import read_idx
from linclass.datasets.mat_file import read_mat
from linclass.datasets.safe_pickle import read_batch
from linclass.datasets.split import load_dataset
from linclass.errors import DataError
from linclass.evaluation.submission import _header_and_ids, read_rows
from linclass.runs.directory import load_run
from linclass.training.history import History

LONGEST_MESSAGE = 600  # characters


class Target(NamedTuple):
    """A reader.

    Attributes:
        read: reads these bytes; DataError is the only exception it may raise.
        seeds: valid files to start from.
    """

    read: Callable[[bytes], Any]
    seeds: Callable[[], list[bytes]]


@functools.cache
def _scratch() -> Path:
    """A directory in memory where there is one: readers take paths."""
    memory = Path("/dev/shm")
    place = memory if os.access(memory, os.W_OK) else None
    directory = tempfile.mkdtemp(prefix="linclass-fuzz-", dir=place)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


def _from_path(read: Callable[[Path], Any], name: str) -> Callable[[bytes], Any]:
    def read_bytes(data: bytes) -> Any:
        path = _scratch() / name
        path.write_bytes(data)
        return read(path)

    return read_bytes


def _archive(data: bytes) -> Any:
    """Half the inputs (by their length) are packed properly, so that the tar reader sees them."""
    packed = gzip.compress(data, 1, mtime=0) if len(data) % 2 == 0 else data
    return _from_path(lambda path: list(members(path, {"a": 1000, "b": 10})), "a.tgz")(packed)


def _image_folder(data: bytes) -> Any:
    """One image beside a good one of another class."""
    folder = _scratch() / "folder"
    for name, image in (("a", data), ("b", seeds.images()[0])):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "1.png").write_bytes(image)
    return load_dataset(f"{folder}/", split="all")


TARGETS = {
    "pickle": Target(lambda data: read_batch(data, "data_batch_1"), seeds.pickles),
    "bin": Target(
        _from_path(lambda p: BINARY.read([p], "data_batch_1", seeds.ROWS), "b.bin"), seeds.binaries
    ),
    "mat": Target(_from_path(lambda path: read_mat(path, seeds.ROWS), "b.mat"), seeds.mat_files),
    "idx": Target(_from_path(lambda path: read_idx(path, (seeds.ROWS, 28, 28)), "images"), seeds.idx_files),
    "idx-rows": Target(_from_path(read_rows, "rows"), seeds.idx_files),
    "csv": Target(_from_path(lambda path: load_dataset(str(path), split="all"), "own.csv"), seeds.pixel_csvs),
    "table": Target(_from_path(lambda path: load_dataset(str(path), split="all"), "own.csv"), seeds.tables),
    "image-folder": Target(_image_folder, seeds.images),
    "own-data": Target(
        _from_path(lambda path: load_dataset(str(path), split="all"), "own.npz"), seeds.own_data
    ),
    "npz": Target(
        lambda data: npz.unpack(data, "state.npz", required=("a", "b"), max_bytes=1 << 20), seeds.own_npz
    ),
    "sample": Target(_from_path(lambda path: _header_and_ids(path, 2), "sample.csv"), seeds.samples),
    "history": Target(lambda data: History.from_csv(data.decode("latin-1")).matrix("epoch"), seeds.histories),
    "manifest": Target(_from_path(lambda path: load_run(path.parent), "run.json"), seeds.manifests),
    "archive": Target(_archive, seeds.archives),
    "sprite": Target(lambda data: _read_sprite(data, "a.png", seeds.ROWS), seeds.sprites),
}


class BadMessageError(AssertionError):
    """A refusal that a person cannot read."""


def survives(target: Target, data: bytes) -> bool:
    """Whether `data` was read (True) or refused as it should be (False); whatever else happens is raised."""
    try:
        target.read(data)
    except DataError as error:
        message = str(error)
        if len(message) > LONGEST_MESSAGE or not message.isprintable():
            raise BadMessageError(repr(message[: 2 * LONGEST_MESSAGE])) from error
        return False
    return True
