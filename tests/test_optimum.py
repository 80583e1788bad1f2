"""The minimum found by L-BFGS-B, against an independent Newton solver and against what convexity promises."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from costs import cost
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.analysis.optimum import gap, minimise
from linclass.errors import DivergedError, UsageError
from linclass.models.linear import Linear
from linclass.models.losses import make_loss

N, D, C = 60, 5, 3


class Split:
    """Rows in memory."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def chunks(self, size):
        for start in range(0, len(self), size):
            yield self.x[start : start + size], self.y[start : start + size]


@pytest.fixture(scope="module")
def rows():
    """Classes that overlap, so that lambda = 0 has a finite minimum too."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(N, D))
    y = (x @ generator.normal(size=(D, C)) + 2 * generator.normal(size=(N, C))).argmax(axis=1)
    return Split(x, y)


def textbook(theta, x, y, l2):
    """J, gradient and Hessian, written from the formula: theta is W row by row, then b."""
    n, d = x.shape
    W, b = theta[: C * d].reshape(C, d), theta[C * d :]
    S = x @ W.T + b
    P, Y = scipy.special.softmax(S, axis=1), np.eye(C)[y]
    J = -np.mean(np.sum(Y * scipy.special.log_softmax(S, axis=1), axis=1)) + l2 * np.sum(W**2)
    gradient = np.concatenate([((P - Y).T @ x / n + 2 * l2 * W).ravel(), (P - Y).mean(axis=0)])
    x1 = np.hstack([x, np.ones((n, 1))])
    curvature = np.einsum("nc,ce->nce", P, np.eye(C)) - np.einsum("nc,ne->nce", P, P)
    H = np.einsum("nce,ni,nj->ciej", curvature, x1, x1) / n
    H = np.concatenate(
        [np.concatenate([H[:, :d, :, :d].reshape(C * d, C * d), H[:, :d, :, d].reshape(C * d, C)], axis=1),
         np.concatenate([H[:, d, :, :d].reshape(C, C * d), H[:, d, :, d]], axis=1)]
    )  # fmt: skip
    H[range(C * d), range(C * d)] += 2 * l2
    return J, gradient, H


def newton(x, y, l2):
    theta = np.zeros(C * D + C)
    for _ in range(50):
        _, gradient, H = textbook(theta, x, y, l2)
        theta -= np.linalg.pinv(H, rcond=1e-10, hermitian=True) @ gradient
    return theta


@pytest.mark.parametrize("l2", [0.0, 0.01, 1.0])
def test_agrees_with_newtons_method_on_a_textbook_implementation(rows, l2):
    theta = newton(rows.x, rows.y, l2)
    J, gradient, _ = textbook(theta, rows.x, rows.y, l2)
    assert np.linalg.norm(gradient) < 1e-13
    optimum = minimise(Linear.create(D, C, l2=l2), rows)
    assert optimum.converged
    assert optimum.message.startswith("converged: gradient norm")
    assert optimum.cost == pytest.approx(J, abs=1e-13)
    W = optimum.params["W"] - optimum.params["W"].mean(
        axis=1
    )  # at lambda = 0 W too is free along one direction
    best = theta[: C * D].reshape(C, D)
    np.testing.assert_allclose(W[0], best - best.mean(axis=0), atol=2e-5)
    b, best = optimum.params["b"][0], theta[C * D :]
    np.testing.assert_allclose(b - b.mean(), best - best.mean(), atol=2e-5)


def test_the_textbook_gradient_and_hessian_are_right(rows):
    theta = np.random.default_rng(0).normal(size=C * D + C)
    f = [lambda t, i=i: textbook(t, rows.x, rows.y, 0.3)[i] for i in range(3)]
    assert scipy.optimize.check_grad(f[0], f[1], theta) < 1e-6
    np.testing.assert_allclose(scipy.optimize.approx_fprime(theta, f[1]), f[2](theta), atol=1e-6)


def test_the_gradient_vanishes_at_the_optimum_and_the_model_stays_there(rows):
    model = Linear.create(D, C, l2=1.0)
    optimum = minimise(model, rows)
    assert optimum.gradient_norm <= 1e-7
    np.testing.assert_array_equal(model.params.flat, optimum.params.flat)
    assert not np.shares_memory(model.params.flat, optimum.params.flat)
    J = cost(model, rows.x, rows.y)
    assert np.linalg.norm(model.grads.flat) == pytest.approx(optimum.gradient_norm, abs=1e-12)
    assert J[0] == pytest.approx(optimum.cost, abs=1e-14)
    assert optimum.loss == pytest.approx(model.loss(rows.x, rows.y)[0], abs=1e-14)


def test_no_nearby_point_costs_less(rows):
    model = Linear.create(D, C, l2=0.1)
    optimum = minimise(model, rows)
    generator = np.random.default_rng(3)
    for scale in (1e-3, 0.1, 1.0):
        model.params.flat[:] = optimum.params.flat + scale * generator.normal(size=model.params.size)
        assert cost(model, rows.x, rows.y)[0] > optimum.cost


def test_two_starts_end_at_the_same_weights(rows):
    a, b = (minimise(Linear.create(D, C, seeds=[s], init_std=1.0, l2=0.1), rows) for s in (1, 2))
    np.testing.assert_allclose(a.params["W"], b.params["W"], atol=1e-6)
    apart = gap(b.cost, b.params, a)
    assert abs(apart.cost) < 1e-13
    assert apart.distance < 1e-5


def test_the_gap_counts_a_shift_of_all_biases_as_nothing(rows):
    model = Linear.create(D, C, l2=0.1)
    optimum = minimise(model, rows)
    model.params["b"][...] += 7.0
    at_optimum = gap(float(cost(model, rows.x, rows.y)[0]), model.params, optimum)
    assert at_optimum.distance < 1e-12
    assert abs(at_optimum.cost) < 1e-13
    model.params["W"][0, 1, 2] += 3.0
    away = gap(float(cost(model, rows.x, rows.y)[0]), model.params, optimum)
    assert away.distance == pytest.approx(3.0)
    assert away.cost > 0


@settings(deadline=None, max_examples=8)
@given(chunk_size=st.integers(1, 2 * N), shape=st.tuples(st.integers(1, 5), st.integers(2, 4)))
def test_chunks_change_nothing_but_rounding(chunk_size, shape):
    d, C = shape
    generator = np.random.default_rng(d)
    rows = Split(generator.normal(size=(N, d)), generator.integers(0, C, N))
    whole = minimise(Linear.create(d, C, l2=0.1), rows, chunk_size=N)
    parts = minimise(Linear.create(d, C, l2=0.1), rows, chunk_size=chunk_size)
    assert parts.converged
    assert parts.cost == pytest.approx(whole.cost, abs=1e-13)
    np.testing.assert_allclose(parts.params["W"], whole.params["W"], atol=2e-6)


def test_too_few_iterations_are_reported(rows):
    seen = []
    optimum = minimise(
        Linear.create(D, C, l2=0.01), rows, max_iterations=3, progress=lambda *now: seen.append(now)
    )
    assert not optimum.converged
    assert optimum.iterations == 3
    assert optimum.message.startswith("not converged: gradient norm")
    assert "more iterations" in optimum.message
    assert [number for number, _, _ in seen] == [1, 2, 3]
    costs = [cost for _, cost, _ in seen]
    assert costs == sorted(costs, reverse=True)
    assert seen[-1][1:] == (optimum.cost, optimum.gradient_norm)


def test_an_impossible_tolerance_ends_at_rounding_and_says_so(rows):
    optimum = minimise(Linear.create(D, C, l2=1.0), rows, gradient_tolerance=1e-300)
    assert not optimum.converged
    assert optimum.gradient_norm < 1e-6
    assert "rounding" in optimum.message


@pytest.mark.parametrize("gradient_tolerance", [1e-7, 1e-2])
def test_separable_data_without_penalty_have_no_minimum(gradient_tolerance):
    x = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    optimum = minimise(
        Linear.create(1, 2), Split(x, np.array([0, 0, 1, 1])), gradient_tolerance=gradient_tolerance
    )
    assert not optimum.converged
    assert "no finite minimum" in optimum.message


def test_what_cannot_be_minimised_is_refused(rows):
    with pytest.raises(UsageError, match="float64"):
        minimise(Linear.create(D, C, dtype=np.float32), rows)
    stack = Linear.create(D, C, seeds=[1, 2])
    with pytest.raises(UsageError, match="K = 2"):
        minimise(stack, rows)
    with pytest.raises(UsageError, match="no rows"):
        minimise(Linear.create(D, C), Split(rows.x[:0], rows.y[:0]))
    with pytest.raises(UsageError, match="positive"):
        minimise(Linear.create(D, C), rows, max_iterations=0)
    model = Linear.create(D, C)
    model.params["W"][...] = np.nan
    with pytest.raises(DivergedError, match="nan"):
        minimise(model, rows)


def test_label_smoothing_has_a_finite_minimum_where_the_classes_are_separated():
    """C classes told apart by C columns: at the minimum P = Y, so that the cost is Y's entropy."""
    s = 0.3
    split = Split(np.eye(C), np.arange(C))
    found = {
        smoothing: minimise(
            Linear.create(C, C, init_std=0.0, loss=make_loss(label_smoothing=smoothing)),
            split,
            smoothed=smoothing > 0,
        )
        for smoothing in (0.0, s)
    }
    assert found[s].converged
    Y = np.array([1 - s + s / C, *[s / C] * (C - 1)])
    assert found[s].cost == pytest.approx(-np.sum(Y * np.log(Y)), abs=1e-9)
    assert not found[0.0].converged
    assert "no finite minimum" in found[0.0].message


@pytest.mark.parametrize("weights", ["balanced", {0: 1.0, 1: 5.0, 2: 0.5}], ids=str)
def test_class_weights_have_scikit_learns_minimum(rows, weights):
    """scikit-learn's J: C sum(w loss) + sum(W^2) / 2 = C sum(w) (loss + sum(W^2) / (2 C sum(w)))."""
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    counts = np.bincount(rows.y)
    w = N / (C * counts) if weights == "balanced" else np.array([*weights.values()])
    l2 = 0.1
    theirs = linear_model.LogisticRegression(
        C=1 / (2 * l2 * w[rows.y].sum()), class_weight=weights, tol=1e-10, max_iter=1000
    ).fit(rows.x, rows.y)
    for chunk_size in (N, 7):
        model = Linear.create(D, C, l2=l2, loss=make_loss(class_weights=w))
        found = minimise(model, rows, chunk_size=chunk_size)
        assert found.converged
        np.testing.assert_allclose(model.W[0], theirs.coef_, atol=1e-6)
        b = theirs.intercept_ - theirs.intercept_.mean()
        np.testing.assert_allclose(model.b[0] - model.b[0].mean(), b, atol=1e-6)
