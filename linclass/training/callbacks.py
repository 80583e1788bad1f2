"""What looks at a run while it trains: the overfit monitor, the best keeper, the recorder, the progress.

Each is a few lines over the trainer's hooks. What they write goes through a sink that they are given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np

from linclass.errors import counted, decimal
from linclass.params import Array
from linclass.training import health
from linclass.training.history import Row
from linclass.training.state import TrainState
from linclass.training.trainer import Callback, Trainer

Note = Callable[[str], None]


class Sink(Protocol):
    """Where a run is kept; `runs.directory.Run` is one."""

    def append(self, state: TrainState, rows: Sequence[Row]) -> None:
        """Add rows to values.csv and save the state, as one thing."""
        ...

    def snapshot(self, state: TrainState) -> None:
        """Keep the weights and the pictures of the last finished epoch."""
        ...


def who(trainer: Trainer, k: int) -> str:
    """`model 3: ` in messages about one of several models; nothing for a single one."""
    return f"model {k}: " if trainer.model.K > 1 else ""


class OverfitMonitor(Callback):
    """Watches |train cost - validation cost|; beyond `threshold` it stops the model or warns once.

    since: the first epoch that threshold and action are meant for.
    """

    def __init__(
        self, threshold: float, action: Literal["stop", "warn", "ignore"], note: Note, since: int = 1
    ) -> None:
        self.threshold, self.action, self.note, self.since = threshold, action, note, since

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.action == "ignore":
            return
        state = trainer.state
        for k in np.flatnonzero(state.active):
            differences = state.history.column("difference", int(k))[self.since - 1 :]
            if differences[-1] > self.threshold and not (differences[:-1] > self.threshold).any():
                self._act(trainer, int(k), differences[-1])

    def _act(self, trainer: Trainer, k: int, difference: float) -> None:
        stopping = self.action == "stop"
        self.note(
            f"{who(trainer, k)}overfitting at epoch {trainer.state.history.epochs}: "
            f"|train cost - validation cost| = {decimal(difference)} is above the threshold "
            f"{self.threshold:g}"
            + ("; stopped here" if stopping else "; going on (--overfit-action stop would stop here)")
        )
        if stopping:
            trainer.state.active[k] = False


class EarlyStop(Callback):
    """Stops a model whose validation loss (without the penalty) was not at its lowest for `patience` epochs.

    patience: 0 never stops. Source: Prechelt, Early stopping - but when?, 1998.
    """

    def __init__(self, patience: int, note: Note) -> None:
        self.patience, self.note = patience, note

    def on_epoch_end(self, trainer: Trainer) -> None:
        state = trainer.state
        for k in map(int, np.flatnonzero(state.active)):
            if is_patience_over(state.history.column("val_loss", k), self.patience):
                state.active[k] = False
                self.note(
                    f"{who(trainer, k)}stopped at epoch {state.history.epochs}: "
                    f"{counted(self.patience, 'epoch')} without a lower validation loss"
                )


def is_patience_over(losses: Array, patience: int) -> bool:
    """Whether the last `patience` of the losses `(E,)` are no lower than the lowest before them; 0: never."""
    return 0 < patience <= len(losses) - 1 - int(np.argmin(losses)) if len(losses) else False


class HealthMonitor(Callback):
    """Says once that a model is stuck at chance, or blew up and stayed finite, and why.

    Args:
        rows: x `(n, d)` to look at the hidden layers with. classes: C. epochs: how long a model may guess.
    """

    def __init__(self, rows: Callable[[], Array], classes: int, note: Note, epochs: int = 3) -> None:
        self.rows, self.classes, self.note, self.epochs = rows, classes, note, epochs

    def on_epoch_end(self, trainer: Trainer) -> None:
        for k in map(int, np.flatnonzero(trainer.state.active)):
            rows = trainer.state.history.of_model(k)
            losses = [row["running_loss"] for row in rows[: self.epochs]]
            loss, accuracy = losses[-1], rows[-1]["running_accuracy"]
            found = health.verdict(losses, accuracy, self.classes)
            if found == "exploded" and len(rows) == 1:
                self._say(trainer, k, f"exploded in epoch 1: the average loss was {loss:.3g}")
            elif found == "stuck" and len(rows) == self.epochs:
                chance = f"guessing costs {np.log(self.classes):.4f}"
                what = f"stuck: after {self.epochs} epochs the loss is {decimal(loss, 4)}, {chance}"
                self._say(trainer, k, f"{what}, and it does not fall")

    def _say(self, trainer: Trainer, k: int, what: str) -> None:
        layers = health.layers_of(trainer.model, self.rows(), k)
        self.note(f"{who(trainer, k)}{what}; {health.reason(layers)}")


class DivergenceNote(Callback):
    """Says which of several models diverged, where; the others go on."""

    def __init__(self, note: Note) -> None:
        self.note = note

    def on_diverged(self, trainer: Trainer, k: int, message: str) -> None:
        if trainer.model.K > 1:
            self.note(f"{who(trainer, k)}stopped, its best weights are kept: {message}")


class BestKeeper(Callback):
    """Copies the weights when the validation loss (without the penalty) is the lowest so far."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        state = trainer.state
        for k, losses in enumerate(state.history.of_model(k) for k in range(trainer.model.K)):
            if losses and losses[-1]["epoch"] == state.history.epochs:
                values = [row["val_loss"] for row in losses]
                if len(values) == 1 or values[-1] < min(values[:-1]):
                    state.keep_best(k, losses[-1]["epoch"])


class Snapshots(Callback):
    """A snapshot every `every` epochs, and one at the end of the run."""

    def __init__(self, every: int, sink: Sink, epochs: int) -> None:
        self.every, self.sink, self.epochs = every, sink, epochs

    def on_epoch_end(self, trainer: Trainer) -> None:
        epoch = trainer.state.history.epochs
        due = self.every > 0 and epoch % self.every == 0
        if due or epoch >= self.epochs or not trainer.state.active.any():
            self.sink.snapshot(trainer.state)


class Recorder(Callback):
    """Saves new rows and the state after an epoch, and at the end.

    A save costs a few milliseconds of fsync. It is made after every epoch while that is at most 2 % of
    the time, and otherwise spaced out, up to one second apart; an epoch that takes longer is saved in its
    middle. So no more than about a second of work is ever lost.
    """

    LONGEST_WAIT = 1.0

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.saved_rows = 0
        self.saved_at = 0.0
        self.cost = 0.0

    def on_fit_start(self, trainer: Trainer) -> None:
        self.saved_rows = len(trainer.state.history)
        self.saved_at = time.monotonic()

    def on_batch_end(self, trainer: Trainer) -> None:
        if time.monotonic() - self.saved_at >= self.LONGEST_WAIT:
            self._save(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if time.monotonic() - self.saved_at >= min(self.LONGEST_WAIT, 50 * self.cost):
            self._save(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        started = time.monotonic()
        rows = trainer.state.history.rows
        self.sink.append(trainer.state, rows[self.saved_rows :])
        self.saved_rows = len(rows)
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - started


class Progress(Callback):
    """Tells `report` the rows of each finished epoch."""

    def __init__(self, report: Callable[[Sequence[Row]], None]) -> None:
        self.report = report

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.report(trainer.state.history.latest())
