"""What a search is told as: the table, the pictures, the best trial's command line."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from linclass.errors import counted, decimal
from linclass.search.found import Found
from linclass.search.trials import best_row, order
from linclass.settings import Experiment, option_name

_SHOWN = 20
_CURVES = 4


def table(found: Found) -> list[tuple[str, ...]]:
    """The best trials first, as text; `*` marks those within one standard error of the best accuracy."""
    fields = list(found.results[0].trial.values)
    heading = ("", "trial", *fields, "val loss", "val accuracy", "best epoch", "status")
    rows = {row["trial"]: row for row in found.rows()}
    best = sorted(found.results, key=lambda result: order(result, found.rank))[:_SHOWN]
    return [heading, *(_cells(rows[result.trial.number], fields) for result in best)]


def remarks(found: Found, data_dir: Path | None = None) -> list[str]:
    """How sure the choice is, which trials lost replicas, and the best trial's command line."""
    rows, best = found.rows(), found.best
    again = f"the best again: {command_line(found.settings, data_dir)}"
    if not math.isfinite(best.score.val_accuracy):  # of a regression
        return [again]
    close = sum(row["close"] for row in rows) - 1
    error = 100 * best.score.val_error
    said = [
        f"{close} of the other {len(rows) - 1} trials are within one standard error ({error:.2f} points) of "
        "the best trial's validation accuracy (*): this validation split cannot tell them from it"
        if close
        else f"no other trial is within one standard error ({error:.2f} points) of the best trial's accuracy"
    ]
    if len(rows) > _SHOWN:
        said.insert(0, f"the best {_SHOWN} of {len(rows)} trials; all of them in {found.path / 'trials.csv'}")
    if lost := [str(one.trial.number) for one in found.results if 0 < one.lost < len(one.histories)]:
        said.append(
            f"trial {', '.join(lost)}: some replicas diverged in their first epoch and are not in the means; "
            "such trials come after those that lost none"
        )
    return [*said, again]


def model_line(found: Found) -> str:
    """Where the best model is; of several replicas, which one it is and its own numbers."""
    line = f"in {found.path}; the best model in {found.path / 'best'}"
    if found.settings.seeds == 1:
        return line
    row = best_row(found.best.histories[found.replica])
    numbers = f"validation loss {row['val_loss']:.4f}, accuracy {100 * row['val_accuracy']:.2f} %"
    seed = found.settings.seed + found.replica
    return f"{line}, the replica with seed {seed}: {numbers}, epoch {row['epoch']}"


def draw(found: Found) -> list[Path]:
    """The pictures in the sweep directory: score against each parameter, parallel axes, learning curves."""
    from linclass import plots

    rows = found.rows()
    best = next(i for i, row in enumerate(rows) if row["trial"] == found.best.trial.number)
    accuracies = [row["val_accuracy"] for row in rows]
    errors = [row["val_error"] if row["val_accuracy"] else 0.0 for row in rows]
    fields = [name for name in rows[0] if name in found.results[0].trial.values]
    title = f"{counted(len(rows), 'trial')}, {found.settings.dataset}, {found.settings.model}"
    paths: list[Path] = []
    plots.save(_curves(found, title), found.path / "curves.png")
    if not math.isfinite(found.best.score.val_accuracy):  # of a regression
        return [found.path / "curves.png"]
    for name in fields:
        values, close = [row[name] for row in rows], [row["close"] for row in rows]
        figure = plots.scores(_label(name), values, accuracies, errors, close, best, title=title)
        paths.append(found.path / f"score_{name}.png")
        plots.save(figure, paths[-1])
    table = [[row[name] for name in fields] for row in rows]
    figure = plots.parallel([_label(name) for name in fields], table, accuracies, best, title=title)
    plots.save(figure, found.path / "parallel.png")
    return [*paths, found.path / "parallel.png", found.path / "curves.png"]


def _curves(found: Found, title: str) -> Any:
    """Validation loss over epochs of the few best trials."""
    from linclass import plots

    begun = [result for result in found.results if any(result.histories)]
    best = sorted(begun, key=lambda result: order(result, found.rank))[:_CURVES]
    epochs = max(result.score.epochs for result in best)
    series = {}
    for result in best:
        losses = np.full((epochs, len(result.histories)), np.nan)
        for k, history in enumerate(result.histories):
            losses[: len(history), k] = [row["val_loss"] for row in history]
        series[f"trial {result.trial.number}"] = losses
    return plots.curves(range(1, epochs + 1), series, title=f"the best of {title}", ylabel="validation loss")


def _label(name: str) -> str:
    return {"l2": "lambda"}.get(name, name.replace("_", " "))


def command_line(settings: Experiment, data_dir: Path | None = None) -> str:
    """`linclass train` with the options that make these resolved settings."""
    words = ["linclass", "train"]
    for name, (value, default) in settings.differences(Experiment()).items():
        if default == "auto" and settings.replace(**{name: default}).resolved() == settings:
            continue
        option = option_name(name)
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            words += [option, str(value)]
    return shlex.join(words if data_dir is None else [*words, "--data-dir", str(data_dir)])


def _cells(row: dict[str, Any], fields: list[str]) -> tuple[str, ...]:
    accuracy = f"{100 * row['val_accuracy']:.2f} ± {100 * row['val_error']:.2f} %"
    accuracy = accuracy if math.isfinite(row["val_error"]) else "-"  # it diverged in its first epoch
    return (
        "*" if row["close"] else "",
        str(row["trial"]),
        *(str(row[name]) for name in fields),
        decimal(row["val_loss"], 4),
        accuracy,
        f"{row['best_epoch']} of {row['epochs']}",
        row["status"],
    )
