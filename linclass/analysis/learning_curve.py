"""Growing data: what more training rows are worth, from runs that differ in their number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linclass.metrics import mean_interval, wilson_interval
from linclass.params import Array
from linclass.runs.directory import Run
from linclass.runs.experiment import Result

SPLITS = {"train": "train", "val": "validation", "test": "test"}
"""The beginning of a column's name -> the split."""

Accuracy = tuple[float, float, float]
"""Mean over the seeds, and the ends of its 95 % interval (NaN where there is none)."""


@dataclass(frozen=True)
class Point:
    """A run after its last epoch: how many rows it was trained on, and its accuracy on each split it has."""

    rows: int
    accuracies: dict[str, Accuracy]


def points(results: Iterable[Result]) -> list[Point]:
    """A point a run, by rising number of rows.

    The interval is Student's over the seeds, or with one seed Wilson's over the split's rows: how other
    seeds, or other rows, would have come out. The rows trained on are no sample: no interval for one seed.
    """
    return sorted((_point(result) for result in results), key=lambda point: point.rows)


def _point(result: Result) -> Point:
    rows: dict[str, int] = Run(result.path).manifest["data"]["rows"]
    found = {}
    for prefix, split in SPLITS.items():
        if f"{prefix}_accuracy" in result.history.columns:
            found[split] = _accuracy(
                result.history.last(f"{prefix}_accuracy"), 0 if split == "train" else rows[split]
            )
    return Point(rows["train"], found)


def _accuracy(of_seeds: Array, rows: int) -> Accuracy:
    """rows: those that a single seed's interval is of; 0 for none."""
    interval = mean_interval(of_seeds)
    mean = interval.mean
    if len(of_seeds) == 1 and rows:
        return mean, *wilson_interval(round(mean * rows), rows)
    low, high = np.clip(interval.bounds(), 0, 1).tolist()
    return mean, low, high


def table(points: Iterable[Point]) -> list[tuple[str, ...]]:
    """One line a number of rows; accuracies in per cent with their intervals."""
    points = list(points)
    splits = list(points[0].accuracies)
    lines: list[tuple[str, ...]] = [("training rows", *(f"{split} accuracy" for split in splits))]
    for point in points:
        texts = (_text(*accuracy) for accuracy in point.accuracies.values())
        lines.append((f"{point.rows:,}", *texts))
    return lines


def _text(mean: float, low: float, high: float) -> str:
    interval = "" if math.isnan(low) else f" ({100 * low:.2f} to {100 * high:.2f})"
    return f"{100 * mean:.2f} %{interval}"


def save_picture(points: Iterable[Point], path: Path, *, title: str, classes: int) -> None:
    """Accuracy against training rows, as PNG. Raises StorageError."""
    from linclass import plots

    points = list(points)
    accuracies = {split: [point.accuracies[split] for point in points] for split in points[0].accuracies}
    figure = plots.growth([point.rows for point in points], accuracies, title=title, chance=1 / classes)
    plots.save(figure, path)
