"""The L2 penalty of K models: lambda * sum(W^2) over their weight matrices; nothing else is penalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linclass.params import Array, by_model


class Penalty:
    """See the module's docstring.

    Args:
        weights: the weight matrices, `(K, ...)` each.
        l2: lambda, one number or `(K,)`; kept as `(K,)` float64.
    """

    def __init__(self, weights: Sequence[Array], l2: Array | float) -> None:
        self._weights, K = weights, len(weights[0])
        self.l2 = np.full(K, l2, np.float64)
        self._is_zero, self._twice_l2 = not self.l2.any(), 2 * self.l2

    def __call__(self) -> Array:
        """`(K,)` float64: lambda * sum(W^2)."""
        total = np.zeros(len(self.l2))
        if not self._is_zero:
            for W in self._weights:
                flat = W.reshape(len(W), 1, -1)
                total += (flat @ flat.transpose(0, 2, 1)).ravel()
        return np.asarray(self.l2 * total)

    def add_gradient(self, grads: Sequence[Array]) -> None:
        """dW += 2 lambda W."""
        if not self._is_zero:
            for W, dW in zip(self._weights, grads, strict=True):
                for twice_l2, W_k, dW_k in by_model(self._twice_l2, W, dW):
                    dW_k += twice_l2 * W_k
