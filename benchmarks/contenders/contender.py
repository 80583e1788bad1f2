"""What every contender is to the worker process, and what the peers among them share."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from benchmarks.problem import Problem
from linclass.params import Array

Scores = dict[str, tuple[Array, Array]]
"""Split -> mean loss without the penalty, and fraction correct, both `(models,)`."""


class Contender(Protocol):
    """Trains the models of a problem, an epoch at a time; made with `(problem, threads)`.

    Attributes:
        models: how many of the K it really trains.
        thread_choices: the numbers of threads that the worker may try, to keep the fastest.
    """

    models: int
    thread_choices: tuple[int, ...]

    def use_threads(self, threads: int) -> None: ...

    def epoch(self, number: int) -> float:
        """Train epoch `number` (from 1, in turn), evaluate if the workload does; the seconds it took."""
        ...

    def epochs(self, first: int, count: int) -> float:
        """Train `count` epochs from number `first` on, evaluating as `epoch` does; the seconds they took."""
        ...

    def weights(self) -> dict[str, Array]:
        """By linclass's names, `(models, ...)`."""
        ...

    def scores(self) -> Scores:
        """The last evaluation; empty if the workload has none."""
        ...


class Peer(ABC):
    """A contender with its rows in memory before the clock starts, and the order of the epoch too."""

    def __init__(self, problem: Problem, threads: int) -> None:
        self.problem, self.workload = problem, problem.workload
        self.models = min(self.workload.one_by_one, self.workload.K)
        self.thread_choices = tuple(range(1, threads + 1))
        self._scores: Scores = {}

    def epoch(self, number: int) -> float:
        orders = [self.ready(self.problem.order(number, k)) for k in range(self.models)]
        started = time.perf_counter()
        self.train(orders)
        evaluation = self.evaluate() if self.workload.evaluates else {}
        seconds = time.perf_counter() - started
        self._scores = {
            name: (np.asarray(loss).reshape(-1), np.asarray(correct).reshape(-1))
            for name, (loss, correct) in evaluation.items()
        }
        return seconds

    def epochs(self, first: int, count: int) -> float:
        return sum(self.epoch(number) for number in range(first, first + count))

    def scores(self) -> Scores:
        return self._scores

    def ready(self, order: Array) -> Any:
        """The order in the peer's own type, before the clock starts."""
        return order

    @abstractmethod
    def use_threads(self, threads: int) -> None: ...

    @abstractmethod
    def train(self, orders: Sequence[Any]) -> None:
        """One epoch of every model."""

    @abstractmethod
    def evaluate(self) -> dict[str, Any]:
        """Split -> mean loss and fraction correct, of all models."""

    @abstractmethod
    def weights(self) -> dict[str, Array]: ...


class OneByOne(Peer):
    """A peer whose models train one after the other."""

    def train(self, orders: Sequence[Any]) -> None:
        for k, order in enumerate(orders):
            self.train_model(k, order)

    @abstractmethod
    def train_model(self, k: int, order: Any) -> None:
        """One epoch of model k."""
