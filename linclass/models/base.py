"""What every model is to the trainer, the gradient check, the snapshots and the optimum finder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

from linclass.models.architecture import Architecture
from linclass.params import Array, Params


class Batch(NamedTuple):
    """What a batch came to before the update: mean loss `(K,)` float64, correct predictions `(K,)`."""

    loss: Array
    correct: Array


Timer = Callable[[str], AbstractContextManager[None]]
"""The name of a part of the work -> what times it while it is done."""
_UNTIMED = nullcontext()


def untimed(part: str) -> AbstractContextManager[None]:
    """No time is taken."""
    return _UNTIMED


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

    def total_weight(self, y: Array) -> float:
        """What makes the summed loss of these rows a mean: their number, or the sum of their class weights.

        So J over all rows is the sum of J over its parts, each times its share of the total weight.
        """
        ...

    def penalty(self) -> Array:
        """`(K,)` float64: lambda * sum(W^2) over all weight matrices; biases are not penalised."""
        ...


class Model(Classifier, Protocol):
    """K models side by side, functions of `params`.

    x is `(n, d)` as it is stored: scaling it is the model's first step. y `(n,)` integers in [0, C), or
    `(n, C)` float for regression.
    """

    architecture: Architecture
    params: Params
    grads: Params
    """Overwritten in place by `backpropagate`, never rebound."""
    timer: Timer
    """Told of the part "backward" of `backpropagate`, where a model has one."""
    buffers: Params
    """Running statistics: saved, never differentiated, decayed or counted as parameters."""

    def loss(self, x: Array, y: Array) -> Array:
        """`(K,)` float64 mean loss, evaluation mode, without the penalty."""
        ...

    def backpropagate(self, x: Array, y: Array, *, step: int = 0) -> Batch:
        """Fills `grads`, dJ/d(params) of J = loss + penalty, and updates `buffers`; returns loss and correct.

        Random numbers come from `step`.
        """
        ...

    def remade(self, **changes: Any) -> Model:
        """The same models on the same memory, with another scaler or batch_size of their architecture."""
        ...

    def select(self, models: int | slice) -> Model:
        """Model k alone, K = 1, or a slice of the models, on the same memory."""
        ...

    def layers(self) -> Sequence[LayerRow]:
        """The layers from the input to the scores."""
        ...
