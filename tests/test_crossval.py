"""Cross-validation: folds that are disjoint and cover all rows, a fresh model each, the numbers by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linclass
from linclass.analysis.crossval import Fold, cross_validate, mean_accuracy, table
from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.datasets.split import load_dataset, parts
from linclass.errors import UsageError
from linclass.metrics import mean_interval, wilson_interval
from linclass.runs.data import load_data
from linclass.runs.model import build_model

SMALL = linclass.Experiment(
    dataset="cifar10-sample", train_size=95, model="mlp", hidden="5", batch_size=20, epochs=2
)


pytestmark = [pytest.mark.bits, pytest.mark.usefixtures("no_pictures_in_module")]


@pytest.fixture(scope="module")
def three_folds(no_pictures_in_module: None, tmp_path_factory: pytest.TempPathFactory) -> list[Fold]:
    return cross_validate(SMALL, 3, out=tmp_path_factory.mktemp("cv"))


@given(st.integers(2, 200), st.integers(2, 20), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_each_row_is_in_exactly_one_part(n: int, count: int, seed: int) -> None:
    if count > n:
        with pytest.raises(UsageError, match=f"{count} folds of {n} rows"):
            parts(n, count, seed)
        return
    found = parts(n, count, seed)
    assert len(found) == count
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(n))
    assert max(map(len, found)) - min(map(len, found)) <= 1
    for again, part in zip(parts(n, count, seed), found, strict=True):
        np.testing.assert_array_equal(again, part)


def test_another_seed_makes_other_folds() -> None:
    assert not np.array_equal(parts(100, 5, 0)[0], parts(100, 5, 1)[0])


def test_a_fold_validates_on_its_part_and_trains_on_the_others() -> None:
    whole = load_dataset("cifar10-sample", split="all")
    x, y = (np.concatenate([getattr(s, a) for s in (whole.train, whole.validation)]) for a in "xy")
    validated = []
    for k in (1, 2, 3):
        one = load_dataset("cifar10-sample", split="all", folds=(k, 3), seed=4)
        held_out = parts(len(x), 3, 4)[k - 1]
        others = np.setdiff1d(np.arange(len(x)), held_out)
        np.testing.assert_array_equal(one.validation.x, x[held_out])
        np.testing.assert_array_equal(one.validation.y, y[held_out])
        np.testing.assert_array_equal(one.train.x, x[others])
        np.testing.assert_array_equal(one.train.y, y[others])
        assert one.test is not None
        assert whole.test is not None
        np.testing.assert_array_equal(one.test.x, whole.test.x)
        validated += held_out.tolist()
    assert sorted(validated) == list(range(len(x)))
    first = load_dataset("cifar10-sample", split="all", train_size=30, folds=(1, 3))
    assert (len(first.train), len(first.validation)) == (20, 10)
    rows = {row.tobytes() for row in x[:30]}
    assert all(row.tobytes() in rows for row in np.concatenate([first.train.x, first.validation.x]))


@pytest.mark.parametrize("fold", ["5", "0/5", "6/5", "1/1", "a/b", "1/5/2", "-1/5"])
def test_a_fold_that_is_none_is_said_so(fold: str) -> None:
    with pytest.raises(UsageError, match=r"--fold is .*: expected which of how many, such as 2/5"):
        linclass.Experiment(fold=fold)


def test_more_rows_than_there_are() -> None:
    with pytest.raises(UsageError, match="there are only 2,500 rows to make folds of"):
        load_data(linclass.Experiment(dataset="cifar10-sample", fold="1/5", train_size=2501).resolved())


def test_every_fold_is_the_run_with_that_fold_and_starts_afresh(three_folds, tmp_path: Path) -> None:
    found = three_folds
    assert [fold.rows for fold in found] == [32, 32, 31]
    for k, fold in enumerate(found, start=1):
        alone = linclass.run(SMALL.replace(fold=f"{k}/3"), out=tmp_path / f"alone-{k}")
        assert fold.val_accuracy == alone.history.last("val_accuracy")[0]
        assert fold.val_loss == alone.history.last("val_loss")[0]
    first, second = (linclass.load_run(found[k].result.path).model().params for k in (0, 1))
    assert not np.array_equal(first["W1"], second["W1"])  # a model of its own, not the last fold's
    start = build_model(SMALL, 3072, 10).params["W1"]
    assert np.abs(first["W1"] - start).max() < 0.1
    assert np.abs(second["W1"] - start).max() < 0.1


def test_the_table_has_wilsons_intervals_and_all_rows_together(three_folds) -> None:
    found, rows = three_folds, table(three_folds)
    right = sum(round(fold.val_accuracy * fold.rows) for fold in found)
    low, high = wilson_interval(right, 95)
    assert rows[-1][1] == "95"
    assert rows[-1][4:] == (f"{100 * right / 95:.2f} %", f"{100 * low:.2f} to {100 * high:.2f} %")
    low, high = wilson_interval(found[0].correct, 32)
    assert rows[1][5] == f"{100 * low:.2f} to {100 * high:.2f} %"
    assert mean_accuracy(found) == mean_interval(np.array([fold.val_accuracy for fold in found]))


def test_replicas_that_diverged_at_once_are_not_in_the_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = {0}

    def build(settings: linclass.Experiment, *args: Any, **options: Any) -> Any:
        model = build_model(settings, *args, **options)
        for k, seed in enumerate(options["seeds"]):
            if settings.fold == "2/2" and seed in lost:
                model.params["W"][k] = np.nan
        return model

    monkeypatch.setattr("linclass.runs.build.build_model", build)
    arguments = ["crossval", "--folds", "2", "--dataset", "cifar10-sample", "--train-size", "60", "--quiet"]
    arguments += ["--batch-size", "30", "--epochs", "1", "--seeds", "2", "--out", str(tmp_path / "cv")]
    for _ in range(2):  # once more: from what is there
        assert call(cli, arguments) == 0
        out = capsys.readouterr().out
        assert "fold 2: 1 of 2 replicas diverged in their first epoch and are not in its numbers" in out
        own = linclass.load_run(tmp_path / "cv/fold-2").history
        assert f"{own.column('val_loss', 1)[-1]:.5f}" in out.splitlines()[2]
    lost.add(1)
    for again, said in (
        ([*arguments, "--overwrite"], "fold 2: the cost is nan at epoch 1"),
        (arguments, "model 0 diverged in epoch 1; model 1 diverged in epoch 1"),
    ):
        assert call(cli, again) == 4
        assert said in capsys.readouterr().err


def test_the_command_can_be_given_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["crossval", "--folds", "2", "--dataset", "cifar10-sample", "--train-size", "60", "--quiet"]
    arguments += ["--batch-size", "30", "--epochs", "1", "--out", str(tmp_path / "cv")]
    assert call(cli, arguments) == 0
    once, written = capsys.readouterr().out, (tmp_path / "cv/fold-2/state.npz").stat().st_mtime_ns
    assert "mean and 95 % interval over 2 folds" in once
    assert call(cli, arguments) == 0
    assert capsys.readouterr().out == once
    assert (tmp_path / "cv/fold-2/state.npz").stat().st_mtime_ns == written
    assert call(cli, [*arguments, "--fold", "1/2"]) == 2
    assert "leave it out" in capsys.readouterr().err
