"""Shares: the models of a stack on two cores, half of them on each."""

from __future__ import annotations

from functools import partial

import numpy as np

from linclass.models.base import Batch, Model
from linclass.params import Array
from linclass.second_core import Worker

SMALLEST = 4e6
"""Rows of a batch times parameters behind the first layer, of all models, from which sharing is worth it. Of
one core's time 100 regression networks of 1000 parameters took 0.6, 0.9 and 0.7 with 128 rows and 1, 4 and
10 hidden layers (4.3e6 with one, 1.2e7 with ten); 30 of 4 layers (3.7e6) took 1.1 to 1.3, 10 of them 2.1.
The first layer of models with common rows is one product, which two narrower ones do not replace: six linear
models took 1.2."""


def are_worth_it(model: Model, batch_size: int) -> bool:
    """Whether there are several models, with enough to do."""
    _W1, _b1, *rest = (array.size for array in model.params.values())
    return model.params.K > 1 and batch_size * sum(rest) >= SMALLEST


class Shares:
    """Two parts of a stack of K > 1 models with common rows, on its memory."""

    def __init__(self, model: Model) -> None:
        self._model, h = model, model.params.K // 2
        self.first, self._second = model.select(slice(0, h)), model.select(slice(h, None))

    def backpropagate(self, worker: Worker, x: Array, y: Array, *, step: int) -> None:
        """What `model.backpropagate` does."""
        first, second = self.first, self._second
        theirs = worker.start(partial(second.backpropagate, x, y, step=step))
        first.backpropagate(x, y, step=step)
        theirs.result()
        self._model.batch = Batch(
            np.concatenate([first.batch.loss, second.batch.loss]),
            np.concatenate([first.batch.correct, second.batch.correct]),
        )
