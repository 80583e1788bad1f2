"""The bundled samples: balanced, without loss, small, and really drawn from the published files."""

from __future__ import annotations

import csv
import importlib.resources

import numpy as np
import pytest

from linclass.datasets import sample
from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.dataset import Split, digest_arrays
from linclass.datasets.mnist_published import MNIST
from linclass.datasets.published import Published
from linclass.datasets.sample import CIFAR10_SAMPLE, MNIST_SAMPLE, SAMPLES, Sample
from linclass.errors import DataError

FOLDER = importlib.resources.files("linclass.datasets") / "sample"
SIZES = {"train": 2000, "validation": 500, "test": 500}

both = pytest.mark.parametrize("of", [CIFAR10_SAMPLE, MNIST_SAMPLE], ids=lambda of: of.name)


@both
def test_sizes_balance_and_types(of):
    dataset = sample.load(of)
    assert {name: len(split) for name, split in dataset.splits().items()} == SIZES
    for split in dataset.splits().values():
        assert np.bincount(split.y).tolist() == [len(split) // 10] * 10
        assert split.x.shape[1] == of.dataset.features
        assert split.x.dtype == np.uint8
        assert split.x.flags.c_contiguous
        assert split.y.dtype == np.int64
    assert dataset.is_sample
    assert dataset.source == "bundled sample"
    assert dataset.classes == of.dataset.classes
    assert dataset.image_shape == of.dataset.image_shape
    assert dataset.title == f"{of.name} (bundled sample)"


@both
def test_no_image_is_there_twice(of):
    dataset = sample.load(of)
    rows = [row.tobytes() for split in dataset.splits().values() for row in split.x]
    assert len(set(rows)) == len(rows) == 3000


@pytest.mark.parametrize(("of", "limit"), [(CIFAR10_SAMPLE, 8 << 20), (MNIST_SAMPLE, 2 << 20)])
def test_files_are_small_and_the_index_is_in_order(of, limit):
    assert sample.size(of) <= limit
    assert sample.size(of) == sum(len((FOLDER / name).read_bytes()) for name in of.files)
    rows = list(csv.DictReader((FOLDER / of.files[0]).read_text().splitlines()))
    assert list(rows[0]) == ["split", "file", "row", "label"]
    assert len(rows) == 3000
    for name in SIZES:
        positions = [(r["file"], int(r["row"])) for r in rows if r["split"] == name]
        order = [(of.dataset.parts.index(part), row) for part, row in positions]
        assert order == sorted(order)
        wanted = {of.dataset.test} if name == "test" else set(of.dataset.train)
        assert {part for part, _ in positions} == wanted


def test_the_folder_holds_the_samples_and_nothing_else():
    assert {file.name for file in FOLDER.iterdir()} == {name for of in SAMPLES.values() for name in of.files}


def drawn_from(dataset: Published) -> sample.Drawn:
    """A draw from made-up data of 60 training and 10 test rows a class."""
    rng = np.random.default_rng(0)

    def made_up(each: int) -> Split:
        y = rng.permutation(np.repeat(np.arange(10), each))
        return Split(rng.integers(0, 256, (10 * each, dataset.features), dtype=np.uint8), y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "PER_CLASS", {"train": 20, "validation": 10, "test": 5})
        return sample.draw(made_up(60), made_up(10))


def test_draw_is_balanced_disjoint_and_in_file_order():
    drawn = drawn_from(CIFAR10)
    assert [len(split) for split in drawn.splits.values()] == [200, 100, 50]
    for split in drawn.splits.values():
        assert len(set(np.bincount(split.y))) == 1
    assert not set(drawn.positions["train"]) & set(drawn.positions["validation"])
    assert all((np.diff(rows) > 0).all() for rows in drawn.positions.values())


@pytest.mark.parametrize("of", [Sample(CIFAR10, "", "?"), Sample(MNIST, "mnist-", "?")])
def test_written_files_give_the_same_arrays_and_the_same_bytes(of, tmp_path, monkeypatch):
    drawn = drawn_from(of.dataset)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sample.write(of, tmp_path / name, drawn)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(of.files)
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    monkeypatch.setattr(sample, "_packed", lambda name: (tmp_path / "one" / name).read_bytes())
    with pytest.raises(DataError, match="not the one that was packed"):
        sample.load(of)
    arrays = (array for split in drawn.splits.values() for array in (split.x, split.y))
    for name, split in sample.load(of._replace(digest=digest_arrays(*arrays))).splits().items():
        assert np.array_equal(split.x, drawn.splits[name].x)
        assert np.array_equal(split.y, drawn.splits[name].y)


@both
@pytest.mark.parametrize("damage", ["no file", "cut off", "no picture", "other label", "no column"])
def test_damaged_installation_says_so(of, damage, monkeypatch):
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
    with pytest.raises(DataError, match=rf"the bundled {of.name} .*install linclass again"):
        sample.load(of)


@pytest.mark.full_data
@both
def test_sample_is_what_is_drawn_from_the_full_data(of, request, tmp_path):
    full = request.getfixturevalue(f"full_{of.dataset.name}")
    drawn = sample.draw(full.read(of.dataset.train), full.read([of.dataset.test]))
    for name, split in sample.load(of).splits().items():
        assert np.array_equal(split.x, drawn.splits[name].x)
        assert np.array_equal(split.y, drawn.splits[name].y)
    sample.write(of, tmp_path, drawn)
    assert (tmp_path / of.files[0]).read_bytes() == (FOLDER / of.files[0]).read_bytes()
