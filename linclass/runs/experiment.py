"""From settings to a trained run: `run` trains, `resume` continues.

The command line and `assignments/` both end here.
"""

from __future__ import annotations

import contextlib
import platform
import signal
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from linclass import __version__, engine
from linclass.datasets import batches
from linclass.datasets.dataset import Dataset
from linclass.errors import DivergedError, InterruptedRun, decimal
from linclass.metrics import Interval, mean_interval
from linclass.models.base import Model
from linclass.params import Array
from linclass.runs import legacy
from linclass.runs.build import Job, build, stoppers
from linclass.runs.data import find_data, is_own, load_data, named, note_data
from linclass.runs.directory import RESULTS, Run, claim, reopen, space_needed
from linclass.runs.model import build_model
from linclass.runs.progress import PYTHON, Listener
from linclass.runs.resuming import change_data, change_settings, extend, is_run_of, take_up_stopped, why_over
from linclass.settings import Experiment, option_name
from linclass.training import callbacks
from linclass.training.history import History
from linclass.training.profile import Profile
from linclass.training.state import TrainState
from linclass.training.trainer import Callback, Trainer

HEALTH_ROWS = 200
WORSE = 1000.0
"""Times the cost it began with: what ends there has diverged, though every number is finite."""


@dataclass(frozen=True)
class Result:
    """What a run came to: its directory, settings and history."""

    path: Path
    settings: Experiment
    history: History
    is_sample: bool

    def final(self, column: str) -> Interval:
        """Mean and 95 % interval of a column's last value, over the replicas."""
        return mean_interval(self.history.last(column))


def run(
    settings: Experiment,
    *,
    name: str = "train",
    out: Path | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = PYTHON,
    origin: str = "python",
    profile: Profile | None = None,
) -> Result:
    """Train an experiment into a run directory.

    Args:
        name: the directory is result_pics/<name> unless `out` gives it.
        overwrite: replace a run that is there already.
        data_dir: where to look for data first. threads: cores to use (None: one; see `engine`).
        listener: hears of progress; without one a Python program is given warnings, a notebook a bar too.
        origin: kept in run.json. profile: is told where the time goes.

    Raises the errors of `linclass.errors`; InterruptedRun after a signal, with everything saved.
    """
    settings, out = settings.resolved(), None if out is None else Path(out)
    threads = threads or engine.DEFAULT_THREADS
    with engine.limited(engine.DEFAULT_THREADS):
        dataset = load_data(settings, data_dir)
        note_data(settings, dataset, listener)
        job = build(named(settings, dataset), dataset, threads=threads)
        manifest, needed = _manifest(job, threads, origin), space_needed(job.trainer.state, settings)
        with claim(name, out, overwrite=overwrite, manifest=manifest, needed=needed) as directory:
            directory.start(job.trainer.state)
            if profile is not None:
                job.trainer.time_with(profile.timer)
            return _train(job, directory, listener)


def resume(
    path: Path,
    *,
    epochs: int | None = None,
    changes: Mapping[str, Any] | None = None,
    allow: Collection[str] = (),
    dataset: str | None = None,
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = PYTHON,
) -> Result:
    """Continue a run to the bit-identical result of an uninterrupted one.

    Args:
        epochs: a new total, to extend a finished run.
        changes: settings by field. One that differs from the run's is refused unless `allow` names it.
        allow: fields of `resuming.CHANGEABLE`, and "data" for other rows of the same shape; run.json records
            them.
        dataset, data_dir: where the run's data are now; see `runs.data.find_data`.
        threads: cores to use; the run's own if None.
    """
    with reopen(Path(path)) as directory, engine.limited(engine.DEFAULT_THREADS):
        changed = change_settings(directory, changes or {}, allow)
        state, model = directory.load_state(training=True)
        if directory.fell_back:
            listener.warning(directory.fell_back)
        take_up_stopped(directory, state)
        if epochs is not None:
            extend(directory, state, epochs)
        if directory.is_over and (state.epoch >= directory.settings.epochs or not state.active.any()):
            listener.note(why_over(directory, state))
            if directory.unwritable is None:
                _restore_log(directory, state, listener)
            is_sample = directory.manifest["data"]["sample"]
            return Result(directory.path, directory.settings, state.history, is_sample)
        directory.check_writable()
        data = find_data(directory, dataset=dataset, data_dir=data_dir)
        changed += change_data(directory, data, allow)
        settings = directory.settings
        for entry in changed:
            entry["epoch"] = state.epoch + 1
            what = (
                "other data" if entry["field"] == "data" else f"{option_name(entry['field'])} {entry['now']}"
            )
            listener.note(f"from epoch {state.epoch + 1} on with {what}, as allowed")
        if engine.fingerprint() != directory.numerics:
            listener.warning(
                "this machine's arithmetic is not, bit for bit, that of the one that began the run"
            )
        directory.write_manifest()
        directory.continue_from(state)
        _restore_log(directory, state, listener)
        job = build(settings, data, model=model, state=state, threads=threads or directory.threads)
        return _train(job, directory, listener)


def _restore_log(directory: Run, state: TrainState, listener: Listener) -> None:
    if said := directory.restore_log(state):
        listener.note(said)


def run_or_take_up(
    settings: Experiment,
    *,
    name: str,
    out: Path | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = PYTHON,
    origin: str = "python",
) -> Result:
    """One of several runs: `run`, unless the run of exactly these settings is there already.

    A finished one is not run again and an interrupted one is continued, so the command that makes several
    runs can simply be given again.
    """
    directory = out or RESULTS / name
    if not overwrite and is_run_of(directory, settings):
        moved = settings.dataset if is_own(settings.dataset) else None
        return resume(directory, dataset=moved, data_dir=data_dir, threads=threads, listener=listener)
    return run(
        settings,
        name=name,
        out=out,
        overwrite=overwrite,
        data_dir=data_dir,
        threads=threads,
        listener=listener,
        origin=origin,
    )


def keep_trained(
    settings: Experiment,
    dataset: Dataset,
    params: Mapping[str, Array],
    buffers: Mapping[str, Array],
    history: History,
    best_epoch: int,
    out: Path,
    *,
    note: str,
) -> Model:
    """Write a model that was trained elsewhere as a run that is over, so that it can be evaluated.

    Both its last and its best weights are those of its best epoch, and it cannot be extended: the state
    between them is not known. A run that is in `out` already is replaced.

    Args:
        params, buffers: `(1, ...)` each, by name. history: of the model. note: where it is from, for
            status.json.
    """
    job = build(settings.resolved(), dataset)
    state = job.trainer.state
    for own, given in ((state.params, params), (state.buffers, buffers)):
        for name, array in own.items():
            array[0] = given[name][0]
    state.keep_best(0, best_epoch)
    state.history, state.epoch = history, history.epochs
    state.step = state.epoch * batches.count(len(job.train), job.trainer.batch_size, settings.drop_last)
    state.active[:] = False
    manifest = _manifest(job, engine.DEFAULT_THREADS, note)
    with claim(out.name, out, overwrite=True, manifest=manifest) as directory:
        directory.start(state)
        directory.append(state, history.rows)
        directory.snapshot(state)
        directory.note(note)
        directory.finish(state, "finished")
    return job.model


def _train(job: Job, directory: Run, listener: Listener) -> Result:
    settings, trainer = job.settings, job.trainer

    def note(text: str) -> None:
        listener.note(text)
        directory.note(text)
        directory.write_status("running", trainer.state)

    trainer.callbacks += [
        *stoppers(settings, note, directory.since("overfit_threshold", "overfit_action")),
        *_health(job, note),
        callbacks.DivergenceNote(note),
        callbacks.BestKeeper(),
        callbacks.Snapshots(settings.snapshot_every, directory, settings.epochs),
        callbacks.Progress(listener.epoch),
        callbacks.Recorder(directory),
    ]
    listener.start(str(directory.path), trainer.state.epoch, settings.epochs)
    try:
        with _stopped_by_signals(trainer) as caught:
            job.fit()
    except DivergedError as error:
        directory.note(str(error))
        directory.finish(trainer.state, "diverged")
        raise
    finally:
        listener.close()
    state = trainer.state
    if caught and state.epoch < settings.epochs and state.active.any():
        directory.write_status("interrupted", state)
        raise InterruptedRun(
            f"interrupted in epoch {state.epoch + 1} of {settings.epochs}; everything is saved: "
            f"`linclass resume {directory.path}` goes on from there",
            caught[0],
        )
    word = "diverged" if state.diverged.all() else "finished"
    if word == "finished" and state.epoch not in directory.snapshots:
        directory.snapshot(state)  # no epoch ended here: there was nothing left to train
    worse = ended_worse(job)
    for k, text in worse.items():
        note(f"{callbacks.who(trainer, k)}{text}")
    if worse and all(k in worse or state.diverged[k] for k in range(trainer.model.K)):
        directory.finish(state, "diverged")
        raise DivergedError(f"{next(iter(worse.values()))} ({directory.path} is kept)")
    directory.finish(state, word)
    return Result(directory.path, settings, state.history, job.dataset.is_sample)


def ended_worse(job: Job) -> dict[int, str]:
    """Of each model that ended far worse than it began, without a number that is not finite: what and why.

    What it began with is worked out anew, so that a resumed run knows it too.
    """
    settings, dataset = job.settings, job.dataset
    scaler = job.model.architecture.scaler
    start = build_model(settings, dataset.features, len(dataset.classes), scaler=scaler)
    x, y = dataset.train.x[:HEALTH_ROWS], dataset.train.y[:HEALTH_ROWS]
    began = start.loss(x, y) + start.penalty()
    ended = job.trainer.state.history.last("train_cost")
    is_worse = (ended >= WORSE * began) & ~job.trainer.state.diverged
    return {
        int(k): f"the cost ended at {decimal(ended[k])}, {ended[k] / began[k]:.3g} times what it began with "
        f"({decimal(began[k])}), with eta = {settings.eta:g}: try a smaller learning rate, such as --eta "
        f"{settings.eta / 10:g}, or look for one with `linclass lr-range`"
        for k in np.flatnonzero(is_worse)
    }


def _health(job: Job, note: callbacks.Note) -> list[Callback]:
    """What guessing costs is known for softmax cross-entropy only."""
    if job.settings.loss != "softmax":
        return []

    def rows() -> Array:
        return job.train.rows(slice(0, HEALTH_ROWS))[0]

    return [callbacks.HealthMonitor(rows, len(job.dataset.classes), note)]


@contextlib.contextmanager
def _stopped_by_signals(trainer: Trainer) -> Iterator[list[int]]:
    """SIGINT and SIGTERM end the training after the current batch; a second SIGINT ends it at once."""
    caught: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        caught.append(number)
        trainer.stop_requested = True

    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _manifest(job: Job, threads: int, origin: str) -> dict[str, Any]:
    import scipy

    dataset = job.dataset
    return {
        "format": legacy.FORMAT,
        "linclass": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "origin": origin,
        "settings": job.settings.to_dict(),
        "data": {
            "name": dataset.name,
            "title": dataset.title,
            "sample": dataset.is_sample,
            "source": dataset.source,
            "rows": {name: len(split) for name, split in dataset.splits().items()},
            "rows_of_classes": dataset.rows_of_classes,
            "features": dataset.features,
            "classes": list(dataset.classes),
            "image_shape": list(dataset.image_shape) if dataset.image_shape else None,
            "sha256": dataset.digest(),
        },
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "machine": {"system": platform.system(), "processor": platform.machine()},
        "blas": engine.describe(),
        "threads": threads,
        "numerics": engine.fingerprint(),
    }
