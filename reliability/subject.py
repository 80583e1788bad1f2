"""The small run that is made to suffer, and what must come out of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linclass import files
from linclass.runs import experiment, pictures
from linclass.runs.directory import PREVIOUS, STATE, Run, load_run
from linclass.settings import Experiment
from linclass.training.history import History
from linclass.training.state import TrainState

FAST = {"epochs": 24, "batch_size": 20, "eta": 0.1, "optimizer": "momentum", "snapshot_every": 12}
SLOW = {**FAST, "epochs": 1500, "batch_size": 4, "snapshot_every": 0, "overfit_action": "ignore"}
"""For the real command, which needs a second to start: long enough to be killed several times."""


def write_data(folder: Path) -> Path:
    """An own data set of 60 rows in three classes; returns its file."""
    generator = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = generator.normal(size=(60, 4)) + np.eye(3, 4)[y]
    path = folder / "own.npz"
    np.savez(path, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return path


def has_state(path: Path) -> bool:
    """Whether there is something to resume."""
    return (path / STATE).exists() or (path / PREVIOUS).exists()


def go_on(path: Path, settings: Experiment) -> None:
    """What a user does after a crash: resume, or start where there is nothing yet."""
    if has_state(path):
        experiment.resume(path)
    else:
        experiment.run(settings, out=path)


def small_pictures() -> None:
    """From here on, in this process, a few bytes stand for each picture; they are written as pictures are."""

    def draw(folder: Path, subject: object, history: History) -> None:
        for kind in ("loss", "accuracy", "difference"):
            files.write_durably(folder / f"{history.epochs}_{kind}.png", b"picture" * 100)

    pictures.draw_curves = draw


@dataclass(frozen=True)
class Outcome:
    """What must be the same: digests of weights, files and metrics, the rows' epochs, the names of files."""

    state: str
    best: str
    snapshots: str
    csv: str
    epochs: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, path: Path) -> Outcome:
        """Of the finished run in `path`. Raises DataError where something is damaged."""
        run = load_run(path)
        state, _ = run.load_state()
        rows = values(path)
        snapshots = b"".join((path / "snapshots" / f"{epoch}.npz").read_bytes() for epoch in run.snapshots)
        return cls(
            digest_of(state),
            _digest((path / "best.npz").read_bytes()),
            _digest(snapshots),
            _digest(repr(rows).encode()),
            tuple(row[0] for row in rows),
            tuple(sorted(str(file.relative_to(path)) for file in path.rglob("*"))),
        )


def values(path: Path) -> list[list[str]]:
    """The cells of values.csv without the seconds, as they are in the file."""
    rows = [line.split(",") for line in (path / "values.csv").read_text().splitlines()]
    seconds = rows[0].index("seconds")
    return [row[:seconds] + row[seconds + 1 :] for row in rows]


def digest_of(state: TrainState) -> str:
    """A digest of all that training goes on from, without the history."""
    owners = (state.params, state.buffers, state.best, state.best_buffers, *state.slots.values())
    counters = (state.step, state.epoch, *state.running_rows, *state.active, *state.best_epoch)
    sums = (state.running_loss.tobytes(), state.running_correct.tobytes())
    return _digest(b"".join([*(owner.flat.tobytes() for owner in owners), *sums, repr(counters).encode()]))


def epoch_of(path: Path) -> int:
    """The epoch a resume would go on from. Raises DataError where there is no state that can be read."""
    return Run(path).load_state(training=True)[0].epoch


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
