"""Trials: which settings are tried, and what each came to.

Trial i of a round is a pure function of (space, seed, round, i): each dimension draws from a stream of its
own name, so the same trials come out on every machine, and one dimension more leaves the others' draws alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from linclass import rng
from linclass.search.spaces import Space, apply
from linclass.settings import Experiment
from linclass.training.history import Row

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """Settings to be tried. number: counts all trials of a search. values: what the space gave it."""

    number: int
    round: int
    values: Values
    settings: Experiment


@dataclass(frozen=True)
class Score:
    """What a trial came to: means over its replicas, each at the epoch with its lowest validation loss.

    Attributes:
        status: finished, stopped (by patience or the overfit threshold), pruned, or diverged.
        epochs: how many were trained. best_epoch: the one that the numbers are of (the first replica's).
        val_loss: mean loss without the penalty; inf for a trial without one finished epoch.
        val_error: standard error of val_accuracy p over the n validation rows, sqrt(p (1 - p) / n).
    """

    status: str
    epochs: int
    best_epoch: int
    val_loss: float
    val_accuracy: float
    val_error: float
    train_loss: float
    train_accuracy: float


@dataclass(frozen=True)
class Result:
    """A trial, its score, and the epochs of each of its replicas."""

    trial: Trial
    score: Score
    histories: Sequence[Sequence[Row]] = field(repr=False)

    @property
    def lost(self) -> int:
        """The number of replicas that diverged in their first epoch; they are not in the score."""
        return sum(not history for history in self.histories)

    def pruned(self) -> Result:
        """The same, given up by a pruner."""
        return replace(self, score=replace(self.score, status="pruned"))

    def row(self) -> dict[str, Any]:
        """One line of the table."""
        return {
            "trial": self.trial.number,
            "round": self.trial.round,
            **self.trial.values,
            **asdict(self.score),
        }


def draw(
    space: Space,
    base: Experiment,
    *,
    trials: int,
    seed: int = 0,
    round: int = 0,
    first: int = 0,
) -> list[Trial]:
    """The trials of one round: `trials` random draws, each at every point of the grid.

    Args:
        base: the settings around the searched ones.
        trials: random draws; without random dimensions there is one. first: the number of the first trial.

    Raises UsageError for values that do not go together.
    """
    points, draws = space.grid_points(), trials if space.random else 1
    found: list[Trial] = []
    for i in range(draws):
        drawn = {dim.field: dim.at(uniform(seed, dim.field, round, i)) for dim in space.random}
        for point in points:
            values = {**drawn, **point}
            number = first + len(found)
            found.append(Trial(number, round, values, apply(base, values).resolved()))
    return found


def uniform(seed: int, name: str, round: int, i: int) -> float:
    """A number in [0, 1) from the 53 highest of 64 random bits, the same on every machine."""
    return int(rng.stream(seed, f"trial {name}", round, i).random_raw() >> 11) * 2.0**-53


Rank = Callable[[Score], float]

RANKS: Mapping[str, Rank] = {
    "loss": lambda score: score.val_loss,
    "accuracy": lambda score: -score.val_accuracy,
}
"""What makes a trial better: the lower of these numbers."""


def order(result: Result, rank: str) -> tuple[int, float, int]:
    """The key that sorts results, the best first; of equal ones the first.

    One that lost a replica comes after all that did not: the mean over the others flatters it.
    """
    return result.lost, RANKS[rank](result.score), result.trial.number


def best(results: Sequence[Result], rank: str) -> Result:
    """The first of the results by `order`."""
    return min(results, key=lambda result: order(result, rank))


def best_row(history: Sequence[Row]) -> Row:
    """The epoch with the lowest validation loss; of equal ones the first."""
    return min(history, key=lambda row: float(row["val_loss"]))


def standard_error(accuracy: float, n: int) -> float:
    """Of a proportion p over n rows: sqrt(p (1 - p) / n)."""
    return math.sqrt(accuracy * (1 - accuracy) / n)
