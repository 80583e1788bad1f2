"""The contenders of one workload in turn, round after round, each in a process of its own.

A machine's speed drifts (other programs, heat, a shared host), so contenders are never measured one after
the other: round r runs every one of them once, beginning with another one each time. While one runs, the
others wait for a line on their standard input and use no time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.agreement import Reference
from benchmarks.contenders import CONTENDERS
from benchmarks.contenders.contender import Scores
from benchmarks.problem import Problem
from benchmarks.workloads import Workload
from linclass.params import Array

# OpenBLAS and OpenMP threads spin for some hundredths of a second after their last product
PAUSE = 0.1


@dataclass
class Timing:
    """What one contender did. seconds: of each round, for all K models; empty unless it is "ok"."""

    contender: str
    status: Literal["ok", "wrong", "failed", "absent"] = "ok"
    reason: str = ""
    models: int = 0
    threads: int = 0
    disagreement: float | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def minimum(self) -> float:
        return min(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """(largest - smallest) / smallest."""
        return max(self.seconds) / self.minimum - 1


class WorkerError(Exception):
    """A worker that could not do what it was asked; the message says why."""


class WorkerProcess:
    """A `benchmarks.worker`, bound to `threads` cores, with its BLAS and OpenMP limited to as many."""

    def __init__(self, place: str, workload: str, threads: int, quick: bool) -> None:
        # before numpy and torch are imported there
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", place, workload, str(threads), str(quick)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, **limits, "JAX_PLATFORMS": "cpu"},
        )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, sorted(os.sched_getaffinity(0))[:threads])
        try:
            self._answer()
        except WorkerError:
            self.close()
            raise

    def ask(self, what: str, **given: Any) -> dict[str, Any]:
        """The answer; WorkerError if there is none."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which reading its answer will show
            print(json.dumps({"do": what, **given}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._said.seek(0)
            last = self._said.read().decode(errors="replace").strip().splitlines()[-1:]
            raise WorkerError(f"its process ended with code {code}: {' '.join(last)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process: at the end of its input, or at once where it does not listen."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()


def measure(
    workload: Workload, names: Sequence[str], *, rounds: int, threads: int, quick: bool = False
) -> list[Timing]:
    """Check, prepare and time the contenders `names` on `workload`; those that cannot be timed say why."""
    timings = {name: Timing(name) for name in names}
    with ExitStack() as running:
        workers = {}
        reference = Reference(Problem(workload, quick=quick, check=True), models=workload.K)
        for name, timing in timings.items():
            with _failing(timing):
                _require(name)
                worker = WorkerProcess(CONTENDERS[name].place, workload.name, threads, quick)
                running.callback(worker.close)
                _check(worker, reference, timing)
                if timing.status == "ok":
                    timing.__dict__.update(worker.ask("prepare"))
                    workers[name] = worker
        _take_turns(workload, workers, timings, rounds)
    return list(timings.values())


def _take_turns(
    workload: Workload, workers: dict[str, WorkerProcess], timings: dict[str, Timing], rounds: int
) -> None:
    turn = list(workers)
    for _ in range(rounds):
        for name in turn:
            timing = timings[name]
            if timing.status == "ok":
                time.sleep(PAUSE)
                with _failing(timing):
                    seconds = workers[name].ask("round")["seconds"]
                    timing.seconds.append(seconds * _share(workload, timing))
        turn = turn[1:] + turn[:1]


def _share(workload: Workload, timing: Timing) -> float:
    """What the time of the models that were trained is multiplied by: K / models, but for `linclass-one`."""
    return 1.0 if timing.contender == "linclass-one" else workload.K / timing.models


class AbsentError(Exception):
    """A contender whose packages are not installed."""


def _require(name: str) -> None:
    missing = CONTENDERS[name].missing
    if missing:
        raise AbsentError(f"not installed: {', '.join(missing)}")


@contextmanager
def _failing(timing: Timing) -> Iterator[None]:
    """An error inside becomes the timing's status."""
    try:
        yield
    except AbsentError as error:
        timing.status, timing.reason = "absent", str(error)
    except WorkerError as error:
        timing.status, timing.reason, timing.seconds = "failed", str(error), []


def _check(worker: WorkerProcess, reference: Reference, timing: Timing) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "check.npz"
        worker.ask("check", to=str(file))
        with np.load(file) as arrays:
            weights = _named(arrays, "weights")
            scores: Scores = {s: (a[0], a[1]) for s, a in _named(arrays, "scores").items()}
    timing.disagreement = reference.disagreement(weights)
    timing.reason = reference.fault(weights, scores)
    timing.status = "wrong" if timing.reason else "ok"


def _named(arrays: Any, kind: str) -> dict[str, Array]:
    """The arrays whose name is `<kind> <name>`, by name."""
    return {key.removeprefix(f"{kind} "): arrays[key] for key in arrays.files if key.startswith(f"{kind} ")}
