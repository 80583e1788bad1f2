"""Golden table: a set of trainings made by two checkouts, compared number by number.

Each setting is trained by the real command, once in each checkout: the arrays of every state, best weights
and snapshots, and every row of the log but its seconds are compared. What is said is the largest difference,
or that all bits are the same. The commands are what a user types, so that it outlives moves inside.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from linclass.errors import CheckFailedError
from linclass.params import Array

_MLP = "--dataset mnist-sample --model mlp --hidden 24,12 --epochs 4 --train-size 550"
_LINEAR = "--dataset cifar10-sample --lambda 0.1 --epochs 4 --train-size 950"

SETTINGS: Mapping[str, str] = {
    "linear": f"train {_LINEAR} --test",
    "linear, float64": f"train {_LINEAR} --dtype float64 --batch-size 33",
    "linear, small batches": f"train {_LINEAR} --batch-size 7 --train-size 300",
    "linear, five seeds": f"train {_LINEAR} --seeds 5",
    "linear, batches shuffled": f"train {_LINEAR} --shuffle batches --schedule triangular:1e-5:40",
    "linear, clipped": f"train {_LINEAR} --clip 0.5 --eta 0.01",
    "linear, svm": f"train {_LINEAR} --loss svm --scaling global",
    "linear, bce": f"train {_LINEAR} --loss bce --scaling unit --reduction sum --eta 1e-4",
    "mlp, momentum": f"train {_MLP} --optimizer momentum --momentum 0.8 --lambda 0.001",
    "mlp, batch norm": f"train {_MLP} --batch-norm --seeds 2 --eta 0.05",
    "mlp, dropout": f"train {_MLP} --dropout 0.3 --eta 0.05 --label-smoothing 0.1",
    "mlp, adam": f"train {_MLP} --optimizer adam --activation leaky-relu --dtype float64",
    "mlp, adamw": f"train {_MLP} --optimizer adamw --weight-decay 0.01 --activation tanh --seeds 3",
    "mlp, augmented": f"train {_MLP} --augment shift:2,noise:0.05 --eta 0.05 --snapshot-every 2",
    "mlp, label noise": f"train {_MLP} --label-noise 0.5 --optimizer rmsprop --patience 1",
    "regression": "train --dataset square-wave --loss squared --model mlp --hidden 9,9 --epochs 6 --seeds 3 "
    "--optimizer nesterov --momentum 0.9 --eta 0.01 --train-size 500",
    "sweep of 16": "sweep --dataset cifar10-sample --epochs 3 --train-size 500 "
    "--grid lambda=0,0.01,0.1,1 --grid eta=0.0003,0.001,0.003,0.01",
}
INTERRUPTED = "train --dataset cifar10-sample --lambda 0.1 --epochs 40 --batch-size 4 --seeds 2"
"""Interrupted twice, and resumed; an epoch of it is longer than the pause before the interruption."""
RESUMED = "resumed in mid-epoch"
_BOOKKEEPING = ("settings", "csv", "counters", "history")
"""Arrays of a state that are in the log too, or belong to the format."""


class Difference(NamedTuple):
    """How far two runs of one setting are apart.

    Attributes:
        name: of the setting. numbers: how many were compared. different: how many have other bits.
        largest: max |a - b| / max(1, |a|). where: the array or column that has it.
    """

    name: str
    numbers: int
    different: int
    largest: float
    where: str


def compare(one: Path, other: Path, folder: Path, names: tuple[str, ...] = ()) -> list[Difference]:
    """Make the table with the checkouts `one` and `other`, below `folder`; of some settings if `names`.

    Raises CheckFailedError where a command fails, or a run of one has files, arrays or rows that the other
    has not.
    """
    wanted = names or (*SETTINGS, RESUMED)

    def trained(checkout: Path, place: Path, name: str) -> Path:
        out = place / name.replace(" ", "_").replace(",", "")
        if name == RESUMED:
            _interrupted(checkout, out)
        else:
            _call(checkout, f"{SETTINGS[name]} --out {out}")
        return out

    differences = []
    with ThreadPoolExecutor(2) as pool:
        for name in wanted:
            pair = [
                pool.submit(trained, path, folder / side, name)
                for side, path in (("one", one), ("other", other))
            ]
            a, b = (numbers(future.result()) for future in pair)
            differences.append(difference(name, a, b))
    return differences


def numbers(out: Path) -> dict[str, Array]:
    """All that a run or a sweep left: file and array -> the array; file and column -> the column."""
    found: dict[str, Array] = {}
    for path in sorted(out.rglob("*.npz")):
        if path.name == "state-1.npz" or path.parent.name == "trials":
            continue  # the state before the last one depends on when it was saved
        with np.load(path) as archive:
            for name in archive.files:
                if name not in _BOOKKEEPING and archive[name].dtype.kind in "fiub":
                    found[f"{path.relative_to(out)} {name}"] = archive[name]
    for path in sorted(out.rglob("*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in table.columns.drop("seconds", errors="ignore"):
            with contextlib.suppress(ValueError):  # a column of words
                # not pandas's own parser, which older versions let round
                found[f"{path.relative_to(out)} {column}"] = np.array([float(x) for x in table[column]])
    return found


def difference(name: str, a: Mapping[str, Array], b: Mapping[str, Array]) -> Difference:
    """Raises CheckFailedError where the names or the shapes are not the same."""
    shapes = [{key: value.shape for key, value in found.items()} for found in (a, b)]
    if shapes[0] != shapes[1]:
        odd = sorted({key for key, _ in set(shapes[0].items()) ^ set(shapes[1].items())})
        raise CheckFailedError(f"{name}: not the same arrays: {', '.join(odd[:5])}")
    different, largest, where = 0, 0.0, ""
    for key, ours in a.items():
        theirs = b[key]
        same = (ours == theirs) | ((ours != ours) & (theirs != theirs))
        different += int(np.size(same) - np.count_nonzero(same))
        gap = np.abs(ours.astype(float) - theirs.astype(float)) / np.maximum(1, np.abs(ours.astype(float)))
        worst = float(np.max(np.where(same, 0, np.nan_to_num(gap, nan=np.inf)), initial=0))
        if worst > largest:
            largest, where = worst, key
    return Difference(name, sum(value.size for value in a.values()), different, largest, where)


def _environment(checkout: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout), "MPLBACKEND": "agg"}


def _call(checkout: Path, command: str, status: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "linclass", *command.split(), "--quiet"],
        cwd=checkout,
        env=_environment(checkout),
        capture_output=True,
        text=True,
    )
    if done.returncode != status:
        raise CheckFailedError(f"{checkout}: linclass {command} ended with {done.returncode}: {done.stderr}")


def _interrupted(checkout: Path, out: Path) -> None:
    """Train INTERRUPTED with two interruptions, each in the middle of an epoch or of its evaluation."""
    command = f"{INTERRUPTED} --out {out}"
    for epochs in (2, 4):
        with subprocess.Popen(
            [sys.executable, "-m", "linclass", *command.split(), "--quiet"],
            cwd=checkout,
            env=_environment(checkout),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while process.poll() is None and _rows(out / "values.csv") < 2 * epochs:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
        if process.returncode != 130:
            raise CheckFailedError(f"{checkout}: {command} was over before it was interrupted")
        command = f"resume {out}"
    _call(checkout, command)


def _rows(log: Path) -> int:
    return log.read_bytes().count(b"\n") - 1 if log.is_file() else 0
