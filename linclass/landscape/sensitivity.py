"""Sensitivity: how much a network's answer moves when its input does. Three definitions, which disagree.

loss            mean_i ||d loss_i / d x_i||, of each row by itself; it falls to zero as the loss does. Class
                weights weigh the rows of this mean as they do those of the loss
probabilities   mean_i ||d P(x_i) / d x_i||_F, the C x d Jacobian of the softmax: the usual definition;
                with binary cross-entropy P are the sigmoids over their sum, of a regression there are none
scores          mean_i ||d scores(x_i) / d x_i||_F, the same before the softmax, which does not saturate

Norms are Frobenius norms, of the input as the model sees it (scaled). All come from the model's own backward
pass, in evaluation mode.
Source: Novak et al., Sensitivity and generalization in neural networks, ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from linclass.landscape.surface import CHUNK, Rows
from linclass.models.kernels import log_softmax, sigmoid
from linclass.models.network import Network
from linclass.params import Array


class Sensitivity(NamedTuple):
    """The three definitions, `(K,)` each: means over the rows of the Frobenius norms. NaN: not defined."""

    loss: Array
    probabilities: Array
    scores: Array


def sensitivity(model: Network, rows: Rows, *, loss: str = "softmax") -> Sensitivity:
    """All three, of K models. The model's loss must be a mean over the batch, not a sum.

    loss: the name of the one it was trained with, which decides what the probabilities are.
    """
    sums, total = np.zeros((3, model.K)), 0.0
    for x, y in rows.chunks(CHUNK):
        weight = model.total_weight(y)
        total += weight
        # row i of the mean loss's gradient is w_i d(loss_i)/dx_i / sum_i w_i
        sums[0] += weight * np.sqrt(_squares(model.input_gradient(x, y))).sum(axis=1)
        sums[1] += np.sqrt(_jacobian_squares(model, x, _of_probabilities(loss))).sum(axis=1)
        sums[2] += np.sqrt(_jacobian_squares(model, x, _of_scores)).sum(axis=1)
    return Sensitivity(sums[0] / total, *sums[1:] / len(rows))


Jacobian = Callable[[Array, int], Array]
"""Scores `(K, n, C)` float64 and c -> d(output c)/d(scores) `(K, n, C)`."""


def _of_scores(scores: Array, c: int) -> Array:
    """dS_c/dS_e = 1[c = e]."""
    return np.broadcast_to(np.arange(scores.shape[2]) == c, scores.shape).astype(np.float64)


def _of_softmax(scores: Array, c: int) -> Array:
    """dP_c/dS_e = P_c (1[c = e] - P_e)."""
    P = np.exp(log_softmax(scores, out=scores.copy()))
    return np.asarray(P[:, :, c, None] * (_of_scores(scores, c) - P))


def _of_sigmoids(scores: Array, c: int) -> Array:
    """With p = sigmoid(S) and P_c = p_c / sum p: dP_c/dS_e = P_c (1[c = e] - P_e) (1 - p_e)."""
    log_p = -np.logaddexp(0, -scores)
    return _of_softmax(log_p, c) * sigmoid(-scores, out=np.empty_like(scores))


def _of_nothing(scores: Array, c: int) -> Array:
    return np.full_like(scores, np.nan)


def _of_probabilities(loss: str) -> Jacobian:
    """The derivative of what `evaluation.probabilities_of` says."""
    return {"bce": _of_sigmoids, "squared": _of_nothing}.get(loss, _of_softmax)


def _jacobian_squares(model: Network, x: Array, jacobian: Jacobian) -> Array:
    """`(K, n)` squared Frobenius norms of d outputs / d x: one backward pass for each output."""
    scores = np.array(model.scores(x), np.float64)
    total = np.zeros(scores.shape[:2])
    for c in range(scores.shape[2]):
        total += _squares(model.vector_jacobian(x, jacobian(scores, c)))
    return total


def _squares(gradient: Array) -> Array:
    """`(K, n)` sums over the last axis of `(K, n, d)`."""
    squares: Array = np.einsum("knd,knd->kn", gradient, gradient, dtype=np.float64)
    return squares
