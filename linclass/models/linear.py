"""The linear classifier: scores = x W^T + b, J = loss + lambda * sum(W^2); P = softmax(scores) by default."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from linclass.datasets.scale import Scaler
from linclass.models.architecture import Architecture
from linclass.models.layers import Affine, ScaledAffine
from linclass.models.network import Network
from linclass.params import Params


class Linear(Network):
    """K linear classifiers on d features and C classes: W `(K, C, d)`, b `(K, C)`.

    With softmax cross-entropy dJ/dW = (P - Y)^T x / n + 2 lambda W and dJ/db = mean(P - Y).
    """

    def __init__(
        self,
        architecture: Architecture,
        params: Params | None = None,
        grads: Params | None = None,
        buffers: Params | None = None,
    ) -> None:
        super().__init__(architecture, params, grads, buffers)
        self.W, self.b = self.params["W"], self.params["b"]

    @classmethod
    def create(cls, d: int, C: int, **options: Any) -> Linear:
        """One model a seed, from small normal numbers; options: fields of `Architecture`."""
        return cls(Architecture((d, C), **{"init": "normal", **options}))

    @staticmethod
    def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
        """The arrays of one model."""
        d, C = architecture.sizes
        return {"W": (C, d), "b": (C,)}

    def _first_layer(self) -> Affine:
        scaler = self.architecture.scaler
        if scaler is None:
            return Affine("", self.params, self.grads)
        return ScaledAffine("", self.params, self.grads, scaler)

    def of_raw(self, scaler: Scaler) -> Linear:
        """The same models on the same memory, for raw x: they scale as `scaler` would."""
        return Linear(replace(self.architecture, scaler=scaler), self.params, self.grads, self.buffers)
