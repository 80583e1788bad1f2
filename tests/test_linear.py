"""The linear softmax classifier against the textbook, scipy, and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from costs import cost
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.datasets.scale import Scaler
from linclass.models.linear import Linear, ScaledAffine
from linclass.models.losses import make_loss
from linclass.training.optim import sgd

pytestmark = pytest.mark.bits

STRENGTHS = np.array([0.0, 0.1, 1.0])


def data(n=7, d=5, C=4, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, d)), generator.integers(0, C, n)


def textbook(W, b, x, y, l2):
    """J, dJ/dW, dJ/db of one model with P = exp(S) / sum exp(S), a row at a time."""
    loss, dW, db = 0.0, 2 * l2 * W, np.zeros_like(b)
    for x_i, y_i in zip(x, y, strict=True):
        P = np.exp(W @ x_i + b)
        P /= P.sum()
        loss -= np.log(P[y_i]) / len(x)
        P[y_i] -= 1
        dW = dW + np.outer(P, x_i) / len(x)
        db = db + P / len(x)
    return loss + l2 * np.sum(W**2), dW, db


@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 9),
    d=st.integers(1, 6),
    C=st.integers(1, 5),
    K=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_cost_and_gradients_are_the_textbooks(n, d, C, K, seed):
    x, y = data(n, d, C, seed)
    l2 = np.linspace(0, 1, K)
    model = Linear.create(d, C, seeds=range(K), init_std=1.0, l2=l2)
    J = cost(model, x, y)
    assert J.dtype == np.float64
    for k in range(K):
        expected = textbook(model.W[k], model.b[k], x, y, l2[k])
        actual = (J[k], model.grads["W"][k], model.grads["b"][k])
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-13)


def test_scores_losses_and_counts_agree_with_scipy_and_with_each_other():
    x, y = data(n=50)
    model = Linear.create(5, 4, seeds=[1, 2, 3], init_std=1.0, l2=STRENGTHS)
    S = np.array(model.scores(x))
    assert S.shape == (3, 50, 4)
    np.testing.assert_allclose(S, np.einsum("kcd,nd->knc", model.W, x) + model.b[:, None], atol=1e-13)
    log_P = scipy.special.log_softmax(S, axis=2)
    loss, correct = model.loss_sums(x, y)
    np.testing.assert_allclose(loss, -log_P[:, range(50), y].sum(axis=1), rtol=1e-13)
    np.testing.assert_array_equal(correct, (S.argmax(axis=2) == y).sum(axis=1))
    np.testing.assert_allclose(model.loss(x, y), loss / 50, rtol=1e-15)
    batch = model.backpropagate(x, y)
    np.testing.assert_allclose(batch.loss, model.loss(x, y), rtol=1e-14)
    np.testing.assert_array_equal(batch.correct, correct)
    first, second = model.loss_sums(x[:20], y[:20]), model.loss_sums(x[20:], y[20:])
    np.testing.assert_allclose(first[0] + second[0], loss, rtol=1e-14)
    np.testing.assert_array_equal(first[1] + second[1], correct)


def test_a_stack_is_its_models_one_by_one():
    x, y = data()
    stack = Linear.create(5, 4, seeds=[3, 1, 2], l2=STRENGTHS)
    J = cost(stack, x, y)
    for k, seed in enumerate([3, 1, 2]):
        single = Linear.create(5, 4, seeds=[seed], l2=STRENGTHS[k])
        np.testing.assert_array_equal(single.W[0], stack.W[k])
        np.testing.assert_allclose(cost(single, x, y)[0], J[k], rtol=1e-13)
        np.testing.assert_allclose(single.grads["W"][0], stack.grads["W"][k], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(single.grads["b"][0], stack.grads["b"][k], rtol=1e-12, atol=1e-15)


def test_select_is_the_same_memory():
    x, y = data()
    stack = Linear.create(5, 4, seeds=[0, 1, 2], l2=STRENGTHS)
    one = stack.select(1)
    assert one.K == 1
    one.params["W"][0, 2, 3] = 42
    assert stack.W[1, 2, 3] == 42
    J = cost(one, x, y)
    kept = stack.grads["W"][1].copy()
    assert kept.any()
    assert not stack.grads["W"][[0, 2]].any()
    np.testing.assert_allclose(cost(stack, x, y)[1], J[0], rtol=1e-13)
    np.testing.assert_allclose(stack.grads["W"][1], kept, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(one.penalty()[0], stack.penalty()[1])
    assert one.select(0) is one


def test_gradients_are_overwritten_never_rebound():
    model = Linear.create(5, 4, seeds=[0, 1], l2=1.0)
    grads, flat = model.grads, model.grads.flat
    flat[:] = np.nan
    cost(model, *data())
    first = flat.copy()
    assert np.isfinite(first).all()
    cost(model, *data(seed=1))
    assert model.grads is grads
    assert grads.flat is flat
    assert (flat != first).all()
    cost(model, *data())
    np.testing.assert_array_equal(flat, first)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_scores_neither_overflow_nor_take_log_of_zero(dtype):
    model = Linear.create(1, 3, dtype=dtype)
    model.W[...] = np.array([[1e4], [0], [-1e4]])
    model.b[...] = 0
    x, y = np.array([[1.0], [1.0]], dtype), np.array([0, 2])
    J = cost(model, x, y)
    assert J[0] == pytest.approx(1e4)
    np.testing.assert_allclose(model.grads["W"][0].ravel(), [0.5, 0, -0.5], atol=1e-7)
    np.testing.assert_allclose(model.loss(x[:1], y[:1]), [0])


def test_the_penalty_is_lambda_sum_of_w_squared_without_biases_per_model():
    model = Linear.create(5, 4, seeds=[0, 1, 2], l2=STRENGTHS)
    expected = STRENGTHS * (model.W**2).sum(axis=(1, 2))
    np.testing.assert_allclose(model.penalty(), expected, rtol=1e-14)
    model.b[...] = 1e3
    np.testing.assert_allclose(model.penalty(), expected, rtol=1e-14)
    x, y = data()
    before = Linear.create(5, 4, seeds=[0, 1, 2])
    before.params.flat[:] = model.params.flat
    cost(model, x, y)
    cost(before, x, y)
    np.testing.assert_array_equal(model.grads["b"], before.grads["b"])
    penalty = 2 * STRENGTHS[:, None, None] * model.W
    np.testing.assert_allclose(model.grads["W"] - before.grads["W"], penalty, atol=1e-13)


def test_a_seed_starts_both_precisions_alike_and_has_the_asked_spread():
    double, single = (Linear.create(3072, 10, seeds=[7], dtype=t) for t in (np.float64, np.float32))
    np.testing.assert_array_equal(double.params.flat.astype(np.float32), single.params.flat)
    assert double.W.std() == pytest.approx(0.01, rel=0.02)
    assert 0.003 < double.b.std() < 0.02
    assert (double.W != Linear.create(3072, 10, seeds=[8]).W).all()


def test_it_has_no_buffers_and_any_loss():
    x, y = data()
    model = Linear.create(5, 4, seeds=[0, 1], init_std=1.0, loss=make_loss("svm"))
    assert not model.buffers
    assert not model.select(1).buffers
    S = np.array(model.scores(x))
    margins = np.maximum(0, S - S[:, range(7), y][..., None] + 1)
    np.testing.assert_allclose(cost(model, x, y), margins.sum(axis=2).mean(axis=1) - 1)
    np.testing.assert_allclose(cost(model.select(1), x, y), model.loss(x, y)[1:])
    assert model.layers()[1].tensors == ("W", "b")


@pytest.mark.parametrize("l2", [0.0, 0.1, 1.0])
def test_pytorch_takes_the_same_twenty_steps(l2):
    """weight_decay = 2 lambda on W, 0 on b: the update is the same, so the costs are."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    n, d, C, eta = 20, 30, 10, 0.05
    x, y = data(20 * n, d, C)
    model = Linear.create(d, C, l2=l2)
    layer = torch.nn.Linear(d, C, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(model.W[0]))
        layer.bias.copy_(torch.from_numpy(model.b[0]))
    theirs = torch.optim.SGD(
        [{"params": [layer.weight], "weight_decay": 2 * l2}, {"params": [layer.bias], "weight_decay": 0.0}],
        lr=eta,
    )
    ours = sgd()
    slots = ours.init(model.params)
    costs = []
    for step in range(20):
        x_batch, y_batch = x[step * n : (step + 1) * n], y[step * n : (step + 1) * n]
        J = cost(model, x_batch, y_batch, step=step)[0]
        ours.update(model.params, model.grads, slots, np.array([eta]), step)
        theirs.zero_grad()
        loss = torch.nn.functional.cross_entropy(layer(torch.from_numpy(x_batch)), torch.from_numpy(y_batch))
        loss.backward()
        costs.append((J, float(loss.detach()) + l2 * float((layer.weight.detach() ** 2).sum())))
        theirs.step()
    J, expected = np.array(costs).T
    assert np.abs(np.diff(J)).min() > 1e-4
    np.testing.assert_allclose(J, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.W[0], layer.weight.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.b[0], layer.bias.detach().numpy(), rtol=0, atol=1e-10)


def test_lambda_is_the_models_own() -> None:
    l2 = np.array([0.1, 0.2])
    model = Linear.create(4, 3, seeds=[0, 1], l2=l2)
    before = model.penalty()
    l2 *= 10
    np.testing.assert_array_equal(model.penalty(), before)
    with pytest.raises(AttributeError):
        model.l2 = l2


# ---- rows as they are stored -------------------------------------------------------------------------------

BYTES = np.random.default_rng(3).integers(0, 256, (60, 5), dtype=np.uint8)


def scaling_model(batch_size, dtype=np.float64):
    """Scales W where the batch is large, else the rows."""
    scaler = Scaler.fit(BYTES, "per-pixel")
    return Linear.create(5, 4, init_std=1.0, l2=0.1, scaler=scaler, batch_size=batch_size, dtype=dtype)


@pytest.mark.parametrize("batch_size", [19, 20])
def test_nothing_that_is_derived_from_the_weights_outlives_a_call(batch_size):
    """After the weights are changed by hand, every number is that of the new ones."""
    model, y = scaling_model(batch_size), np.arange(60) % 4
    scaled = (BYTES - BYTES.mean(0)) / BYTES.std(0)
    for _ in range(2):
        model.backpropagate(BYTES, y)
        model.W -= 0.1 * model.grads["W"]
        model.b += 0.5
        S = scaled @ model.W[0].T + model.b[0]
        np.testing.assert_allclose(model.scores(BYTES)[0], S, atol=1e-12)
        P = np.exp(S - S.max(1, keepdims=True))
        P /= P.sum(1, keepdims=True)
        model.backpropagate(BYTES, y)
        G = (P - np.eye(4)[y]) / 60
        np.testing.assert_allclose(model.grads["W"][0], G.T @ scaled + 0.2 * model.W[0], atol=1e-12)
        np.testing.assert_allclose(model.grads["b"][0], G.sum(0), atol=1e-12)


def test_the_batch_decides_what_is_scaled_and_floats_always_are():
    """Floats of a mean far above their spread: x (gain W)^T would lose what x W^T of scaled rows keeps."""
    assert not isinstance(scaling_model(19)._first, ScaledAffine)
    assert isinstance(scaling_model(20)._first, ScaledAffine)
    x = 1e6 + np.random.default_rng(4).normal(size=(60, 5))
    model = scaling_model(20, np.float32).remade(scaler=Scaler.fit(x, "per-pixel"))
    wanted = (x - x.mean(0)) / x.std(0) @ model.W[0].T + model.b[0]
    np.testing.assert_allclose(model.scores(x)[0], wanted, atol=1e-4)


def test_models_of_a_stack_share_the_memory_of_their_rows():
    stack = Linear.create(5, 4, seeds=[0, 1], scaler=Scaler.fit(BYTES, "unit"))
    for model in (stack, stack.select(0), stack.select(1)):
        np.testing.assert_allclose(model.scaled(BYTES), BYTES / 255)
        assert np.shares_memory(model.scaled(BYTES), stack.scaled(BYTES))
