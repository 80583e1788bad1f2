"""Optimisers: constants plus a pair (init, update). Their memory is visible and owned by TrainState.

`init(params)` makes the slots; `update(params, grads, slots, lr, step)` changes params and slots in
place. lr is `(K,)`: each model of a stack has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from linclass.params import Array, Params

Arrays = Mapping[str, Array]
Slots = Mapping[str, Params]


class Optimizer(NamedTuple):
    """See the module's docstring."""

    init: Callable[[Params], Slots]
    update: Callable[[Arrays, Arrays, Mapping[str, Arrays], Array, int], None]


def sgd() -> Optimizer:
    """Gradient descent: theta <- theta - eta g."""

    def init(params: Params) -> Slots:
        return {}

    def update(params: Arrays, grads: Arrays, slots: Mapping[str, Arrays], lr: Array, step: int) -> None:
        for name, theta in params.items():
            eta = lr.astype(theta.dtype).reshape(-1, *(1,) * (theta.ndim - 1))
            theta -= eta * grads[name]

    return Optimizer(init, update)
