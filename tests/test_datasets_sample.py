"""The bundled sample: balanced, without loss, small, and really drawn from the published files."""

from __future__ import annotations

import csv
import importlib.resources

import numpy as np
import pytest

from linclass.datasets import sample
from linclass.datasets.cifar10 import CLASSES, TEST, TRAIN
from linclass.datasets.dataset import Split
from linclass.errors import DataError

FOLDER = importlib.resources.files("linclass.datasets") / "sample"
SIZES = {"train": 2000, "validation": 500, "test": 500}


def test_sizes_balance_and_types():
    dataset = sample.load()
    assert {name: len(split) for name, split in dataset.splits().items()} == SIZES
    for split in dataset.splits().values():
        assert np.bincount(split.y).tolist() == [len(split) // 10] * 10
        assert split.x.shape[1] == 3072
        assert split.x.dtype == np.uint8
        assert split.x.flags.c_contiguous
        assert split.y.dtype == np.int64
    assert dataset.is_sample
    assert dataset.source == "bundled sample"
    assert dataset.classes == CLASSES
    assert dataset.image_shape == (3, 32, 32)
    assert dataset.title == "cifar10-sample (bundled sample)"


def test_no_image_is_there_twice():
    dataset = sample.load()
    rows = [row.tobytes() for split in dataset.splits().values() for row in split.x]
    assert len(set(rows)) == len(rows) == 3000


def test_files_are_small_and_the_index_is_in_order():
    assert sample.size() <= 8 << 20
    assert sample.size() == sum(len(file.read_bytes()) for file in FOLDER.iterdir())
    rows = list(csv.DictReader((FOLDER / "sample.csv").read_text().splitlines()))
    assert list(rows[0]) == ["split", "file", "row", "label"]
    assert len(rows) == 3000
    for name in SIZES:
        positions = [((*TRAIN, TEST).index(r["file"]), int(r["row"])) for r in rows if r["split"] == name]
        assert positions == sorted(positions)
        assert {file for file, _ in positions} == ({5} if name == "test" else {0, 1, 2, 3, 4})


@pytest.fixture(scope="module")
def drawn() -> sample.Drawn:
    """A draw from made-up data of 60 training and 10 test rows a class."""
    rng = np.random.default_rng(0)

    def made_up(each: int) -> Split:
        y = rng.permutation(np.repeat(np.arange(10), each))
        return Split(rng.integers(0, 256, (10 * each, 3072), dtype=np.uint8), y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "PER_CLASS", {"train": 20, "validation": 10, "test": 5})
        return sample.draw(made_up(60), made_up(10))


def test_draw_is_balanced_disjoint_and_in_file_order(drawn):
    assert [len(split) for split in drawn.splits.values()] == [200, 100, 50]
    for split in drawn.splits.values():
        assert len(set(np.bincount(split.y))) == 1
    assert not set(drawn.positions["train"]) & set(drawn.positions["validation"])
    assert all((np.diff(rows) > 0).all() for rows in drawn.positions.values())


def test_written_files_give_the_same_arrays_and_the_same_bytes(drawn, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sample.write(tmp_path / name, drawn)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["sample.csv", "test.png", "train.png", "validation.png"]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    monkeypatch.setattr(sample, "_packed", lambda name: (tmp_path / "one" / name).read_bytes())
    with pytest.raises(DataError, match="not the one that was packed"):
        sample.load()
    monkeypatch.setattr(sample, "DIGEST", drawn_digest(drawn))
    for name, split in sample.load().splits().items():
        assert np.array_equal(split.x, drawn.splits[name].x)
        assert np.array_equal(split.y, drawn.splits[name].y)


def drawn_digest(drawn: sample.Drawn) -> str:
    from linclass.datasets.dataset import digest_arrays

    return digest_arrays(*(array for split in drawn.splits.values() for array in (split.x, split.y)))


@pytest.mark.parametrize("damage", ["no file", "cut off", "no picture", "other label", "no column"])
def test_damaged_installation_says_so(damage, monkeypatch):
    packed = sample._packed

    def damaged(name: str) -> bytes:
        data = packed(name)
        if damage == "no file":
            raise FileNotFoundError(name)
        if name.endswith(".png"):
            return {"cut off": data[:1000], "no picture": b"hello"}.get(damage, data)
        return {
            "other label": data.replace(b",6\n", b",7\n", 1),
            "no column": data.replace(b"label", b"x"),
        }.get(damage, data)

    monkeypatch.setattr(sample, "_packed", damaged)
    with pytest.raises(DataError, match=r"bundled sample .*install linclass again"):
        sample.load()


@pytest.mark.full_data
def test_sample_is_what_is_drawn_from_the_full_data(full_cifar10, tmp_path):
    drawn = sample.draw(full_cifar10.read(TRAIN), full_cifar10.read([TEST]))
    for name, split in sample.load().splits().items():
        assert np.array_equal(split.x, drawn.splits[name].x)
        assert np.array_equal(split.y, drawn.splits[name].y)
    sample.write(tmp_path, drawn)
    assert (tmp_path / "sample.csv").read_bytes() == (FOLDER / "sample.csv").read_bytes()
