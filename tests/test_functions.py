"""Regression on functions, through everything: data, settings, training, files, pictures, evaluation."""

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, signal

from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.datasets.catalog import describe
from linclass.datasets.functions import FUNCTIONS, WAVELENGTHS, grid, load
from linclass.datasets.split import load_dataset
from linclass.errors import UsageError
from linclass.evaluation import of_run
from linclass.models.widths import parameters, widths
from linclass.runs import experiment
from linclass.runs.directory import load_run
from linclass.runs.model import build_model
from linclass.settings import FUNCTION_NAMES, Experiment
from linclass.training.history import History

SMALL = Experiment(
    dataset="half-sine",
    loss="squared",
    model="mlp",
    hidden="8,8",
    init="uniform",
    optimizer="adam",
    eta=0.01,
    batch_size=20,
    train_size=100,
    val_size=50,
    epochs=4,
)


def test_the_functions_are_those_of_other_libraries() -> None:
    x = grid(997)
    assert np.array_equal(FUNCTIONS["square-wave"](x), signal.square(2 * np.pi * x / 0.4))
    saw = signal.sawtooth(2 * np.pi * x / 0.5) + np.sin(2 * np.pi * x)
    assert np.allclose(FUNCTIONS["saw-sine"](x), saw, atol=1e-12)
    sines = [math.sin(math.tau * float(x[5]) / wavelength) for wavelength in WAVELENGTHS]
    assert FUNCTIONS["eight-sines"](x)[5] == pytest.approx(math.fsum(sines), abs=1e-12)
    assert len(WAVELENGTHS) == 8


def test_the_best_constant_of_the_half_sine_has_the_published_plateau() -> None:
    def f(x: float) -> float:
        return float(FUNCTIONS["half-sine"](np.array(x)))

    mean = integrate.quad(f, 0, 2)[0] / 2
    assert mean == pytest.approx(2 / math.pi)
    error = integrate.quad(lambda x: (f(x) - mean) ** 2, 0, 2)[0] / 2
    assert error == pytest.approx(0.5 - (2 / math.pi) ** 2)
    assert round(error, 4) == 0.0947
    y = load("half-sine").train.y
    assert float(y.var()) == pytest.approx(error, abs=1e-5)


@pytest.mark.parametrize("name", FUNCTION_NAMES)
def test_three_grids_that_share_no_point(name: str) -> None:
    data = load_dataset(name, split="all")
    splits = data.splits()
    assert {key: split.x.shape for key, split in splits.items()} == {
        "train": (1000, 1),
        "validation": (500, 1),
        "test": (500, 1),
    }
    for split in splits.values():
        assert split.y.shape == split.x.shape
        assert np.allclose(split.y[:, 0], FUNCTIONS[name](split.x[:, 0]), atol=1e-9)
        assert 0 < split.x.min() < split.x.max() < 2
    points = [set(split.x.ravel().tolist()) for split in splits.values()]
    assert not any(a & b for a, b in itertools.combinations(points, 2))
    assert data.is_regression
    smaller = load_dataset(name, split="all", train_size=10, val_size=5)
    assert np.allclose(np.diff(smaller.train.x[:, 0]), 0.2), (
        "a coarser grid, not the left end of the fine one"
    )
    assert len(smaller.validation) == 5


def test_the_data_list_has_them() -> None:
    entries = {entry.name: entry.state for entry in describe()}
    assert [entries[name] for name in FUNCTION_NAMES] == ["computed"] * 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": "square-wave"}, "--dataset square-wave is a regression: expected --loss squared"),
        (
            {"loss": "squared"},
            "--loss squared is for regression: expected --dataset to be one of",
        ),
        ({"dataset": "mine.npz", "loss": "squared"}, "--loss squared is for regression"),
        (
            {"dataset": "saw-sine", "loss": "squared", "label_smoothing": 0.1},
            "--label-smoothing goes with --loss softmax",
        ),
    ],
)
def test_what_does_not_fit_together_is_one_line(change: dict, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Experiment(**change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_stand_for_raw_input_and_all_rows() -> None:
    settings = Experiment(dataset="square-wave", loss="squared").resolved()
    assert (settings.scaling, settings.split) == ("raw", "all")
    with pytest.raises(UsageError, match="CIFAR-10's"):
        load_dataset("square-wave", split="batch-1")


def test_a_run_of_two_seeds_learns_and_is_drawn(tmp_path: Path) -> None:
    settings = SMALL.replace(seeds=2, epochs=30, overfit_action="ignore")
    result = experiment.run(settings, out=tmp_path / "run")
    assert result.final("val_loss").mean < 0.0947 / 4, "better than any constant"
    names = {path.name for path in (tmp_path / "run").glob("*.png")}
    assert names == {"30_loss.png", "30_difference.png", "30_function.png"}
    text = (tmp_path / "run" / "values.csv").read_text()
    assert History.from_csv(text, 2).to_csv() == text
    table = pd.read_csv(tmp_path / "run" / "values.csv")
    accuracies = ["train_accuracy", "val_accuracy", "running_accuracy"]
    assert table[accuracies].isna().all(axis=None)
    assert table.drop(columns=accuracies).notna().all(axis=None)


@pytest.mark.usefixtures("no_pictures")
def test_an_interrupted_run_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    experiment.run(SMALL, out=tmp_path / "whole")
    experiment.run(SMALL.replace(epochs=2), out=tmp_path / "half")
    experiment.resume(tmp_path / "half", epochs=4)
    whole, half = (load_run(tmp_path / name) for name in ("whole", "half"))
    assert np.array_equal(whole.model().params.flat, half.model().params.flat)
    assert whole.history.column("val_loss").tolist() == half.history.column("val_loss").tolist()


@pytest.mark.usefixtures("no_pictures")
def test_evaluate_says_how_near_it_comes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment.run(SMALL.replace(l2=0.001), out=tmp_path / "run")
    (report,) = of_run.evaluate_run(tmp_path / "run")
    test = load("half-sine").test
    assert test is not None
    scores = load_run(tmp_path / "run").model().scores(test.x.astype(np.float32))[0]
    assert report.loss == pytest.approx(float(np.mean((scores - test.y) ** 2)), rel=1e-5)
    assert report.explained == pytest.approx(1 - report.loss / float(test.y.var()), rel=1e-5)
    assert report.largest == pytest.approx(float(np.abs(scores - test.y).max()), rel=1e-5)
    assert report.cost > report.loss
    assert call(cli, ["evaluate", str(tmp_path / "run"), "--on", "validation"], prog_name="linclass") == 0
    out = capsys.readouterr().out
    assert "R^2" in out
    assert "accuracy" not in out


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["predict", "run", "--out", "x.csv"], "learnt a function, not classes"),
        (["templates", "run"], "not on images"),
        (
            ["sweep", "--dataset", "saw-sine", "--loss", "squared", "--grid", "lr=0.01,0.1"],
            "a search compares classifiers",
        ),
        (["optimum", "run"], "expected --model linear and --loss softmax"),
    ],
)
def test_what_is_only_for_classes_is_refused_in_a_line(
    command: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment.run(SMALL.replace(epochs=1), out=tmp_path / "run")
    assert call(cli, command, prog_name="linclass") == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("no_pictures")
def test_training_prints_no_accuracy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--dataset", "saw-sine", "--loss", "squared", "--epochs", "1", "--test"]
    assert call(cli, [*command, "--out", str(tmp_path / "run")], prog_name="linclass") == 0
    printed = capsys.readouterr()
    said = [line for line in printed.err.splitlines() if not line.startswith("--test has no effect")]
    assert "accuracy" not in "\n".join([printed.out, *said])
    assert "nan" not in printed.out + printed.err


def test_the_gradients_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["gradcheck", "--dataset", "saw-sine", "--loss", "squared", "--model", "mlp", "--hidden", "6,5"]
    assert call(cli, command, prog_name="linclass") == 0
    assert "gradient checks passed" in capsys.readouterr().out


@pytest.mark.parametrize(("budget", "layers"), [(1006, 1), (1004, 4), (1002, 10)])
def test_the_published_budgets_are_met_exactly(budget: int, layers: int) -> None:
    found = widths(budget, layers)
    assert len(found) == layers
    assert max(found) - min(found) <= 2
    hidden = ",".join(map(str, found))
    model = build_model(SMALL.replace(hidden=hidden), 1, 1)
    assert model.params.flat.shape[1] == budget


@pytest.mark.parametrize(
    ("budget", "layers", "features", "outputs"), [(61, 2, 1, 1), (50, 3, 2, 1), (84, 2, 3, 4), (64, 1, 1, 1)]
)
def test_widths_are_the_most_even_of_all(budget: int, layers: int, features: int, outputs: int) -> None:
    every = itertools.product(range(1, 40), repeat=layers)
    exact = [w for w in every if parameters(w, features, outputs) == budget]
    d = max(d for d in range(1, 40) if parameters((d,) * layers, features, outputs) <= budget)
    best = min(exact, key=lambda w: (sum((one - d) ** 2 for one in w), w))
    assert widths(budget, layers, features=features, outputs=outputs) == best


def test_a_budget_that_nothing_meets_is_said() -> None:
    with pytest.raises(UsageError, match="no 1 hidden layers have exactly 1,005 parameters"):
        widths(1005, 1)
