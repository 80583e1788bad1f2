"""In-place forward/backward pairs. Every one writes into the buffer it is given; none allocates.

Rows are samples; K models stand side by side in the columns: scores are `(n, K*C)`.
"""

from __future__ import annotations

from typing import Any

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


def affine_forward(x: Array, W: Array, b: Array, out: Array) -> Array:
    """S = x W^T + b, for K models in one product.

    x `(n, d)`, W `(K, C, d)`, b `(K, C)`, out `(n, K*C)`.
    """
    K, C, d = W.shape
    np.matmul(x, W.reshape(K * C, d).T, out=out)
    out += b.reshape(K * C)
    return out


def affine_backward(x: Array, dS: Array, dW: Array, db: Array) -> None:
    """dW = dS^T x, db = column sums of dS; dS `(n, K*C)`, dW `(K, C, d)`, db `(K, C)` are overwritten."""
    K, C, d = dW.shape
    np.matmul(dS.T, x, out=dW.reshape(K * C, d))
    np.sum(dS, axis=0, out=db.reshape(K * C))


def log_softmax(scores: Array, out: Array) -> Array:
    """log P = s - max(s) - log sum exp(s - max(s)) along the last axis; neither overflow nor log 0.

    `out` may be `scores` itself.
    """
    np.subtract(scores, scores.max(axis=-1, keepdims=True), out=out)
    out -= np.log(np.exp(out).sum(axis=-1, keepdims=True))
    return out
