"""Every combination of the network's parts through the gradient check, one row each; and planted faults.

A stack has one model for each initialisation; single models take the initialisations in turn.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np
import pytest

from linclass.analysis import checks
from linclass.gradcheck import check_model
from linclass.gradcheck.report import Report
from linclass.models import kernels, losses
from linclass.models.init import KINDS
from linclass.models.linear import Linear
from linclass.models.losses import LOSSES, Loss, make_loss
from linclass.models.mlp import MLP
from reliability.gradients import DATASETS, FAULTS, MODELS, experiment

pytestmark = pytest.mark.bits

N, D, C = 5, 3, 3
HIDDEN = (4, 3, 2)
L2 = np.array([0.1, 0.0, 1.0, 0.01])
# (loss, label smoothing): only the softmax has one
LOSS_ROWS = [*((loss, 0.0) for loss in LOSSES), ("softmax", 0.2)]


@dataclass(frozen=True)
class Row:
    """One combination; inits has one name a model."""

    depth: int
    activation: str
    loss: str
    label_smoothing: float
    batch_norm: bool
    dropout: float
    inits: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.depth} hidden", self.activation, self.loss]
        parts += ["smoothed"] * bool(self.label_smoothing) + ["batch norm"] * self.batch_norm
        return " ".join([*parts, *["dropout"] * bool(self.dropout), "+".join(self.inits)])

    def _create(self, seeds: list[int], init: str) -> MLP:
        return MLP.create(
            (D, *HIDDEN[: self.depth], C),
            activation=self.activation,
            batch_norm=self.batch_norm,
            dropout=self.dropout,
            init=init,
            init_std=0.5,
            loss=make_loss(self.loss, label_smoothing=self.label_smoothing),
            seeds=seeds,
            l2=L2[: len(seeds)],
        )

    def model(self) -> MLP:
        stack = self._create([*range(len(self.inits))], self.inits[0])
        for k, init in enumerate(self.inits):
            stack.params.flat[k] = self._create([k], init).params.flat[0]
        # a bias of 0 is on ReLU's kink where dropout leaves a unit no input
        generator = np.random.default_rng(0)
        for number in range(1, self.depth + 2):
            stack.params[f"b{number}"][...] += generator.uniform(0.01, 0.1, stack.params[f"b{number}"].shape)
        return stack


def data(loss: str = "softmax", n: int = N) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(n, D))
    return x, generator.normal(size=(n, C)) if loss == "squared" else generator.integers(0, C, n)


def check(model: MLP | Linear, loss: str = "softmax") -> Report:
    return check_model(model, *data(loss), methods=["directions"], directions=1, step=7)


STACK = tuple(KINDS)
SINGLES = itertools.cycle((kind,) for kind in KINDS)
WITHOUT_HIDDEN = [
    Row(0, "identity", *loss, False, 0.0, inits)
    for loss, inits in itertools.product(LOSS_ROWS, [*((kind,) for kind in KINDS), STACK])
]
WITH_HIDDEN = [
    Row(depth, activation, *loss, batch_norm, dropout, inits or next(SINGLES))
    for depth, activation, loss, batch_norm, dropout, inits in itertools.product(
        (1, 2, 3), kernels.ACTIVATIONS, LOSS_ROWS, (False, True), (0.0, 0.3), ((), STACK)
    )
]


@pytest.mark.parametrize("row", [*WITHOUT_HIDDEN, *WITH_HIDDEN], ids=str)
def test_the_gradient_of(row: Row) -> None:
    report = check(row.model(), row.loss)
    assert report.passed, report.text()


@pytest.mark.parametrize(("loss", "label_smoothing"), LOSS_ROWS)
@pytest.mark.parametrize("K", [1, 3])
def test_every_entry_of_the_linear_model(loss: str, label_smoothing: float, K: int) -> None:
    made = make_loss(loss, label_smoothing=label_smoothing)
    model = Linear.create(D, C, seeds=range(K), init_std=0.5, loss=made, l2=L2[:K])
    report = check_model(model, *data(loss), entries=None)
    assert report.passed, report.text()


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
def test_every_entry_of_a_stack(activation: str, batch_norm: bool) -> None:
    model = Row(2, activation, "softmax", 0.1, batch_norm, 0.2, STACK).model()
    buffers = model.buffers.flat.copy()
    report = check_model(model, *data(), entries=None, methods=["centred"], step=3)
    assert report.passed, report.text()
    assert [row.tensor for row in report.rows] == [*model.params]
    np.testing.assert_array_equal(model.buffers.flat, buffers)


# ---- planted faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [name for name in FAULTS if not re.search(r"0\.1 %|smoothing|class weights", name)]
)
def test_a_planted_fault_in_a_layer_is_caught(fault: str) -> None:
    activation = FAULTS[fault].model.get("activation", "relu")
    row = Row(2, activation, "softmax", 0.0, True, 0.3, STACK)
    assert check(row.model()).passed
    with FAULTS[fault].plant():
        report = check(row.model())
    assert not report.passed
    assert report.findings


def test_a_table_of_the_losses_faults_is_caught() -> None:
    def spoiled(loss, spoil):
        def faulty(scores, y, w, divisor):
            before = scores.copy()
            value = loss.formula(scores, y, w, divisor)
            if divisor is not None:
                spoil(scores, before, y)
            return value

        return Loss(faulty, reduction=loss.reduction)

    def unsmoothed(dS, scores, y):
        dS[...] = scores
        make_loss()(dS, y, gradient=True)

    def not_at_y(dS, scores, y):
        dS[:, np.arange(len(y)), y] = 0

    def times(c):
        def spoil(dS, scores, y):
            dS *= c

        return spoil

    faults = [
        ("softmax", make_loss(label_smoothing=0.2), unsmoothed),
        ("softmax", make_loss(), not_at_y),
        ("bce", make_loss("bce"), times(C)),
        ("bce", make_loss("bce"), not_at_y),
        ("svm", make_loss("svm"), not_at_y),
        ("squared", make_loss("squared"), times(0.5)),
        ("softmax", make_loss(reduction="sum"), times(1)),
    ]
    for name, loss, spoil in faults:
        assert not check(MLP.create((D, 4, C), loss=spoiled(loss, spoil)), name).passed, (name, spoil)
    assert losses.LOSSES.keys() == {name for name, _, _ in faults}


# ---- experiments: a part of the table that `python -m reliability gradients` makes -------------------------

# of each model a data set with classes and a function, each with another seed
PARTS = [
    (model, dataset, seed)
    for number, model in enumerate(MODELS)
    for dataset, seed in ((DATASETS[number % 2], number % 10), (DATASETS[2 + number % 4], (number + 5) % 10))
]


@pytest.mark.parametrize(("model", "dataset", "seed"), PARTS)
def test_no_right_gradient_of_an_experiment_is_called_wrong(model: str, dataset: str, seed: int) -> None:
    settings = {"train_size": 20} | MODELS[model]
    reports = checks.gradients_of_experiment(experiment(settings, dataset, seed))
    assert len(reports) == 6
    for title, report in reports:
        assert report.passed, f"{title}\n{report.text()}"


@pytest.mark.parametrize(("number", "fault"), list(enumerate(FAULTS)))
def test_a_fault_planted_in_an_experiment_is_found(number: int, fault: str) -> None:
    settings = experiment({"train_size": 20} | FAULTS[fault].model, "mnist-sample", number % 10)
    with FAULTS[fault].plant():
        reports = checks.gradients_of_experiment(settings)
    assert any(report.findings for _, report in reports)
    assert not all(report.passed for _, report in reports)
