"""scikit-learn: MLPClassifier.partial_fit, one call an epoch. With no hidden layer it is the linear model.

Its gradient is (dW + alpha W) / n with n the rows of the batch, so alpha = 2 lambda n. `shuffle` is off and
the rows are gathered in the given order in one go, which costs no more than its own shuffling.
Not comparable: SGDClassifier, which fits C separate classifiers, one row at a time; and Adam, which adds eps
before the correction of v (Kingma and Ba's epsilon hat), so that its first steps are others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.contenders.contender import OneByOne
from benchmarks.problem import Problem
from linclass.params import Array


class Sklearn(OneByOne):
    """One MLPClassifier on float32 rows, which it keeps in float32."""

    def __init__(self, problem: Problem, threads: int) -> None:
        super().__init__(problem, threads)
        workload, (x, y) = self.workload, problem.rows["train"]
        self._classifier: Any = MLPClassifier(
            hidden_layer_sizes=workload.sizes[1:-1],
            solver=workload.optimizer,
            alpha=2 * workload.l2[0] * workload.batch_size,
            batch_size=workload.batch_size,
            learning_rate_init=workload.lr[0],
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
        )
        # the first call makes its arrays and their optimiser; both are then put back to the beginning
        size = workload.batch_size
        self._classifier.partial_fit(x[:size], y[:size], classes=np.arange(workload.sizes[-1]))
        del self._classifier._optimizer
        first = problem.weights()
        for (W, b), coef, intercept in zip(workload.layers, *self._arrays(), strict=True):
            coef[...], intercept[...] = first[W][0].T, first[b][0]

    def _arrays(self) -> tuple[Any, Any]:
        return self._classifier.coefs_, self._classifier.intercepts_

    def use_threads(self, threads: int) -> None:
        threadpool_limits(limits=threads, user_api="blas")

    def train_model(self, k: int, order: Array) -> None:
        x, y = self.problem.rows["train"]
        rows = order.ravel()
        self._classifier.partial_fit(x[rows], y[rows])

    def weights(self) -> dict[str, Array]:
        weights: dict[str, Array] = {}
        for (W, b), coef, intercept in zip(self.workload.layers, *self._arrays(), strict=True):
            weights |= {W: coef.T[None], b: intercept[None]}
        return weights

    def evaluate(self) -> dict[str, Any]:
        """Nothing: it takes part in workloads that only train, and in another the check would say so."""
        return {}
