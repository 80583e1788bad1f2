"""Whole `linclass` commands: start-up, memory, and what a long run's output costs. No peers.

start-up        from the command to the end of the first epoch on the bundled sample, seconds
memory          the largest resident memory of a linear run on all of CIFAR-10 with test, MB
rows-and-state  share of the time of `train-long` that writing values.csv and state.npz takes
figures         the same of the snapshots and their figures, one every 100 epochs
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from linclass.datasets.known import KNOWN
from linclass.datasets.locate import data_dirs, find
from linclass.errors import DataError
from linclass.runs import experiment
from linclass.runs.directory import Run
from linclass.settings import Experiment

EPOCHS, SNAPSHOTS = 12, 3
SNAPSHOT_EVERY = 100  # train-long's
_SAMPLE = "cifar10-sample"


@dataclass
class Figure:
    """One number of whole runs: a value each time it was measured, and what it should be at most."""

    name: str
    title: str
    unit: str
    at_most: float
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


def start_up(*, repeats: int, threads: int, quick: bool) -> list[Figure]:
    """From the command to the end of its first epoch on the sample."""
    figure = Figure("start-up", "from the command to the first epoch on the sample", "s", 1.0)
    with _folder() as folder:
        for number in range(repeats):
            started = time.perf_counter()
            process = _train(folder / str(number), threads, _SAMPLE, "--epochs", "100000")
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("epoch 1/"):
                    figure.values.append(time.perf_counter() - started)
                    break
            process.terminate()
            process.communicate()
    return [figure]


def memory(*, repeats: int, threads: int, quick: bool) -> list[Figure]:
    """The largest resident memory of two epochs on all of CIFAR-10; the same each time, so once."""
    figure = Figure("memory", "peak memory of a linear run on the full data", "MB", 450)
    figure.values.append(_measured("memory", threads, quick)["memory"])
    return [figure]


def output(*, repeats: int, threads: int, quick: bool) -> list[Figure]:
    """What writing rows, state and figures takes of the time of `train-long`."""
    figures = [
        Figure("rows-and-state", "values.csv and state.npz in a full-data train-long", "%", 2),
        Figure("figures", "figures and snapshots in a full-data train-long", "%", 5),
    ]
    shares = _measured("output", threads, quick)
    for figure in figures:
        figure.values.append(shares[figure.name])
    return figures


WHOLE_RUNS: dict[str, Callable[..., list[Figure]]] = {
    "start-up": start_up,
    "memory": memory,
    "output": output,
}


def _measured(what: str, threads: int, quick: bool) -> dict[str, float]:
    """What `_peak_memory` or `_output_shares` finds, in a fresh process. DataError without the full data."""
    if not quick and find(KNOWN["cifar10"], data_dirs(None)) is None:
        raise DataError("no full cifar10 found: run `linclass data fetch cifar10`, or use --quick")
    command = [
        sys.executable,
        "-m",
        "benchmarks.whole_runs",
        what,
        str(threads),
        "sample" if quick else "full",
    ]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def _peak_memory(threads: int, quick: bool) -> dict[str, float]:
    """In MB. Asked for in a fresh process: a child's peak begins at that of its parent."""
    dataset = [_SAMPLE] if quick else ["cifar10", "--split", "all"]
    with _folder() as folder:
        _train(folder / "run", threads, *dataset, "--lambda", "1", "--epochs", "2", "--test").communicate()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"memory": peak / (1e6 if sys.platform == "darwin" else 1e3)}


def _output_shares(threads: int, quick: bool) -> dict[str, float]:
    """Percentages of train-long's time, from EPOCHS of its epochs with SNAPSHOTS snapshots.

    The training waits for `Run.append` and `Run.snapshot`, so their time is what output costs it. The first
    snapshot also imports the drawing library, which a long run does once: it is left out.
    """
    settings = Experiment(
        dataset=_SAMPLE if quick else "cifar10",
        split="auto" if quick else "all",
        l2=1.0,
        shuffle="batches",
        epochs=EPOCHS,
        snapshot_every=EPOCHS // SNAPSHOTS,
        test=True,
    )
    with _folder() as folder, _timed("append") as appends, _timed("snapshot") as snapshots:
        result = experiment.run(settings, out=folder / "run", threads=threads)
        epoch = statistics.median(row["seconds"] for row in result.history.rows)
    per_epoch = sum(appends) / EPOCHS
    per_snapshot = statistics.median(snapshots[1:])
    total = epoch + per_epoch + per_snapshot / SNAPSHOT_EVERY
    return {
        "rows-and-state": 100 * per_epoch / total,
        "figures": 100 * per_snapshot / SNAPSHOT_EVERY / total,
    }


@contextlib.contextmanager
def _timed(method: str) -> Iterator[list[float]]:
    """The seconds of each call of a method of `Run`, inside the block."""
    seconds: list[float] = []
    original = getattr(Run, method)

    def timed(*args: Any) -> None:
        started = time.perf_counter()
        original(*args)
        seconds.append(time.perf_counter() - started)

    setattr(Run, method, timed)
    try:
        yield seconds
    finally:
        setattr(Run, method, original)


def _train(out: Path, threads: int, dataset: str, *options: str) -> subprocess.Popen[str]:
    command = ["train", "--dataset", dataset, *options, "--out", str(out), "--threads", str(threads)]
    return subprocess.Popen(
        [sys.executable, "-m", "linclass", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


if __name__ == "__main__":
    what, count, data = sys.argv[1:]
    found = {"memory": _peak_memory, "output": _output_shares}[what](int(count), data == "sample")
    print(json.dumps(found))
