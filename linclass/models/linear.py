"""The linear classifier: scores = x W^T + b, J = loss + lambda * sum(W^2); P = softmax(scores) by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from linclass.datasets.scale import Scaler
from linclass.models.init import initialise
from linclass.models.layers import Affine, ScaledAffine
from linclass.models.losses import Loss
from linclass.models.network import Network, gradients_of
from linclass.params import Array, Params, as_slice


class Linear(Network):
    """K linear classifiers on d features and C classes.

    With softmax cross-entropy dJ/dW = (P - Y)^T x / n + 2 lambda W and dJ/db = mean(P - Y).

    Args:
        params: W `(K, C, d)` and b `(K, C)`.
        loss: softmax cross-entropy if None.
        l2: lambda, one number or `(K,)`.
        grads: where the gradients go, laid out like `params`; made if None.
        scaler: if given, x is raw, and W and b work on it as if it were scaled.
    """

    def __init__(
        self,
        params: Params,
        *,
        loss: Loss | None = None,
        l2: Array | float = 0.0,
        grads: Params | None = None,
        scaler: Scaler | None = None,
    ) -> None:
        grads = gradients_of(params, grads)
        self.W, self.b, self._scaler = params["W"], params["b"], scaler
        no_buffers = Params({}, params.K, params.dtype)
        first = Affine("", params, grads) if scaler is None else ScaledAffine("", params, grads, scaler)
        super().__init__(params, grads, no_buffers, first, loss=loss, l2=l2)

    @classmethod
    def create(
        cls,
        d: int,
        C: int,
        *,
        seeds: Sequence[int] = (0,),
        init: str = "normal",
        init_std: float = 0.01,
        loss: Loss | None = None,
        l2: Array | float = 0.0,
        dtype: Any = np.float64,
    ) -> Linear:
        """One model a seed, with W and b from `initialise`."""
        params = Params({"W": (C, d), "b": (C,)}, len(seeds), dtype)
        initialise(params, seeds, init, init_std)
        return cls(params, loss=loss, l2=l2)

    def select(self, models: int | slice) -> Linear:
        """Model k alone, or a slice of the models, sharing memory with this one."""
        if self.K == 1:
            return self
        params, grads, l2 = self.params.select(models), self.grads.select(models), self.l2[as_slice(models)]
        return Linear(params, loss=self._loss, l2=l2, grads=grads, scaler=self._scaler)

    def of_raw(self, scaler: Scaler) -> Linear:
        """The same models on the same memory, for raw x: they scale as `scaler` would."""
        return Linear(self.params, loss=self._loss, l2=self.l2, grads=self.grads, scaler=scaler)
