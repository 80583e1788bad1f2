"""PyTorch without autograd: the gradients written by hand, in place where that is possible. SGD, softmax.

W <- (1 - 2 eta lambda) W - eta G^T A is one addmm_ of the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.contenders.torch_autograd import Autograd, evaluation
from benchmarks.problem import Problem
from linclass.params import Array


class Manual(Autograd):
    """As `Autograd`, on bare tensors."""

    def __init__(self, problem: Problem, threads: int) -> None:
        super().__init__(problem, threads)
        first = problem.weights()
        self._theta = [
            {name: torch.from_numpy(array[k].copy()) for name, array in first.items()}
            for k in range(self.models)
        ]
        self._rows_of_batch = torch.arange(self.workload.batch_size)

    @torch.no_grad()
    def train_model(self, k: int, order: Any) -> None:
        for x, y in self.batches(order):
            self._step(k, x, y)

    def _step(self, k: int, x: Any, y: Any) -> None:
        theta, lr, l2 = self._theta[k], self.workload.lr[k], self.workload.l2[k]
        *A, scores = self._forward(theta, x)
        G = torch.softmax(scores, dim=1)
        G[self._rows_of_batch, y] -= 1
        G /= len(y)
        for layer, (W, b) in reversed(list(enumerate(self.workload.layers))):
            below: Any = (G @ theta[W]).mul_(A[layer] > 0) if layer else None
            theta[W].addmm_(G.t(), A[layer], beta=1 - 2 * lr * l2, alpha=-lr)
            theta[b].sub_(G.sum(dim=0), alpha=lr)
            G = below

    def _forward(self, theta: dict[str, Any], x: Any) -> list[Any]:
        """x, the activations of every hidden layer, and the scores."""
        A = [x]
        for W, b in self.workload.layers:
            S = torch.addmm(theta[b], A[-1], theta[W].t())
            A.append(S if (W, b) == self.workload.layers[-1] else S.relu_())
        return A

    def weights(self) -> dict[str, Array]:
        return {name: np.stack([t[name].numpy() for t in self._theta]) for name in self._theta[0]}

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        (theta,) = self._theta
        return {split: evaluation(self._forward(theta, x)[-1], y) for split, (x, y) in self.rows.items()}
