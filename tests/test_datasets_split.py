"""From --dataset, --split, --train-size, --val-size, --data-dir to rows: where they are found and how cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from linclass.datasets.cifar10 import BATCHES, BINARY, PYTHON, ROWS, TRAIN
from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.load import Full, load
from linclass.datasets.locate import data_dirs, fetch_dir, find, user_cache
from linclass.datasets.published import Published
from linclass.datasets.split import load_dataset
from linclass.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data anywhere: an empty current directory, cache and home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LINCLASS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="session")
def full_size(tmp_path_factory) -> Path:
    """A CIFAR-10 of the published size that takes little space: some rows start with their `place`."""
    directory = tmp_path_factory.mktemp("full_size")
    (directory / BINARY.folder).mkdir()
    for b, batch in enumerate(BATCHES):
        path = BINARY.path(directory / BINARY.folder, batch)
        with path.open("wb") as file:
            file.truncate(ROWS * 3073)
        records = np.memmap(path, np.uint8, "r+", shape=(ROWS, 3073))
        for r in (0, 1, 100, ROWS - 1001, ROWS - 1000, ROWS - 500, ROWS - 1):
            records[r, :4] = r % 10, b, r // 256, r % 256
        records.flush()
        del records
    return directory


def place(row: np.ndarray) -> tuple[int, int]:
    """(batch, row) of a row of `full_size`."""
    return int(row[0]), int(row[1]) * 256 + int(row[2])


def test_batch_1_is_the_courses_split(full_size):
    dataset = load_dataset("cifar10", split="batch-1", data_dir=full_size)
    assert [len(split) for split in dataset.splits().values()] == [ROWS] * 3
    assert place(dataset.train.x[1]) == (0, 1)
    assert place(dataset.validation.x[ROWS - 1]) == (1, ROWS - 1)
    assert dataset.test is not None
    assert place(dataset.test.x[100]) == (5, 100)
    assert dataset.train.y[1] == 1
    assert dataset.source == f"full: {full_size / BINARY.folder}"
    assert not dataset.is_sample


@pytest.mark.parametrize(("val_size", "wanted"), [(0, 1000), (500, 500)])
def test_all_validates_on_the_last_rows(full_size, val_size, wanted):
    dataset = load_dataset("cifar10", split="all", val_size=val_size, data_dir=full_size)
    assert len(dataset.train) == 50_000 - wanted
    assert len(dataset.validation) == wanted
    assert place(dataset.train.x[20_100]) == (2, 100)
    assert place(dataset.validation.x[0]) == (4, ROWS - wanted)
    assert place(dataset.validation.x[-1]) == (4, ROWS - 1)
    assert dataset.test is not None
    assert len(dataset.test) == ROWS


def test_train_size_keeps_the_first_rows(full_size):
    dataset = load_dataset("cifar10", split="batch-1", train_size=101, data_dir=full_size)
    assert len(dataset.train) == 101
    assert place(dataset.train.x[100]) == (0, 100)
    with pytest.raises(UsageError, match="--train-size is 10,001: the training split has only 10,000 rows"):
        load_dataset("cifar10", split="batch-1", train_size=10_001, data_dir=full_size)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"split": "first"}, "--split is 'first': expected one of batch-1, all"),
        ({"split": "all", "val_size": 50_000}, "--val-size is 50,000: expected fewer than the 50,000"),
        ({"split": "all", "val_size": -1}, "--val-size is -1"),
        ({"split": "all", "train_size": -5}, "--train-size is -5"),
        ({"split": "batch-1", "val_size": 100}, "use --split all"),
    ],
)
def test_what_cannot_be_asked(full_size, options, reason):
    with pytest.raises(UsageError) as caught:
        load_dataset("cifar10", data_dir=full_size, **options)
    assert reason in str(caught.value)


def test_batch_1_reads_only_what_it_needs(full_size, monkeypatch):
    read, real = [], Published.read
    monkeypatch.setattr(Published, "read", lambda *args: read.extend(args[-1]) or real(*args))
    load_dataset("cifar10", split="batch-1", data_dir=full_size)
    assert read == ["data_batch_1", "data_batch_2", "test_batch"]


def some_of(full_size: Path, target: Path, names) -> Path:
    """A copy of some batches."""
    (target / BINARY.folder).mkdir(parents=True)
    for name in names:
        shutil.copy(BINARY.path(full_size / BINARY.folder, name), target / BINARY.folder)
    return target


def test_missing_batches_are_named_and_only_the_needed_ones(full_size, tmp_path):
    directory = some_of(full_size, tmp_path / "d", ["data_batch_1", "data_batch_2", "test_batch"])
    assert len(load_dataset("cifar10", split="batch-1", data_dir=directory).train) == ROWS
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", split="all", data_dir=directory)
    assert str(caught.value) == (
        f"{directory / BINARY.folder} is incomplete, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin "
        f'missing: run "linclass data fetch cifar10 --data-dir {directory}"'
    )


@pytest.mark.parametrize("names", [[], ["data_batch_4"]])
def test_an_incomplete_folder_is_never_silently_the_sample(full_size, tmp_path, names):
    some_of(full_size, tmp_path / "data", names)
    with pytest.raises(DataError, match=r"is incomplete, data_batch_1\.bin"):
        load_dataset("cifar10", split="batch-1")


def test_a_damaged_file_is_never_silently_the_sample(full_size, tmp_path):
    some_of(full_size, tmp_path / "data", ["data_batch_1", "data_batch_2", "test_batch"])
    BINARY.path(tmp_path / "data" / BINARY.folder, "data_batch_2").write_bytes(b"short")
    with pytest.raises(DataError, match="holds 5 bytes; expected 30,730,000"):
        load_dataset("cifar10", split="batch-1")


def test_the_sample_where_there_is_nothing():
    for split in ("batch-1", "all"):
        dataset = load_dataset("cifar10", split=split, train_size=70, val_size=3)
        assert dataset.is_sample
        assert dataset.name == "cifar10"
        assert [len(part) for part in dataset.splits().values()] == [70, 500, 500]
    assert load_dataset("cifar10-sample", split="all", data_dir=Path("data")).is_sample
    with pytest.raises(UsageError, match="only 2,000 rows"):
        load_dataset("cifar10", split="all", train_size=2001)


def test_never_the_sample_in_a_directory_that_was_named(tmp_path):
    named = tmp_path / "my data"
    with pytest.raises(DataError) as caught:
        load_dataset("cifar10", split="batch-1", data_dir=named)
    command = f"linclass data fetch cifar10 --data-dir '{named}'"
    assert str(caught.value) == f'no CIFAR-10 in {named}: run "{command}"'
    with pytest.raises(DataError, match=r'no CIFAR-10 in data, .*: run "linclass data fetch cifar10"'):
        load("cifar10", allow_sample=False)


@pytest.mark.parametrize("name", ["cifar", "mnist2", "", "data.npy"])
def test_unknown_names_list_the_known_ones(name):
    with pytest.raises(UsageError, match=r"expected one of cifar10, .*, or your own FILE\.npz, FILE\.csv"):
        load_dataset(name, split="all")


@pytest.fixture
def own(tmp_path) -> Path:
    x = np.arange(68, dtype=np.float32).reshape(34, 2)
    np.savez(
        tmp_path / "own.npz", x_train=x, y_train=np.arange(34) % 3, x_test=x[:5], y_test=np.arange(5) % 3
    )
    return tmp_path / "own.npz"


def test_own_file_validates_on_its_last_tenth(own):
    dataset = load_dataset(str(own), split="all")
    assert [len(part) for part in dataset.splits().values()] == [31, 3, 5]
    assert dataset.validation.x[0].tolist() == [62, 63]
    assert dataset.classes == ("0", "1", "2")
    assert dataset.source == f"file: {own}"
    assert len(load_dataset(str(own), split="all", val_size=30, train_size=2).train) == 2


def test_own_file_with_its_own_validation_rows(own):
    with np.load(own) as arrays:
        np.savez(own, **arrays, x_val=np.ones((4, 2), np.float32), y_val=np.zeros(4, int))
    assert [len(part) for part in load_dataset(str(own), split="all").splits().values()] == [34, 4, 5]
    with pytest.raises(UsageError, match="has its own x_val: leave it out"):
        load_dataset(str(own), split="all", val_size=3)


def test_own_file_misused(own, tmp_path):
    with pytest.raises(UsageError, match="use --split all"):
        load_dataset(str(own), split="batch-1")
    with pytest.raises(UsageError, match="expected fewer than the 34 training rows"):
        load_dataset(str(own), split="all", val_size=34)
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        load_dataset(str(tmp_path / "none.npz"), split="all")


def test_search_order(tmp_path, monkeypatch):
    assert data_dirs(Path("here")) == [Path("here")]
    assert data_dirs() == [Path("data"), user_cache()]
    monkeypatch.setenv("LINCLASS_DATA", "/somewhere")
    assert data_dirs() == [Path("/somewhere"), Path("data"), user_cache()]
    assert data_dirs(Path("here")) == [Path("here")]


def test_where_a_download_goes(tmp_path, monkeypatch):
    assert fetch_dir() == user_cache()
    (tmp_path / "data").mkdir()
    assert fetch_dir() == Path("data")
    monkeypatch.setenv("LINCLASS_DATA", "/somewhere")
    assert fetch_dir() == Path("/somewhere")
    assert fetch_dir(Path("here")) == Path("here")


@pytest.mark.parametrize(
    ("platform", "variables", "wanted"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/linclass"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/linclass"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache/linclass"),
        ("darwin", {}, "/home/me/Library/Caches/linclass"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/linclass"),
        ("win32", {"LOCALAPPDATA": ""}, "/home/me/AppData/Local/linclass"),
    ],
)
def test_user_cache(monkeypatch, platform, variables, wanted):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert user_cache() == Path(wanted)


def test_the_first_directory_with_data_decides(tiny_cifar10, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    (first / PYTHON.folder).mkdir(parents=True)
    shutil.copytree(tiny_cifar10.directory, second)
    found = find(CIFAR10, [tmp_path / "absent", first, second])
    assert found is not None
    assert found.folder == first / PYTHON.folder
    assert found.missing(BATCHES) == list(BATCHES)
    assert find(CIFAR10, [tmp_path / "absent"]) is None


def test_a_whole_layout_beats_an_incomplete_one_beside_it(tiny_cifar10, tmp_path):
    shutil.copytree(tiny_cifar10.directory, tmp_path, dirs_exist_ok=True)
    found = find(CIFAR10, [tmp_path])
    assert found is not None
    assert found.layout is PYTHON
    (tmp_path / PYTHON.folder / "data_batch_3").unlink()
    found = find(CIFAR10, [tmp_path])
    assert found is not None
    assert found.layout is BINARY


def test_the_directory_may_be_the_folder_itself(tiny_cifar10):
    for layout in (PYTHON, BINARY):
        source = load("cifar10", data_dir=tiny_cifar10.folder(layout))
        assert isinstance(source, Full)
        assert source.found.folder == tiny_cifar10.folder(layout)
        assert source.found.layout is layout


@pytest.mark.full_data
def test_full_data_splits_as_published(full_cifar10):
    dataset = load_dataset("cifar10", split="all", data_dir=full_cifar10.found.folder)
    assert [len(part) for part in dataset.splits().values()] == [49_000, 1000, 10_000]
    assert np.array_equal(dataset.validation.y, full_cifar10.read(TRAIN[4:]).y[-1000:])
