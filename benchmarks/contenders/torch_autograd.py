"""PyTorch with autograd: nn.Linear, cross_entropy, torch.optim; all rows in memory as tensors.

PyTorch's weight_decay is 2 lambda, and only on the weights. With float32 rows in memory a batch is one
index_select, or a view where whole batches are shuffled: nothing of a DataLoader is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contenders.contender import OneByOne
from benchmarks.problem import Problem
from linclass.params import Array


class Autograd(OneByOne):
    """K networks one after the other."""

    def __init__(self, problem: Problem, threads: int) -> None:
        super().__init__(problem, threads)
        self.rows = {split: tuple(map(torch.from_numpy, xy)) for split, xy in problem.rows.items()}
        self._nets = [_network(problem, k) for k in range(self.models)]
        self._optimizers = [_optimizer(problem, net, k) for k, net in enumerate(self._nets)]
        self.cost: Callable[[Any, Any, Any], Any] = (
            _cross_entropy if self.workload.loss == "softmax" else _squared_error
        )

    def use_threads(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def ready(self, order: Array) -> Any:
        return torch.from_numpy(order)

    def train_model(self, k: int, order: Any) -> None:
        net, optimizer = self._nets[k], self._optimizers[k]
        for x, y in self.batches(order):
            optimizer.zero_grad(set_to_none=True)
            self.cost(net, x, y).backward()
            optimizer.step()

    def batches(self, order: Any) -> Any:
        """x and y of each batch of the order."""
        (x, y), size = self.rows["train"], self.workload.batch_size
        if order.ndim == 2:
            return ((x.index_select(0, rows), y.index_select(0, rows)) for rows in order)
        return ((x[b * size : (b + 1) * size], y[b * size : (b + 1) * size]) for b in order.tolist())

    def weights(self) -> dict[str, Array]:
        names = [name for layer in self.workload.layers for name in layer]
        columns = zip(*(net.parameters() for net in self._nets), strict=True)
        return {
            name: np.stack([theta.detach().numpy() for theta in thetas])
            for name, thetas in zip(names, columns, strict=True)
        }

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        (net,) = self._nets
        return {split: evaluation(net(x), y) for split, (x, y) in self.rows.items()}


def evaluation(scores: Any, y: Any) -> tuple[float, float]:
    """Mean cross-entropy, and fraction correct."""
    return (
        nn.functional.cross_entropy(scores, y).item(),
        (scores.argmax(dim=1) == y).float().mean().item(),
    )


def _cross_entropy(net: Any, x: Any, y: Any) -> Any:
    return nn.functional.cross_entropy(net(x), y)


def _squared_error(net: Any, x: Any, y: Any) -> Any:
    return nn.functional.mse_loss(net(x), y)


def _network(problem: Problem, k: int) -> Any:
    """Model k with its first weights."""
    layers: list[nn.Module] = []
    weights = problem.weights()
    for W, b in problem.workload.layers:
        C, d = weights[W][k].shape
        affine = nn.Linear(d, C)
        with torch.no_grad():
            affine.weight.copy_(torch.from_numpy(weights[W][k]))
            affine.bias.copy_(torch.from_numpy(weights[b][k]))
        layers += [affine, nn.ReLU()]
    return nn.Sequential(*layers[:-1]) if len(layers) > 2 else layers[0]


def _optimizer(problem: Problem, net: Any, k: int) -> Any:
    """`fused` is the fastest form on a processor: one call for all parameters."""
    lr, l2 = problem.workload.lr[k], problem.workload.l2[k]
    groups = [
        {"params": [p for p in net.parameters() if p.ndim == 2], "weight_decay": 2 * l2},
        {"params": [p for p in net.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    if problem.workload.optimizer == "adam":
        return torch.optim.Adam(groups, lr=lr, fused=True)
    return torch.optim.SGD(groups, lr=lr, fused=True)
