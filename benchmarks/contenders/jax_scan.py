"""JAX: one jit of a lax.scan over the batches of an epoch, its state donated; vmap over K models.

All rows are on the device as float32, labels as one-hot rows; a batch is a gather, or a dynamic slice where
whole batches are shuffled, and is shared by the models. XLA chooses its threads itself; the worker process
is bound to as many cores as it may use.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contenders.contender import Peer
from benchmarks.contenders.textbook import BETA1, BETA2, EPS
from benchmarks.problem import Problem
from linclass.params import Array


class Scan(Peer):
    """All K models at once; K = 1 has no model axis."""

    def __init__(self, problem: Problem, threads: int) -> None:
        super().__init__(problem, threads)
        self.models, self.thread_choices = self.workload.K, (threads,)
        self._axis = self.models > 1
        C = self.workload.sizes[-1]
        self._rows = {
            split: (jnp.asarray(x), jax.nn.one_hot(y, C) if y.ndim == 1 else jnp.asarray(y))
            for split, (x, y) in problem.rows.items()
        }
        first = {
            name: jnp.asarray(array if self._axis else array[0]) for name, array in problem.weights().items()
        }
        self._state = (first, jax.tree.map(jnp.zeros_like, (first, first)), jnp.zeros((), jnp.int32))
        self._constants = tuple(
            jnp.asarray(np.asarray(values, np.float32) if self._axis else np.float32(values[0]))
            for values in (problem.lr, problem.l2)
        )
        self._epoch = jax.jit(self._scan, donate_argnums=0)
        self._evaluation = jax.jit(self._score)

    def use_threads(self, threads: int) -> None:
        """XLA chooses itself; see above."""

    def ready(self, order: Array) -> Any:
        return jnp.asarray(order)

    def train(self, orders: Sequence[Any]) -> None:
        self._state = self._epoch(self._state, orders[0], self._constants, *self._rows["train"])
        jax.block_until_ready(self._state)

    def _scan(self, state: Any, order: Any, constants: Any, x: Any, y: Any) -> Any:
        size = self.workload.batch_size
        update: Any = self._update
        if self._axis:
            update = jax.vmap(update, in_axes=(0, 0, None, 0, 0, None, None))

        def step(state: Any, batch: Any) -> Any:
            if batch.ndim:
                rows = x[batch], y[batch]
            else:
                cut: Any = partial(jax.lax.dynamic_slice_in_dim, start_index=batch * size, slice_size=size)
                rows = cut(x), cut(y)
            theta, slots, t = state
            theta, slots = update(theta, slots, t, *constants, *rows)
            return (theta, slots, t + 1), None

        return jax.lax.scan(step, state, order)[0]

    def _update(self, theta: Any, slots: Any, t: Any, lr: Any, l2: Any, x: Any, y: Any) -> Any:
        """One model, one batch."""
        g = jax.grad(self._cost)(theta, l2, x, y)
        if self.workload.optimizer == "sgd":
            return jax.tree.map(lambda w, g: w - lr * g, theta, g), slots
        m, v = slots
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
        c1, c2 = 1 - BETA1 ** (t + 1.0), 1 - BETA2 ** (t + 1.0)
        theta = jax.tree.map(lambda w, m, v: w - lr * (m / c1) / (jnp.sqrt(v / c2) + EPS), theta, m, v)
        return theta, (m, v)

    def _cost(self, theta: Any, l2: Any, x: Any, y: Any) -> Any:
        scores = self._forward(theta, x)
        penalty = l2 * sum(jnp.sum(theta[W] ** 2) for W, _ in self.workload.layers)
        if self.workload.loss == "softmax":
            return -(jax.nn.log_softmax(scores) * y).sum(axis=1).mean() + penalty
        return ((scores - y) ** 2).sum(axis=1).mean() + penalty

    def _forward(self, theta: Any, x: Any) -> Any:
        for W, b in self.workload.layers:
            x = x @ theta[W].T + theta[b]
            x = x if (W, b) == self.workload.layers[-1] else jax.nn.relu(x)
        return x

    def weights(self) -> dict[str, Array]:
        arrays = {name: np.asarray(array) for name, array in self._state[0].items()}
        return arrays if self._axis else {name: array[None] for name, array in arrays.items()}

    def evaluate(self) -> dict[str, Any]:
        found = {split: self._evaluation(self._state[0], x, y) for split, (x, y) in self._rows.items()}
        return dict(jax.block_until_ready(found))

    def _score(self, theta: Any, x: Any, y: Any) -> Any:
        """Mean cross-entropy, and fraction correct."""
        scores = self._forward(theta, x)
        loss = -(jax.nn.log_softmax(scores) * y).sum(axis=1).mean()
        return loss, (scores.argmax(axis=1) == y.argmax(axis=1)).mean()
