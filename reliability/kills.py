"""SIGKILL at fault points and at random times, again and again, then the comparison.

Each child is forked from this process, in which everything is loaded already, or is the real command. It is
killed, the directory is looked at, the next child goes on from there; when one reaches the end, the run is
compared with one that nothing happened to. The forked children save after every batch.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from linclass import files
from linclass.errors import DataError, RunTakenError
from linclass.runs.directory import Run
from linclass.runs.experiment import run
from linclass.settings import Experiment
from linclass.training import callbacks
from reliability.faults import PLANTS, Dying
from reliability.subject import FAST, SLOW, Outcome, epoch_of, go_on, has_state, small_pictures, write_data

LONGEST = 0.03  # seconds that a forked child lives, at most, after its first new epoch
LONGEST_COMMAND = 0.3
PATIENCE = 300.0  # seconds without a sign of life


@dataclass
class Tally:
    """What was done, and what went wrong: the promises hold if every list is empty."""

    kills: int = 0
    points: set[str] = field(default_factory=set)
    commands: int = 0
    runs: int = 0
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    @property
    def failures(self) -> dict[str, list[str]]:
        """What went wrong, by its kind."""
        kinds = ("lost", "corrupt", "rows", "orphans", "locked", "different")
        return {kind: getattr(self, kind) for kind in kinds}

    def text(self) -> str:
        """The summary, one number a line."""
        names = {
            "lost": "runs that lost a saved epoch",
            "corrupt": "states that could not be read, or resumes that failed",
            "rows": "missing or doubled rows of values.csv",
            "orphans": "files too many or too few",
            "locked": "locks left behind",
            "different": "runs that ended with other bits",
        }
        done = [
            (self.kills, "kills at random times, each after a new epoch"),
            (len(self.points), "kills at named fault points"),
            (self.commands, "kills of the real command"),
            (self.runs, "runs brought to their end and compared"),
        ]
        lines = [f"{number:7,}  {what}" for number, what in done]
        for kind, found in self.failures.items():
            lines.append(f"{len(found):7,}  {names[kind]}" + (f": {found[0]}" if found else ""))
        return "\n".join(lines)


class Harness:
    """Kills runs in `folder` and keeps the tally.

    plant: a fault of `faults.PLANTS` for the children, to see that it is found.
    """

    def __init__(self, folder: Path, seed: int = 0, plant: str = "none") -> None:
        self.folder, self.plant, self.tally = folder, PLANTS[plant], Tally()
        self.random = random.Random(seed)
        self.data = write_data(folder)
        small_pictures()
        self.settings = self._settings(FAST)
        self.wanted = self._uninterrupted(self.settings, "fast")

    def _settings(self, changes: dict[str, Any]) -> Experiment:
        return Experiment(dataset=str(self.data)).replace(**changes)

    def _uninterrupted(self, settings: Experiment, name: str) -> Outcome:
        run(settings, out=self.folder / name)
        return Outcome.of(self.folder / name)

    # at random times

    def kill_at_random(self, kills: int) -> None:
        """Until there were `kills` more, each after the child recorded a new epoch."""
        until = self.tally.kills + kills
        while self.tally.kills < until and not self._has_failed():
            path, saved = self._fresh(), 0
            while (child := _Child(path, self.settings, self.plant)) and child.wait_for_epoch():
                time.sleep(self.random.uniform(0, LONGEST))
                if not child.kill():
                    break
                self.tally.kills += 1
                saved = max(saved, child.epoch)
                if not self._is_sound(path, saved, f"kill {self.tally.kills}"):
                    break
            self._compare(path, child, self.wanted)

    def kill_at_points(self) -> None:
        """Once at every fault point there is, until a run meets no new one."""
        while not self._has_failed():
            path, saved, before = self._fresh(), 0, len(self.tally.points)
            while True:
                survived = frozenset(self.tally.points)
                child = _Child(path, self.settings, self.plant, survived)
                if not child.wait_for_death():
                    break
                self.tally.points.add(child.point)
                saved = max(saved, child.epoch)
                if not self._is_sound(path, saved, child.point):
                    break
            self._compare(path, child, self.wanted)
            if len(self.tally.points) == before:
                return

    # the real command

    def kill_commands(self, kills: int) -> None:
        """`linclass train`, and `linclass resume` after each kill."""
        settings = self._settings(SLOW)
        wanted = self._uninterrupted(settings, "slow") if kills else None
        while self.tally.commands < kills and not self._has_failed():
            path = self._fresh()
            while self.tally.commands < kills and self._kill_command(path, settings):
                self.tally.commands += 1
                if not self._is_sound(path, 0, f"kill {self.tally.commands} of the command"):
                    return
            subprocess.run(_command(path, settings), check=True, stdout=subprocess.DEVNULL)
            assert wanted is not None
            self._compare(path, None, wanted)

    def _kill_command(self, path: Path, settings: Experiment) -> bool:
        """Whether a command was killed after it saved something new, before it ended."""
        begun = _state_time(path)
        process = subprocess.Popen(_command(path, settings), stdout=subprocess.DEVNULL)
        while process.poll() is None and _state_time(path) == begun:
            time.sleep(0.002)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.random.uniform(0, LONGEST_COMMAND))
        process.kill()
        return process.wait() == -signal.SIGKILL

    # looking at what is left

    def _is_sound(self, path: Path, saved: int, what: str) -> bool:
        """Whether the lock is free and the state that was saved last can be read."""
        try:
            with files.locked(path / ".lock") if path.exists() else contextlib.nullcontext():
                pass
        except RunTakenError as error:
            self.tally.locked.append(f"{what}: {error}")
        if not has_state(path) and not saved:
            return True
        try:
            epoch = epoch_of(path)
        except DataError as error:
            self.tally.corrupt.append(f"{what}: {error}")
            return False
        if epoch < saved:
            self.tally.lost.append(f"{what}: epoch {saved} was saved, epoch {epoch} is there")
        return epoch >= saved

    def _compare(self, path: Path, child: _Child | None, wanted: Outcome) -> None:
        """Compare a run that came to its end with the uninterrupted one."""
        if child is not None and child.failed:
            self.tally.corrupt.append(f"{path.name}: a resume failed (see above)")
        if self._has_failed():
            return
        try:
            found = Outcome.of(path)
        except DataError as error:
            self.tally.corrupt.append(f"{path.name}: {error}")
            return
        self.tally.runs += 1
        if found.epochs != wanted.epochs:
            self.tally.rows.append(f"{path.name}: the rows {_difference(found.epochs, wanted.epochs)}")
        if found.names != wanted.names:
            self.tally.orphans.append(f"{path.name}: {_difference(found.names, wanted.names)}")
        parts = ("state", "best", "snapshots", "csv")
        others = [part for part in parts if getattr(found, part) != getattr(wanted, part)]
        if others:
            self.tally.different.append(f"{path.name}: {', '.join(others)}")
        if not Run(path).is_over:
            self.tally.different.append(f"{path.name}: it is not marked as finished")

    def _has_failed(self) -> bool:
        return any(self.tally.failures.values())

    def _fresh(self) -> Path:
        path = self.folder / "run"
        shutil.rmtree(path, ignore_errors=True)
        return path


class _Child:
    """A forked process that goes on with the run in `path`, and tells what it saved.

    survived: the fault points at which it does not die; None for a child that meets none.
    """

    def __init__(
        self,
        path: Path,
        settings: Experiment,
        plant: Callable[[], None],
        survived: frozenset[str] | None = None,
    ) -> None:
        self.epoch, self.point, self.failed = 0, "", False
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _live(path, settings, plant, survived, writing)
        os.close(writing)
        self.pipe = os.fdopen(reading, "rb", buffering=0)
        self._rest = b""

    def wait_for_epoch(self) -> bool:
        """Wait until it saved a new epoch; False if it came to its end."""
        while self._read():
            if self.epoch:
                return True
        self._end()
        return False

    def wait_for_death(self) -> bool:
        """Whether it died at a fault point."""
        while self._read():
            pass
        return self._end() == -signal.SIGKILL

    def kill(self) -> bool:
        """Whether it was still alive to be killed."""
        os.kill(self.pid, signal.SIGKILL)
        while self._read():
            pass
        return self._end() == -signal.SIGKILL

    def _read(self) -> bool:
        """Take in what it told; False when it is no more."""
        data = self.pipe.read(4096)
        *lines, self._rest = (self._rest + (data or b"")).split(b"\n")
        for line in lines:
            kind, _, text = line.decode().partition(" ")
            if kind == "epoch":
                self.epoch = int(text)
            else:
                self.point = text
        return bool(data)

    def _end(self) -> int:
        self.pipe.close()
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.failed = code not in (0, -signal.SIGKILL)
        return code


def _live(
    path: Path, settings: Experiment, plant: Callable[[], None], survived: frozenset[str] | None, pipe: int
) -> None:
    """The child's whole life; it does not return."""
    code = 1
    try:
        append = Run.append

        def announced(self: Run, state: Any, rows: Any) -> None:
            append(self, state, rows)
            if rows:
                os.write(pipe, f"epoch {state.epoch}\n".encode())

        patch.object(Run, "append", announced).start()  # for the rest of this process
        callbacks.Recorder.LONGEST_WAIT = 0.0
        plant()
        if survived is not None:
            files.SYSTEM = Dying(survived, lambda point: _tell(pipe, point))
        go_on(path, settings)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _tell(pipe: int, point: str) -> None:
    os.write(pipe, f"point {point}\n".encode())


def _command(path: Path, settings: Experiment) -> list[str]:
    linclass = [sys.executable, "-m", "linclass"]
    if has_state(path):
        return [*linclass, "resume", str(path), "--quiet"]
    options = []
    for name in ("dataset", "epochs", "batch_size", "eta", "optimizer", "snapshot_every", "overfit_action"):
        options += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
    return [*linclass, "train", *options, "--out", str(path), "--quiet"]


def _state_time(path: Path) -> int:
    """When the last state was saved that has rows; 0 if there is none."""
    with contextlib.suppress(OSError):
        if (path / "values.csv").read_bytes().count(b"\n") > 1:
            return (path / "state.npz").stat().st_mtime_ns
    return 0


def _difference(found: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    extra = [name for name in found if name not in wanted or found.count(name) > wanted.count(name)]
    missing = [name for name in wanted if name not in found]
    return (
        f"{len(extra)} too many ({', '.join(extra[:3])}), {len(missing)} missing ({', '.join(missing[:3])})"
    )
