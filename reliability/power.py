"""Power loss after every operation of a run, and of its resume after a kill.

Whatever the disk kept of what was not synced, the state in it must be one that was saved: the last whose
save had returned, or the one that was just being saved; with the rows and the snapshots that belong to it.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from linclass import files
from linclass.errors import LinclassError
from linclass.runs import experiment
from linclass.runs.directory import Run
from linclass.settings import Experiment
from linclass.training import callbacks
from reliability.disk import Disk, Recording
from reliability.subject import FAST, Outcome, digest_of, go_on, has_state, small_pictures, write_data

SHORT = {**FAST, "epochs": 4, "snapshot_every": 2}


class KilledError(Exception):
    """Ends the first process of the recorded run, as a kill would."""


@dataclass
class Tally:
    """What was tried, and what went wrong."""

    operations: int = 0
    images: int = 0
    resumed: int = 0
    failures: list[str] = field(default_factory=list)

    def text(self) -> str:
        lines = [
            f"{self.operations:7,}  operations of a run, a kill and its resume, with power lost after each",
            f"{self.images:7,}  disks that power loss may have left, each read",
            f"{self.resumed:7,}  of them resumed to the end and compared",
            f"{len(self.failures):7,}  without the old or the new state"
            + (f": {self.failures[0]}" if self.failures else ""),
        ]
        return "\n".join(lines)


@dataclass
class Save:
    """A state: its digest, its epoch, and how many operations there were when its save began and returned."""

    digest: str
    epoch: int
    begun: int
    done: int = 1 << 62


def check(folder: Path, *, resume_every: int = 100, forgets: Sequence[str] = (), stop: bool = True) -> Tally:
    """Record a run and lose power after each of its operations.

    resume_every: how many of the disks are read for each that is also resumed to the end.
    forgets: calls that the recorded system only pretends to make. stop: at the first failure.
    """
    small_pictures()
    settings = Experiment(dataset=str(write_data(folder))).replace(**SHORT)
    experiment.run(settings, out=folder / "whole")
    wanted, place = Outcome.of(folder / "whole"), folder / "out" / "run"
    recording, saves = _record(settings, place, forgets)
    tally, disk, rng = Tally(), Disk(), random.Random(0)
    for number, op in enumerate(recording.ops, start=1):
        disk.do(op)
        tally.operations += 1
        for image in disk.outcomes(rng):
            root = folder / "image"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            image.build(root, folder)
            tally.images += 1
            failure = _look(root / "out" / "run", saves, number)
            if not failure and tally.images % resume_every == 0:
                tally.resumed += 1
                failure = _finish(root / "out" / "run", settings, wanted)
            if failure:
                tally.failures.append(f"after operation {number} ({op.kind} {op.path.name}): {failure}")
                if stop:
                    return tally
    return tally


def _record(settings: Experiment, place: Path, forgets: Sequence[str]) -> tuple[Recording, list[Save]]:
    """A run that is killed in the middle of a save after epoch 2, and its resume, as operations."""
    recording, saves, killed = Recording(forgets), list[Save](), list[bool]()
    append = Run.append

    def noted(self: Run, state: Any, rows: Any) -> None:
        if state.epoch == 2 and rows and not killed:
            killed.append(True)
            files.append_durably(self.path / "values.csv", state.history.lines(rows).encode())
            raise KilledError
        saves.append(Save(digest_of(state), state.epoch, len(recording.ops)))
        append(self, state, rows)
        saves[-1].done = len(recording.ops)

    saving_each_batch = patch.object(callbacks.Recorder, "LONGEST_WAIT", 0.0)
    with patch.object(files, "SYSTEM", recording), saving_each_batch, patch.object(Run, "append", noted):
        with contextlib.suppress(KilledError):
            go_on(place, settings)
        go_on(place, settings)
    return recording, saves


def _look(path: Path, saves: Sequence[Save], now: int) -> str:
    """What is wrong with the run in `path`, if power was lost after `now` operations; "" if nothing is."""
    done = [save for save in saves if save.done <= now]
    possible = [save for save in saves if save.begun <= now < save.done] + done[-1:]
    if not done and not has_state(path):
        return ""
    try:
        run = Run(path)
        state, _ = run.load_state(training=True)
        if digest_of(state) not in {save.digest for save in possible}:
            return f"a state of epoch {state.epoch}, which is not one of the last two"
        for epoch in range(2, state.epoch + 1, 2):
            run.model(epoch)
    except LinclassError as error:
        return str(error)
    return ""


def _finish(path: Path, settings: Experiment, wanted: Outcome) -> str:
    """What is wrong with the run after it was taken up again; "" if nothing is."""
    try:
        go_on(path, settings)
        found = Outcome.of(path)
    except LinclassError as error:
        return f"it cannot be taken up again: {error}"
    return "" if found == wanted else "it ends otherwise than the uninterrupted run"
