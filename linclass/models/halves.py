"""The two halves of a batch on two cores: each its own forward and backward pass, then one gradient."""

from __future__ import annotations

from functools import partial

from linclass.models.base import Batch, Model
from linclass.params import Array
from linclass.second_core import Worker

SMALLEST = 4e7
"""Rows times parameters from which the handing over is worth it. Of one core's time 784-256-128-64-10 took
1.04 with 100 rows (2.4e7), 0.71 with 200 and 0.63 with 500."""


def loss_and_grads(model: Model, twin: Model, worker: Worker, x: Array, y: Array, *, step: int) -> Array:
    """What `model.loss_and_grads` does, for models whose rows do not depend on one another.

    The mean over n rows is p (mean over the first h) + q (mean over the others), p = h/n, q = 1 - p; so are
    the gradients, the penalty's included, since p + q = 1. No batch normalisation, dropout or sums.
    twin: see `Model.twin`.
    """
    n, h = len(x), len(x) // 2
    p, q = h / n, (n - h) / n
    second = worker.start(partial(twin.loss_and_grads, x[h:], y[h:], step=step))
    cost = p * model.loss_and_grads(x[:h], y[:h], step=step)
    cost += q * second.result()
    for name, gradient in model.grads.items():
        gradient *= p
        gradient += q * twin.grads[name]
    loss = p * model.batch.loss + q * twin.batch.loss
    model.batch = Batch(loss, model.batch.correct + twin.batch.correct)
    return cost
