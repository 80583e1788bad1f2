"""What a search is told as: the table, the best trial's command line."""

from __future__ import annotations

from typing import Any

from linclass.search.sweep import Found
from linclass.settings import Experiment, option_names_of

_SHOWN = 20


def table(found: Found) -> list[tuple[str, ...]]:
    """The best trials first, as text; `*` marks those within one standard error of the best accuracy."""
    fields = list(found.results[0].trial.values)
    heading = ("", "trial", *fields, "val loss", "val accuracy", "best epoch", "status")
    rows = sorted(found.rows(), key=lambda row: (_order(row, found.rank), row["trial"]))
    return [heading, *(_cells(row, fields) for row in rows[:_SHOWN])]


def remarks(found: Found) -> list[str]:
    """How sure the choice is, and the best trial's command line."""
    rows, best = found.rows(), found.best
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
    return [*said, f"the best again: {command_line(found.settings)}"]


def command_line(settings: Experiment) -> str:
    """`linclass train` with the options that make these settings."""
    words = ["linclass", "train"]
    for name, (value, _) in settings.differences(Experiment().resolved()).items():
        option = option_names_of(name)[0]
        if isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        else:
            words += [option, str(value)]
    return " ".join(words)


def _order(row: dict[str, Any], rank: str) -> float:
    return float(row["val_loss"] if rank == "loss" else -row["val_accuracy"])


def _cells(row: dict[str, Any], fields: list[str]) -> tuple[str, ...]:
    accuracy = f"{100 * row['val_accuracy']:.2f} ± {100 * row['val_error']:.2f} %"
    return (
        "*" if row["close"] else "",
        str(row["trial"]),
        *(str(row[name]) for name in fields),
        f"{row['val_loss']:.4f}",
        accuracy,
        f"{row['best_epoch']} of {row['epochs']}",
        row["status"],
    )
