"""Runs that are stuck or blew up are recognised, with the reason; healthy ones are left in peace."""

from pathlib import Path

import numpy as np
import pytest
from costs import cost

from linclass.models.linear import Linear
from linclass.models.mlp import MLP
from linclass.runs.directory import load_run
from linclass.runs.experiment import run
from linclass.settings import Experiment
from linclass.training import health

pytestmark = pytest.mark.usefixtures("no_pictures")


def trained_notes(tmp_path: Path, **changes: object) -> list[str]:
    base = {
        "dataset": "mnist-sample",
        "model": "mlp",
        "hidden": "30,20",
        "eta": 0.1,
        "batch_size": 50,
        "epochs": 3,
    }
    run(
        Experiment.from_dict({**base, "train_size": 500, "overfit_action": "ignore", **changes}),
        out=tmp_path / "r",
    )
    return load_run(tmp_path / "r").status["notes"]


def test_a_healthy_run_is_left_in_peace(tmp_path: Path) -> None:
    assert trained_notes(tmp_path) == []


def test_a_sigmoid_network_with_a_small_start_is_stuck(tmp_path: Path) -> None:
    changes = {"activation": "sigmoid", "init": "normal", "init_std": 1e-3, "hidden": "30,20,10"}
    (note,) = trained_notes(tmp_path, **changes)
    assert note.startswith("stuck: after 3 epochs the loss is 2.3")
    assert "vanished" in note


def test_raw_input_blows_up_and_stays_finite(tmp_path: Path) -> None:
    notes = trained_notes(tmp_path, scaling="raw", eta=0.1, seeds=1, epochs=3)
    assert notes[0].startswith("exploded in epoch 1")
    assert "dead" in notes[0]


def test_dead_units_and_vanished_gradients_are_named() -> None:
    healthy = health.LayerHealth(1, 1.0, 0.1, 0.5)
    assert "no layer is dead" in health.reason([healthy])
    assert "layer 2 are dead" in health.reason([healthy, health.LayerHealth(2, 0.0, 1.0, 0.5)])
    assert "hidden layer 2 is 1e-06" in health.reason([healthy, health.LayerHealth(2, 1.0, 0.0, 1e-6)])


@pytest.mark.parametrize(
    ("losses", "accuracy", "word"),
    [
        ([2.25], 0.1, ""),
        ([2.303], 0.1, "stuck"),
        ([700.0], 0.1, "exploded"),
        ([5.0], 0.12, "stuck"),
        ([5.0], 0.3, ""),
        ([2.3035, 2.3031, 2.3028], 0.1, "stuck"),
        ([7.0, 2.3035, 2.3031], 0.1, "stuck"),
        ([2.303, 9.0, 2.302], 0.1, "stuck"),
        ([2.82, 2.7, 2.6], 0.1, ""),
        ([2.33, 2.31, 2.3], 0.1, ""),
    ],
)
def test_the_verdict_on_the_epochs_so_far(losses: list[float], accuracy: float, word: str) -> None:
    assert health.verdict(losses, accuracy, 10) == word


@pytest.mark.parametrize("eta", [0.003, 0.01, 0.03])
def test_a_network_whose_loss_falls_is_never_called_stuck(eta: float, tmp_path: Path) -> None:
    """From a start that costs far more than guessing, at several speeds."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 5
    x = rng.normal(size=(200, 8)) + 2 * np.eye(5, 8)[y]
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    changes = {"dataset": str(tmp_path / "own.npz"), "train_size": 150, "init": "normal", "init_std": 0.7}
    notes = trained_notes(tmp_path, **changes, eta=eta, hidden="20", seeds=5, dtype="float64")
    losses = load_run(tmp_path / "r").history.matrix("running_loss")
    assert losses[0].max() > np.log(5)
    assert (np.diff(losses, axis=0) < 0).all()
    assert notes == []


def test_layers_by_hand() -> None:
    model = MLP.create((4, 5, 3), seeds=[0, 1], init="he")
    model.params["b1"][1] = -1e9  # every unit of model 1 is dead
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3
    cost(model, x, y, step=0)
    (alive,), (dead,) = health.layers_of(model, x, 0), health.layers_of(model, x, 1)
    assert alive.dead < 0.5
    assert dead.dead == 1.0
    assert dead.gradient_share == 0.0
    expected = np.linalg.norm(model.grads["W1"][0]) / np.linalg.norm(model.grads["W2"][0])
    assert alive.gradient_share == pytest.approx(expected)
    assert health.layers_of(Linear.create(4, 3), x) == []
