"""Replicas: the models that share their batches, and one SGD step of them.

    loss, correct = model.backpropagate(x, y);  theta <- update(theta, dJ/dtheta)

A replica (`--seeds`) is alone in its own: its products have the shapes of a run of its own, so BLAS adds up
in the same order and the bits are the same, whoever else is trained. The settings of a sweep stand side by
side on common batches, and there their products are one.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from linclass.models.base import Model, Timer, untimed
from linclass.params import Array, finite, surely_finite
from linclass.training.optim import Optimizer, Slots
from linclass.training.state import TrainState


class Diverge(Protocol):
    """What is called for a model that left the finite numbers."""

    def __call__(self, k: int, what: str, eta: float) -> bool:
        """Stop model k, where `what` happened at learning rate eta; whether it was still active."""
        ...


class Replicas:
    """Some of the trainer's models, on the memory of all.

    Args:
        models: which of all they are. seed: of the order of their batches.
        model: they alone. slots: the optimiser's memory of them.
        state: of all models. diverge: see `Diverge`.
    """

    def __init__(
        self,
        models: slice,
        seed: int,
        model: Model,
        optimizer: Optimizer,
        slots: Slots,
        state: TrainState,
        diverge: Diverge,
    ) -> None:
        self.models, self.seed, self.model, self.optimizer = models, seed, model, optimizer
        self.slots, self.state, self.diverge = slots, state, diverge
        self.timer: Timer = untimed

    @property
    def active(self) -> Array:
        """Which of these have not stopped."""
        active: Array = self.state.active[self.models]
        return active

    def step(self, x: Array, y: Array, lr: Array) -> None:
        """theta <- update(theta, dJ/dtheta), for the models that are still active; lr `(K,)`, of these."""
        state, model, params = self.state, self.model, self.model.params
        stopped = self._copies(~self.active)
        with self.timer("forward"):
            loss, correct = model.backpropagate(x, y, step=state.step)
        # the penalty is looked at after the update before it, but for the first
        cost = loss if state.step else loss + model.penalty()
        stopped += self._check_cost(cost, lr)
        with self.timer("update"):
            self.optimizer.update(params, model.grads, self.slots, lr, state.step)
        for flat, k, row in stopped:
            flat[k] = row
        self._check_params(lr)
        state.running_loss[self.models] += loss * len(x)
        state.running_correct[self.models] += correct
        state.running_rows[self.models] += len(x)

    def _copies(self, which: Array) -> list[tuple[Array, int, Array]]:
        """What an update may not change: a stopped model of a stack is masked, not removed."""
        return self.state.models(self.models.start + np.flatnonzero(which)) if which.any() else []

    def _check_cost(self, cost: Array, lr: Array) -> list[tuple[Array, int, Array]]:
        """Stop the models whose cost is not finite; copies of those that were active."""
        stopped = ~np.isfinite(cost)
        if not stopped.any():
            return []
        for i in np.flatnonzero(stopped):
            stopped[i] = self.diverge(self.models.start + int(i), f"the cost is {cost[i]} at", lr[i])
        return self._copies(stopped)

    def _check_params(self, lr: Array) -> None:
        """Stop the models that a finite gradient has thrown out of the finite numbers."""
        if surely_finite(self.model.params):  # and so is the penalty
            return
        are_finite, penalty = finite(self.model.params), self.model.penalty()
        for i in np.flatnonzero(~(are_finite & np.isfinite(penalty))):
            what = f"the penalty is {penalty[i]}" if are_finite[i] else "the parameters are no longer finite"
            self.diverge(self.models.start + int(i), f"{what} after", lr[i])
