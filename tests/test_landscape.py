"""Surfaces, paths, planes, PCA, sensitivity and sharpness, each against a second answer."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.errors import UsageError
from linclass.landscape.paths import alphas, between
from linclass.landscape.pca import pca
from linclass.landscape.planes import plane, random_direction
from linclass.landscape.sensitivity import sensitivity
from linclass.landscape.sharpness import sharpness
from linclass.landscape.surface import Surface, columns_of
from linclass.models.base import Batch
from linclass.models.linear import Linear
from linclass.models.losses import make_loss
from linclass.models.mlp import MLP
from linclass.params import Array, Params

SIZES = (6, 5, 4, 3)


def rows(n: int = 30, d: int = 6, C: int = 3) -> Inputs:
    generator = np.random.default_rng(0)
    return Inputs(Split(generator.normal(size=(n, d)), generator.integers(0, C, n)))


def mlp(K: int = 1, **options: object) -> MLP:
    return MLP.create(SIZES, seeds=range(K), **options)


def points(n: int) -> Array:
    theta: Array = mlp(n).params.flat
    return theta


# ---- surfaces, paths, planes -------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", [1, 3, 8])
def test_a_surface_is_the_models_own_loss_at_each_point(stack: int) -> None:
    theta, data = points(7), rows()
    values = Surface(mlp, data, stack=stack)(theta)
    for k, row in enumerate(theta):
        model = mlp()
        model.params.flat[0] = row
        loss, correct = model.loss_sums(data.split.x, data.split.y)
        assert values.loss[k] == pytest.approx(loss[0] / 30, abs=1e-12)
        assert values.accuracy[k] == correct[0] / 30


def test_a_two_parameter_models_plane_is_the_loss_computed_directly() -> None:
    """One input, one class would be constant: two classes whose scores are w x and -w x + b."""
    data = rows(20, 1, 2)
    u, v = np.array([1.0, -1, 0, 0]), np.array([0.0, 0, 0, 1])  # W (2, 1), then b (2,)
    grid = np.linspace(-2, 3, 9)
    found = plane(
        Surface(lambda K: Linear.create(1, 2, seeds=range(K)), data), np.zeros(4), u, v, grid, grid[:4]
    )
    x, y = data.split.x[:, 0], data.split.y
    for i, b in enumerate(grid[:4]):
        for j, w in enumerate(grid):
            scores = np.stack([w * x, b - w * x], axis=1)
            loss = np.mean(scipy.special.logsumexp(scores, axis=1) - scores[np.arange(20), y])
            assert found.loss[i, j] == pytest.approx(loss, abs=1e-12)
            assert found.accuracy[i, j] == np.mean(scores.argmax(axis=1) == y)


def test_a_path_begins_and_ends_at_its_models() -> None:
    one, two = points(2)
    a = alphas(-1, 2, 31)
    theta = between(one, two, a)
    np.testing.assert_array_equal(theta[a == 0][0], one)
    np.testing.assert_array_equal(theta[a == 1][0], two)
    np.testing.assert_allclose(theta[a == 2][0], 2 * two - one, atol=1e-14)
    surface = Surface(mlp, rows())
    np.testing.assert_allclose(surface(theta).loss[[10, 20]], surface(np.stack([one, two])).loss, rtol=1e-13)


@pytest.mark.parametrize(
    ("first", "last", "steps", "said"),
    [(2, -1, 61, "from 2 to -1: expected it to rise"), (0, 0, 9, "to rise"), (0, np.nan, 9, "to rise"),
     (0, 1, 1, "--steps is 1")],
)  # fmt: skip
def test_a_range_that_is_none(first: float, last: float, steps: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        alphas(first, last, steps)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(UsageError, match="3 and 4 parameters: expected as many of each"):
        between(np.zeros(3), np.zeros(4), np.zeros(2))
    with pytest.raises(UsageError, match="points of 5 parameters"):
        Surface(mlp, rows())(np.zeros((2, 5)))
    with pytest.raises(UsageError, match="without --batch-norm"):
        Surface(lambda K: mlp(K, batch_norm=True), rows())


def test_random_directions_have_the_length_of_the_filters() -> None:
    params = mlp().params
    d, blank = random_direction(params, 0, 1), mlp().params.zeros_like()
    blank.flat[0] = d
    for name, theta in params.items():
        if name.startswith("W"):
            lengths = np.linalg.norm(blank[name][0], axis=1)
            np.testing.assert_allclose(lengths, np.linalg.norm(theta[0], axis=1), rtol=1e-12)
        else:
            assert not blank[name].any()
    assert (d != random_direction(params, 0, 2)).any()


def test_rescaled_relu_networks_have_the_same_plane() -> None:
    """What the normalisation is for: W1 c and W2 / c are the same function, and have the same plane."""
    data, grid = rows(), np.linspace(-1, 1, 5)
    losses = []
    for c in (1.0, 8.0):
        params = mlp().params
        params["W1"][...] *= c
        params["W2"][...] /= c
        u, v = (random_direction(params, 0, i) for i in (0, 1))
        losses.append(plane(Surface(mlp, data), params.flat[0], u, v, grid, grid).loss)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)


# ---- PCA ---------------------------------------------------------------------------------------------------


@given(n=st.integers(4, 12), P=st.integers(3, 20), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_pca_agrees_with_the_eigenvectors_of_the_covariance(n: int, P: int, seed: int) -> None:
    X = np.random.default_rng(seed).normal(size=(n, P)) * np.linspace(1, 3, P)
    found = pca(X)
    variance, vectors = np.linalg.eigh(np.cov(X.T))
    order = np.argsort(-variance)[:2]
    np.testing.assert_allclose(found.explained, variance[order] / variance.sum(), rtol=1e-9)
    agreement = np.abs(np.sum(found.directions * vectors[:, order].T, axis=1))
    if variance[order[0]] - variance[order[1]] > 1e-3:
        np.testing.assert_allclose(agreement[0], 1, atol=1e-9)
    np.testing.assert_allclose(found.coordinates, (X - X.mean(axis=0)) @ found.directions.T, atol=1e-9)


def test_points_of_a_plane_are_kept_whole_and_too_few_are_said() -> None:
    generator = np.random.default_rng(0)
    X = 3 + generator.normal(size=(9, 2)) @ generator.normal(size=(2, 40))
    found = pca(X)
    assert found.explained.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.on_plane(), X, atol=1e-12)
    with pytest.raises(UsageError, match=r"1 points in the space.*--snapshot-every"):
        pca(X[:1])
    assert not pca(np.ones((4, 5))).explained.any()


# ---- sensitivity and sharpness -----------------------------------------------------------------------------


def numeric_jacobian(function, x: Array) -> Array:
    """`(outputs, d)` by central differences, of a function of one row."""
    h = 1e-6
    columns = [(function(x + h * e) - function(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky-relu", "identity"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_sensitivity_against_finite_differences(activation: str, batch_norm: bool) -> None:
    model, data = mlp(2, activation=activation, batch_norm=batch_norm, dropout=0.4), rows(4)
    for name, buffer in model.buffers.items():
        buffer[...] = np.random.default_rng(3).uniform(0.5, 2, buffer.shape) if "var" in name else 0.3
    found = sensitivity(model, data)
    for k in range(2):
        norms = np.zeros(3)
        for x, label in zip(data.split.x, data.split.y, strict=True):
            functions = (
                lambda z, label=label, k=k: model.loss(z[None], np.array([label]))[k : k + 1],
                lambda z, k=k: scipy.special.softmax(model.scores(z[None])[k, 0]),
                lambda z, k=k: model.scores(z[None])[k, 0].copy(),
            )
            norms += [np.linalg.norm(numeric_jacobian(function, x)) for function in functions]
        np.testing.assert_allclose([number[k] for number in found], norms / 4, rtol=1e-6)


def test_input_gradients_leave_the_gradients_alone_and_agree_with_torch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model, data = mlp(2), rows(8)
    model.backpropagate(data.split.x, data.split.y)
    before = model.grads.flat.copy()
    found = model.input_gradient(data.split.x, data.split.y)
    np.testing.assert_array_equal(model.grads.flat, before)
    for k in range(2):
        x = torch.tensor(data.split.x, requires_grad=True)
        a = x
        for number in (1, 2, 3):
            W, b = (torch.tensor(model.params[f"{name}{number}"][k]) for name in "Wb")
            a = a @ W.T + b
            a = torch.relu(a) if number < 3 else a
        torch.nn.functional.cross_entropy(a, torch.tensor(data.split.y)).backward()
        np.testing.assert_allclose(found[k], x.grad.numpy(), atol=1e-14)


def test_the_linear_models_sensitivity_is_the_norm_of_its_weights() -> None:
    model = Linear.create(6, 3, seeds=range(2))
    np.testing.assert_allclose(
        sensitivity(model, rows()).scores, np.linalg.norm(model.params["W"], axis=(1, 2)), rtol=1e-12
    )


class Bowl:
    """f(theta) = sum theta^2 / 2, whose maximum in a box is at the corner away from 0."""

    K, buffers = 2, Params({})

    def __init__(self) -> None:
        self.params, self.grads = Params({"W": (1, 3)}, 2), Params({"W": (1, 3)}, 2)
        self.params.flat[...] = np.array([[1.0, -2, 3], [0.5, 0.5, -0.5]])

    def backpropagate(self, x: Array, y: Array, *, step: int = 0) -> Batch:
        self.grads["W"][...] = self.params["W"]
        return Batch(np.sum(self.params.flat**2, axis=1) / 2, np.zeros(2))

    def penalty(self) -> Array:
        return np.zeros(2)

    def loss_sums(self, x: Array, y: Array) -> tuple[Array, Array]:
        return len(x) * self.backpropagate(x, y).loss, np.zeros(2)

    def total_weight(self, y: Array) -> float:
        return len(y)


def test_sharpness_of_a_bowl_is_known() -> None:
    bowl, epsilon = Bowl(), 0.01
    theta = bowl.params.flat.copy()
    found = sharpness(bowl, rows(), epsilon=epsilon, points=50)
    corner = theta + epsilon * (np.abs(theta) + 1) * np.sign(theta)
    f, top = (np.sum(z**2, axis=1) / 2 for z in (theta, corner))
    np.testing.assert_allclose(found.ascent, 100 * (top - f) / (1 + f), rtol=1e-12)
    assert np.all((found.random > 0) & (found.random < found.ascent))
    np.testing.assert_array_equal(bowl.params.flat, theta)


def test_sharpness_needs_a_box_and_no_batch_norm() -> None:
    with pytest.raises(UsageError, match="epsilon 0"):
        sharpness(mlp(), rows(), epsilon=0)
    with pytest.raises(UsageError, match="without --batch-norm"):
        sharpness(mlp(batch_norm=True), rows())


def test_layer_one_alone() -> None:
    model = mlp(2)
    kept = model.params.flat[:, columns_of(model, ("W1", "b1"))]
    np.testing.assert_array_equal(kept[:, :30], model.params["W1"].reshape(2, 30))
    assert kept.shape == (2, 35)


def test_the_loss_gradient_of_sums_is_n_times_larger() -> None:
    data = rows(8)
    mean, total = (mlp(loss=make_loss(reduction=r)) for r in ("mean", "sum"))
    x, y = data.split.x, data.split.y
    np.testing.assert_allclose(8 * mean.input_gradient(x, y).copy(), total.input_gradient(x, y), rtol=1e-12)
