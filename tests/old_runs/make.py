"""How the old runs were made: `python tests/old_runs/make.py`, by linclass 0.1.0 when run.json had format 1.

It writes the runs beside itself, and in `expected.npz` what that linclass makes of each: its numbers on all
splits, its predictions, and the weights and rows of a longer training. A later linclass makes other runs, so
this is for reading, not for running again.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import linclass
from linclass import Experiment, npz
from linclass.errors import InterruptedRun
from linclass.evaluation import of_run
from linclass.runs import experiment
from linclass.search import grid_search
from linclass.training.trainer import Callback

HERE = Path(__file__).parent
DATA = Path("/srv/course")
"""Where the data were; the runs name them by this path."""
BLOBS, DIGITS = str(DATA / "blobs.npz"), str(DATA / "digits.csv")
FAST = {"eta": 0.1, "batch_size": 20, "epochs": 3}
MLP = {**FAST, "model": "mlp", "hidden": "8"}
RUNS: dict[str, dict[str, Any]] = {
    "linear": {"dataset": "mnist-sample", "train_size": 200, "epochs": 2, "eta": 0.01, "dtype": "float32"},
    "mlp_momentum": {**MLP, "dataset": BLOBS, "optimizer": "momentum", "eta": 0.02, "snapshot_every": 1},
    "nesterov": {**MLP, "dataset": BLOBS, "optimizer": "nesterov", "momentum": 0.5, "dtype": "float64"},
    "three_seeds": {**FAST, "dataset": BLOBS, "seeds": 3, "l2": 0.01, "test": True},
    "two_threads": {**MLP, "dataset": BLOBS, "seeds": 2, "optimizer": "adam", "eta": 0.01, "dropout": 0.2},
    "interrupted": {**MLP, "dataset": BLOBS, "epochs": 4, "seeds": 2, "batch_norm": True},
    "fold_noise": {**FAST, "dataset": BLOBS, "fold": "2/5", "label_noise": 0.2, "seed": 3, "seeds": 2},
    "csv": {"dataset": DIGITS, "epochs": 2, "eta": 0.1, "batch_size": 10},
    "function": {**MLP, "dataset": "saw-sine", "loss": "squared", "train_size": 60, "val_size": 20},
}
SWEEP = {**FAST, "dataset": BLOBS, "seeds": 2}
GRID = {"eta": [0.1, 0.3], "l2": [0.0, 0.01]}
LONGER = 5
"""Epochs of the longer training."""


class Interruption(Callback):
    """Ctrl-C in the middle of an epoch."""

    def on_batch_end(self, trainer: Any) -> None:
        if trainer.state.step == 7:
            signal.raise_signal(signal.SIGINT)


def blobs() -> dict[str, np.ndarray]:
    """Three overlapping clouds in 6 dimensions; labels 1, 2, 3."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 6))
    arrays = {}
    for split, n in (("train", 110), ("test", 40)):
        y = rng.integers(1, 4, n)
        arrays |= {f"x_{split}": np.float32(centres[y - 1] + rng.normal(size=(n, 6))), f"y_{split}": y}
    return arrays


def digits() -> str:
    """30 images that are mostly empty; the labels 0 to 4."""
    rng = np.random.default_rng(1)
    lines = [",".join(["label", *(f"pixel{i}" for i in range(784))])]
    for label in rng.permutation(np.arange(30) % 5):
        pixels = np.zeros(784, int)
        pixels[150 * label : 150 * label + 40] = rng.integers(0, 256, 40)
        lines.append(",".join(map(str, [label, *pixels])))
    return "\n".join(lines) + "\n"


def make(name: str) -> Path:
    """Train one of RUNS."""
    path = HERE / "runs" / name
    stoppers = experiment.stoppers
    if name == "interrupted":
        experiment.stoppers = lambda *args: [*stoppers(*args), Interruption()]
    with contextlib.suppress(InterruptedRun):
        linclass.run(Experiment(**RUNS[name]), out=path, threads=2 if name == "two_threads" else None)
    experiment.stoppers = stoppers
    return path


def expected(path: Path) -> dict[str, np.ndarray]:
    """What there is to know about a run: its numbers, and those of a longer training of a copy."""
    run = linclass.load_run(path)
    found: dict[str, np.ndarray] = {}
    is_function = run.settings.is_regression
    for split in ("train", "validation", "test"):
        for weights in ("last", "best"):
            missing = weights == "best" and not (path / "best.npz").exists()
            if missing or (split == "test" and path.name == "csv"):
                continue
            reports = of_run.evaluate_run(path, split=split, weights=weights)
            found[f"{weights}.{split}.loss"] = np.array([report.loss for report in reports])
            if not is_function:
                found[f"{weights}.{split}.confusion"] = np.array([report.confusion for report in reports])
    if not is_function and path.name != "csv":
        found["predictions"] = of_run.predict_run(path)
    if path.name == "best":  # of a sweep: it cannot be extended
        return found
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / path.name
        shutil.copytree(path, copy)
        linclass.resume(copy)
        linclass.resume(copy, epochs=LONGER)
        state, _ = linclass.load_run(copy).load_state()
        found |= {f"extended.{name}": array for name, array in state.params.items()}
        columns = [column for column in state.history.columns if column != "seconds"]
        found["rows"] = np.array([[row[column] for column in columns] for row in state.history.rows], float)
    return found


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    for folder in (HERE / "data", HERE / "runs"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (HERE / "data" / "blobs.npz").write_bytes(npz.pack(blobs()))
    (HERE / "data" / "digits.csv").write_text(digits())
    for file in (HERE / "data").iterdir():
        shutil.copy(file, DATA)
    arrays = {f"{name}/{key}": array for name in RUNS for key, array in expected(make(name)).items()}
    sweep = HERE / "runs" / "sweep"
    grid_search(GRID, Experiment(**SWEEP), out=sweep)
    arrays |= {f"sweep/{key}": array for key, array in expected(sweep / "best").items()}
    (HERE / "expected.npz").write_bytes(npz.pack(arrays))
    waste = [*HERE.rglob("*.png"), *HERE.rglob("*.gif"), *HERE.rglob(".lock")]
    waste += [HERE / "runs" / name / "state-1.npz" for name in ("linear", "csv")]
    for file in waste:
        file.unlink()


if __name__ == "__main__":
    main()
