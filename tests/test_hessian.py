"""The Hessian and the minimal ratio, against known spectra, a second implementation and planted faults."""

import numpy as np
import pytest
from costs import cost

from linclass.datasets.functions import load
from linclass.errors import UsageError
from linclass.landscape import hessian as landscape
from linclass.landscape.hessian import (
    descend_gradient_norm,
    eigenvalues,
    gradient_norm,
    hessian,
    ratio_of_eigenvalues,
    ratio_of_neighbours,
)
from linclass.models.base import Batch
from linclass.models.linear import Linear
from linclass.models.losses import make_loss
from linclass.models.mlp import MLP
from linclass.params import Params

SPECTRUM = np.array([4.0, 1.0, 0.5, 1e-9, 0.0, -2.0])


class Quadratic:
    """J = theta^T A theta / 2 - b^T theta for each of K models, A with a known spectrum."""

    def __init__(self, K: int = 2, dtype: type = np.float64) -> None:
        rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
        self.A = rotation @ np.diag(SPECTRUM) @ rotation.T
        self.params, self.K = Params({"W": (2, 2), "b": (2,)}, K, dtype), K
        self.grads, self.buffers = self.params.zeros_like(), Params({}, K, dtype)
        self.params.flat[:] = np.random.default_rng(1).normal(size=(K, 6))

    def loss(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        theta = self.params.flat
        return np.einsum("kp,pq,kq->k", theta, self.A, theta) / 2

    def penalty(self) -> np.ndarray:
        return np.zeros(self.K)

    def backpropagate(self, x: np.ndarray, y: np.ndarray, *, step: int = 0) -> Batch:
        g = self.params.flat @ self.A
        self.grads["W"][...] = g[:, :4].reshape(-1, 2, 2)
        self.grads["b"][...] = g[:, 4:]
        return Batch(self.loss(x, y), np.zeros(self.K, np.int64))


NO_ROWS = np.zeros((1, 1))


def test_a_quadratic_has_its_own_matrix_and_spectrum() -> None:
    model = Quadratic()
    before = model.params.flat.copy()
    H = hessian(model, NO_ROWS, NO_ROWS)
    assert np.allclose(H, model.A, atol=1e-8)
    assert np.array_equal(model.params.flat, before), "left as it was"
    values = eigenvalues(H)
    assert np.allclose(values, np.sort(SPECTRUM), atol=1e-8)
    assert ratio_of_eigenvalues(np.sort(SPECTRUM)[None]) == 3 / 6, "1e-9 of 4 is rounding, not curvature"
    assert np.array_equal(ratio_of_eigenvalues(values), [3 / 6, 3 / 6])


def test_a_matrix_without_positive_curvature_has_ratio_0() -> None:
    assert ratio_of_eigenvalues(np.array([[-3.0, -1.0], [0.0, 0.0], [1.0, 2.0]])).tolist() == [0, 0, 1]


def test_a_planted_fault_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step as large as theta itself: the differences of a curved gradient are then no derivatives."""
    model, x, y = small_network(K=1)
    right = hessian(model, x, y)
    monkeypatch.setattr(landscape, "STEP", 0.5)
    assert not np.allclose(hessian(model, x, y), right, atol=1e-3)


def test_running_statistics_stay_as_they_are() -> None:
    data = load("half-sine", train_size=20).train
    model = MLP.create(
        (1, 4, 1), seeds=range(2), activation="tanh", batch_norm=True, loss=make_loss("squared")
    )
    model.backpropagate(data.x, data.y, step=0)
    before = model.buffers.flat.copy()
    H = hessian(model, data.x, data.y)
    np.testing.assert_array_equal(model.buffers.flat, before)
    # d2J/d(b_L)2 of the squared error, whatever the statistics
    assert np.allclose(H[:, -1, -1], 2)
    descend_gradient_norm(model, data.x, data.y, steps=3)
    np.testing.assert_array_equal(model.buffers.flat, before)


def small_network(K: int, activation: str = "tanh") -> tuple[MLP, np.ndarray, np.ndarray]:
    data = load("half-sine", train_size=20).train
    loss = make_loss("squared")
    model = MLP.create(
        (1, 4, 3, 1), seeds=range(K), activation=activation, init="uniform", loss=loss, l2=0.01
    )
    return model, data.x, data.y


def second_differences(model: MLP, x: np.ndarray, y: np.ndarray, k: int, h: float = 1e-4) -> np.ndarray:
    """H_ij from four values of the cost each: no gradient is used."""
    alone = model.select(k)
    theta = alone.params.flat[0].copy()

    def cost(at: np.ndarray) -> float:
        params = alone.params.with_flat(at[None])
        copy = MLP(alone.architecture, params)
        return float((copy.loss(x, y) + copy.penalty())[0])

    p = len(theta)
    E, H = h * np.eye(p), np.empty((p, p))
    for i in range(p):
        for j in range(p):
            plus, minus = theta + E[i], theta - E[i]
            H[i, j] = cost(plus + E[j]) - cost(plus - E[j]) - cost(minus + E[j]) + cost(minus - E[j])
    return H / (4 * h * h)


def test_a_networks_hessian_agrees_with_second_differences_of_the_cost() -> None:
    model, x, y = small_network(K=3)
    H = hessian(model, x, y)
    other = second_differences(model, x, y, k=1)
    assert np.allclose(H[1], other, atol=2e-6)
    assert np.allclose(eigenvalues(H)[1], np.linalg.eigvalsh((other + other.T) / 2), atol=2e-6)
    alone, _, _ = small_network(K=1)
    assert np.allclose(hessian(alone, x, y)[0], H[0], atol=1e-8), "a stack's first model is the one alone"


def test_the_penalised_linear_classifier_is_a_minimum_in_every_direction_of_W() -> None:
    """Softmax cross-entropy is convex, and the penalty adds 2 lambda: strictly positive on all of W."""
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(30, 5)), generator.integers(0, 4, 30)
    model = Linear.create(5, 4, seeds=[0, 1], init_std=0.5, l2=0.1)
    values = eigenvalues(hessian(model, x, y, names=["W"]))
    assert values.shape == (2, 20)
    assert (values >= 0.2 - 1e-6).all()
    assert np.array_equal(ratio_of_eigenvalues(values), [1.0, 1.0])
    # all of it: one number added to all biases changes nothing, one eigenvalue of 24 is zero
    whole = ratio_of_eigenvalues(eigenvalues(hessian(model, x, y)))
    assert np.array_equal(whole, [23 / 24, 23 / 24])


def test_neighbours_of_a_minimum_are_all_higher_and_of_a_maximum_none() -> None:
    model = Quadratic(K=1)
    for sign, share in ((1, 1.0), (-1, 0.0)):
        model.A = sign * np.eye(6)
        model.params.flat[:] = 0
        assert ratio_of_neighbours(model, NO_ROWS, NO_ROWS, samples=20) == share
        assert not model.params.flat.any()


def test_neighbours_are_counted_against_the_stacks_own_models() -> None:
    """On a slope half of the neighbours are higher; within 4 standard deviations of 300 coins."""
    model, x, y = small_network(K=2)
    shares = ratio_of_neighbours(model, x, y, samples=300, radius=1e-4)
    assert np.all(np.abs(shares - 0.5) < 4 * 0.5 / 300**0.5)


def test_gradient_norm_is_that_of_the_whole_gradient() -> None:
    model, x, y = small_network(K=2)
    norms = gradient_norm(model, x, y)
    cost(model, x, y, step=0)
    assert np.allclose(norms, np.linalg.norm(model.grads.flat, axis=1))


def test_descending_the_gradient_norm_finds_a_saddle_that_descent_would_leave() -> None:
    model = Quadratic()
    least = descend_gradient_norm(model, NO_ROWS, NO_ROWS, steps=2000, eta=0.01)
    assert (least < 1e-3).all()
    assert np.allclose(gradient_norm(model, NO_ROWS, NO_ROWS), least)


def test_what_cannot_be_differenced_is_one_line() -> None:
    with pytest.raises(UsageError, match="float64"):
        hessian(Quadratic(dtype=np.float32), NO_ROWS, NO_ROWS)
    model, x, y = small_network(K=2)
    assert gradient_norm(model.select(1), x, y)[0] == pytest.approx(gradient_norm(model, x, y)[1])
    with pytest.raises(UsageError, match="positive numbers"):
        ratio_of_neighbours(model, x, y, radius=0)
