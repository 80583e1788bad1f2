"""Layers: the pieces of a network, K of each side by side.

`forward` takes and gives activations `(n, K*units)`; step is the training step, None in evaluation mode.
`backward` takes d(cost)/d(output) of the last training pass, fills the layer's gradients and gives
d(cost)/d(input). `input_gradient` is the same of the last evaluation pass, and fills nothing. All may write
over what they are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from linclass import rng
from linclass.datasets.scale import Scaler
from linclass.models import kernels
from linclass.models.base import LayerRow
from linclass.models.kernels import Activation, BatchStatistics, Workspace, stacked
from linclass.params import Array

Arrays = Mapping[str, Array]


class Layer(Protocol):
    """See the module's docstring."""

    row: LayerRow

    def forward(self, x: Array, step: int | None) -> Array: ...
    def backward(self, dy: Array) -> Array: ...
    def input_gradient(self, dy: Array) -> Array: ...


class Affine:
    """S = x W^T + b, with W `(K, units, d)` and b `(K, units)` named `W<ending>` and `b<ending>`.

    x `(n, d)` may be common to all models, as the input of a network is; then only `gradients` is asked for.
    """

    def __init__(self, ending: str, params: Arrays, grads: Arrays) -> None:
        W, b = f"W{ending}", f"b{ending}"
        self.W, self.b, self.dW, self.db = params[W], params[b], grads[W], grads[b]
        self.K, self.units, self.d = self.W.shape
        self.row = LayerRow(f"affine {ending}".strip(), self.units, (W, b))
        self._work = Workspace(self.W.dtype)
        self._x: Array = np.empty((0, self.d), self.W.dtype)

    def forward(self, x: Array, step: int | None) -> Array:
        self._x = x
        out = self._work.get("out", len(x), self.K * self.units)
        return kernels.affine_forward(x, self.W, self.b, out)

    def gradients(self, dy: Array) -> None:
        """dW and db alone."""
        kernels.affine_backward(self._x, dy, self.dW, self.db)

    def backward(self, dy: Array) -> Array:
        self.gradients(dy)
        return self.input_gradient(dy)

    def input_gradient(self, dy: Array) -> Array:
        out = self._work.get("dx", len(dy), self.K * self.d)
        return kernels.affine_backward_input(dy, self.W, out)


class InputAffine(Affine):
    """S = x' W^T + b of x' = x gain + offset: the first layer, on rows x `(n, d)` as they are stored.

    rows: the memory of x'; models that work in turns may share it.
    """

    def __init__(self, ending: str, params: Arrays, grads: Arrays, scaler: Scaler) -> None:
        super().__init__(ending, params, grads)
        self.scaler, self.rows = scaler, Workspace(self.W.dtype)

    def forward(self, x: Array, step: int | None) -> Array:
        return super().forward(self.scaled(x), step)

    def scaled(self, x: Array) -> Array:
        """x' in the precision of W; valid until the next call."""
        if self.scaler.is_identity and x.dtype == self.W.dtype:
            return x
        return self.scaler.transform(x, self.W.dtype, out=self.rows.get("x", *x.shape))


class BatchNorm:
    """Normalises by the batch's mean and variance when training, by the running ones when evaluating.

    Running: r <- (1 - MOMENTUM) r + MOMENTUM * batch, where the batch's variance is the unbiased one, with
    n - 1, as in PyTorch. A batch of one row has no such variance and leaves the running variance alone.
    """

    MOMENTUM = 0.1

    def __init__(self, number: int, params: Arrays, grads: Arrays, buffers: Arrays) -> None:
        gamma, beta = f"gamma{number}", f"beta{number}"
        self.gamma, self.beta = params[gamma], params[beta]
        self.dgamma, self.dbeta = grads[gamma], grads[beta]
        self.mean, self.variance = buffers[f"mean{number}"], buffers[f"variance{number}"]
        self.row = LayerRow(f"batch norm {number}", self.gamma.shape[1], (gamma, beta))
        self._work = Workspace(self.gamma.dtype)
        self._normalised: Array = np.empty(0)
        self._batch = BatchStatistics(self._normalised, self._normalised)

    def forward(self, x: Array, step: int | None) -> Array:
        if step is None:
            mean, variance = self.mean, self.variance
            return kernels.batch_norm_evaluate(x, self.gamma, self.beta, mean, variance, out=x)
        self._normalised = self._work.get("normalised", *x.shape)
        self._batch = kernels.batch_norm_forward(x, self.gamma, self.beta, self._normalised, out=x)
        self._update_running(len(x))
        return x

    def _update_running(self, n: int) -> None:
        mean, variance = (statistic.reshape(self.mean.shape) for statistic in self._batch)
        self.mean += self.MOMENTUM * (mean - self.mean)
        if n > 1:
            self.variance += self.MOMENTUM * (variance * (n / (n - 1)) - self.variance)

    def backward(self, dy: Array) -> Array:
        return kernels.batch_norm_backward(
            dy, self._normalised, self._batch.variance, self.gamma, self.dgamma, self.dbeta, out=dy
        )

    def input_gradient(self, dy: Array) -> Array:
        dy *= (self.gamma / np.sqrt(self.variance + kernels.BATCH_NORM_EPS)).ravel()
        return dy


class Activate:
    """a = f(z), in the memory of z; a `(n, K*units)` is kept."""

    def __init__(self, number: int, units: int, name: str, activation: Activation) -> None:
        self.row = LayerRow(f"{name} {number}", units)
        self._activation = activation
        self.a: Array = np.empty(0)

    def forward(self, x: Array, step: int | None) -> Array:
        self.a = self._activation.forward(x, x)
        return self.a

    def backward(self, dy: Array) -> Array:
        return self._activation.backward(dy, self.a, dy)

    def input_gradient(self, dy: Array) -> Array:
        return self.backward(dy)


class Dropout:
    """Drops units with probability p when training; model k's mask comes from (its seed, step, layer)."""

    def __init__(self, number: int, units: int, p: float, seeds: Sequence[int]) -> None:
        self.row = LayerRow(f"dropout {number} ({p:g})", units)
        self._number, self._p, self._seeds = number, p, seeds
        self._work: Workspace | None = None
        self._mask: Array = np.empty(0)
        self._drawn_for: tuple[int, tuple[int, ...]] | None = None

    def forward(self, x: Array, step: int | None) -> Array:
        if step is None:
            return x
        self._work = self._work or Workspace(x.dtype)
        # the gradient check asks for the same mask hundreds of times
        if self._drawn_for != (step, x.shape):
            self._draw(self._work.get("mask", *x.shape), step)
        return np.asarray(np.multiply(x, self._mask, out=self._work.get("out", *x.shape)))

    def _draw(self, masks: Array, step: int) -> None:
        self._mask, self._drawn_for = masks, (step, masks.shape)
        for seed, mask in zip(self._seeds, stacked(masks, len(self._seeds)), strict=True):
            kernels.dropout_mask(rng.generator(seed, "dropout", step, self._number), self._p, out=mask)

    def backward(self, dy: Array) -> Array:
        dy *= self._mask
        return dy

    def input_gradient(self, dy: Array) -> Array:
        return dy
