"""Labels of any kind become 0 to C - 1 and keep their names, from the file to the predictions."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import linclass
from linclass import Experiment, files, npz
from linclass.datasets import labels
from linclass.datasets.split import load_dataset
from linclass.errors import DataError
from linclass.evaluation import of_run, submission

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)


@given(st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=40))
def test_whole_numbers_are_numbered_in_order_as_numpy_does(values: list[int]) -> None:
    if len(set(values)) < 2:
        values = [*values, values[0] + 1]
    found, classes = labels.numbered({"y": np.array(values)})
    distinct, wanted = np.unique(values, return_inverse=True)
    assert classes == tuple(map(str, distinct))
    assert found["y"].tolist() == wanted.tolist()
    assert found["y"].dtype == np.int64
    assert labels.named(classes)[found["y"]].tolist() == (
        values if max(map(len, classes)) < 19 else list(map(str, values))
    )


@given(st.lists(NAMES, min_size=2, max_size=30))
def test_names_are_found_again(values: list[str]) -> None:
    if len(set(values)) < 2:
        values = [*values, values[0] + "x"]
    found, classes = labels.numbered({"y": np.array(values)})
    assert [classes[c] for c in found["y"]] == values
    assert set(classes) == set(values)
    if not all(value.isdecimal() for value in values):
        assert list(classes) == sorted(classes)


@given(st.lists(st.integers(0, 99), min_size=5, max_size=30), st.randoms())
def test_the_order_of_rows_and_the_kind_of_number_change_nothing(values: list[int], random) -> None:
    values = [*values, 100, 101]
    y, classes = labels.numbered({"y": np.array(values, "u1")})
    for kind in ("i8", "f4", "U", "S"):
        found, names = labels.numbered({"y": np.array(values).astype(kind)})
        assert names == classes
        assert (found["y"] == y["y"]).all()
    order = random.sample(range(len(values)), len(values))
    shuffled, names = labels.numbered({"y": np.array(values)[order]})
    assert names == classes
    assert (shuffled["y"] == y["y"][order]).all()


def test_classes_are_those_of_all_splits() -> None:
    found, classes = labels.numbered({"train": np.array([7, 2, 7]), "test": np.array(["10", "2"])})
    assert classes == ("2", "7", "10")
    assert {name: y.tolist() for name, y in found.items()} == {"train": [1, 0, 1], "test": [2, 0]}
    assert labels.lacking(found["train"], classes) == ["10"]


def test_text_that_is_numbers_is_in_numerical_order() -> None:
    assert labels.numbered({"y": np.array(["10", "9", "-1", "9"])})[1] == ("-1", "9", "10")
    assert labels.numbered({"y": np.array(["10", "9", "x"])})[1] == ("10", "9", "x")


@pytest.mark.parametrize(
    ("values", "names", "classes", "numbers"),
    [
        ([0, 2, 0], ("cat", "dog", "owl"), ("cat", "dog", "owl"), [0, 2, 0]),
        ([1, 3, 1], ("cat", "dog"), ("cat", "dog"), [0, 1, 0]),
        (["dog", "cat"], ("dog", "cat", "owl"), ("dog", "cat", "owl"), [0, 1]),
        (["b", "a"], ("Anna", "Bert"), ("Anna", "Bert"), [1, 0]),
        ([3.0, 7.0], ("7", "3"), ("7", "3"), [1, 0]),
        ([True, False], ("no", "yes"), ("no", "yes"), [1, 0]),
    ],
)
def test_a_file_can_name_its_classes(values, names, classes, numbers) -> None:
    found, own = labels.numbered({"y": np.array(values)}, names=names)
    assert own == classes
    assert found["y"].tolist() == numbers


def test_the_classes_of_a_run_give_the_order_and_may_not_be_joined() -> None:
    found, classes = labels.numbered({"y": np.array([1, 3])}, classes=("0", "1", "2", "3"))
    assert (found["y"].tolist(), classes) == ([1, 3], ("0", "1", "2", "3"))
    with pytest.raises(DataError, match=r"y: the label of row 1 is '5'; expected one of the 2 classes 1, 3"):
        labels.numbered({"y": np.array([1, 5])}, classes=("1", "3"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.0, 0.5], r"row 1 is '0\.5'; expected a whole number or a name"),
        ([0.0, 1.0, np.nan], "row 2 is 'nan'"),
        ([0.0, np.inf], "row 1 is 'inf'"),
        (["a", ""], "row 1 is ''"),
        (["a", "b", "\x1b[2J"], r"row 2 is '\\x1b\[2J'"),
        (["a", "b" * 300], "row 1 is 'bbb"),
        ([b"a", b"\xff"], "row 1 is"),
        ([[0], [1]], r"is \(2, 1\) int64; expected \(n,\) numbers or text"),
        ([1j, 2], "expected .n,. numbers or text"),
        ([4, 4], "only the label 4; expected at least two classes"),
        (list(range(1001)), "1,001 different labels in 1,001 rows; expected classes"),
    ],
)
def test_what_is_no_label_is_named_with_its_row(values, reason) -> None:
    with pytest.raises(DataError, match=f"^mine: y .*{reason}|^mine: y: .*{reason}") as caught:
        labels.numbered({"mine: y": np.array(values)})
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_names_must_fit() -> None:
    with pytest.raises(DataError, match=r"hold 3 labels \(0, 1, 5\); expected 2, as many as class_names"):
        labels.numbered({"y": np.array([0, 1, 5])}, names=("a", "b"))
    with pytest.raises(DataError, match="has 'a' more than once"):
        labels.class_names(np.array(["b", "a", "a"]), "class_names")
    assert labels.class_names(np.array([b"b", b"a"]), "class_names") == ("b", "a")


def test_what_is_no_text_is_damage(tmp_path: Path) -> None:
    y = np.array([0x110000, 65], "<u4").view("<U1")
    with pytest.raises(DataError, match="holds what is no text"):
        labels.numbered({"y": y})


def clouds(path: Path, names: np.ndarray, **more: np.ndarray) -> str:
    """Two separate clouds of 20 rows each; row i has label names[i % 2]."""
    rng = np.random.default_rng(3)
    which = np.arange(40) % 2
    x = rng.normal(size=(40, 3)) + 8 * which[:, None]
    y = names[which]
    np.savez(path, x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:], **more)
    return str(path)


@pytest.mark.parametrize(
    ("names", "more", "classes", "predicted"),
    [
        (np.array([2, 7]), {}, ["2", "7"], ["2", "7"]),
        (np.array([1.0, 10.0]), {}, ["1", "10"], ["1", "10"]),
        (np.array(["owl", "cat"]), {}, ["cat", "owl"], ["owl", "cat"]),
        (np.array([-1, 1], "i1"), {"class_names": np.array(["no", "yes"])}, ["no", "yes"], ["no", "yes"]),
    ],
)
def test_names_are_kept_from_the_file_to_the_predictions(
    tmp_path: Path, no_pictures: None, names, more, classes, predicted
) -> None:
    data = clouds(tmp_path / "mine.npz", names, **more)
    result = linclass.run(Experiment(dataset=data, eta=0.1, epochs=3, batch_size=5), out=tmp_path / "run")
    assert files.read_json(tmp_path / "run" / "run.json")["data"]["classes"] == classes
    run = linclass.load_run(tmp_path / "run")
    assert run.model().params["W"].shape == (1, 2, 3)
    assert result.history.last("val_accuracy")[0] == 1
    report = of_run.evaluate_run(tmp_path / "run")[0]
    assert report.classes == tuple(classes)
    assert report.confusion.tolist() == [[5, 0], [0, 5]]
    submission.write_submission(tmp_path / "out.csv", of_run.predict_run(tmp_path / "run"))
    with (tmp_path / "out.csv").open() as file:
        assert [row[1] for row in csv.reader(file)][1:] == predicted * 5


def test_numbers_that_are_negative_are_written_as_numbers(tmp_path: Path, no_pictures: None) -> None:
    data = clouds(tmp_path / "mine.npz", np.array([-1, 1]))
    linclass.run(Experiment(dataset=data, eta=0.1, epochs=2, batch_size=5), out=tmp_path / "run")
    predicted = of_run.predict_run(tmp_path / "run")
    assert predicted.tolist() == [-1, 1] * 5
    submission.write_submission(tmp_path / "out.csv", predicted)
    assert (tmp_path / "out.csv").read_text().startswith("Id,Category\n0,-1\n1,1\n")


def test_objects_are_refused_and_told_what_to_store(tmp_path: Path) -> None:
    data = clouds(tmp_path / "mine.npz", np.array(["cat", None], object))
    with pytest.raises(DataError, match=r"expected numbers or text \(y\.astype\(str\)\)"):
        load_dataset(data, split="all")


def test_text_stays_refused_where_numbers_are_expected(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npz.pack({"a": np.array(["x"])}))
    with pytest.raises(DataError, match="holds <U1; expected numbers"):
        npz.read(tmp_path / "a.npz", required=["a"], max_bytes=1 << 20)
    assert npz.read(tmp_path / "a.npz", required=["a"], text=["a"], max_bytes=1 << 20)["a"].tolist() == ["x"]
