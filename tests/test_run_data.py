"""The data of an experiment is its own: no replica's seed changes a row, a label or their order."""

import dataclasses
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import linclass
from linclass.errors import UsageError
from linclass.runs.build import build, stoppers
from linclass.runs.data import load_data, note_data, without_effect
from linclass.runs.progress import Listener
from linclass.settings import Experiment
from linclass.training.callbacks import BestKeeper

SMALL = linclass.Experiment(
    dataset="mnist-sample", train_size=70, batch_size=20, epochs=3, eta=0.1, seed=5, seeds=3
)
MLP: dict[str, Any] = {"model": "mlp", "hidden": "12"}


@pytest.mark.parametrize("drawn", [{"fold": "2/3"}, {"label_noise": 0.5}])
def test_the_data_is_a_function_of_the_split_seed_alone(drawn: dict[str, Any]) -> None:
    settings = SMALL.replace(**drawn).resolved()
    digest = load_data(settings).digest()
    assert load_data(settings.replace(seed=6)).digest() == digest
    assert load_data(settings.replace(split_seed=1)).digest() != digest


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    "changes",
    [
        {"fold": "1/5"},
        {"label_noise": 0.5},
        {"fold": "2/3", "label_noise": 0.3, "split_seed": 7},
        {"fold": "1/3", "shuffle": "batches"},
        {"label_noise": 0.2, "shuffle": "none"},
        {"augment": "shift:2,noise:0.05", "fold": "1/3"},
        {**MLP, "dropout": 0.3, "label_noise": 0.4},
        {**MLP, "dropout": 0.3, "augment": "shift:2", "fold": "1/5", "shuffle": "batches"},
        {**MLP, "batch_norm": True, "optimizer": "adam", "fold": "1/2", "drop_last": True},
        {**MLP, "train_size": None, "val_size": None, "batch_size": 500, "clip": 1.0},
    ],
    ids=lambda changes: ",".join(f"{value}" for value in changes.values()),
)
def test_replica_k_is_exactly_the_run_with_seed_plus_k(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = SMALL.replace(**changes)
    together = linclass.run(settings, out=tmp_path / "together").history
    for k in range(settings.seeds):
        single = linclass.run(settings.replace(seed=5 + k, seeds=1), out=tmp_path / f"{k}").history
        for column in set(together.columns) - {"model", "epoch", "seconds"}:
            np.testing.assert_array_equal(together.column(column, k), single.column(column), err_msg=column)


OTHER_VALUES: dict[str, Any] = {
    "label": "species",
    "split": "batch-1",
    "train_size": 40,
    "val_size": 9,
    "fold": "1/4",
    "split_seed": 3,
    "hidden": "7",
    "activation": "tanh",
    "init": "uniform",
    "init_std": 0.3,
    "scaling": "raw",
    "eta": 0.2,
    "l2": 0.1,
    "loss": "svm",
    "class_weights": "1,2,3",
    "label_smoothing": 0.2,
    "label_noise": 0.5,
    "reduction": "sum",
    "dropout": 0.5,
    "batch_norm": True,
    "optimizer": "adam",
    "torch_optim": True,
    "momentum": 0.5,
    "weight_decay": 0.1,
    "clip": 0.01,
    "schedule": "step:1:0.5",
    "batch_size": 13,
    "epochs": 2,
    "shuffle": "none",
    "drop_last": True,
    "augment": "mirror",
    "dtype": "float64",
    "seed": 4,
    "seeds": 2,
    "overfit_threshold": 9.0,
    "overfit_action": "stop",
    "test": True,
}
BASES: dict[str, dict[str, Any]] = {
    "linear": {},
    "linear, nobody watches": {"overfit_action": "ignore"},
    "mlp": {"model": "mlp", "hidden": "5"},
    "momentum": {"optimizer": "momentum"},
    "noisy": {"label_noise": 0.3},
    "fold": {"fold": "2/3"},
    "function": {
        "dataset": "square-wave",
        "loss": "squared",
        "model": "mlp",
        "hidden": "5",
        "train_size": 50,
        "eta": 0.01,
    },
}


def outcome(settings: Experiment) -> tuple[Any, dict[str, str]]:
    """All that training in memory comes to, and what is said to have no effect."""
    dataset = load_data(settings.resolved())
    job, notes = build(settings.resolved(), dataset), list[str]()
    job.trainer.callbacks += [*stoppers(settings, notes.append), BestKeeper()]
    state = job.fit()
    rows = [
        {name: value for name, value in row.items() if name != "seconds" and not np.isnan(value)}
        for row in state.history.rows
    ]
    weights = state.params.flat.astype(np.float64).tolist(), state.best.flat.tolist()
    return repr((rows, notes, weights)), without_effect(settings, dataset)


@pytest.mark.parametrize("base", BASES)
def test_an_option_has_an_effect_or_is_said_or_refused(base: str, tmp_path: Path) -> None:
    """Every field, with a value it does not have already."""
    assert {*OTHER_VALUES} == {field.name for field in dataclasses.fields(Experiment)} - {
        "dataset",
        "model",
        "snapshot_every",  # of the run directory
        "patience",  # which depends on how the training goes
    }
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    x = 5 + 3 * rng.normal(size=(90, 4)) + np.eye(3, 4)[y]
    np.savez(tmp_path / "own.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    common = {"dataset": str(tmp_path / "own.npz"), "batch_size": 17, "epochs": 3, "eta": 0.5}
    settings = Experiment(**{**common, "overfit_threshold": 1e-7, **BASES[base]})
    plain, _ = outcome(settings)
    for name, value in OTHER_VALUES.items():
        try:
            changed = settings.replace(**{name: value})
            found, said = outcome(changed)
        except UsageError:
            continue
        same = found == plain and changed.resolved() != settings.resolved()
        assert same == (name in said), f"{name} {value}: {said}"


@pytest.mark.parametrize(("name", "value"), [("split", "all"), ("val_size", 9)])
def test_what_the_bundled_sample_decides_itself_is_said(name: str, value: object) -> None:
    settings = Experiment(dataset="cifar10-sample", train_size=60)
    changed = settings.replace(**{name: value})
    assert load_data(changed.resolved()).digest() == load_data(settings.resolved()).digest()
    heard: list[str] = []
    listener = Listener()
    with patch.object(listener, "warning", heard.append):
        note_data(changed, load_data(changed.resolved()), listener)
    (line,) = heard
    assert line.startswith(
        f"--{name.replace('_', '-')} {value} has no effect: the bundled sample has a split"
    )


def test_what_is_searched_is_not_said_to_have_no_effect() -> None:
    settings = Experiment(dataset="cifar10-sample", model="mlp", hidden="5", init="he", init_std=0.3)
    dataset = load_data(settings.resolved())
    assert list(without_effect(settings, dataset)) == ["init_std"]
    assert without_effect(settings, dataset, ("init",)) == {}
