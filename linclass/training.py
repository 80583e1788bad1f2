"""The trainer: the loop that every experiment runs.

    for each epoch:
        for each batch, in an order that is a function of (seed, epoch):
            gradients = model.backpropagate(batch);  optimizer.update(...)
        evaluate on the whole splits, append a row to the history, let the callbacks look

K models train side by side. With one seed they share every batch (a sweep: a paired comparison); with K
seeds each is an independent replica with an order of its own, and only reading and evaluation are shared.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from linclass.ahead import Evaluator, LastBatch, Pending
from linclass.datasets import batches
from linclass.datasets.augment import Augmentation
from linclass.datasets.inputs import Batch, Change, Inputs, Order, Selection
from linclass.errors import DivergedError
from linclass.models.base import Model
from linclass.models.shares import Shares, are_worth_it
from linclass.optim import Optimizer
from linclass.params import Array, finite, surely_finite
from linclass.schedules import Schedule
from linclass.second_core import ALONE, Worker, working
from linclass.train_state import TrainState
from linclass.whole_splits import Evaluations, Helper, Splits, evaluate_all, fraction

WORTH_SHARING = 8e6
"""Rows of a batch times parameters, of all replicas, from which a second core trains half of them. Ten
linear models of 30,000 parameters (3e7) then took 0.72 of one core's time, in two groups of five."""


def replicas_are_worth_sharing(model: Model, batch_size: int) -> bool:
    """See WORTH_SHARING."""
    return model.params.K > 1 and batch_size * sum(a.size for a in model.params.values()) >= WORTH_SHARING


class Callback:
    """Named hooks that do nothing; override some. A callback owns no fact that changes training:
    what it decides from is read back from the history. All that it may change is, at an epoch's end,
    `state.active` and `state.best`, and `stop_requested`. With two threads `on_batch_end` is not called for
    batches that are trained while the last epoch is evaluated."""

    def on_fit_start(self, trainer: Trainer) -> None: ...
    def on_batch_end(self, trainer: Trainer) -> None: ...
    def on_epoch_end(self, trainer: Trainer) -> None: ...
    def on_diverged(self, trainer: Trainer, k: int, message: str) -> None: ...
    def on_fit_end(self, trainer: Trainer) -> None: ...


@dataclass
class _Track:
    """Models that are computed together: which of the stack they are.

    seeds: of their order, one for all, or one each.
    """

    models: slice
    seeds: Sequence[int]
    model: Model
    slots: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)


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
        threads: with 2, a second core trains half of the replicas, or of a stack (`models.shares`), and
            evaluates half of the rows; beside a single model it gathers the next batches, and evaluates an
            epoch while the next one is trained (`ahead`).
        side_by_side: so many replicas' batches, to each its own rows, are computed as one; the same bits. Not
            with augmentation, whose changes are those of one model, nor with shuffled batches of which one is
            short and comes to each at another time.
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
        threads: int = 1,
        side_by_side: int = 1,
    ) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.augmentation = augmentation
        self.callbacks = list(callbacks)
        self.state = TrainState.initial(model, optimizer, test=test) if state is None else state
        self.tracks = self._make_tracks(seed, side_by_side)
        self.threads, self.worker = threads, ALONE
        self._twin = model.twin() if threads > 1 else None
        self.shares: Shares | None = None
        common = len(self.tracks) == len(self.tracks[0].seeds) == 1
        if threads > 1 and common and are_worth_it(model, batch_size):
            self.shares = Shares(model)
        self._evaluator: Evaluator | None = None
        self._pending: Pending | None = None
        self._ended_at = 0.0
        self.stop_requested = False
        self.batches_per_epoch = 0
        self._divergence = ""
        self._untold: dict[int, str] = {}

    def _make_tracks(self, seed: int | Sequence[int], size: int) -> list[_Track]:
        """One of all models for a common seed; else one of every `size` replicas."""
        K = self.model.K
        if isinstance(seed, int):
            return [self._track(slice(0, K), [seed])]
        if len(seed) != K:
            raise ValueError(f"{len(seed)} seeds for {K} models; expected one each")
        return [self._track(slice(k, min(k + size, K)), seed[k : k + size]) for k in range(0, K, size)]

    def _track(self, models: slice, seeds: Sequence[int]) -> _Track:
        slots = self.state.slots
        if models == slice(0, self.model.K):
            return _Track(models, seeds, self.model, slots)
        own = {name: slot.select(models) for name, slot in slots.items()}
        return _Track(models, seeds, self.model.select(models), own)

    def _active_tracks(self) -> Iterator[_Track]:
        """Those with something to train; replicas beside a stopped one are computed one by one."""
        for track in self.tracks:
            active = self.state.active[track.models]
            if active.all() or (active.any() and len(track.seeds) == 1):
                yield track
            elif active.any():
                for k in map(int, np.flatnonzero(active)):
                    model = track.models.start + k
                    yield self._track(slice(model, model + 1), [track.seeds[k]])

    def fit(self, train: Inputs, *, epochs: int, valid: Inputs, test: Inputs | None = None) -> TrainState:
        """Train until `epochs` epochs are done in all, every model has stopped, or a stop is requested.

        Returns the state, which is then consistent: a later `fit` goes on from there to the same bits.

        Raises UsageError if the batch is larger than the data, DivergedError when every model diverged.
        """
        splits = Splits(train, valid, test)
        self.batches_per_epoch = batches.count(len(train), self.batch_size, self.drop_last)
        self._each("on_fit_start")
        beside = self.threads if self._has_idle_core() else 1
        # a diverging model overflows; it is recognised by its cost, not by warnings
        with (
            np.errstate(over="ignore", invalid="ignore"),
            working(self.threads) as self.worker,
            working(beside) as evaluating,
        ):
            self._evaluator = Evaluator(self.model, evaluating) if evaluating.parallel else None
            self._ended_at = time.perf_counter()
            try:
                while self.state.epoch < epochs and self.state.active.any() and not self.stop_requested:
                    if self._train_epoch(train) and self._settle():
                        self._finish_epoch(splits, is_last=self.state.epoch + 1 >= epochs)
                self._settle()
            except BaseException:
                self._drop_pending()
                raise
        self._each("on_fit_end")
        if self._divergence and self.state.diverged.all():
            raise DivergedError(self._divergence)
        return self.state

    def _train_epoch(self, train: Inputs) -> bool:
        """What is left of the current epoch's batches; False if not all of them were done."""
        state = self.state
        epoch, first = state.epoch + 1, state.step - state.epoch * self.batches_per_epoch
        tracks = list(self._active_tracks())
        mine, others = (tracks[::2], tracks[1::2]) if self._shares_tracks() else (tracks, [])
        worker = self.worker
        if others or self.shares is not None or (self.shuffle != "samples" and self.augmentation is None):
            worker = ALONE  # it is busy, or there is nothing to gather
        stream = self._stream(train, mine, epoch, first, worker)
        other_stream = self._stream(train, others, epoch, first, ALONE)
        for _batch in range(first, self.batches_per_epoch):
            lr = self._learning_rates(state.step)
            task = None
            if others:
                task = self.worker.start(functools.partial(self._train_tracks, others, other_stream, lr))
            self._train_tracks(mine, stream, lr)
            if task is not None:
                task.result()
            self._tell_diverged()
            state.step += 1
            if self._pending is None:
                self._each("on_batch_end")
            elif self._is_due(self._pending) and not self._settle():
                return False
            if self.stop_requested or not state.active.any():
                return False
        return True

    def _has_idle_core(self) -> bool:
        """Whether the second core has time to evaluate while the next epoch is trained."""
        return self.threads > 1 and self._twin is not None and not self.shares and not self._shares_tracks()

    def _finish_epoch(self, splits: Splits, *, is_last: bool) -> None:
        """End the epoch whose batches are done, or leave that pending and go ahead."""
        if is_last or self._evaluator is None:
            self._end_epoch(self._evaluate(splits), splits.train)
            return
        self._pending = self._evaluator.begin(self.model, self.state, splits)
        self.state.epoch += 1
        self.state.clear_running()

    def _is_due(self, pending: Pending) -> bool:
        return pending.evaluations.is_done() or pending.is_void or self.stop_requested

    def _settle(self) -> bool:
        """End the epoch that is pending, if one is; False if the batches since then are void."""
        pending, state = self._pending, self.state
        if pending is None:
            return True
        evaluations = self._wait_for(pending)
        here, last, before = state.moment(), LastBatch.of(self.model), (*state.active, self.stop_requested)
        self._drop_pending()
        self._end_epoch(evaluations, pending.train)
        if pending.is_void or (*state.active, self.stop_requested) != before:
            return False
        state.go_to(here)
        last.give_to(self.model)
        return True

    def _drop_pending(self) -> None:
        """Back to the end of the epoch that is pending, if one is; it is not evaluated."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self.state.go_to(pending.end)
            pending.last.give_to(self.model)

    def _wait_for(self, pending: Pending) -> Evaluations:
        return pending.evaluations.result()

    def _shares_tracks(self) -> bool:
        """Whether the second core trains every other track, instead of gathering batches for all."""
        if self._twin is None or self.augmentation is not None or len(self.tracks) == 1:
            return False
        return replicas_are_worth_sharing(self.model, self.batch_size)

    def _stream(
        self, train: Inputs, tracks: Sequence[_Track], epoch: int, first: int, worker: Worker
    ) -> Iterator[Batch]:
        """From batch `first` on, the batch of each track in turn."""
        orders = zip(*(self._order(track, len(train), epoch, first) for track in tracks), strict=True)
        return train.stream(itertools.chain.from_iterable(orders), worker)

    def _train_tracks(self, tracks: Sequence[_Track], stream: Iterator[Batch], lr: Array) -> None:
        """Train each on its next batch."""
        for track in tracks:
            x, y = next(stream)
            self._train_batch(track, x, y, lr[track.models])

    def _learning_rates(self, step: int) -> Array:
        """`(K,)`, of the update after `step` others."""
        lr = np.asarray(self.schedule(step))
        return lr if lr.shape == (self.model.K,) else np.full(self.model.K, lr)

    def _augment(self, seed: int, epoch: int, batch: int) -> Change | None:
        if self.augmentation is None:
            return None
        return functools.partial(self.augmentation, seed=seed, epoch=epoch, batch=batch)

    def _order(self, track: _Track, n: int, epoch: int, first: int) -> Iterator[Order]:
        """For each batch of the epoch from number `first`: the rows that the track takes, their change."""
        orders = [
            batches.batches(
                n,
                self.batch_size,
                seed=seed,
                epoch=epoch,
                first=first,
                shuffle=self.shuffle,
                drop_last=self.drop_last,
            )
            for seed in track.seeds
        ]
        for batch, selections in enumerate(zip(*orders, strict=True), start=first + 1):
            if len(selections) > 1:
                yield np.stack([_indices(selection) for selection in selections], axis=1), None
            else:
                yield selections[0], self._augment(track.seeds[0], epoch, batch)

    def _train_batch(self, track: _Track, x: Array, y: Array, lr: Array) -> None:
        state, model, active = self.state, track.model, self.state.active[track.models]
        if not active.any():
            return
        # a stopped model of a stack is masked, not removed
        frozen = [] if active.all() else state.models(track.models.start + np.flatnonzero(~active))
        if self.shares is not None and model is self.model:
            self.shares.backpropagate(self.worker, x, y, step=state.step)
        else:
            model.backpropagate(x, y, step=state.step)
        loss, correct = model.batch
        # the penalty is looked at after the update before it, but for the first
        cost = loss if state.step else loss + model.penalty()
        if not np.isfinite(cost).all():
            frozen += state.models(self._stop_diverged(cost, track.models, lr, self._here()))
        self.optimizer.update(model.params, model.grads, track.slots, lr, state.step)
        for array, k, numbers in frozen:
            array[k] = numbers
        self._check_params(model, track.models, lr)
        state.running_loss[track.models] += loss * len(x)
        state.running_correct[track.models] += correct
        state.running_rows[track.models] += len(x)

    def _end_epoch(self, evaluations: Evaluations, train: Inputs) -> None:
        state, model, epoch = self.state, self.model, self.state.epoch + 1
        (on_train, on_valid, on_test), penalty = evaluations, model.penalty()
        lr = self._learning_rates(state.step - 1)
        everything = on_train.loss + on_valid.loss + penalty
        if on_test is not None:
            everything += on_test.loss
        if not np.isfinite(everything).all():
            self._stop_diverged(everything, slice(0, model.K), lr, f"the end of epoch {epoch}")
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

    def _evaluate(self, splits: Splits) -> Evaluations:
        helper = None if self._twin is None else Helper(self.worker, self._twin)
        return evaluate_all(self.model, splits, helper)

    def _here(self) -> str:
        """The batch that is trained on."""
        state = self.state
        batch = state.step - state.epoch * self.batches_per_epoch + 1
        return f"epoch {state.epoch + 1}, batch {batch}"

    def _stop_diverged(self, cost: Array, models: slice, lr: Array, where: str) -> list[int]:
        """Stop the models whose cost is not finite; the numbers of those that were active."""
        stopped = []
        for i in np.flatnonzero(~np.isfinite(cost)):
            k, advice = int(models.start + i), _smaller(lr[i])
            if self.state.step == 0:
                advice = "no step was made yet, so look at the data, --init-std and --lambda"
            if self._diverge(k, f"the cost is {cost[i]} at {where}", lr[i], advice):
                stopped.append(k)
        return stopped

    def _check_params(self, model: Model, models: slice, lr: Array) -> None:
        """Stop the models that a finite gradient has thrown out of the finite numbers."""
        if surely_finite(model.params):  # and so is the penalty
            return
        are_finite, penalty = finite(model.params), model.penalty()
        for i in np.flatnonzero(~(are_finite & np.isfinite(penalty))):
            what = f"the penalty is {penalty[i]}" if are_finite[i] else "the parameters are no longer finite"
            self._diverge(int(models.start + i), f"{what} after {self._here()}", lr[i], _smaller(lr[i]))

    def _diverge(self, k: int, what: str, eta: float, advice: str) -> bool:
        """Stop model k, if it is active; its weights go back to the best ones."""
        state = self.state
        if not state.active[k]:
            return False
        if self._pending is not None:  # which are the best weights, is not known yet
            self._pending.is_void = True
            return False
        state.active[k], state.diverged[k] = False, True
        state.restore_best(k)
        self._untold[k] = f"{what}, with eta = {eta:g}: expected finite numbers; {advice}"
        return True

    def _tell_diverged(self) -> None:
        """Tell the callbacks, which are called from the main thread only, and in the order of the models."""
        for k in sorted(self._untold):
            self._divergence = self._untold.pop(k)
            for callback in self.callbacks:
                callback.on_diverged(self, k, self._divergence)

    def _each(self, hook: str) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(self)


def _indices(selection: Selection) -> Array:
    """`(n,)` row numbers."""
    return np.arange(selection.start, selection.stop) if isinstance(selection, slice) else selection


def _smaller(eta: float) -> str:
    return f"try a smaller learning rate, such as --eta {eta / 10:g}"
