"""CIFAR-10's three layouts: identical arrays, and one clear line for whatever is wrong with a file."""

from __future__ import annotations

import io
import shutil
import struct
import tarfile
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from linclass.datasets import mat_file
from linclass.datasets.catalog import describe, verify
from linclass.datasets.cifar10 import ARCHIVES, BATCHES, BINARY, LAYOUTS, MATLAB, PYTHON, TEST, TRAIN
from linclass.datasets.cifar10_npm import pack_batch
from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.known import KNOWN
from linclass.datasets.locate import find
from linclass.datasets.published import Facts
from linclass.datasets.split import load_dataset
from linclass.errors import CheckFailedError, DataError

ROWS = 12


@pytest.fixture
def copy(tiny_cifar10, tmp_path) -> Path:
    """The three folders, to be damaged."""
    shutil.copytree(tiny_cifar10.directory, tmp_path, dirs_exist_ok=True)
    return tmp_path


def read(directory: Path, layout, batches=BATCHES):
    tiny = replace(CIFAR10, facts=Facts(dict.fromkeys(BATCHES, ROWS), {}, {}))
    return tiny.read(directory / layout.folder, layout, batches)


def failure(directory: Path, layout, batches=BATCHES) -> str:
    with pytest.raises(DataError) as caught:
        read(directory, layout, batches)
    message = str(caught.value)
    assert "\n" not in message
    assert f'replace it: run "linclass data fetch cifar10 --data-dir {directory}"' in message
    return message


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("batches", [TRAIN, (TEST,), TRAIN[1:3]], ids=len)
def test_layouts_give_identical_arrays_in_file_order(tiny_cifar10, layout, batches):
    split = read(tiny_cifar10.directory, layout, batches)
    assert np.array_equal(split.x, np.concatenate([tiny_cifar10.batches[name][0] for name in batches]))
    assert np.array_equal(split.y, np.concatenate([tiny_cifar10.batches[name][1] for name in batches]))
    assert split.x.dtype == np.uint8
    assert split.y.dtype == np.int64
    assert split.x.flags.c_contiguous


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("change", ["truncated", "emptied", "longer"])
def test_wrong_length_is_named(copy, layout, change):
    path = layout.path(copy / layout.folder, "data_batch_3")
    data = path.read_bytes()
    path.write_bytes({"truncated": data[:-100], "emptied": b"", "longer": data + b"\0" * 100}[change])
    message = failure(copy, layout)
    assert str(path) in message
    assert "byte" in message


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_missing_file_and_directory_in_its_place(copy, layout):
    path = layout.path(copy / layout.folder, "data_batch_2")
    path.unlink()
    assert f"cannot read {path}: no such file" in failure(copy, layout)
    path.mkdir()
    assert "not a regular file" in failure(copy, layout)


def write(directory: Path, layout, x, y) -> Path:
    """A batch of these arrays in place of data_batch_1."""
    path = layout.path(directory / layout.folder, "data_batch_1")
    if layout is PYTHON:
        path.write_bytes(pack_batch("batch", x, y, []))
    elif layout is MATLAB:
        savemat(path, {"data": x, "labels": y[:, None]})
    else:
        path.write_bytes(np.hstack([y[:, None].astype(np.uint8), x]).tobytes())
    return path


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_first_bad_label_is_named(copy, layout):
    y = np.arange(ROWS) % 10
    y[[5, 8]] = 10, 200
    path = write(copy, layout, np.zeros((ROWS, 3072), np.uint8), y)
    assert f"{path}: the label of row 5 is 10; expected 0 to 9" in failure(copy, layout)


@pytest.mark.parametrize("layout", [PYTHON, MATLAB], ids=lambda layout: layout.name)
def test_transposed_data_is_recognised(copy, layout):
    write(copy, layout, np.zeros((3072, ROWS), np.uint8), np.zeros(ROWS, int))
    assert "looks transposed" in failure(copy, layout)


@pytest.mark.parametrize(
    ("layout", "few", "many"),
    [
        (PYTHON, "(11, 3072)", "13 labels; expected (12, 3072) with 12"),
        (MATLAB, "11 labels; expected 12", "13 labels; expected 12"),
    ],
    ids=["python", "matlab"],
)
def test_wrong_counts_are_named(copy, layout, few, many):
    write(copy, layout, np.zeros((ROWS - 1, 3072), np.uint8), np.zeros(ROWS - 1, int))
    assert few in failure(copy, layout)
    write(copy, layout, np.zeros((ROWS, 3072), np.uint8), np.zeros(ROWS + 1, int))
    assert many in failure(copy, layout)


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data


def mat(*elements: bytes) -> bytes:
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + b"".join(elements)


def matrix(name: str, shape: tuple[int, ...], data: bytes = b"", array_class: int = 9) -> bytes:
    """A version-5 uint8 matrix with these dimensions, whatever data follows."""
    flags = element(6, struct.pack("<II", array_class, 0))
    dims = element(5, struct.pack(f"<{len(shape)}i", *shape) + b"\0" * (len(shape) % 2 * 4))
    label = struct.pack("<II", 1, len(name)) + name.encode().ljust(8, b"\0")
    return element(14, flags + dims + label + element(2, data.ljust(-(-len(data) // 8) * 8, b"\0")))


MAT_FILES = {
    "not Matlab": (b"x" * 500, "not a Matlab version-5 file"),
    "empty": (b"", "not a Matlab version-5 file"),
    "HDF5": (b"MATLAB 7.3 MAT-file, created by".ljust(512), "save it with -v7"),
    "nothing in it": (mat(), "0 bytes; expected 8"),
    "other names": (mat(matrix("images", (1, 2), b"ab")), "found images"),
    "huge shape": (mat(matrix("data", (2**30, 3072))), "claims the shape (1073741824, 3072)"),
    "cells": (mat(matrix("data", (2**20, 2**10), array_class=1)), "no array of real numbers"),
    "complex": (mat(matrix("data", (1, 1), b"a", array_class=9 | 0x800)), "no array of real numbers"),
    "negative shape": (mat(matrix("data", (-1, -8), b"a" * 8)), "claims the shape (-1, -8)"),
    "no dimensions": (mat(matrix("data", (), b"a")), "claims the shape ()"),
    "an array of nothing": (mat(element(14, b"")), "cut off"),
    "half an array": (mat(element(14, element(6, b"\0" * 8))), "no proper description"),
    "not zlib": (mat(element(15, b"nothing compressed")), "is damaged"),
    "half an element": (mat(element(15, zlib.compress(b"x" * 10_000)[:20])), "cut off within"),
    "half a tag": (mat(b"\x0f\0\0\0"), "has 4 bytes"),
    "longer than the file": (mat(struct.pack("<II", 14, 2**31)), "needs 2,147,483,656 bytes"),
}


@pytest.mark.parametrize("name", MAT_FILES)
def test_hostile_mat_files(copy, name):
    data, reason = MAT_FILES[name]
    MATLAB.path(copy / MATLAB.folder, "data_batch_1").write_bytes(data)
    assert reason in failure(copy, MATLAB)


def test_mat_bomb_is_not_unfolded(tmp_path, monkeypatch):
    monkeypatch.setattr(mat_file, "MAX_BYTES", 1 << 20)
    path = tmp_path / "bomb.mat"
    path.write_bytes(mat(element(15, zlib.compress(b"\0" * (50 << 20)))))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(DataError, match="unfolds to more than 1,048,576 bytes"):
        mat_file.read_mat(path, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_mat_of_doubles_and_fractional_labels(copy):
    path = MATLAB.path(copy / MATLAB.folder, "data_batch_1")
    savemat(path, {"data": np.zeros((ROWS, 3072)), "labels": np.zeros((ROWS, 1))})
    assert "expected two dimensions of uint8" in failure(copy, MATLAB)
    savemat(path, {"data": np.zeros((ROWS, 3072), np.uint8), "labels": np.full((ROWS, 1), 0.5)})
    assert "expected whole numbers" in failure(copy, MATLAB)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("labels", [np.uint8, np.float64, np.int32])
def test_mat_files_as_scipy_writes_and_reads_them(tmp_path, compressed, labels):
    x = np.random.default_rng(1).integers(0, 256, (5, 3072), dtype=np.uint8)
    content = {"batch_label": "training batch", "data": x, "labels": np.arange(5, dtype=labels)[:, None]}
    savemat(
        tmp_path / "b.mat",
        {**content, "more": {"a": 1}, "cells": np.array([1, "x"], object)},
        do_compression=compressed,
    )
    oracle = loadmat(tmp_path / "b.mat")
    got = mat_file.read_mat(tmp_path / "b.mat", 5)
    assert np.array_equal(got[0], oracle["data"])
    assert np.array_equal(got[1], oracle["labels"][:, 0])


def test_mat_bytes_changed_at_random(tmp_path):
    # scipy.io.loadmat ends some of these with a segmentation fault
    path, buffer = tmp_path / "b.mat", io.BytesIO()
    savemat(buffer, {"data": np.zeros((2, 3072), np.uint8), "labels": np.zeros((2, 1))})
    rng, refused = np.random.default_rng(3), 0
    for _ in range(500):
        damaged = bytearray(buffer.getvalue())
        damaged[rng.integers(116, 260)] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            mat_file.read_mat(path, 2)
        except DataError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_changed_pixel_or_label_does_not_verify(tiny_cifar10, copy, layout):
    folder, said = copy / layout.folder, []
    tiny_cifar10.dataset.verify(folder, layout, said.append)
    assert [line.rpartition(": ")[0] for line in said] == [str(layout.path(folder, b)) for b in BATCHES]
    x, y = tiny_cifar10.batches["data_batch_1"]
    for changed_x, changed_y, what in ((x ^ (x == x.max()), y, "pixels"), (x, (y + 1) % 10, "labels")):
        write(copy, layout, changed_x.astype(np.uint8), changed_y)
        with pytest.raises(CheckFailedError, match=f"data_batch_1: its {what} are not the published ones"):
            tiny_cifar10.dataset.verify(folder, layout, said.append)


@pytest.mark.full_data
def test_full_data_is_the_published_one(full_cifar10):
    said = []
    CIFAR10.verify(full_cifar10.found.folder, full_cifar10.found.layout, said.append)
    assert len(said) == 6
    train = full_cifar10.read(TRAIN)
    assert np.bincount(train.y).tolist() == [5000] * 10
    means = train.x.reshape(-1, 3, 1024).mean(axis=(0, 2)) / 255
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)


@pytest.mark.parametrize("layout", ARCHIVES, ids=["python", "binary"])
def test_the_archive_itself_is_read_where_nobody_unpacked_it(tiny_cifar10, tmp_path, monkeypatch, layout):
    inside = PYTHON if layout is ARCHIVES[0] else BINARY
    monkeypatch.setitem(KNOWN, "cifar10", tiny_cifar10.dataset)
    path = layout.path(tmp_path, "data_batch_1")
    with tarfile.open(path, "w:gz") as file:
        file.add(tiny_cifar10.folder(inside), inside.folder)
    dataset = load_dataset("cifar10", split="batch-1", data_dir=tmp_path)
    assert np.array_equal(dataset.train.x, tiny_cifar10.batches["data_batch_1"][0])
    assert np.array_equal(dataset.validation.y, tiny_cifar10.batches["data_batch_2"][1])
    assert dataset.source == f"full: {path}"
    verify("cifar10", tmp_path, print)
    entry = next(entry for entry in describe(tmp_path) if entry.name == "cifar10")
    assert entry == ("cifar10", "complete", str(path), "archive", path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", split="batch-1", data_dir=tmp_path)
    assert str(caught.value).startswith(f"{path} is not a readable .tar.gz file")
    assert str(caught.value).endswith(f'run "linclass data fetch cifar10 --data-dir {tmp_path}"')


def test_the_folder_that_keras_nests(tiny_cifar10, tmp_path):
    shutil.copytree(tiny_cifar10.folder(PYTHON), tmp_path / "cifar-10-batches-py-target" / PYTHON.folder)
    found = find(tiny_cifar10.dataset, [tmp_path])
    assert found is not None
    assert found.folder == tmp_path / "cifar-10-batches-py-target" / PYTHON.folder
    assert not found.missing(BATCHES)
