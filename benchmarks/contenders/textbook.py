"""Textbook numpy: the formulas line by line, one model after the other. In float64 it is the reference.

S_1 = x W_1^T + b_1;  A_1 = max(S_1, 0);  ...;  scores = A_{L-1} W_L^T + b_L
softmax   G = (P - Y) / n            squared   G = 2 (scores - Y) / n
dW = G^T A + 2 lambda W;  db = sum G;  G <- (G W) * (A > 0)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.contenders.contender import OneByOne
from benchmarks.problem import Problem
from linclass.params import Array

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class Textbook(OneByOne):
    """See the module's docstring. models: how many to train, where not as many as any peer."""

    def __init__(
        self,
        problem: Problem,
        threads: int,
        *,
        dtype: type[np.floating[Any]] = np.float32,
        models: int | None = None,
    ) -> None:
        super().__init__(problem, threads)
        self.models = models or self.models
        self.rows = {split: problem.numbers(split, dtype) for split in problem.splits}
        first = problem.weights()
        self._theta = [{name: a[k].astype(dtype) for name, a in first.items()} for k in range(self.models)]
        self._mean, self._square = (
            [{name: np.zeros_like(a) for name, a in theta.items()} for theta in self._theta] for _ in range(2)
        )
        self._steps = [0] * self.models

    def use_threads(self, threads: int) -> None:
        threadpool_limits(limits=threads, user_api="blas")

    def train_model(self, k: int, order: Array) -> None:
        (x, y), size = self.rows["train"], self.workload.batch_size
        for batch in order:
            rows = batch if order.ndim == 2 else slice(batch * size, (batch + 1) * size)
            self._update(k, self._gradients(k, x[rows], y[rows]))

    def _forward(self, theta: dict[str, Array], x: Array) -> list[Array]:
        """x, the activations of every hidden layer, and the scores."""
        A = [x]
        for W, b in self.workload.layers:
            S = A[-1] @ theta[W].T + theta[b]
            A.append(S if (W, b) == self.workload.layers[-1] else np.maximum(S, 0))
        return A

    def _gradients(self, k: int, x: Array, y: Array) -> dict[str, Array]:
        theta, n = self._theta[k], len(x)
        *A, scores = self._forward(theta, x)
        if self.workload.loss == "softmax":
            G = softmax(scores)
            G[np.arange(n), y] -= 1
            G /= n
        else:
            G = 2 * (scores - y) / n
        gradients = {}
        for layer, (W, b) in reversed(list(enumerate(self.workload.layers))):
            gradients[W] = G.T @ A[layer] + 2 * self.workload.l2[k] * theta[W]
            gradients[b] = G.sum(axis=0)
            if layer:
                G = (G @ theta[W]) * (A[layer] > 0)
        return gradients

    def _update(self, k: int, gradients: dict[str, Array]) -> None:
        theta, lr = self._theta[k], self.workload.lr[k]
        self._steps[k] += 1
        t = self._steps[k]
        for name, g in gradients.items():
            if self.workload.optimizer == "sgd":
                theta[name] -= lr * g
                continue
            m, v = self._mean[k], self._square[k]
            m[name] = BETA1 * m[name] + (1 - BETA1) * g
            v[name] = BETA2 * v[name] + (1 - BETA2) * g**2
            m_hat, v_hat = m[name] / (1 - BETA1**t), v[name] / (1 - BETA2**t)
            theta[name] -= lr * m_hat / (np.sqrt(v_hat) + EPS)

    def weights(self) -> dict[str, Array]:
        return {name: np.stack([theta[name] for theta in self._theta]) for name in self._theta[0]}

    def evaluate(self) -> dict[str, Any]:
        return {
            split: tuple(np.transpose([self._score(theta, x, y) for theta in self._theta]))
            for split, (x, y) in self.rows.items()
        }

    def _score(self, theta: dict[str, Array], x: Array, y: Array) -> tuple[float, float]:
        """Mean cross-entropy, and fraction correct."""
        scores = self._forward(theta, x)[-1]
        P = softmax(scores)
        return float(-np.log(P[np.arange(len(y)), y]).mean()), float((scores.argmax(axis=1) == y).mean())


def softmax(scores: Array) -> Array:
    """P, row by row; the largest score is subtracted, so that nothing overflows."""
    P = np.exp(scores - scores.max(axis=1, keepdims=True))
    P /= P.sum(axis=1, keepdims=True)
    return np.asarray(P)
