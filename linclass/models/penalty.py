"""The L2 penalty of K models: lambda * sum(W^2) over their weight matrices; nothing else is penalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linclass.params import Array


def per_model(l2: Array | float, K: int) -> Array:
    """lambda as `(K,)` float64."""
    return np.broadcast_to(np.asarray(l2, dtype=np.float64), (K,))


def penalty(weights: Sequence[Array], l2: Array) -> Array:
    """`(K,)` float64: lambda * sum(W^2); weights `(K, ...)` each."""
    squares = [sum(float(np.vdot(W[k], W[k])) for W in weights) for k in range(len(l2))]
    return np.asarray(l2 * squares)


def add_gradient(weights: Sequence[Array], l2: Array, grads: Sequence[Array]) -> None:
    """dW += 2 lambda W."""
    for W, dW in zip(weights, grads, strict=True):
        for k, strength in enumerate(l2):
            if strength:
                dW[k] += dW.dtype.type(2 * strength) * W[k]
