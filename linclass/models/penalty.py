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
    total = np.zeros(len(l2))
    if l2.any():
        for W in weights:
            flat = W.reshape(len(W), 1, -1)
            total += (flat @ flat.transpose(0, 2, 1)).ravel()
    return np.asarray(l2 * total)


def add_gradient(weights: Sequence[Array], l2: Array, grads: Sequence[Array]) -> None:
    """dW += 2 lambda W."""
    if l2.any():
        for W, dW in zip(weights, grads, strict=True):
            dW += (2 * l2).astype(dW.dtype)[:, None, None] * W
