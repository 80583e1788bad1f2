"""The linear classifier: scores = x' W^T + b, J = loss + lambda * sum(W^2); P = softmax(scores) by default.

x' = x gain + offset are the scaled rows. With softmax cross-entropy

    dJ/dW = (P - Y)^T x' / n + 2 lambda W,    dJ/db = mean(P - Y)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linclass.datasets.scale import Scaler
from linclass.models import kernels
from linclass.models.architecture import Architecture
from linclass.models.layers import Arrays, InputAffine
from linclass.models.network import Network
from linclass.params import Array, Params


class Linear(Network):
    """K linear classifiers on d features and C classes: W `(K, C, d)`, b `(K, C)`."""

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

    def _first_layer(self) -> InputAffine:
        # W is scaled and shifted, and dW scaled back: a few times the work of as many rows of x
        columns = self.params.K * self.architecture.sizes[1]
        large_batch = self.architecture.batch_size >= 5 * columns
        layer = ScaledAffine if large_batch else InputAffine
        return layer("", self.params, self.grads, self.architecture.scaler)


class ScaledAffine(InputAffine):
    """S = (x gain + offset) W^T + b = x (gain W)^T + (b + W offset): W is scaled instead of x.

    It is for bytes: floats of a large mean are scaled themselves, as the sums would nearly cancel.
    """

    def __init__(self, ending: str, params: Arrays, grads: Arrays, scaler: Scaler) -> None:
        super().__init__(ending, params, grads, scaler)
        self._gain, offset = scaler.constants(self.W.dtype)
        self._offset = np.full(self.d, offset)
        self._of_bytes = False

    def forward(self, x: Array, step: int | None) -> Array:
        self._of_bytes = x.dtype == np.uint8
        if not self._of_bytes:
            return super().forward(x, step)
        self._x = self.rows.get("x", *x.shape)
        self._x[...] = x
        W = np.multiply(self.W, self._gain, out=self._work.get("W", *self.W.shape))
        out = self._work.get("out", len(x), self.K * self.units)
        return kernels.affine_forward(self._x, W, self.b + self.W @ self._offset, out)

    def gradients(self, dS: Array) -> None:
        """dW = dS^T (x gain + offset) = (dS^T x) gain + db offset^T."""
        super().gradients(dS)
        if self._of_bytes:
            self.dW *= self._gain
            W = self._work.get("W", *self.W.shape)
            self.dW += np.multiply(self.db[:, :, None], self._offset, out=W)
