"""The data of an experiment is its own: no replica's seed changes a row, a label or their order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linclass
from linclass.run_data import load_data

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
