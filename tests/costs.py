"""The cost that is trained on, for tests."""

from __future__ import annotations

from linclass.models.base import Model
from linclass.params import Array


def cost(model: Model, x: Array, y: Array, *, step: int = 0) -> Array:
    """`(K,)` J = loss + penalty of a training batch; fills `model.grads`."""
    return model.backpropagate(x, y, step=step).loss + model.penalty()
