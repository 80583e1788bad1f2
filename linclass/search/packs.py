"""Packs: trials that are trained together, as one stack on common batches, by whoever is asked to.

Which trials share a pack depends on their settings alone, never on how many processes there are: the width
of a stack can show in the last bit of its numbers, and a pack gives the same ones wherever it is trained.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np

from linclass.datasets.dataset import Dataset
from linclass.errors import DataError, DivergedError
from linclass.params import Array
from linclass.runs.build import STACKED, build, stoppers
from linclass.runs.data import load_data
from linclass.search.trials import Result, Score, Trial, best_row, order, standard_error
from linclass.settings import Experiment
from linclass.training.callbacks import BestKeeper
from linclass.training.history import History, Row
from linclass.training.state import TrainState
from linclass.training.trainer import Callback, Trainer

WIDEST = {"linear": 16, "mlp": 4, "torch-mlp": 1}
"""The most models of a stack: beyond that a step gains little and an early stop saves nothing."""

Classes = tuple[str, ...] | None
Judge = Callable[[Trial, int, float], bool]
"""(trial, epoch, validation loss) -> whether to give it up."""


@dataclass(frozen=True)
class Pack:
    """What one worker trains at a time; all that it needs to know.

    Attributes:
        trials: of settings that differ in STACKED only, or a single one with its replicas.
        rank: what makes the pack's best model (see `trials.RANKS`).
        digest: of the data that the search is about. classes, data_dir: see `runs.data.load_data`.
        threads: see `experiment.run`.
    """

    trials: tuple[Trial, ...]
    rank: str
    digest: str
    data_dir: Path | None = None
    threads: int = 1
    classes: Classes = None


@dataclass(frozen=True)
class Weights:
    """The weights of one model at its best epoch: params and buffers by name, `(1, ...)` each."""

    params: Mapping[str, Array]
    buffers: Mapping[str, Array]


@dataclass(frozen=True)
class PackResult:
    """What a pack came to: its trials' results in their order; the best of them, and its weights."""

    results: tuple[Result, ...]
    best: int
    replica: int
    weights: Weights = field(repr=False)
    seconds: float = 0.0


def pack(trials: Sequence[Trial]) -> list[tuple[Trial, ...]]:
    """The trials in packs: those that can be stacked, in order, at most WIDEST together."""
    groups: dict[tuple[tuple[str, object], ...], list[Trial]] = {}
    for trial in trials:
        fixed = tuple((k, v) for k, v in trial.settings.to_dict().items() if k not in STACKED)
        groups.setdefault(fixed, []).append(trial)
    packs = []
    for group in groups.values():
        settings = group[0].settings
        width = 1 if settings.seeds > 1 else WIDEST[settings.model]
        packs += [tuple(group[i : i + width]) for i in range(0, len(group), width)]
    return sorted(packs, key=lambda members: members[0].number)


def train_pack(task: Pack, judge: Judge | None = None) -> PackResult:
    """Train a pack from the beginning.

    Raises DataError where the data here is missing, or is not what the search is about.
    """
    started = time.perf_counter()
    dataset = data_of(task)
    stack = [trial.settings for trial in task.trials]
    job = build(stack, dataset, threads=task.threads)
    state = job.trainer.state
    job.trainer.callbacks += [*stoppers(stack[0], _nothing), BestKeeper()]
    pruner = _Pruner(task.trials, judge)
    job.trainer.callbacks.append(pruner)
    with contextlib.suppress(DivergedError):  # which is a result: the scores say so
        job.fit()
    replicas = stack[0].seeds
    results = tuple(
        _result(trial, state, range(i * replicas, (i + 1) * replicas), len(dataset.validation))
        for i, trial in enumerate(task.trials)
    )
    results = tuple(one.pruned() if one.trial.number in pruner.given_up else one for one in results)
    return _with_best(task, results, state, time.perf_counter() - started)


def data_of(task: Pack) -> Dataset:
    """The data that a pack trains on, read once in this process, checked against the search's digest."""
    settings = task.trials[0].settings
    dataset = load(settings, task.data_dir, task.classes)
    if digest_of(settings, task.data_dir, task.classes) != task.digest:
        raise DataError(
            f"{settings.dataset} here ({dataset.source}) is not the data this search is about: "
            "put the same files here, in $LINCLASS_DATA or --data-dir"
        )
    return dataset


def load(settings: Experiment, data_dir: Path | None, classes: Classes = None) -> Dataset:
    """`runs.data.load_data`, but read once for many trials: the threads of a process share one copy."""
    return _loaded(settings, data_dir, classes)[0]


def digest_of(settings: Experiment, data_dir: Path | None, classes: Classes = None) -> str:
    """`load(...).digest()`, computed once."""
    return _loaded(settings, data_dir, classes)[1]


def forget_data() -> None:
    """So that the next `load` looks for the files again."""
    with _LOADING:
        _LOADED.clear()


def _loaded(settings: Experiment, data_dir: Path | None, classes: Classes) -> tuple[Dataset, str]:
    settings = settings.resolved()
    key = (*(getattr(settings, name) for name in OF_THE_DATA), data_dir, classes)
    with _LOADING:
        if key not in _LOADED:
            _LOADED.clear()  # one data set at a time
            dataset = load_data(settings, data_dir, classes)
            _LOADED[key] = dataset, dataset.digest()
        return _LOADED[key]


_LOADING = Lock()
_LOADED: dict[tuple[object, ...], tuple[Dataset, str]] = {}
OF_THE_DATA = ("dataset", "split", "train_size", "val_size", "folds", "split_seed", "label_noise", "label")
"""The fields that `runs.data.load_data` reads."""


class _Pruner(Callback):
    """Asks `judge` about every trial after every epoch."""

    def __init__(self, trials: Sequence[Trial], judge: Judge | None) -> None:
        self.trials, self.judge = trials, judge
        self.given_up: set[int] = set()

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.judge is None:
            return
        state = trainer.state
        for i, trial in enumerate(self.trials):
            models = range(i * trial.settings.seeds, (i + 1) * trial.settings.seeds)
            if not any(state.active[k] for k in models):
                continue
            loss = np.mean([rows[-1]["val_loss"] for k in models if (rows := state.history.of_model(k))])
            if self.judge(trial, state.epoch, float(loss)):
                state.active[models.start : models.stop] = False
                self.given_up.add(trial.number)


def _nothing(text: str) -> None:
    """Who was stopped is in the scores."""


def _result(trial: Trial, state: TrainState, models: range, rows: int) -> Result:
    """Scores at the epoch of the lowest validation loss, means over the trial's models."""
    histories = [
        [{name: row[name] for name in row if name != "model"} for row in state.history.of_model(k)]
        for k in models
    ]
    begun = [
        history[int(state.best_epoch[k]) - 1] for k, history in zip(models, histories, strict=True) if history
    ]
    if not begun:
        nan = float("nan")
        return Result(trial, Score("diverged", 0, 0, float("inf"), 0.0, nan, nan, nan), histories)

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in begun]))

    epochs = max(len(history) for history in histories)
    status = "finished" if epochs >= trial.settings.epochs else "stopped"
    if any(state.diverged[k] for k in models):
        status = "diverged"
    score = Score(
        status=status,
        epochs=epochs,
        best_epoch=begun[0]["epoch"],
        val_loss=mean("val_loss"),
        val_accuracy=mean("val_accuracy"),
        val_error=standard_error(mean("val_accuracy"), rows),
        train_loss=mean("train_loss"),
        train_accuracy=mean("train_accuracy"),
    )
    return Result(trial, score, histories)


def _with_best(task: Pack, results: tuple[Result, ...], state: TrainState, seconds: float) -> PackResult:
    """The results with the weights of the best model among them."""
    best = min(range(len(results)), key=lambda i: order(results[i], task.rank))
    replicas = task.trials[0].settings.seeds
    replica = min(range(replicas), key=lambda r: _rank_of(results[best].histories[r], task.rank))
    k = best * replicas + replica
    weights = Weights(
        {name: array[k : k + 1].copy() for name, array in state.best.items()},
        {name: array[k : k + 1].copy() for name, array in state.best_buffers.items()},
    )
    return PackResult(results, best, replica, weights, seconds)


def _rank_of(history: Sequence[Row], rank: str) -> float:
    """What makes a replica better, as RANKS: the lower of these numbers."""
    if not history:
        return float("inf")
    row = best_row(history)
    return float(row["val_loss"] if rank == "loss" else -row["val_accuracy"])


def history_of(rows: Sequence[Row]) -> History:
    """A trial's rows as a history of one model."""
    history = History(test=bool(rows) and "test_accuracy" in rows[0])
    for row in rows:
        history.append(row)
    return history
