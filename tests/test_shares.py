"""The models of a stack on two cores: what the whole stack does, to rounding, whatever goes wrong in it."""

from __future__ import annotations

import numpy as np
import pytest

from linclass import training
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.losses import make_loss
from linclass.models import shares
from linclass.models.mlp import MLP
from linclass.optim import adam, sgd
from linclass.params import Array
from linclass.schedules import constant
from linclass.second_core import working
from linclass.train_state import TrainState
from linclass.training import Trainer

D, C, N = 5, 3, 40


def stack(K: int, *, loss: str = "softmax", batch_norm: bool = False, dropout: float = 0.0) -> MLP:
    return MLP.create(
        (D, 7, 6, C if loss == "softmax" else 1),
        seeds=range(K),
        loss=make_loss(loss),
        l2=np.linspace(0, 0.2, K),
        batch_norm=batch_norm,
        dropout=dropout,
    )


def rows(loss: str = "softmax") -> Inputs:
    rng = np.random.default_rng(1)
    y = rng.integers(0, C, N) if loss == "softmax" else rng.normal(size=(N, 1))
    return Inputs(Split(rng.normal(size=(N, D)), y), None, "float64")


def results(model: MLP) -> list[Array]:
    return [model.grads.flat, model.buffers.flat, model.batch.loss, model.batch.correct]


@pytest.mark.parametrize("K", [2, 3, 8])
@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"dropout": 0.3}], ids=str)
def test_two_shares_are_the_stack(K: int, options: dict[str, float]) -> None:
    whole, shared = stack(K, **options), stack(K, **options)
    x, y = rows().rows(slice(0, N))
    whole.backpropagate(x, y, step=3)
    with working(2) as worker:
        shares.Shares(shared).backpropagate(worker, x, y, step=3)
    for one, other in zip(results(shared), results(whole), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def train(threads: int, eta: list[float], seed: int | list[int], loss: str) -> TrainState:
    model, data = stack(len(eta), loss=loss), rows(loss)
    trainer = Trainer(
        model,
        adam() if max(eta) < 1 else sgd(),
        constant(np.array(eta)),
        batch_size=15,
        seed=seed,
        threads=threads,
        side_by_side=2 if isinstance(seed, list) else 1,
    )
    assert (trainer.shares is not None) == (threads > 1 and isinstance(seed, int))
    return trainer.fit(data, epochs=4, valid=data)


@pytest.mark.parametrize("own", [False, True], ids=["common rows", "own rows"])
@pytest.mark.parametrize("eta", [[0.01, 0.02, 0.03], [0.01, 1e30, 0.01]], ids=["sound", "one diverges"])
def test_training_in_shares_is_training(own: bool, eta: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "SMALLEST", 0)
    monkeypatch.setattr(training, "WORTH_SHARING", 0)
    seed, loss = ([4, 5, 6], "squared") if own else (4, "softmax")
    one, two = (train(threads, eta, seed, loss) for threads in (1, 2))
    np.testing.assert_allclose(two.params.flat, one.params.flat, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(two.diverged, np.array(eta) > 1)
    assert len(one.history.rows) == len(two.history.rows)


def test_little_work_and_single_models_are_not_shared() -> None:
    model = stack(4)
    behind_the_first = model.params.flat.size - model.params["W1"].size - model.params["b1"].size
    enough = int(np.ceil(shares.SMALLEST / behind_the_first))
    assert shares.are_worth_it(model, enough)
    assert not shares.are_worth_it(model, enough - 1)
    assert not shares.are_worth_it(stack(1), 10 * enough)
