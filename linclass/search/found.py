"""What a search came to: the best model, its settings, all trials, the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linclass.models.base import Model
from linclass.search import trials
from linclass.search.trials import Result
from linclass.settings import Experiment

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        path: the sweep directory. best: the best trial. model: its best replica's (K = 1) at its best epoch.
        results: all trials, in their order. rank: what "best" means, "loss" or "accuracy".
        replica: which of the best trial's `model` is.
    """

    path: Path
    best: Result
    model: Model = field(repr=False)
    results: Sequence[Result] = field(repr=False)
    rank: str = "loss"
    replica: int = 0

    @property
    def settings(self) -> Experiment:
        """The best configuration."""
        return self.best.trial.settings

    def rows(self) -> list[dict[str, Any]]:
        """The table, one row a trial; `close` marks those within one standard error of the best accuracy."""
        return rows_of(self.results, self.rank)

    def table(self) -> pd.DataFrame:
        """`rows` as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows())


def rows_of(results: Sequence[Result], rank: str) -> list[dict[str, Any]]:
    """One row a trial. close: its validation accuracy is within one standard error of the best trial's."""
    if not results:
        return []
    top = trials.best(results, rank).score
    return [
        {**result.row(), "close": bool(top.val_accuracy - result.score.val_accuracy <= top.val_error)}
        for result in results
    ]
