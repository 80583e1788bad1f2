"""The trainer: the loop that every experiment runs.

    for each epoch:
        for each batch, in an order that is a function of (seed, epoch):
            loss, correct = model.backpropagate(batch);  optimizer.update(...)
        evaluate on the whole splits, append a row to the history, let the callbacks look

K models train side by side. With one seed they share every batch (a sweep: a paired comparison); with K
seeds each is an independent replica with an order of its own, computed by itself.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence

import numpy as np

from linclass.datasets import batches
from linclass.datasets.augment import Augmentation
from linclass.datasets.inputs import Change, Inputs, Order
from linclass.errors import DivergedError
from linclass.models.base import Model, Timer, untimed
from linclass.params import Array
from linclass.training.evaluate import Evaluations, Splits, evaluate_all, fraction
from linclass.training.optim import Optimizer
from linclass.training.replicas import Replicas
from linclass.training.schedules import Schedule
from linclass.training.state import TrainState


class Callback:
    """Named hooks that do nothing; override some. A callback owns no fact that changes training:
    what it decides from is read back from the history. All that it may change is, at an epoch's end,
    `state.active` and `state.best`, and `stop_requested`."""

    def on_fit_start(self, trainer: Trainer) -> None: ...
    def on_batch_end(self, trainer: Trainer) -> None: ...
    def on_epoch_end(self, trainer: Trainer) -> None: ...
    def on_diverged(self, trainer: Trainer, k: int, message: str) -> None: ...
    def on_fit_end(self, trainer: Trainer) -> None: ...


class Trainer:
    """Trains a model; continues from its state.

    Args:
        model: K models. optimizer, schedule: see `optim` and `schedules`.
        batch_size: rows a step.
        seed: of the order; K numbers make K independent replicas with an order each.
        callbacks: called in their order. shuffle, drop_last: see `datasets.batches`.
        state: to continue from (its `params` must be the model's); a new one if None.
        test: whether the history has a column for the test accuracy.
        augmentation: changes the batches that are trained on, never the rows that are evaluated.
    """

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        schedule: Schedule,
        *,
        batch_size: int,
        seed: int | Sequence[int] = 0,
        callbacks: Sequence[Callback] = (),
        shuffle: batches.Shuffle = "samples",
        drop_last: bool = False,
        state: TrainState | None = None,
        test: bool = False,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.augmentation = augmentation
        self.callbacks = list(callbacks)
        self.state = TrainState.initial(model, optimizer, test=test) if state is None else state
        self.replicas = self._make_replicas(seed)
        self.timer: Timer = untimed
        self.stop_requested = False
        self.batches_per_epoch = 0
        self._ended_at = 0.0
        self._divergence = ""
        self._untold: dict[int, str] = {}

    def _make_replicas(self, seed: int | Sequence[int]) -> list[Replicas]:
        """One of all models for a common seed, else one each."""
        K, model, state = self.model.K, self.model, self.state
        if isinstance(seed, int):
            return [
                Replicas(slice(0, K), seed, model, self.optimizer, state.slots, state, self._stop_diverged)
            ]
        if len(seed) != K:
            raise ValueError(f"{len(seed)} seeds for {K} models; expected one each")
        replicas = []
        for k in range(K):
            slots = {name: slot.select(k) for name, slot in state.slots.items()}
            one = slice(k, k + 1)
            replicas.append(
                Replicas(one, seed[k], model.select(k), self.optimizer, slots, state, self._stop_diverged)
            )
        return replicas

    def time_with(self, timer: Timer) -> None:
        """Tell `timer` of all parts of the work, which are those of `profile.PARTS`."""
        self.timer = timer
        for one in self.replicas:
            one.timer = one.model.timer = timer

    def fit(self, train: Inputs, *, epochs: int, valid: Inputs, test: Inputs | None = None) -> TrainState:
        """Train until `epochs` epochs are done in all, every model has stopped, or a stop is requested.

        Returns the state, which is then consistent: a later `fit` goes on from there to the same bits.

        Raises UsageError if the batch is larger than the data, DivergedError when every model diverged.
        """
        splits = Splits(train, valid, test)
        self.batches_per_epoch = batches.count(len(train), self.batch_size, self.drop_last)
        self._each("on_fit_start")
        self._ended_at = time.perf_counter()
        # a diverging model overflows; it is recognised by its cost, not by warnings
        with self.timer("rest"), np.errstate(over="ignore", invalid="ignore"):
            while self.state.epoch < epochs and self.state.active.any() and not self.stop_requested:
                if self._train_epoch(train):
                    self._end_epoch(self._evaluate(splits), train)
        self._each("on_fit_end")
        if self._divergence and self.state.diverged.all():
            raise DivergedError(self._divergence)
        return self.state

    def _train_epoch(self, train: Inputs) -> bool:
        """What is left of the current epoch's batches; False if not all of them were done."""
        state = self.state
        first = state.step - state.epoch * self.batches_per_epoch
        streams = [train.stream(self._order(one, len(train), first)) for one in self.replicas]
        for _batch in range(first, self.batches_per_epoch):
            lr = self._learning_rates(state.step)
            for one, stream in zip(self.replicas, streams, strict=True):
                if one.active.any():
                    with self.timer("data"):
                        x, y = next(stream)
                    one.step(x, y, lr[one.models])
            self._tell_diverged()
            state.step += 1
            self._each("on_batch_end")
            if self.stop_requested or not state.active.any():
                return False
        return True

    def _order(self, replicas: Replicas, n: int, first: int) -> Iterator[Order]:
        """For each batch of the epoch from number `first`: its rows, and what augmentation does to them."""
        epoch, seed = self.state.epoch + 1, replicas.seed
        selections = batches.batches(
            n,
            self.batch_size,
            seed=seed,
            epoch=epoch,
            first=first,
            shuffle=self.shuffle,
            drop_last=self.drop_last,
        )
        for batch, selection in enumerate(selections, start=first + 1):
            yield selection, self._augment(seed, epoch, batch)

    def _augment(self, seed: int, epoch: int, batch: int) -> Change | None:
        if self.augmentation is None:
            return None
        return functools.partial(self.augmentation, seed=seed, epoch=epoch, batch=batch)

    def _learning_rates(self, step: int) -> Array:
        """`(K,)`, of the update after `step` others."""
        lr = np.asarray(self.schedule(step))
        return lr if lr.shape == (self.model.K,) else np.full(self.model.K, lr)

    def _evaluate(self, splits: Splits) -> Evaluations:
        with self.timer("evaluation"):
            return evaluate_all([one.model for one in self.replicas], splits)

    def _end_epoch(self, evaluations: Evaluations, train: Inputs) -> None:
        """Append the epoch's rows to the history, and let the callbacks look."""
        state, epoch = self.state, self.state.epoch + 1
        on_train, on_valid, on_test = evaluations
        penalty = np.concatenate([one.model.penalty() for one in self.replicas])
        lr = self._learning_rates(state.step - 1)
        everything = on_train.loss + on_valid.loss + penalty
        if on_test is not None:
            everything += on_test.loss
        for k in np.flatnonzero(~np.isfinite(everything)):
            self._stop_diverged(int(k), f"the cost is {everything[k]} at", lr[k], f"the end of epoch {epoch}")
        self._tell_diverged()
        if not state.active.any():
            return
        train_cost, val_cost = on_train.loss + penalty, on_valid.loss + penalty
        running_accuracy = fraction(state.running_correct, state.running_rows, train)
        seconds = time.perf_counter() - self._ended_at
        for k in np.flatnonzero(state.active):
            row = {
                "model": int(k),
                "epoch": epoch,
                "train_loss": on_train.loss[k],
                "train_cost": train_cost[k],
                "train_accuracy": on_train.accuracy[k],
                "val_loss": on_valid.loss[k],
                "val_cost": val_cost[k],
                "val_accuracy": on_valid.accuracy[k],
                "difference": abs(train_cost[k] - val_cost[k]),
                "running_loss": state.running_loss[k] / state.running_rows[k],
                "running_accuracy": running_accuracy[k],
                "learning_rate": lr[k],
                "seconds": seconds,
            }
            if on_test is not None:
                row["test_accuracy"] = on_test.accuracy[k]
            state.history.append(row)
        state.epoch = epoch
        state.clear_running()
        self._each("on_epoch_end")
        self._ended_at = time.perf_counter()

    def _stop_diverged(self, k: int, what: str, eta: float, where: str = "") -> bool:
        """Stop model k, if it is active; its weights go back to the best ones."""
        state = self.state
        if not state.active[k]:
            return False
        state.active[k], state.diverged[k] = False, True
        state.restore_best(k)
        batch = state.step - state.epoch * self.batches_per_epoch + 1
        where = where or f"epoch {state.epoch + 1}, batch {batch}"
        advice = f"try a smaller learning rate, such as --eta {eta / 10:g}"
        if state.step == 0 and what.startswith("the cost"):
            advice = "no step was made yet, so look at the data, --init-std and --lambda"
        self._untold[k] = f"{what} {where}, with eta = {eta:g}: expected finite numbers; {advice}"
        return True

    def _tell_diverged(self) -> None:
        """Tell the callbacks, in the order of the models."""
        for k in sorted(self._untold):
            self._divergence = self._untold.pop(k)
            for callback in self.callbacks:
                callback.on_diverged(self, k, self._divergence)

    def _each(self, hook: str) -> None:
        with self.timer("output"):
            for callback in self.callbacks:
                getattr(callback, hook)(self)
