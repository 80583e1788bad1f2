"""A user's own .npz: what fits is read as it is, what does not is refused by name and row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linclass.datasets.npz_dataset import read_npz
from linclass.datasets.split import load_dataset
from linclass.errors import DataError


def good() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "x_train": rng.normal(size=(30, 4)),
        "y_train": np.arange(30) % 3,
        "x_test": rng.normal(size=(6, 4)),
        "y_test": np.arange(6) % 3,
    }


def read(tmp_path: Path, **changes):
    arrays = {name: array for name, array in {**good(), **changes}.items() if array is not None}
    np.savez(tmp_path / "mine.npz", **arrays)
    return read_npz(tmp_path / "mine.npz")


def test_numbers_come_back_as_they_are(tmp_path):
    data, arrays = read(tmp_path), good()
    assert np.array_equal(data.train.x, arrays["x_train"])
    assert np.array_equal(data.test.x, arrays["x_test"])
    assert data.train.y.tolist() == arrays["y_train"].tolist()
    assert data.validation is None
    assert data.image_shape is None


def test_validation_rows_of_ones_own(tmp_path):
    data = read(tmp_path, x_val=np.ones((2, 4)), y_val=np.array([2, 0]))
    assert data.validation is not None
    assert data.validation.y.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("shape", "axes", "image_shape"),
    [
        ((5, 7), None, (1, 5, 7)),
        ((5, 7, 3), (0, 3, 1, 2), (3, 5, 7)),
        ((5, 7, 1), (0, 3, 1, 2), (1, 5, 7)),
        ((3, 5, 7), None, (3, 5, 7)),
        ((3, 5, 3), (0, 3, 1, 2), (3, 3, 5)),
        ((5, 7, 9), None, None),
        ((3072,), None, (3, 32, 32)),
        ((784,), None, (1, 28, 28)),
        ((100,), None, None),
    ],
    ids=str,
)
def test_images_become_channel_major_rows(tmp_path, shape, axes, image_shape):
    rng = np.random.default_rng(2)
    x_train, x_test = (rng.integers(0, 256, (n, *shape), dtype=np.uint8) for n in (30, 6))
    data = read(tmp_path, x_train=x_train, x_test=x_test)
    wanted = x_train if axes is None else x_train.transpose(axes)
    assert np.array_equal(data.train.x, wanted.reshape(30, -1))
    assert data.train.x.flags.c_contiguous
    assert data.train.x.dtype == np.uint8
    assert data.image_shape == image_shape


def test_float_rows_of_3072_are_not_taken_for_images(tmp_path):
    assert read(tmp_path, x_train=np.zeros((30, 3072)), x_test=np.zeros((6, 3072))).image_shape is None


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [("f2", "f4"), (">f4", "f4"), ("f8", "f8"), ("?", "f4"), ("i2", "f4"), ("i8", "f8"), ("u1", "u1")],
)
def test_numbers_keep_their_precision(tmp_path, dtype, kept):
    values = np.arange(120).reshape(30, 4).astype(dtype)
    data = read(tmp_path, x_train=values, x_test=values[:6])
    assert data.train.x.dtype == np.dtype(kept)
    assert np.array_equal(data.train.x, values.astype(float))


@pytest.mark.parametrize(
    "labels", [np.arange(30, dtype=">i2") % 3, (np.arange(30) % 3)[:, None]], ids=["i2", "column"]
)
def test_labels_as_they_are_often_stored(tmp_path, labels):
    assert read(tmp_path, y_train=labels).train.y.tolist() == [i % 3 for i in range(30)]


@pytest.mark.parametrize(
    "names",
    [
        {"train": ("train_images", "train_labels"), "test": ("test_images", "test_labels")},
        {"train": ("X_train", "Y_train"), "test": ("X_test", "Y_test")},
        {"train": ("x", "y"), "test": ("x_test", "y_test")},
        {"train": ("data", "target"), "test": ("data_test", "target_test")},
        {"train": ("train_x", "train_y"), "test": ("test_x", "test_y")},
    ],
    ids=lambda names: names["train"][0],
)
def test_names_that_other_programs_give(tmp_path, names):
    arrays = good()
    renamed = {
        own: arrays[f"{kind}_{split}"]
        for split, pair in names.items()
        for kind, own in zip("xy", pair, strict=True)
    }
    np.savez(tmp_path / "mine.npz", **renamed, classes=["a", "b", "c"])
    data = read_npz(tmp_path / "mine.npz")
    assert np.array_equal(data.train.x, arrays["x_train"])
    assert data.test is not None
    assert data.test.y.tolist() == arrays["y_test"].tolist()
    assert data.class_names == ("a", "b", "c")


def test_no_test_rows_or_none_with_labels(tmp_path):
    assert read(tmp_path, x_test=None, y_test=None).test is None
    assert read(tmp_path, y_test=None).test is None  # for predicting only
    dataset = load_dataset(str(tmp_path / "mine.npz"), split="all")
    assert [len(split) for split in dataset.splits().values()] == [27, 3]


def changed(array: np.ndarray, index, value) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


X, Y = good()["x_train"], good()["y_train"]
MISFITS = {
    "missing array": ({"y_train": None}, "y_train is missing; found x_train, x_test, y_test"),
    "unknown array": (
        {"x_extra": X},
        "the array 'x_extra' is unknown; expected x_train, y_train, and x_test",
    ),
    "the same twice": ({"train_labels": Y}, "the array 'train_labels' is y_train, as y_train is; expected"),
    "half a validation split": ({"x_val": X}, "x_val is there without y_val"),
    "labels of no rows": ({"x_test": None}, "y_test is there without x_test; expected both or neither"),
    "NaN": ({"x_train": changed(X, (7, 2), np.nan)}, "x_train: row 7 holds NaN or infinity"),
    "infinity": ({"x_test": np.full((6, 4), np.inf)}, "x_test: row 0 holds NaN"),
    "transposed": ({"x_train": X.T}, "looks transposed: y_train has 30 rows; store x_train.T"),
    "row counts": ({"x_train": X[:29]}, "(29, 4) float64 and y_train has 30 rows"),
    "flat": ({"x_train": X[:, 0]}, "expected (n, d) and (n,)"),
    "no rows": ({"x_test": X[:0], "y_test": Y[:0]}, "x_test is empty"),
    "no columns": ({"x_train": X[:, :0]}, "x_train is empty"),
    "other width": ({"x_test": np.zeros((6, 5))}, "x_test is (6, 5) float64, x_train (30, 4) float64"),
    "other type": ({"x_test": np.zeros((6, 4), np.uint8)}, "expected rows of one form"),
    "other image form": (
        {"x_train": np.zeros((30, 3, 5, 5)), "x_test": np.zeros((6, 5, 5, 3))},
        "expected rows of one form",
    ),
    "scalar label": ({"y_train": np.array(3)}, "expected (n,) labels"),
    "names twice": ({"class_names": np.array(["a", "b", "a"])}, "class_names has 'a' more than once"),
    "one-hot": ({"y_train": np.eye(3)[Y]}, "argmax"),
    "text": ({"x_train": np.full((30, 4), "a")}, "expected numbers"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_misfits_are_refused_in_one_line(tmp_path, name):
    changes, reason = MISFITS[name]
    with pytest.raises(DataError) as caught:
        read(tmp_path, **changes)
    assert reason in str(caught.value)
    assert str(tmp_path / "mine.npz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_objects_are_never_unpickled(tmp_path):
    arrays = {**good(), "x_train": np.array([[print] * 4] * 30, object)}
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(DataError):
        read_npz(tmp_path / "mine.npz")
