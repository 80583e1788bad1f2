"""The multi-layer perceptron: affine, [batch normalisation,] activation[, dropout]; ...; affine -> scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from linclass.errors import UsageError
from linclass.models.init import initialise
from linclass.models.kernels import ACTIVATIONS, stacked
from linclass.models.layers import Activate, Affine, BatchNorm, Dropout, Layer
from linclass.models.losses import Loss
from linclass.models.network import Network, gradients_of
from linclass.params import Array, Params, as_slice


class MLP(Network):
    """K networks of the same layers. With no hidden layer it is the linear classifier.

    Args:
        params: W1 `(K, units, d)`, b1 `(K, units)`, with batch normalisation gamma1 and beta1 `(K, units)`,
            and so on to WL, bL.
        seeds: one a model; they name its dropout masks.
        activation: a name in `kernels.ACTIVATIONS`. dropout: the probability that a hidden unit is dropped.
        loss: softmax cross-entropy if None.
        l2: lambda, one number or `(K,)`; it penalises all W, nothing else.
        grads: where the gradients go, laid out like `params`; made if None.
        buffers: mean1, variance1, ... `(K, units)`, running statistics of batch normalisation; made if None.
    """

    def __init__(
        self,
        params: Params,
        *,
        seeds: Sequence[int],
        activation: str = "relu",
        dropout: float = 0.0,
        loss: Loss | None = None,
        l2: Array | float = 0.0,
        grads: Params | None = None,
        buffers: Params | None = None,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise UsageError(f"--activation is {activation!r}: expected one of {', '.join(ACTIVATIONS)}")
        if not 0 <= dropout < 1:
            raise UsageError(f"--dropout is {dropout}: expected a number of at least 0 and below 1")
        self.seeds, self.activation, self.dropout = list(seeds), activation, dropout
        grads = gradients_of(params, grads)
        buffers = _running_statistics(params) if buffers is None else buffers
        first = Affine("1", params, grads)
        rest = [*self._layers_after(first, params, grads, buffers)]
        super().__init__(params, grads, buffers, first, rest, loss=loss, l2=l2)

    def _layers_after(
        self,
        first: Affine,
        params: Params,
        grads: Params,
        buffers: Params,
    ) -> Iterator[Layer]:
        """All layers but the first one, in order."""
        number, affine = 1, first
        while f"W{number + 1}" in params:
            if f"gamma{number}" in params:
                yield BatchNorm(number, params, grads, buffers)
            yield Activate(number, affine.units, self.activation, ACTIVATIONS[self.activation])
            if self.dropout:
                yield Dropout(number, affine.units, self.dropout, self.seeds)
            number += 1
            affine = Affine(str(number), params, grads)
            yield affine

    @classmethod
    def create(
        cls,
        sizes: Sequence[int],
        *,
        seeds: Sequence[int] = (0,),
        activation: str = "relu",
        batch_norm: bool = False,
        dropout: float = 0.0,
        init: str = "he",
        init_std: float = 0.01,
        loss: Loss | None = None,
        l2: Array | float = 0.0,
        dtype: Any = np.float64,
    ) -> MLP:
        """One model a seed, with numbers from `initialise`; sizes: features, hidden widths, classes."""
        params = Params(_shapes(sizes, batch_norm), len(seeds), dtype)
        initialise(params, seeds, init, init_std)
        return cls(params, seeds=seeds, activation=activation, dropout=dropout, loss=loss, l2=l2)

    def select(self, models: int | slice) -> MLP:
        """Model k alone, or a slice of the models, sharing memory with this one."""
        if self.K == 1:
            return self
        params, grads, buffers = self.params, self.grads, self.buffers
        return MLP(
            params.select(models),
            seeds=self.seeds[as_slice(models)],
            activation=self.activation,
            dropout=self.dropout,
            loss=self._loss,
            l2=self.l2[as_slice(models)],
            grads=grads.select(models),
            buffers=buffers.select(models),
        )

    def hidden(self, x: Array) -> list[Array]:
        """The hidden layers' activations `(K, n, units)`, evaluation mode; valid until the next call."""
        self._forward(x, None)
        return [stacked(layer.a, self.K) for layer in self._rest if isinstance(layer, Activate)]


def _shapes(sizes: Sequence[int], batch_norm: bool) -> dict[str, tuple[int, ...]]:
    """The arrays of one model, layer by layer."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (d, units) in enumerate(pairwise(sizes), start=1):
        shapes |= {f"W{number}": (units, d), f"b{number}": (units,)}
        if batch_norm and number < len(sizes) - 1:
            shapes |= {f"gamma{number}": (units,), f"beta{number}": (units,)}
    return shapes


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
