"""Do more parameters generalise worse? 49 networks 3072-N-N-10 on CIFAR-10, N = 3, 5, ..., 99."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from linclass import files
from linclass.courses.claims import DEPENDS, WITHOUT, Claim, Findings, Study, is_above, is_below, verdict
from linclass.datasets import batches
from linclass.datasets.inputs import Inputs
from linclass.datasets.scale import Scaler
from linclass.errors import DataError
from linclass.metrics import Interval
from linclass.models.base import Model
from linclass.params import Array
from linclass.runs import legacy
from linclass.runs.data import load_data, note_data
from linclass.runs.model import build_model, build_optimizer
from linclass.runs.progress import Listener
from linclass.search import workers
from linclass.settings import Experiment
from linclass.training.evaluate import evaluate

EVALUATED_EVERY = 5
TIMED_STEPS = 10
SETTINGS = Experiment(
    model="mlp", hidden="99,99", split="all", optimizer="adam", batch_size=1000, shuffle="batches", epochs=50
)


class Task(NamedTuple):
    """A model to be trained in a worker process, and the file its numbers are kept in."""

    settings: Experiment
    data_dir: Path | None
    path: Path


class Rows(NamedTuple):
    """What all models train and are tested on."""

    train: Inputs
    test: Inputs
    scaler: Scaler
    classes: int


def find(
    settings: Experiment,
    *,
    data_dir: Path | None,
    listener: Listener,
    models: str = "result_pics/mlds_parameters/models",
    largest: int = 99,
    processes: int = 2,
) -> Findings:
    """Train the models that are not in `models` yet, then compare all of them."""
    dataset = load_data(settings, data_dir)
    note_data(settings, dataset, listener)
    if dataset.is_sample:
        settings = settings.replace(dataset=f"{settings.dataset.removesuffix('-sample')}-sample")
    # the largest first, so that no process is left alone with one at the end
    widths = range(largest, 2, -2)
    tasks = [Task(settings.replace(hidden=f"{N},{N}"), data_dir, Path(models) / f"{N}.json") for N in widths]
    missing = [task for task in tasks if numbers_of(task) is None]
    if missing:
        files.make_directory(Path(models))
        listener.note(estimate(missing, processes))
    for done, (i, _) in enumerate(workers.results([(train, task) for task in missing], processes), start=1):
        listener.note(f"{missing[i].settings.hidden}: {done} of {len(missing)} models trained")
    return compare({N: numbers_of(task) or [] for N, task in zip(widths, tasks, strict=True)}, dataset.title)


# ---- training ----------------------------------------------------------------------------------------------


def numbers_of(task: Task) -> list[dict[str, float]] | None:
    """What a model came to that was trained before under the same settings, if it was."""
    try:
        kept = files.read_json(task.path)
    except DataError:
        return None
    same = legacy.experiment(kept["settings"], kept.get("format", 1)) == task.settings
    return list(kept["epochs"]) if same else None


def train(task: Task) -> None:
    """Train one model, evaluated on the training and test rows every few epochs; keep the numbers."""
    settings, epochs = task.settings, []
    rows = _rows(settings.replace(hidden="1"), task.data_dir)
    model = _model(settings, rows)
    step = _stepper(settings, model, rows.train)
    for epoch in range(1, settings.epochs + 1):
        for selection in _batches(settings, len(rows.train), epoch):
            step(selection)
        if epoch % EVALUATED_EVERY == 0 or epoch == settings.epochs:
            numbers: dict[str, float] = {"epoch": epoch}
            for name, inputs in (("train", rows.train), ("test", rows.test)):
                loss, accuracy = evaluate(model, inputs)
                numbers |= {f"{name}_loss": float(loss[0]), f"{name}_accuracy": float(accuracy[0])}
            epochs.append(numbers)
    found = {"format": legacy.FORMAT, "settings": settings.to_dict(), "epochs": epochs}
    files.write_json(task.path, found)


@functools.lru_cache(maxsize=1)
def _rows(settings: Experiment, data_dir: Path | None) -> Rows:
    """Read once for all models of a process."""
    dataset = load_data(settings, data_dir)
    assert dataset.test is not None
    scaler = Scaler.fit(dataset.train.x, settings.scaling)
    return Rows(Inputs(dataset.train), Inputs(dataset.test), scaler, len(dataset.classes))


def _model(settings: Experiment, rows: Rows) -> Model:
    return build_model(settings, len(rows.scaler.gain), rows.classes, scaler=rows.scaler)


def _batches(settings: Experiment, n: int, epoch: int) -> Any:
    shuffle: Any = settings.shuffle
    return batches.batches(n, settings.batch_size_for(n), seed=settings.seed, epoch=epoch, shuffle=shuffle)


def _stepper(settings: Experiment, model: Any, data: Inputs) -> Callable[[Any], None]:
    """A function that makes one update on the selected rows."""
    optimizer, lr, steps = build_optimizer(settings), np.array([settings.eta]), 0
    slots = optimizer.init(model.params)

    def step(selection: Any) -> None:
        nonlocal steps
        model.backpropagate(*data.rows(selection), step=steps)
        optimizer.update(model.params, model.grads, slots, lr, steps)
        steps += 1

    return step


def estimate(tasks: Sequence[Task], processes: int) -> str:
    """How long the training will take, from a few steps of the largest and of the smallest model."""
    rows = _rows(tasks[0].settings.replace(hidden="1"), tasks[0].data_dir)
    seconds = []
    for settings in (tasks[0].settings, tasks[-1].settings):
        step = _stepper(settings, _model(settings, rows), rows.train)
        selections = list(_batches(settings, len(rows.train), 1))
        step(selections[0])
        started = time.perf_counter()
        for selection in selections[:TIMED_STEPS]:
            step(selection)
        a_step = (time.perf_counter() - started) / min(TIMED_STEPS, len(selections))
        # an evaluation, forward only, costs about half an epoch of steps
        seconds.append(a_step * len(selections) * settings.epochs * (1 + 0.6 / EVALUATED_EVERY))
    _rows.cache_clear()
    total = len(tasks) * sum(seconds) / 2 / processes
    return (
        f"{len(tasks)} models to train: about {seconds[0]:.0f} s the largest, {seconds[1]:.0f} s the "
        f"smallest, {total / 60:.0f} minutes in {processes} processes"
    )


# ---- comparing ---------------------------------------------------------------------------------------------


def compare(models: Mapping[int, Sequence[Mapping[str, float]]], title: str) -> Findings:
    """The figure and the claims, from the numbers of each width."""
    from linclass import plots

    widths = sorted(models)
    P = np.array([3072 * N + N + N * N + N + 10 * N + 10 for N in widths], np.float64)
    end = {name: np.array([models[N][-1][name] for N in widths]) for name in models[widths[0]][-1]}
    lowest = np.array([min(numbers["test_loss"] for numbers in models[N]) for N in widths])
    losses = {
        "train, at the end": end["train_loss"],
        "test, at the end": end["test_loss"],
        "lowest test": lowest,
    }
    accuracies = {"train, at the end": end["train_accuracy"], "test, at the end": end["test_accuracy"]}
    figure = plots.panels(
        P,
        [plots.Panel("loss", losses, log_y=True), plots.Panel("accuracy", accuracies, percent=True)],
        title=f"{len(widths)} networks 3072-N-N-10, N = {widths[0]} to {widths[-1]}, {title}, "
        f"{int(end['epoch'][0])} epochs of batch 1000",
        xlabel="parameters",
        log_x=True,
    )
    slope = {name: _slope(P, y) for name, y in (("end", end["test_loss"]), ("lowest", lowest))}
    accuracy = _slope(P, end["test_accuracy"])
    rises = [is_above(slope["end"]), is_above(slope["lowest"])]
    claims = [
        Claim(
            "the test loss rises with the number of parameters",
            verdict(all(rises)) if rises[0] == rises[1] else DEPENDS,
            f"for ten times the parameters: test loss after the last epoch {slope['end'].text()}, "
            f"lowest test loss of the training {slope['lowest'].text()}",
        ),
        Claim(
            "the test accuracy does not suffer",
            verdict(not is_below(accuracy)),
            f"for ten times the parameters: {accuracy.text(percent=True)} (points)",
        ),
    ]
    table: list[tuple[str, ...]] = [("N", "parameters", "train loss", "test loss", "lowest", "test accuracy")]
    for i, N in enumerate(widths):
        numbers = f"{end['train_loss'][i]:.4f}", f"{end['test_loss'][i]:.4f}", f"{lowest[i]:.4f}"
        table.append((str(N), f"{P[i]:,.0f}", *numbers, f"{100 * end['test_accuracy'][i]:.2f} %"))
    return Findings(claims, {"parameters": figure}, {"one seed a width": table})


def _slope(P: Array, y: Array) -> Interval:
    """Of y over log10(P), by least squares, with its 95 % interval; the models are the sample."""
    from scipy.stats import linregress, t

    fit = linregress(np.log10(P), y)
    return Interval(float(fit.slope), float(t.ppf(0.975, len(P) - 2) * fit.stderr))


STUDY = Study(
    name="mlds_parameters",
    title="Parameters against generalisation: 49 networks 3072-N-N-10 on CIFAR-10.",
    source="NTU MLDS homework 1, number of parameters against generalisation",
    settings=SETTINGS,
    find=find,
    varies=("hidden",),
    without=(*WITHOUT, "seeds", "schedule", "drop_last", "augment"),
    options=(
        click.option(
            "--models",
            type=click.Path(),
            help="folder of each model's numbers; those that are there are not trained again "
            "[default: result_pics/mlds_parameters/models]",
        ),
        click.option("--largest", type=click.IntRange(7), help="largest width, in units  [default: 99]"),
        click.option("--processes", type=click.IntRange(1), help="number of worker processes  [default: 2]"),
    ),
)

if __name__ == "__main__":
    STUDY.main()
