"""The linear softmax classifier: P = softmax(x W^T + b), J = loss + lambda * sum(W^2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from linclass import kernels, losses, rng
from linclass.models.base import Batch
from linclass.params import Array, Params, ParamsView


class Linear:
    """K linear classifiers on d features and C classes.

    Args:
        params: W `(K, C, d)` and b `(K, C)`.
        l2: lambda, one number or `(K,)`.
        grads: where the gradients go, laid out like `params`; made if None.
    """

    def __init__(
        self,
        params: Params | ParamsView,
        *,
        l2: Array | float = 0.0,
        grads: Params | ParamsView | None = None,
    ) -> None:
        self.params = params
        if grads is None:
            if not isinstance(params, Params):
                raise TypeError("a view of parameters needs its gradients given")
            grads = params.zeros_like()
        self.grads = grads
        self.buffers: Mapping[str, Array] = {}
        self.W, self.b = params["W"], params["b"]
        self.l2 = np.broadcast_to(np.asarray(l2, dtype=np.float64), (self.K,))
        self.batch = Batch(np.zeros(self.K), np.zeros(self.K, np.int64))
        self._work = kernels.Workspace(self.W.dtype)

    @classmethod
    def create(
        cls,
        d: int,
        C: int,
        *,
        seeds: Sequence[int] = (0,),
        init_std: float = 0.01,
        l2: Array | float = 0.0,
        dtype: Any = np.float64,
    ) -> Linear:
        """One model a seed; W and b ~ N(0, init_std^2), drawn in float64 so that both dtypes start alike."""
        params = Params({"W": (C, d), "b": (C,)}, len(seeds), dtype)
        for k, seed in enumerate(seeds):
            for name, theta in params.items():
                theta[k] = rng.generator(seed, f"init {name}").normal(0.0, init_std, theta.shape[1:])
        return cls(params, l2=l2)

    @property
    def K(self) -> int:
        return int(self.W.shape[0])

    def select(self, k: int) -> Linear:
        """Model k alone, sharing memory with this one."""
        if self.K == 1:
            return self
        assert isinstance(self.params, Params)
        assert isinstance(self.grads, Params)
        return Linear(self.params.select(k), l2=self.l2[k], grads=self.grads.select(k))

    def scores(self, x: Array) -> Array:
        """`(K, n, C)`; valid until the next call."""
        scores: Array = self._scores(x).transpose(1, 0, 2)
        return scores

    def _scores(self, x: Array) -> Array:
        """S = x W^T + b as `(n, K, C)`, in a buffer of this model."""
        K, C, _ = self.W.shape
        S = self._work.get("scores", len(x), K * C)
        return kernels.affine_forward(x, self.W, self.b, out=S).reshape(len(x), K, C)

    def loss_sums(self, x: Array, y: Array) -> tuple[Array, Array]:
        """`(K,)` summed loss and `(K,)` correct predictions."""
        return losses.softmax_cross_entropy(self._scores(x), y, gradient=False)

    def loss(self, x: Array, y: Array) -> Array:
        """`(K,)` mean loss, without the penalty."""
        return self.loss_sums(x, y)[0] / len(x)

    def penalty(self) -> Array:
        """`(K,)`: lambda * sum(W^2)."""
        W = self.W.reshape(self.K, -1)
        return self.l2 * [float(w @ w) for w in W]

    def loss_and_grads(self, x: Array, y: Array, *, step: int = 0) -> Array:
        """`(K,)` cost J; fills `grads` and `batch`. `step` is not used: nothing here is random."""
        n = len(x)
        S = self._scores(x)
        sums = losses.softmax_cross_entropy(S, y, gradient=True)
        self.batch = Batch(sums.loss / n, sums.correct)
        # dJ/dW = (P - Y)^T x / n + 2 lambda W,  dJ/db = mean(P - Y)
        dS = S.reshape(n, -1)
        dW = self.grads["W"]
        kernels.affine_backward(x, dS, dW, self.grads["b"])
        for k, l2 in enumerate(self.l2):
            if l2:
                dW[k] += dW.dtype.type(2 * l2) * self.W[k]
        return self.batch.loss + self.penalty()
