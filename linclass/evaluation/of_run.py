"""What is done with a trained run: score it on a split, predict unseen rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from linclass import engine, files
from linclass.datasets import batches, labels
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.inputs import Inputs
from linclass.datasets.load import NAMES
from linclass.errors import UsageError
from linclass.evaluation import report, submission
from linclass.evaluation.report import RegressionReport, Report
from linclass.models.base import Classifier
from linclass.models.ensemble import Ensemble
from linclass.params import Array
from linclass.runs.data import data_of
from linclass.runs.directory import Run
from linclass.runs.progress import PYTHON, Listener
from linclass.training import health, schedules
from linclass.training.health import LayerHealth


class Scored(NamedTuple):
    """The reports of a run's models on a split of its data, one each, and what their pictures show."""

    run: Run
    split: str
    weights: str | int
    data: Dataset
    reports: list[Report] | list[RegressionReport]

    def draw(self, folder: Path | None = None) -> list[Path]:
        """Draw the pictures of model 0 into `folder`, by default the run's directory; returns them.

        A regression's are drawn in training. Raises StorageError where `folder` cannot be written.
        """
        first, run = self.reports[0], self.run
        if isinstance(first, RegressionReport):
            return []
        if folder is not None:
            files.make_directory(folder)
        name = f"{self.split}_{str(self.weights).replace(',', '-')}"
        title = f"{run.subject.heading(self.split).splitlines()[1]}\n{weights_in_words(run, self.weights)}"
        rows, shape = self.data.splits()[self.split].x, self.data.image_shape
        place = folder or run.path
        return report.draw(first, rows, shape, place, split=self.split, name=name, title=title)


def evaluate_run(path: Path, **options: Any) -> list[Report] | list[RegressionReport]:
    """Score a run's models: a report for each; options as in `score_run`."""
    return score_run(path, **options).reports


def score_run(
    path: Path,
    *,
    split: str | None = None,
    weights: str | int = "last",
    dataset: str | None = None,
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = PYTHON,
) -> Scored:
    """Score a run's models.

    Args:
        split: "train", "validation" or "test"; `Run.scored_split` if None.
        weights: "last", "best", the epoch of a snapshot, or several of them; see `classifier`.
        dataset, data_dir: where the run's data are now; see `runs.data.find_data`.
    """
    run = Run(Path(path))
    split = split or run.scored_split
    with engine.limited(threads or engine.DEFAULT_THREADS):
        model = classifier(run, weights)
        if weights == "last":
            _note_diverged(run, listener)
        data = data_of(run, dataset=dataset, data_dir=data_dir)
        splits = data.splits()
        if split not in splits:
            raise UsageError(f"--on {split}: {run.path} has the splits {', '.join(splits)}")
        inputs = Inputs(splits[split])
        reports: list[Report] | list[RegressionReport]
        if data.is_regression:
            reports = report.regression_reports(model, inputs)
        else:
            reports = report.reports(model, inputs, data.classes, loss=run.settings.loss)
    return Scored(run, split, weights, data, reports)


def weights_in_words(run: Run, weights: str | int) -> str:
    """Which weights of replica 0 these are, with their epoch: `best weights, of epoch 12`."""
    epochs = members(run, weights)
    if epochs == [weights]:
        kind = f"{weights} weights, of" if weights in ("last", "best") else "weights of"
        return f"{kind} epoch {run.epoch_of(weights)}"
    return f"ensemble of the weights of epochs {', '.join(map(str, epochs))}"


def classifier(run: Run, weights: str | int = "last") -> Classifier:
    """What a run's weights decide: one snapshot alone, or several together.

    Args:
        weights: see `members`.

    Raises UsageError where a snapshot is missing, and for a loss whose scores are no log-probabilities.
    """
    epochs = members(run, weights)
    if epochs == [weights]:
        return run.model(weights)
    if run.settings.loss != "softmax":
        raise UsageError(
            f"--weights {weights}: an ensemble is the mean of softmax probabilities, and {run.path} was "
            f"trained with --loss {run.settings.loss}; expected the weights of one epoch"
        )
    return Ensemble(
        [run.model(epoch) for epoch in epochs],
        label_smoothing=run.settings.label_smoothing,
        class_weights=run.settings.weights_of_classes or None,
    )


def members(run: Run, weights: str | int = "last") -> list[str | int]:
    """The weights of each model that `weights` stands for.

    Args:
        weights: those of `Run.model`, alone; or epochs such as "4,8,12", an ensemble of these snapshots; or
            "cycles", the snapshots at the ends of the schedule's cycles.
    """
    if weights == "cycles":
        return [*_cycle_epochs(run)]
    return [*str(weights).split(",")] if "," in str(weights) else [weights]


def _cycle_epochs(run: Run) -> list[str]:
    """The epochs at whose end a cycle of the schedule is complete; there is a snapshot of each."""
    settings = run.settings
    rows = run.manifest["data"]["rows"]["train"]
    n = batches.count(rows, settings.batch_size_for(rows), settings.drop_last)
    steps = schedules.cycle_ends(settings.schedule, total_steps=n * run.load_state()[0].epoch)
    if not steps:
        raise UsageError(
            f"--weights cycles: {run.path} has no complete cycle: its schedule is {settings.schedule}; "
            "expected one such as triangular:1e-5:500 and a longer run"
        )
    if any(step % n for step in steps):
        raise UsageError(
            f"--weights cycles: a cycle of {settings.schedule} does not end with an epoch of {n} steps: "
            "expected cycles of whole epochs, or the snapshots by number, such as --weights 4,8,12"
        )
    epochs = [step // n for step in steps]
    missing = [epoch for epoch in epochs if epoch not in run.snapshots]
    if missing:
        raise UsageError(
            f"--weights cycles: {run.path} has no snapshot of epoch {missing[0]}, where a cycle ends: "
            f"train with --snapshot-every {epochs[0]}"
        )
    return [str(epoch) for epoch in epochs]


def layers_of_run(
    path: Path,
    *,
    weights: str | int = "last",
    k: int = 0,
    rows: int = 200,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> dict[str | int, list[LayerHealth]]:
    """Activations and gradients of model k's hidden layers on the first training rows, for each of the
    weights: those of one model, or of every member of an ensemble (see `members`)."""
    run = Run(Path(path))
    found = {}
    with engine.limited(engine.DEFAULT_THREADS):
        data = data_of(run, dataset=dataset, data_dir=data_dir)
        for one in members(run, weights):
            model = run.model(one)
            x, y = data.train.x[:rows], data.train.y[:rows]
            running = model.buffers.flat.copy()
            model.backpropagate(x, y)
            model.buffers.flat[...] = running  # looking is not training
            found[one] = health.layers_of(model, x, k)
    return found


def predict_run(
    path: Path,
    rows: Path | None = None,
    *,
    weights: str | int = "last",
    k: int = 0,
    dataset: str | None = None,
    data_dir: Path | None = None,
    threads: int | None = None,
) -> Array:
    """The labels `(n,)` that model k of a run predicts for the rows of a file, or for its own test split.

    They are what the data call the classes: numbers 0 to C - 1 for published data; for a user's own the whole
    numbers, or the names, that the classes have there.

    Raises UsageError where there is no test split or no such model and for a regression, DataError for a
    file that does not fit.
    """
    run = Run(Path(path))
    if not 0 <= k < run.settings.seeds:
        raise UsageError(f"--replica is {k}: {run.path} has the replicas 0 to {run.settings.seeds - 1}")
    if run.settings.is_regression:
        raise UsageError(
            f"{run.path} learnt a function, not classes: <epoch>_function.png shows what it predicts, and "
            f"`linclass evaluate {run.path}` says how good that is"
        )
    if rows is not None:
        x = submission.read_rows(rows, run.features, run.settings.label)
    else:
        own = data_of(run, dataset=dataset, data_dir=data_dir)
        if own.test is None:
            raise UsageError(f"{run.path} has no test split: give the rows to predict with --rows FILE")
        x = own.test.x
    with engine.limited(threads or engine.DEFAULT_THREADS):
        model = classifier(run, weights)
        data = Inputs(Split(x, np.zeros(len(x), np.int64)))
        predicted: Array = report.scores_of(model, data)[k].argmax(axis=1)
    return predicted if run.settings.dataset in NAMES else labels.named(run.subject.classes)[predicted]


def _note_diverged(run: Run, listener: Listener) -> None:
    state, _ = run.load_state()
    for k in np.flatnonzero(state.diverged):
        listener.warning(f"model {k} diverged: these are its best weights, of epoch {state.best_epoch[k]}")
