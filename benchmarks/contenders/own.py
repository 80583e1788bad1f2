"""linclass: the Trainer with the parts that the command line gives it."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.contenders.contender import Scores
from benchmarks.problem import Problem
from linclass import engine
from linclass.datasets.inputs import Inputs
from linclass.models.architecture import Architecture
from linclass.models.base import Model
from linclass.models.linear import Linear
from linclass.models.mlp import MLP
from linclass.params import Array
from linclass.runs.build import has_wide_products
from linclass.training import optim, schedules
from linclass.training.state import TrainState
from linclass.training.trainer import Callback, Trainer

DTYPE = "float32"


class LastBatch(Callback):
    """Notes when the last batch of an epoch was done: the end of training, before the evaluation."""

    def __init__(self) -> None:
        self.at = 0.0

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.state.step % trainer.batches_per_epoch == 0:
            self.at = time.perf_counter()


class Own:
    """All K models in one Trainer, as `experiment.run` trains them."""

    def __init__(self, problem: Problem, threads: int, models: int | None = None) -> None:
        workload = problem.workload
        self.workload, self.models = workload, models or workload.K
        # the fastest number of threads up to `--threads`, as with the peers
        self.thread_choices = tuple(range(1, threads + 1))
        self._orders = workload.own_orders
        self._model = _model(problem, self.models)
        self._inputs = {name: Inputs(split) for name, split in problem.splits.items()}
        self._lr = problem.lr[: self.models]
        # one number: common batches; a list: an order each
        self._seed = problem.order_seeds[: self.models] if self._orders else problem.order_seeds[0]
        self._last_batch = LastBatch()
        self._state: TrainState | None = None
        self.use_threads(threads)

    def use_threads(self, threads: int) -> None:
        """As `runs.build` deals them out; the training goes on."""
        workload, model = self.workload, self._model
        is_wide = has_wide_products(model, workload.batch_size, common=not self._orders)
        self._blas_threads = threads if is_wide else 1
        self._trainer = Trainer(
            model,
            optim.make(workload.optimizer),
            schedules.constant(self._lr),
            batch_size=workload.batch_size,
            seed=self._seed,
            shuffle=workload.shuffle,
            callbacks=[self._last_batch] if not workload.evaluates else [],
            state=self._state,
            test=workload.evaluates,
        )
        self._state = self._trainer.state

    def epoch(self, number: int) -> float:
        """To the end of epoch `number`, whichever was the last one."""
        inputs, evaluates = self._inputs, self.workload.evaluates
        with engine.limited(self._blas_threads):  # as `Job.fit`
            started = time.perf_counter()
            self._trainer.fit(
                inputs["train"],
                epochs=number,
                valid=inputs["validation"],
                test=inputs["test"] if evaluates else None,
            )
            ended = time.perf_counter() if evaluates else self._last_batch.at
        return ended - started

    def epochs(self, first: int, count: int) -> float:
        if self.workload.evaluates:
            return self.epoch(first + count - 1)
        # only the training counts, and the trainer evaluates after each epoch
        return sum(self.epoch(number) for number in range(first, first + count))

    def weights(self) -> dict[str, Array]:
        return dict(self._trainer.state.params)

    def scores(self) -> Scores:
        if not self.workload.evaluates:
            return {}
        rows = self._trainer.state.history.latest()

        def column(name: str) -> Array:
            return np.array([row[name] for row in rows])

        # the history has no test loss
        no_loss = np.full(self.models, np.nan)
        return {
            "train": (column("train_loss"), column("train_accuracy")),
            "validation": (column("val_loss"), column("val_accuracy")),
            "test": (no_loss, column("test_accuracy")),
        }


class OwnFirst(Own):
    """The first of the models, alone."""

    def __init__(self, problem: Problem, threads: int) -> None:
        super().__init__(problem, threads, models=1)


def _model(problem: Problem, models: int) -> Model:
    """The first `models` of the problem, with its first weights."""
    workload = problem.workload
    architecture = Architecture(
        workload.sizes,
        seeds=workload.seeds[:models],
        loss=workload.loss,
        l2=problem.l2[:models],
        dtype=DTYPE,
        scaler=problem.scaler,
        batch_size=workload.batch_size,
    )
    model = (Linear if len(workload.sizes) == 2 else MLP)(architecture)
    for name, array in problem.weights().items():
        model.params[name][...] = array[:models]
    return model
