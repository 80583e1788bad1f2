"""Stratified draws against brute force and scikit-learn, and the splits that are made of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import linclass
from linclass import Experiment
from linclass.datasets import strata
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.split import load_dataset, parts
from linclass.errors import UsageError
from linclass.runs.data import load_data, note_data
from linclass.runs.progress import Listener


@st.composite
def labels_and_size(draw) -> tuple[np.ndarray, int]:
    y = np.repeat(np.arange(6), draw(st.lists(st.integers(0, 20), min_size=6, max_size=6).filter(any)))
    y = np.array(draw(st.permutations(y.tolist())))
    return y, draw(st.integers(1, len(y)))


@given(labels_and_size(), st.integers(0, 3))
def test_a_draw_is_some_of_the_rows_in_order_and_of_each_class_its_share(given_rows, seed: int) -> None:
    y, n = given_rows
    rows = strata.draw(y, n, seed, "test")
    assert len(rows) == n
    assert (np.diff(rows) > 0).all()
    assert set(rows) <= set(range(len(y)))
    counts, taken = np.bincount(y, minlength=6), np.bincount(y[rows], minlength=6)
    assert (taken == strata.shares(counts, n)).all()
    assert (rows == strata.draw(y, n, seed, "test")).all()
    exact = n * counts / len(y)
    if (exact[counts > 0] >= 1).all():
        assert (abs(taken - exact) < 1).all()
    if n >= (counts > 0).sum():
        assert ((taken > 0) == (counts > 0)).all()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(any), st.data())
def test_shares_are_those_closest_to_proportion_of_all_there_are(counts: list[int], data) -> None:
    n = data.draw(st.integers(0, sum(counts)))
    least = [int(count > 0 and n >= np.count_nonzero(counts)) for count in counts]
    possible = [
        taken
        for taken in itertools.product(
            *(range(low, count + 1) for low, count in zip(least, counts, strict=True))
        )
        if sum(taken) == n
    ]

    def distance(taken) -> float:
        return sum((n * N_c - n_c * sum(counts)) ** 2 for n_c, N_c in zip(taken, counts, strict=True))

    found = strata.shares(np.array(counts), n)
    assert tuple(found.tolist()) in possible
    if all(n * count >= sum(counts) for count in counts if count):
        assert distance(found.tolist()) == min(map(distance, possible))


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_scikit_learns(seed: int) -> None:
    model_selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(seed)
    y = rng.choice(4, 200, p=[0.55, 0.25, 0.15, 0.05])
    for n in (20, 51, 77):
        train, _ = model_selection.train_test_split(y, test_size=n, stratify=y, random_state=seed)
        own = strata.draw(y, 200 - n, seed, "test")
        ours = np.bincount(y[own], minlength=4)
        exact = (200 - n) * np.bincount(y) / 200 % 1
        if len(set(exact.round(9))) == 4:  # a tie is broken at random there
            assert (ours == np.bincount(train, minlength=4)).all()
        assert abs(ours - np.bincount(train, minlength=4)).max() <= 1


@pytest.mark.parametrize("count", [2, 3, 5])
def test_folds_have_scikit_learns_counts(count: int) -> None:
    y = np.random.default_rng(1).choice(3, 101, p=[0.7, 0.2, 0.1])
    dealt = parts(101, count, 0, y)
    assert sorted(np.concatenate(dealt)) == list(range(101))
    of_class = np.array([np.bincount(y[part], minlength=3) for part in dealt])
    assert np.ptp(of_class, axis=0).max() <= 1
    assert np.ptp(of_class.sum(axis=1)) <= 1
    model_selection = pytest.importorskip("sklearn.model_selection")
    folds = model_selection.StratifiedKFold(count).split(np.zeros(101), y)
    theirs = np.array([np.bincount(y[held_out], minlength=3) for _, held_out in folds])
    assert sorted(map(sum, of_class.tolist())) == sorted(map(sum, theirs.tolist()))
    assert (np.sort(of_class, axis=0) == np.sort(theirs, axis=0)).all()


def test_the_targets_of_a_regression_are_drawn_at_random() -> None:
    y = np.arange(200.0).reshape(100, 2)
    rows = strata.draw(y, 30, 0, "test")
    assert len(set(rows.tolist())) == 30
    assert rows.tolist() != list(range(30))
    assert (np.diff(rows) > 0).all()


def sorted_by_class(path: Path, **more: np.ndarray) -> str:
    """90 rows of three separate clouds, class after class, and one row of a fourth; x[:, 0] is the row."""
    y = np.append(np.repeat([1, 2, 5], 30), 9)
    x = np.random.default_rng(0).normal(size=(91, 4)) + 6 * np.eye(4)[[*[0] * 30, *[1] * 30, *[2] * 30, 3]]
    x = np.column_stack([np.arange(91), x])
    np.savez(path, x_train=x, y_train=y, x_test=x[::9], y_test=y[::9], **more)
    return str(path)


def rows_of(split: Split) -> list[int]:
    return split.x[:, 0].astype(int).tolist()


def test_rows_sorted_by_class_train_and_validate_on_all_of_them(tmp_path: Path, no_pictures: None) -> None:
    data = sorted_by_class(tmp_path / "mine.npz")
    settings = Experiment(dataset=data, eta=0.1, epochs=5, batch_size=10, patience=3)
    result = linclass.run(settings, out=tmp_path / "run")
    assert result.settings.split == "stratified"
    assert result.history.last("val_accuracy")[0] == 1
    dataset = load_data(result.settings)
    assert np.bincount(dataset.train.y).tolist() == [27, 27, 27, 1]
    assert np.bincount(dataset.validation.y).tolist() == [3, 3, 3]
    assert sorted(rows_of(dataset.train) + rows_of(dataset.validation)) == list(range(91))
    assert rows_of(dataset.train) == sorted(rows_of(dataset.train))


def test_the_split_is_the_split_seeds_and_never_the_seeds(tmp_path: Path) -> None:
    settings = Experiment(dataset=sorted_by_class(tmp_path / "mine.npz")).resolved()
    first = load_data(settings)
    assert load_data(settings.replace(seed=5, seeds=3)).digest() == first.digest()
    assert load_data(settings.replace(split_seed=1)).digest() != first.digest()


def test_train_size_is_drawn_too(tmp_path: Path) -> None:
    data = sorted_by_class(tmp_path / "mine.npz")
    dataset = load_dataset(data, split="stratified", train_size=28, val_size=18)
    assert np.bincount(dataset.train.y).tolist() == [9, 9, 9, 1]
    assert np.bincount(dataset.validation.y).tolist() == [6, 6, 6]
    assert not set(rows_of(dataset.train)) & set(rows_of(dataset.validation))
    with pytest.raises(UsageError, match="--train-size is 83: the training split has only 82 rows"):
        load_dataset(data, split="stratified", train_size=83)
    with pytest.raises(UsageError, match="--val-size is 91: expected fewer than the 91 training rows"):
        load_dataset(data, split="stratified", val_size=91)


def test_with_validation_rows_of_its_own_only_train_size_is_drawn(tmp_path: Path) -> None:
    x = np.zeros((4, 5))
    data = sorted_by_class(tmp_path / "mine.npz", x_val=x, y_val=np.array([1, 2, 5, 9]))
    dataset = load_dataset(data, split="stratified", train_size=10)
    assert np.bincount(dataset.train.y).tolist() == [3, 3, 3, 1]
    assert (dataset.validation.x == x).all()


def test_all_stays_the_tail(tmp_path: Path) -> None:
    dataset = load_dataset(sorted_by_class(tmp_path / "mine.npz"), split="all", train_size=20)
    assert rows_of(dataset.train) == list(range(20))
    assert rows_of(dataset.validation) == list(range(82, 91))


def test_folds_of_some_rows_have_all_classes(tmp_path: Path) -> None:
    data = sorted_by_class(tmp_path / "mine.npz")
    seen: list[int] = []
    for k in (1, 2, 3):
        dataset = load_dataset(data, split="stratified", train_size=31, folds=(k, 3))
        assert np.bincount(dataset.train.y, minlength=4)[:3].tolist() in ([6, 7, 7], [7, 6, 7], [7, 7, 6])
        seen += rows_of(dataset.validation)
    assert len(set(seen)) == 31


@pytest.mark.parametrize(
    ("dataset", "split"),
    [
        ("cifar10", "batch-1"),
        ("cifar10-sample", "batch-1"),
        ("mnist", "all"),
        ("fashion-mnist", "all"),
        ("mine.npz", "stratified"),
        ("mine.csv", "stratified"),
    ],
)
def test_what_auto_means(dataset: str, split: str) -> None:
    assert Experiment(dataset=dataset).resolved().split == split
    assert Experiment(dataset="square-wave", loss="squared").resolved().split == "all"


def test_published_data_can_be_drawn_from_and_a_function_not() -> None:
    sample = load_dataset("mnist-sample", split="stratified", train_size=100)
    assert np.bincount(sample.train.y).tolist() == [10] * 10
    with pytest.raises(UsageError, match="square-wave is a grid, drawn once; use --split all"):
        load_dataset("square-wave", split="stratified")


class Notes(Listener):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_classes_that_are_lacking_are_said_in_one_line(tmp_path: Path) -> None:
    settings = Experiment(dataset=sorted_by_class(tmp_path / "mine.npz"))
    for split, said in (
        ("stratified", ["no validation row has the label 9"]),
        ("all", ["no training row has the label 9; no validation row has the label 1 or 2"]),
    ):
        heard = Notes()
        one = settings.replace(split=split)
        note_data(one, load_data(one), heard)
        assert heard.notes == said
    y = np.zeros(3, int)
    many = Dataset("a", Split(y[:, None], y), Split(y[:, None], y), None, tuple("abcdefgh"), None, "")
    heard = Notes()
    note_data(settings, many, heard)
    assert heard.notes[0].startswith("no training row has the label b or c or d or e or f and 2 more; no val")
