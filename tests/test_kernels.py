"""The kernels, pair by pair, against scipy, PyTorch and the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from linclass import rng
from linclass.models import kernels
from linclass.models.kernels import ACTIVATIONS, stacked

pytestmark = pytest.mark.bits

DTYPES = [np.float32, np.float64]
HUGE = np.array([-1e38, -1e4, -88.8, -1.0, -1e-38, -0.0, 0.0, 1e-38, 0.5, 30.0, 709.0, 1e4, 1e38])

FORMULAS = {
    "relu": lambda z: np.where(z > 0, z, 0),
    "leaky-relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "sigmoid": scipy.special.expit,
    "tanh": np.tanh,
    "identity": lambda z: z,
}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def test_every_activation_has_a_formula_here():
    assert FORMULAS.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_their_formulas_without_overflow_in_their_buffer(name, dtype):
    z = np.concatenate([HUGE, normal(50)]).astype(dtype)
    out = np.empty_like(z)
    a = ACTIVATIONS[name].forward(z, out)
    assert a is out
    assert a.dtype == dtype
    # below 1e-37 float32 has lost digits of its own
    np.testing.assert_allclose(a, FORMULAS[name](z.astype(float)), rtol=5 * np.finfo(dtype).eps, atol=2e-38)
    in_place = z.copy()
    np.testing.assert_array_equal(ACTIVATIONS[name].forward(in_place, in_place), a)
    assert np.shares_memory(ACTIVATIONS[name].forward(in_place, in_place), in_place)


@settings(deadline=None, max_examples=30)
@given(z=hnp.arrays(np.float64, 5, elements=st.floats(-1e300, 1e300)))
def test_sigmoid_is_scipys_everywhere(z):
    np.testing.assert_allclose(
        kernels.sigmoid(z, np.empty(5)), scipy.special.expit(z), rtol=1e-14, atol=1e-307
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_backward_is_pytorchs_also_at_zero(name, dtype):
    torch = torch_module()
    functions = {
        "relu": torch.relu,
        "leaky-relu": torch.nn.functional.leaky_relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "identity": lambda t: 1 * t,
    }
    z, da = np.concatenate([HUGE, normal(50)]).astype(dtype), normal(len(HUGE) + 50, seed=1).astype(dtype)
    t = torch.tensor(z, requires_grad=True)
    functions[name](t).backward(torch.tensor(da))
    a = ACTIVATIONS[name].forward(z, np.empty_like(z))
    out = np.empty_like(z)
    assert ACTIVATIONS[name].backward(da, a, out) is out
    assert out.dtype == dtype
    np.testing.assert_allclose(out, t.grad.numpy(), rtol=1e-5 if dtype == np.float32 else 1e-13, atol=2e-38)
    in_place = da.copy()
    ACTIVATIONS[name].backward(in_place, a, in_place)
    np.testing.assert_array_equal(in_place, out)


def test_the_derivatives_at_zero_are_those_of_the_left():
    zero, one = np.zeros(1), np.ones(1)
    assert kernels.relu_backward(one, zero, np.empty(1)) == 0
    assert kernels.leaky_relu_backward(one, zero, np.empty(1)) == 0.01


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 5), d=st.integers(1, 4), C=st.integers(1, 4), K=st.integers(1, 3))
def test_affine_with_a_common_and_with_own_inputs(n, d, C, K):
    W, b, dS = normal(K, C, d), normal(K, C, seed=1), normal(n, K * C, seed=2)
    common = normal(n, d, seed=3)
    for x in (common, np.tile(common, K) + normal(n, K * d, seed=4)):
        each = stacked(x, K) if x.shape[1] == K * d else np.broadcast_to(x, (K, n, d))
        S = kernels.affine_forward(x, W, b, np.empty((n, K * C)))
        np.testing.assert_allclose(stacked(S, K), np.einsum("knd,kcd->knc", each, W) + b[:, None], atol=1e-13)
        dW, db = np.full_like(W, np.nan), np.full_like(b, np.nan)
        kernels.affine_backward(x, dS, dW, db)
        np.testing.assert_allclose(dW, np.einsum("knc,knd->kcd", stacked(dS, K), each), atol=1e-13)
        np.testing.assert_allclose(db, stacked(dS, K).sum(axis=1), atol=1e-13)
    dx = kernels.affine_backward_input(dS, W, np.empty((n, K * d)))
    np.testing.assert_allclose(stacked(dx, K), np.einsum("knc,kcd->knd", stacked(dS, K), W), atol=1e-13)


def test_stacked_is_the_same_memory():
    a = normal(4, 6)
    view = stacked(a, 3)
    assert view.shape == (3, 4, 2)
    assert np.shares_memory(view, a)
    np.testing.assert_array_equal(view[1], a[:, 2:4])


# ---- dropout -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_dropout_mask_keeps_the_mean_and_is_the_same_in_both_precisions(p):
    def generator():
        return rng.generator(0, "dropout", 3, 1)

    mask = kernels.dropout_mask(generator(), p, np.empty((200, 300)))
    assert set(np.unique(mask)) == {0, 1 / (1 - p)}
    # six standard errors of the mean of 60,000 of them
    assert abs(mask.mean() - 1) < 6 * np.sqrt(p / (1 - p) / mask.size)
    single = kernels.dropout_mask(generator(), p, np.empty((200, 300), np.float32))
    np.testing.assert_array_equal(single > 0, mask > 0)


# ---- batch normalisation -------------------------------------------------------------------------------


def batch_norm(z, K, gamma=None, beta=None):
    gamma = np.ones((K, z.shape[1] // K), z.dtype) if gamma is None else gamma
    beta = np.zeros_like(gamma) if beta is None else beta
    u, out = np.empty_like(z), np.empty_like(z)
    return u, kernels.batch_norm_forward(z, gamma, beta, u, out), out


def test_batch_norm_gives_every_column_mean_beta_and_variance_gamma_squared():
    z = 5 + 3 * normal(40, 6)
    gamma, beta = normal(2, 3, seed=1), normal(2, 3, seed=2)
    _, statistics, out = batch_norm(z, 2, gamma, beta)
    np.testing.assert_allclose(statistics.mean, z.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(statistics.variance, z.var(axis=0), rtol=1e-13)
    np.testing.assert_allclose(out.mean(axis=0), beta.ravel(), atol=1e-13)
    np.testing.assert_allclose(out.std(axis=0), np.abs(gamma.ravel()), rtol=1e-5)
    # and shift and scale of what comes in do not matter
    np.testing.assert_allclose(batch_norm(100 + 1e3 * z, 2, gamma, beta)[2], out, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [2, 17])
def test_batch_norm_is_pytorchs_forward_and_backward(n, dtype):
    torch = torch_module()
    z, dy = (2 + 3 * normal(n, 6)).astype(dtype), normal(n, 6, seed=1).astype(dtype)
    gamma, beta = (normal(2, 3, seed=s).astype(dtype) for s in (2, 3))
    t, g, b = (torch.tensor(a, requires_grad=True) for a in (z, gamma.ravel(), beta.ravel()))
    y = torch.nn.functional.batch_norm(t, None, None, g, b, training=True)
    y.backward(torch.tensor(dy))
    u, statistics, out = batch_norm(z.copy(), 2, gamma, beta)
    dgamma, dbeta, dz = np.empty_like(gamma), np.empty_like(beta), dy.copy()
    assert kernels.batch_norm_backward(dz, u, statistics.variance, gamma, dgamma, dbeta, dz) is dz
    tolerance = {"rtol": 1e-10, "atol": 1e-10} if dtype == np.float64 else {"rtol": 2e-4, "atol": 2e-5}
    for ours, theirs in ((out, y.detach()), (dz, t.grad), (dgamma.ravel(), g.grad), (dbeta.ravel(), b.grad)):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs.numpy(), **tolerance)


def test_batch_norm_in_place_and_of_constant_columns_and_of_one_row():
    z = normal(9, 4)
    _, _, out = batch_norm(z.copy(), 1)
    kernels.batch_norm_forward(z, np.ones((1, 4)), np.zeros((1, 4)), np.empty_like(z), z)
    np.testing.assert_array_equal(z, out)
    for rows in (np.full((9, 4), 1e6), normal(1, 4)):
        u, statistics, out = batch_norm(rows, 1)
        assert not out.any()
        dy, dgamma = normal(len(rows), 4), np.empty((1, 4))
        gamma, dbeta = np.ones((1, 4)), np.empty((1, 4))
        dz = kernels.batch_norm_backward(dy, u, statistics.variance, gamma, dgamma, dbeta, dy)
        assert np.isfinite(dz).all()
        assert not dgamma.any()


# ---- log-softmax ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_softmax_is_scipys_also_where_exp_overflows(dtype):
    scores = np.stack([HUGE, HUGE[::-1], normal(len(HUGE)), np.zeros(len(HUGE))]).astype(dtype)
    expected = scipy.special.log_softmax(scores.astype(float), axis=-1)
    np.testing.assert_allclose(
        kernels.log_softmax(scores, out=np.empty_like(scores)), expected, rtol=2e-6, atol=1e-6
    )
    np.testing.assert_allclose(kernels.log_softmax(scores, out=scores), expected, rtol=2e-6, atol=1e-6)
