"""k-fold cross-validation: as many runs as folds, a fresh model each, so that every row is validated once.

Source: Stone, Cross-validatory choice and assessment of statistical predictions, 1974.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from linclass.errors import DivergedError, UsageError, decimal
from linclass.metrics import Interval, mean_interval, wilson_interval
from linclass.runs.directory import RESULTS, Run
from linclass.runs.experiment import Result, run_or_take_up
from linclass.runs.resuming import why_over
from linclass.settings import Experiment


@dataclass(frozen=True)
class Fold:
    """One fold's run after its last epoch: means over the replicas that finished one.

    Attributes:
        rows: that were validated. lost: the number of replicas that diverged in their first epoch.
    """

    result: Result
    rows: int
    lost: int
    train_accuracy: float
    val_loss: float
    val_accuracy: float

    @property
    def correct(self) -> int:
        return round(self.val_accuracy * self.rows)


def cross_validate(
    settings: Experiment, folds: int, *, out: Path | None = None, **run_options: Any
) -> list[Fold]:
    """Run every fold into `out`/fold-k (result_pics/crossval), those apart that are there already.

    Args:
        folds: at least 2; which rows are in which is a function of the settings' split_seed.
        run_options: those of `experiment.run_or_take_up`.

    Raises UsageError for too few folds or more than rows, DivergedError for a fold all of whose replicas
    diverged (however often it is asked for), and the errors of `experiment.run`.
    """
    if settings.fold:
        raise UsageError(
            f"--fold is {settings.fold}: leave it out, cross-validation takes every fold in turn"
        )
    if folds < 2:
        raise UsageError(f"--folds is {folds}: expected at least 2, such as --folds 5")
    place = out or RESULTS / "crossval"
    found = []
    for k in range(1, folds + 1):
        one = settings.replace(fold=f"{k}/{folds}")
        try:
            found.append(_fold(run_or_take_up(one, name="crossval", out=place / f"fold-{k}", **run_options)))
        except DivergedError as error:
            raise DivergedError(f"fold {k}: {error}") from error
    return found


def _fold(result: Result) -> Fold:
    run = Run(result.path)
    state, _ = run.load_state()
    if state.diverged.all():
        raise DivergedError(why_over(run, state))
    last = {name: mean_interval(result.history.last(name)).mean for name in _COLUMNS}
    lost = sum(not result.history.of_model(k) for k in range(result.settings.seeds))
    return Fold(result, run.manifest["data"]["rows"]["validation"], lost, **last)


_COLUMNS = ("train_accuracy", "val_loss", "val_accuracy")


def mean_accuracy(folds: Sequence[Fold]) -> Interval:
    """Of the validation accuracies of the folds.

    The interval takes the folds as independent, which they are not quite: their training rows overlap, and
    no unbiased estimate of the variance exists.
    Source: Bengio and Grandvalet, No unbiased estimator of the variance of k-fold cross-validation, 2004.
    """
    return mean_interval(np.array([fold.val_accuracy for fold in folds]))


def table(folds: Sequence[Fold]) -> list[tuple[str, ...]]:
    """One line a fold with its Wilson interval, one for all rows together."""
    rows: list[tuple[str, ...]] = [
        ("fold", "rows", "train accuracy", "validation loss", "validation accuracy", "95 % interval")
    ]
    for k, fold in enumerate(folds, start=1):
        numbers = f"{100 * fold.train_accuracy:.2f} %", decimal(fold.val_loss)
        rows.append((str(k), f"{fold.rows:,}", *numbers, *_share(fold.correct, fold.rows)))
    correct, n = sum(fold.correct for fold in folds), sum(fold.rows for fold in folds)
    loss = sum(fold.val_loss * fold.rows for fold in folds) / n
    rows.append(("all", f"{n:,}", "", decimal(loss), *_share(correct, n)))
    return rows


def remarks(folds: Sequence[Fold]) -> list[str]:
    """Which folds' numbers lack replicas."""
    return [
        f"fold {k}: {fold.lost} of {fold.result.settings.seeds} replicas diverged in their first epoch and "
        "are not in its numbers"
        for k, fold in enumerate(folds, start=1)
        if fold.lost
    ]


def _share(correct: int, n: int) -> tuple[str, str]:
    low, high = wilson_interval(correct, n)
    return f"{100 * correct / n:.2f} %", f"{100 * low:.2f} to {100 * high:.2f} %"
