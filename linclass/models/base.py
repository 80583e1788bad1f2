"""What every model is to the trainer, the gradient check, the snapshots and the optimum finder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from linclass.params import Array, Params, ParamsView


class Batch(NamedTuple):
    """What the last `backpropagate` saw, before the update: mean loss `(K,)`, correct count `(K,)`."""

    loss: Array
    correct: Array


class LayerRow(NamedTuple):
    """A line of `summary`: a layer's name, its outputs, and the names of its arrays in `params`."""

    name: str
    units: int
    tensors: tuple[str, ...] = ()


class Classifier(Protocol):
    """K models side by side as evaluation sees them."""

    @property
    def K(self) -> int: ...

    def scores(self, x: Array) -> Array:
        """`(K, n, C)`, evaluation mode; valid until the next call."""
        ...

    def loss_sums(self, x: Array, y: Array) -> tuple[Array, Array]:
        """`(K,)` summed loss and `(K,)` correct predictions, evaluation mode: parts of a split add up."""
        ...

    def penalty(self) -> Array:
        """`(K,)` float64: lambda * sum(W^2) over all weight matrices; biases are not penalised."""
        ...


class Model(Classifier, Protocol):
    """K models side by side, functions of `params`.

    x is `(n, d)` in the dtype of `params`; y `(n,)` integers in [0, C), or `(n, C)` float for regression.
    """

    params: Params | ParamsView
    grads: Params | ParamsView
    """Overwritten in place by `backpropagate`, never rebound."""
    buffers: Params | ParamsView
    """Running statistics: saved, never differentiated, decayed or counted as parameters."""
    batch: Batch

    def loss(self, x: Array, y: Array) -> Array:
        """`(K,)` float64 mean loss, evaluation mode, without the penalty."""
        ...

    def loss_and_grads(self, x: Array, y: Array, *, step: int) -> Array:
        """`(K,)` float64 training cost J = loss + penalty, after `backpropagate`."""
        ...

    def backpropagate(self, x: Array, y: Array, *, step: int) -> None:
        """Fills `grads`, dJ/d(params), and `batch`; updates `buffers`. Random numbers come from `step`."""
        ...

    def select(self, models: int | slice) -> Model:
        """Model k alone, K = 1, or a slice of the models, on the same memory."""
        ...

    def layers(self) -> Sequence[LayerRow]:
        """The layers from the input to the scores."""
        ...
