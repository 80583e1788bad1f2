"""Sensitivity: how much a network's answer moves when its input does. Three definitions, which disagree.

loss            mean_i ||d loss_i / d x_i||, of each row by itself; it falls to zero as the loss does
probabilities   mean_i ||d P(x_i) / d x_i||_F, the C x d Jacobian of the softmax: the usual definition
scores          mean_i ||d scores(x_i) / d x_i||_F, the same before the softmax, which does not saturate

Norms are Frobenius norms, of the input as the model sees it (scaled). All come from the model's own backward
pass, in evaluation mode.
Source: Novak et al., Sensitivity and generalization in neural networks, ICLR 2018.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from linclass.kernels import log_softmax
from linclass.landscape.surface import CHUNK, Rows
from linclass.models.network import Network
from linclass.params import Array


class Sensitivity(NamedTuple):
    """The three definitions, `(K,)` each: means over the rows of the Frobenius norms."""

    loss: Array
    probabilities: Array
    scores: Array


def sensitivity(model: Network, rows: Rows) -> Sensitivity:
    """All three, of K models. The model's loss must be a mean over the batch, not a sum."""
    sums = np.zeros((3, model.K))
    for x, y in rows.chunks(CHUNK):
        n = len(x)
        # row i of the mean loss's gradient is d(loss_i)/dx_i / n
        sums[0] += n * np.sqrt(_squares(model.input_gradient(x, y))).sum(axis=1)
        sums[1] += np.sqrt(_jacobian_squares(model, x, of_softmax=True)).sum(axis=1)
        sums[2] += np.sqrt(_jacobian_squares(model, x, of_softmax=False)).sum(axis=1)
    return Sensitivity(*sums / len(rows))


def _jacobian_squares(model: Network, x: Array, *, of_softmax: bool) -> Array:
    """`(K, n)` squared Frobenius norms of d outputs / d x: one backward pass for each output."""
    scores = model.scores(x)
    P = np.exp(log_softmax(scores, out=np.array(scores)))
    total = np.zeros(P.shape[:2])
    for c in range(P.shape[2]):
        dS = np.zeros_like(P)
        dS[:, :, c] = 1
        if of_softmax:  # dP_c/dS_e = P_c (1[c = e] - P_e)
            dS = P[:, :, c, None] * (dS - P)
        total += _squares(model.vector_jacobian(x, dS))
    return total


def _squares(gradient: Array) -> Array:
    """`(K, n)` sums over the last axis of `(K, n, d)`."""
    squares: Array = np.einsum("knd,knd->kn", gradient, gradient, dtype=np.float64)
    return squares
