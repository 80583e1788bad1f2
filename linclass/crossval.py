"""k-fold cross-validation: as many runs as folds, a fresh model each, so that every row is validated once.

Source: Stone, Cross-validatory choice and assessment of statistical predictions, 1974.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from linclass.errors import UsageError
from linclass.experiment import Result, run_or_take_up
from linclass.metrics import Interval, mean_interval, wilson_interval
from linclass.runs import RESULTS, Run
from linclass.settings import Experiment


@dataclass(frozen=True)
class Fold:
    """One fold's run after its last epoch, means over the replicas; `rows` were validated."""

    result: Result
    rows: int
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

    Raises UsageError for too few folds or more than rows, and the errors of `experiment.run`.
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
        result = run_or_take_up(one, name="crossval", out=place / f"fold-{k}", **run_options)
        found.append(_fold(result))
    return found


def _fold(result: Result) -> Fold:
    last = {name: float(np.mean(result.history.last(name))) for name in _COLUMNS}
    return Fold(result, Run(result.path).manifest["data"]["rows"]["validation"], **last)


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
        numbers = f"{100 * fold.train_accuracy:.2f} %", f"{fold.val_loss:.5f}"
        rows.append((str(k), f"{fold.rows:,}", *numbers, *_share(fold.correct, fold.rows)))
    correct, n = sum(fold.correct for fold in folds), sum(fold.rows for fold in folds)
    loss = sum(fold.val_loss * fold.rows for fold in folds) / n
    rows.append(("all", f"{n:,}", "", f"{loss:.5f}", *_share(correct, n)))
    return rows


def _share(correct: int, n: int) -> tuple[str, str]:
    low, high = wilson_interval(correct, n)
    return f"{100 * correct / n:.2f} %", f"{100 * low:.2f} to {100 * high:.2f} %"
