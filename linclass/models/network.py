"""A chain of layers with a loss at its end and a penalty on its weights: what every numpy model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from linclass.models.architecture import Architecture
from linclass.models.base import Batch, LayerRow, Timer, untimed
from linclass.models.init import initialise
from linclass.models.kernels import stacked
from linclass.models.layers import InputAffine, Layer
from linclass.models.penalty import Penalty
from linclass.params import Array, Params

Self = TypeVar("Self", bound="Network")


class Network(ABC):
    """K models side by side; implements `base.Model`.

    Args:
        architecture: what they are.
        params: the arrays `(K, ...)`; initialised if None.
        grads: where the gradients go, laid out like `params`; made if None.
        buffers: mean1, variance1, ... `(K, units)`, running statistics of batch normalisation; made if None.
    """

    def __init__(
        self,
        architecture: Architecture,
        params: Params | None = None,
        grads: Params | None = None,
        buffers: Params | None = None,
    ) -> None:
        if params is None:
            params = Params(self.shapes(architecture), architecture.K, architecture.dtype)
            initialise(params, architecture.seeds, architecture.init, architecture.init_std)
        self.architecture, self.params = architecture, params
        self.grads = params.zeros_like() if grads is None else grads
        self.buffers = _running_statistics(params) if buffers is None else buffers
        self.timer: Timer = untimed
        self._first = self._first_layer()
        self._rest = self._other_layers()
        self._loss = architecture.make_loss()
        names = [name for name in params if name.startswith("W")]
        self._weight_grads = [self.grads[name] for name in names]
        self._penalty = Penalty([params[name] for name in names], architecture.l2)

    @staticmethod
    @abstractmethod
    def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
        """Name -> shape of the arrays of one model."""

    @abstractmethod
    def _first_layer(self) -> InputAffine:
        """The layer that sees the rows, common to all models."""

    def _other_layers(self) -> Sequence[Layer]:
        """Those after it."""
        return ()

    def select(self: Self, models: int | slice) -> Self:
        """Model k alone, or a slice of the models, sharing memory with this one."""
        if self.K == 1:
            return self
        memory = (owner.select(models) for owner in (self.params, self.grads, self.buffers))
        selected = type(self)(self.architecture.select(models), *memory)
        selected._first.rows = self._first.rows
        return selected

    def remade(self: Self, **changes: Any) -> Self:
        """The same models on the same memory, with another scaler or batch_size of their architecture."""
        return type(self)(replace(self.architecture, **changes), self.params, self.grads, self.buffers)

    @property
    def K(self) -> int:
        return int(self.params.K)

    @property
    def l2(self) -> Array:
        """lambda, `(K,)`."""
        return self._penalty.l2

    def layers(self) -> list[LayerRow]:
        """The input, then one row a layer."""
        rows = [layer.row for layer in (self._first, *self._rest)]
        return [LayerRow("input", self._first.d), *rows]

    def scaled(self, x: Array) -> Array:
        """x' `(n, d)`, what the first layer sees of x; valid until the next call."""
        return self._first.scaled(x)

    def scores(self, x: Array) -> Array:
        """`(K, n, C)`; valid until the next call."""
        return stacked(self._forward(x, None), self.K)

    def loss_sums(self, x: Array, y: Array) -> tuple[Array, Array]:
        """`(K,)` summed loss and `(K,)` correct predictions."""
        return self._loss(self.scores(x), y, gradient=False)

    def total_weight(self, y: Array) -> float:
        """The number of the rows, or the sum of their class weights."""
        return self._loss.total_weight(y)

    def loss(self, x: Array, y: Array) -> Array:
        """`(K,)` mean loss, without the penalty."""
        return self.loss_sums(x, y)[0] / self.total_weight(y)

    def penalty(self) -> Array:
        """`(K,)`: lambda * sum(W^2)."""
        return self._penalty()

    def backpropagate(self, x: Array, y: Array, *, step: int = 0) -> Batch:
        """Fills `grads`, updates `buffers`; returns mean loss and correct predictions, `(K,)` each."""
        dS = self._forward(x, step)
        loss, correct = self._loss(stacked(dS, self.K), y, gradient=True)
        with self.timer("backward"):
            self._backward(dS)
        # dJ/dW = d(loss)/dW + 2 lambda W
        self._penalty.add_gradient(self._weight_grads)
        return Batch(loss / self.total_weight(y), correct)

    def input_gradient(self, x: Array, y: Array) -> Array:
        """`(K, n, d)`: d(loss)/dx' in evaluation mode, x' the scaled rows.

        Row i is d(loss_i)/dx'_i times its share of the mean.
        """
        dS = self._forward(x, None)
        self._loss(stacked(dS, self.K), y, gradient=True)
        return self._to_input(dS)

    def vector_jacobian(self, x: Array, dS: Array) -> Array:
        """`(K, n, d)`: d(sum_c dS_c scores_c)/dx' row by row, evaluation mode; dS `(K, n, C)`."""
        self._forward(x, None)
        return self._to_input(np.array(dS.transpose(1, 0, 2), self.params.dtype).reshape(len(x), -1))

    def _forward(self, x: Array, step: int | None) -> Array:
        """Scores `(n, K*C)`; step None is evaluation mode."""
        a = self._first.forward(x, step)
        for layer in self._rest:
            a = layer.forward(a, step)
        return a

    def _backward(self, dS: Array) -> None:
        """The layers' gradients from d(loss)/d(scores)."""
        for layer in reversed(self._rest):
            dS = layer.backward(dS)
        self._first.gradients(dS)

    def _to_input(self, dS: Array) -> Array:
        """From d/d(scores) of the last evaluation pass, `(n, K*C)`, to d/dx' `(K, n, d)`."""
        for layer in reversed(self._rest):
            dS = layer.input_gradient(dS)
        return stacked(self._first.input_gradient(dS), self.K)


def _running_statistics(params: Params) -> Params:
    """Mean 0 and variance 1 for every batch normalisation in `params`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, theta in params.items():
        if name.startswith("gamma"):
            number = name.removeprefix("gamma")
            shapes |= {f"mean{number}": theta.shape[1:], f"variance{number}": theta.shape[1:]}
    buffers = Params(shapes, params.K, params.dtype)
    for name, array in buffers.items():
        array[...] = 1 if name.startswith("variance") else 0
    return buffers
