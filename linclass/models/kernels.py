"""In-place forward/backward pairs. Every one writes into the buffer it is given.

Rows are samples; K models stand side by side in the columns: activations are `(n, K*units)`, and
`stacked` shows the same memory as `(K, n, units)`. Out and input may be the same buffer unless said.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from linclass.params import Array


class Workspace:
    """Scratch buffers by name and shape, made once and used again at every step."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._buffers: dict[tuple[str, tuple[int, ...]], Array] = {}

    def get(self, name: str, *shape: int) -> Array:
        """The buffer of that name and shape; its contents are whatever was left there."""
        key = (name, shape)
        if key not in self._buffers:
            self._buffers[key] = np.empty(shape, self.dtype)
        return self._buffers[key]


def stacked(a: Array, K: int) -> Array:
    """`(n, K*units)`, contiguous, as the view `(K, n, units)`."""
    view: Array = a.reshape(len(a), K, -1).transpose(1, 0, 2)
    return view


# ---- affine ------------------------------------------------------------------------------------------------


def affine_forward(x: Array, W: Array, b: Array, out: Array) -> Array:
    """S = x W^T + b.

    x `(n, d)`, common to all models (then K models are one product), or `(n, K*d)`, to each its own.
    W `(K, C, d)`, b `(K, C)`, out `(n, K*C)`, another buffer than x.
    """
    K, C, d = W.shape
    if d == 1:
        # one term to add up: multiplying is faster than a product, to the same bits
        np.multiply(x[:, :, None], W[:, :, 0], out=out.reshape(len(x), K, C))
    elif x.shape[1] == d:
        np.matmul(x, W.reshape(K * C, d).T, out=out)
    else:
        np.matmul(stacked(x, K), W.transpose(0, 2, 1), out=stacked(out, K))
    out += b.reshape(K * C)
    return out


def affine_backward(x: Array, dS: Array, dW: Array, db: Array) -> None:
    """dW = dS^T x, db = column sums of dS; dS `(n, K*C)`, dW `(K, C, d)`, db `(K, C)` are overwritten."""
    K, C, d = dW.shape
    if x.shape[1] == d:
        # one product; with several models dW is not contiguous, and a reshape of it would be a copy
        np.copyto(dW, (dS.T @ x).reshape(K, C, d)) if K > 1 else np.matmul(dS.T, x, out=dW[0])
    else:
        np.matmul(stacked(dS, K).transpose(0, 2, 1), stacked(x, K), out=dW)
    np.matmul(_ones(len(dS), dS.dtype), stacked(dS, K), out=db[:, None])


@functools.lru_cache(maxsize=16)
def _ones(n: int, dtype: np.dtype[Any]) -> Array:
    """A row of n ones."""
    return np.ones((1, n), dtype)


def affine_backward_input(dS: Array, W: Array, out: Array) -> Array:
    """dx = dS W, for an x that each model has its own of; out `(n, K*d)`, another buffer than dS."""
    K, C, d = W.shape
    if C == 1:
        # as in `affine_forward`
        np.multiply(dS[:, :, None], W[:, 0], out=out.reshape(len(dS), K, d))
    else:
        np.matmul(stacked(dS, K), W, out=stacked(out, K))
    return out


# ---- activations -------------------------------------------------------------------------------------------

LEAKY_SLOPE = 0.01


class Activation(NamedTuple):
    """a = f(z) and dz = da f'(z), where f' is written in terms of a, so that z need not be kept."""

    forward: Callable[[Array, Array], Array]
    """(z, out) -> out = f(z)."""
    backward: Callable[[Array, Array, Array], Array]
    """(da, a, out) -> out = da f'(z); out may be da."""


def relu(z: Array, out: Array) -> Array:
    """max(0, z)."""
    # numpy takes the larger of two arrays sooner than the larger of an array and a number
    return np.asarray(np.maximum(z, np.zeros(z.shape[-1], z.dtype), out=out))


def relu_backward(da: Array, a: Array, out: Array) -> Array:
    """f' = 1 where z > 0, else 0: f'(0) = 0."""
    return np.asarray(np.multiply(da, a > 0, out=out))


def leaky_relu(z: Array, out: Array) -> Array:
    """z where z > 0, else 0.01 z."""
    return np.asarray(np.maximum(z, LEAKY_SLOPE * z, out=out))


def leaky_relu_backward(da: Array, a: Array, out: Array) -> Array:
    """f' = 1 where z > 0, else 0.01."""
    slope = np.multiply(a > 0, 1 - LEAKY_SLOPE, dtype=a.dtype)
    slope += LEAKY_SLOPE
    return np.asarray(np.multiply(da, slope, out=out))


def sigmoid(z: Array, out: Array) -> Array:
    """1 / (1 + exp(-z)); -z is cut off just below where exp overflows, at values of about 1e-308 (1e-38)."""
    np.negative(z, out=out)
    np.minimum(out, np.log(np.finfo(out.dtype).max) - 1, out=out)
    np.exp(out, out=out)
    out += 1
    return np.asarray(np.reciprocal(out, out=out))


def sigmoid_backward(da: Array, a: Array, out: Array) -> Array:
    """f' = a (1 - a)."""
    return np.asarray(np.multiply(da, a * (1 - a), out=out))


def tanh(z: Array, out: Array) -> Array:
    """tanh(z)."""
    return np.asarray(np.tanh(z, out=out))


def tanh_backward(da: Array, a: Array, out: Array) -> Array:
    """f' = 1 - a^2."""
    return np.asarray(np.multiply(da, 1 - a * a, out=out))


def identity(z: Array, out: Array) -> Array:
    """z."""
    if out is not z:
        np.copyto(out, z)
    return out


def identity_backward(da: Array, a: Array, out: Array) -> Array:
    """f' = 1."""
    return identity(da, out)


ACTIVATIONS = {
    "relu": Activation(relu, relu_backward),
    "leaky-relu": Activation(leaky_relu, leaky_relu_backward),
    "sigmoid": Activation(sigmoid, sigmoid_backward),
    "tanh": Activation(tanh, tanh_backward),
    "identity": Activation(identity, identity_backward),
}


# ---- dropout -----------------------------------------------------------------------------------------------


def dropout_mask(generator: np.random.Generator, p: float, out: Array) -> Array:
    """0 with probability p, else 1 / (1 - p): what is multiplied by it keeps its mean.

    Drawn in float32 whatever the precision, so that both precisions drop the same units.
    Source: Srivastava et al., JMLR 15 (2014), in its inverted form.
    """
    np.greater_equal(generator.random(out.shape, np.float32), np.float32(p), out=out)
    out *= 1 / (1 - p)
    return out


# ---- batch normalisation -----------------------------------------------------------------------------------

BATCH_NORM_EPS = 1e-5


class BatchStatistics(NamedTuple):
    """Of the rows of a batch, column by column `(K*units,)`: mean and (biased) variance."""

    mean: Array
    variance: Array


def batch_norm_forward(z: Array, gamma: Array, beta: Array, normalised: Array, out: Array) -> BatchStatistics:
    """out = gamma u + beta with u = (z - mean) / sqrt(variance + eps), mean and variance over the rows.

    z, normalised, out `(n, K*units)`; gamma, beta `(K, units)`. normalised, which must be another buffer than
    z and out, receives u: the backward pass needs it.
    Source: Ioffe and Szegedy, arXiv:1502.03167.
    """
    mean = z.mean(axis=0)
    np.subtract(z, mean, out=normalised)
    variance = np.einsum("nc,nc->c", normalised, normalised) / len(z)
    normalised /= np.sqrt(variance + BATCH_NORM_EPS)
    np.multiply(normalised, gamma.ravel(), out=out)
    out += beta.ravel()
    return BatchStatistics(mean, variance)


def batch_norm_backward(
    dy: Array, normalised: Array, variance: Array, gamma: Array, dgamma: Array, dbeta: Array, out: Array
) -> Array:
    """dz = gamma / sqrt(variance + eps) (dy - mean(dy) - u mean(dy u)); dgamma = sum(dy u), dbeta = sum(dy).

    The means are the derivatives through the batch's own mean and variance. dgamma and dbeta are
    overwritten, and so is normalised: the pass has no more use for it. out may be dy.
    """
    n = len(dy)
    dbeta[...] = np.sum(dy, axis=0).reshape(dbeta.shape)
    dgamma[...] = np.einsum("nc,nc->c", dy, normalised).reshape(dgamma.shape)
    normalised *= dgamma.ravel() / n
    np.subtract(dy, dbeta.ravel() / n, out=out)
    out -= normalised
    out *= gamma.ravel() / np.sqrt(variance + BATCH_NORM_EPS)
    return out


def batch_norm_evaluate(
    z: Array, gamma: Array, beta: Array, mean: Array, variance: Array, out: Array
) -> Array:
    """out = gamma (z - mean) / sqrt(variance + eps) + beta with given statistics; all four `(K, units)`."""
    np.subtract(z, mean.ravel(), out=out)
    out *= (gamma / np.sqrt(variance + BATCH_NORM_EPS)).ravel()
    out += beta.ravel()
    return out


# ---- what the losses need ----------------------------------------------------------------------------------


def log_softmax(scores: Array, out: Array, axis: int = -1) -> Array:
    """log P = s - max(s) - log sum exp(s - max(s)) along the axis of the classes; neither overflow nor log 0.

    `out` may be `scores` itself.
    """
    np.subtract(scores, scores.max(axis=axis, keepdims=True), out=out)
    out -= np.log(np.exp(out).sum(axis=axis, keepdims=True))
    return out
