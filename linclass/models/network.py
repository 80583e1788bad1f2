"""A chain of layers with a loss at its end and a penalty on its weights: what every numpy model is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linclass.models.base import Batch, LayerRow
from linclass.models.kernels import stacked
from linclass.models.layers import Affine, Layer
from linclass.models.losses import Loss, make_loss
from linclass.models.penalty import Penalty
from linclass.params import Array, Params


class Network:
    """K models side by side; implements `base.Model` but for `select`.

    Args:
        params, grads, buffers: the memory that the layers work on.
        first: the layer that sees x `(n, d)`, common to all models. rest: those after it.
        loss: softmax cross-entropy if None. l2: lambda, one number or `(K,)`.
    """

    def __init__(
        self,
        params: Params,
        grads: Params,
        buffers: Params,
        first: Affine,
        rest: Sequence[Layer] = (),
        *,
        loss: Loss | None = None,
        l2: Array | float = 0.0,
    ) -> None:
        self.params, self.grads, self.buffers = params, grads, buffers
        self._first, self._rest = first, rest
        self._loss = loss or make_loss()
        names = [name for name in params if name.startswith("W")]
        self._weight_grads = [grads[name] for name in names]
        self._penalty = Penalty([params[name] for name in names], l2)

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
        self._backward(dS)
        # dJ/dW = d(loss)/dW + 2 lambda W
        self._penalty.add_gradient(self._weight_grads)
        return Batch(loss / self.total_weight(y), correct)

    def input_gradient(self, x: Array, y: Array) -> Array:
        """`(K, n, d)`: d(loss)/dx in evaluation mode; row i is d(loss_i)/dx_i times its share of the mean."""
        dS = self._forward(x, None)
        self._loss(stacked(dS, self.K), y, gradient=True)
        return self._to_input(dS)

    def vector_jacobian(self, x: Array, dS: Array) -> Array:
        """`(K, n, d)`: d(sum_c dS_c scores_c)/dx row by row, evaluation mode; dS `(K, n, C)`."""
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
        """From d/d(scores) of the last evaluation pass, `(n, K*C)`, to d/dx `(K, n, d)`."""
        for layer in reversed(self._rest):
            dS = layer.input_gradient(dS)
        return stacked(self._first.input_gradient(dS), self.K)


def gradients_of(params: Params, grads: Params | None) -> Params:
    """`grads`, or new memory for them where there is none yet."""
    return params.zeros_like() if grads is None else grads
