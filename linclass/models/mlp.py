"""The multi-layer perceptron: affine, [batch normalisation,] activation[, dropout]; ...; affine -> scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from linclass.models.architecture import Architecture
from linclass.models.kernels import ACTIVATIONS, stacked
from linclass.models.layers import Activate, Affine, BatchNorm, Dropout, InputAffine, Layer
from linclass.models.network import Network
from linclass.params import Array


class MLP(Network):
    """K networks of the same layers. With no hidden layer it is the linear classifier.

    Its arrays: W1 `(K, units, d)`, b1 `(K, units)`, with batch normalisation gamma1 and beta1 `(K, units)`,
    and so on to WL, bL.
    """

    @classmethod
    def create(cls, sizes: Sequence[int], **options: Any) -> MLP:
        """One model a seed; sizes: features, hidden widths, scores; options: fields of `Architecture`."""
        return cls(Architecture(tuple(sizes), **options))

    @staticmethod
    def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
        """The arrays of one model, layer by layer."""
        sizes = architecture.sizes
        shapes: dict[str, tuple[int, ...]] = {}
        for number, (d, units) in enumerate(pairwise(sizes), start=1):
            shapes |= {f"W{number}": (units, d), f"b{number}": (units,)}
            if architecture.batch_norm and number < len(sizes) - 1:
                shapes |= {f"gamma{number}": (units,), f"beta{number}": (units,)}
        return shapes

    def _first_layer(self) -> InputAffine:
        return InputAffine("1", self.params, self.grads, self.architecture.scaler)

    def _other_layers(self) -> list[Layer]:
        own, params, grads = self.architecture, self.params, self.grads
        layers: list[Layer] = []
        for number, units in enumerate(own.sizes[1:-1], start=1):
            if own.batch_norm:
                layers.append(BatchNorm(number, params, grads, self.buffers))
            layers.append(Activate(number, units, own.activation, ACTIVATIONS[own.activation]))
            if own.dropout:
                layers.append(Dropout(number, units, own.dropout, own.seeds))
            layers.append(Affine(str(number + 1), params, grads))
        return layers

    def hidden(self, x: Array) -> list[Array]:
        """The hidden layers' activations `(K, n, units)`, evaluation mode; valid until the next call."""
        self._forward(x, None)
        return [stacked(layer.a, self.K) for layer in self._rest if isinstance(layer, Activate)]
