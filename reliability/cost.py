"""What the saves of a run cost, as a share of the time it takes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from linclass import engine
from linclass.runs import experiment, pictures
from linclass.settings import Experiment
from linclass.training.callbacks import Recorder
from linclass.training.state import TrainState
from linclass.training.trainer import Trainer

RUNS: dict[str, dict[str, Any]] = {
    "linear": {"epochs": 8},
    "linear, 16 seeds": {"epochs": 3, "seeds": 16},
    "MLP 256,128,64": {"epochs": 4, "model": "mlp", "hidden": "256,128,64", "optimizer": "adam"},
    "linear, the sample": {"epochs": 50, "dataset": "cifar10-sample"},
}


class Cost(NamedTuple):
    """Of one run: seconds in all, seconds in saves, how many saves, epochs."""

    seconds: float
    saving: float
    saves: int
    epochs: int


def measure(settings: Experiment, folder: Path) -> Cost:
    """Train once and time the saves between the first step and the last; the one at the end is left out."""
    times: list[float] = []
    save, whole, fit = Recorder._save, [0.0], Trainer.fit

    def timed(self: Recorder, trainer: Trainer) -> None:
        started = time.perf_counter()
        save(self, trainer)
        times.append(time.perf_counter() - started)

    def timed_fit(*arguments: Any, **named: Any) -> TrainState:
        started = time.perf_counter()
        state = fit(*arguments, **named)
        whole[0] = time.perf_counter() - started
        return state

    with patch.object(Recorder, "_save", timed), patch.object(Trainer, "fit", timed_fit), engine.limited(1):
        experiment.run(settings, out=folder)
    between = times[:-1]
    return Cost(whole[0] - times[-1], sum(between), len(between), settings.epochs)


def table(folder: Path) -> list[tuple[str, ...]]:
    """A row for each of RUNS, the first one the heading."""
    rows: list[tuple[str, ...]] = [("run", "epochs", "saves", "ms a save", "share of the time")]
    # the pictures of the last epoch are no part of a save, nor of an epoch
    for draw in ("draw_curves", "draw_weights"):
        setattr(pictures, draw, _draw_nothing)
    for number, (name, changes) in enumerate(RUNS.items()):
        cost = measure(Experiment().replace(overfit_action="ignore", **changes), folder / str(number))
        each = 1000 * cost.saving / max(cost.saves, 1)
        share = f"{100 * cost.saving / cost.seconds:.2f} %"
        rows.append((name, str(cost.epochs), str(cost.saves), f"{each:.1f}", share))
    return rows


def _draw_nothing(*_: object) -> None: ...
