"""Surface: the loss as a function of the parameters, at many points at once.

Points are rows of a matrix `(points, P)`, as `Params.flat` gives them. Several of them are stacked side by
side in one model: the first layer, where most of the arithmetic is, is then one product for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np

from linclass.errors import UsageError
from linclass.models.base import Model
from linclass.params import Array

CHUNK = 500
"""Rows of data a product."""
STACK = 8
"""Points in one product; more of them leave the processor's cache."""


class Rows(Protocol):
    """Data as they are stored; `datasets.inputs.Inputs` is one."""

    def __len__(self) -> int: ...
    def chunks(self, size: int) -> Iterator[tuple[Array, Array]]: ...


class Values(NamedTuple):
    """At each of the points: mean loss without the penalty `(points,)`, fraction correct `(points,)`.

    Where scores overflow the loss is infinite and the fraction NaN; so is the fraction of a regression.
    """

    loss: Array
    accuracy: Array


class Surface:
    """theta `(points, P)` -> loss and accuracy on `rows`.

    Args:
        create: K -> a model with room for K points; what it is initialised with does not matter.
        rows: the data. stack: how many points are evaluated together; rounding aside it changes nothing.

    Raises UsageError for models with running statistics (batch normalisation): those belong to the weights
    they were measured with, and say nothing of the weights between or around them.
    """

    def __init__(self, create: Callable[[int], Model], rows: Rows, *, stack: int = STACK) -> None:
        self.create, self.rows, self.stack = create, rows, stack
        self._models: dict[int, Model] = {}
        if len(self._model(1).buffers):
            raise UsageError(
                "with --batch-norm a model's running statistics belong to its own weights: the loss around "
                "it or on the way to another model is not defined; use a run without --batch-norm"
            )

    def __call__(self, theta: Array) -> Values:
        """The values at each row of theta."""
        parts = [self._evaluate(theta[i : i + self.stack]) for i in range(0, len(theta), self.stack)]
        return Values(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _evaluate(self, theta: Array) -> Values:
        model, N = self._model(len(theta)), len(self.rows)
        loss, correct, weight = np.zeros(len(theta)), np.zeros(len(theta)), 0.0
        # far from any minimum parameters and scores overflow
        with np.errstate(over="ignore", invalid="ignore"):
            set_points(model, theta)
            for x, y in self.rows.chunks(CHUNK):
                sums = model.loss_sums(x, y)
                loss += sums[0]
                weight += model.total_weight(y)
                correct += sums[1] if y.ndim == 1 else np.nan
        loss[np.isnan(loss)] = np.inf
        correct[np.isinf(loss)] = np.nan
        return Values(loss / weight, correct / N)

    def _model(self, K: int) -> Model:
        if K not in self._models:
            self._models = {1: self._models.get(1) or self.create(1), K: self.create(K)}
        return self._models[K]


def set_points(model: Model, theta: Array) -> None:
    """Row k of theta `(K, P)` becomes model k's parameters. Raises UsageError where P is another model's."""
    if theta.shape != model.params.flat.shape:
        P = model.params.size
        raise UsageError(f"points of {theta.shape[-1]:,} parameters; expected this model's {P:,}")
    model.params.flat[...] = theta


def columns_of(model: Model, names: tuple[str, ...]) -> slice:
    """Where the arrays `names`, which lie one after the other, stand in a row of `Params.flat`."""
    start, found = 0, []
    for name, array in model.params.items():
        if name in names:
            found.append((start, start + array[0].size))
        start += array[0].size
    return slice(found[0][0], found[-1][1])
