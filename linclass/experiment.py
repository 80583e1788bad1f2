"""From settings to a result: `run` trains, `resume` continues, `evaluate_run` scores.

The command line and `assignments/` both end here.
"""

from __future__ import annotations

import contextlib
import platform
import signal
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from linclass import __version__, blas, callbacks, schedules
from linclass.datasets import augment, batches
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.inputs import Inputs
from linclass.datasets.known import KNOWN
from linclass.datasets.scale import Scaler
from linclass.datasets.split import load_dataset
from linclass.errors import DataError, DivergedError, InterruptedRun, UsageError
from linclass.history import History
from linclass.listener import SILENT, Listener
from linclass.metrics import Interval, mean_interval
from linclass.models import halves
from linclass.models.base import Model
from linclass.models.build import build_model, build_optimizer, replica_seeds
from linclass.models.linear import Linear
from linclass.params import Array, Params
from linclass.profile import Profile
from linclass.runs import FORMAT, RESULTS, Run, claim, reopen, space_needed
from linclass.settings import Experiment
from linclass.training import Callback, Trainer, TrainState

HEALTH_ROWS = 200
_OWN_FILES = (".npz", ".csv")


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


@dataclass
class Job:
    """Everything an experiment trains with."""

    settings: Experiment
    dataset: Dataset
    scaler: Scaler
    model: Model
    trainer: Trainer
    train: Inputs
    valid: Inputs
    test: Inputs | None

    def fit(self) -> TrainState:
        """Train until the epochs are done; see `Trainer.fit`."""
        return self.trainer.fit(self.train, epochs=self.settings.epochs, valid=self.valid, test=self.test)


def load_data(settings: Experiment, data_dir: Path | None = None) -> Dataset:
    """The data set of `settings`, its training labels with their noise. Raises DataError or UsageError."""
    dataset = load_dataset(
        settings.dataset,
        split=settings.split,
        train_size=settings.train_size,
        val_size=settings.val_size,
        folds=settings.folds,
        seed=settings.seed,
        data_dir=data_dir,
    )
    return dataset.with_label_noise(settings.label_noise, settings.seed) if settings.label_noise else dataset


STACKED = ("eta", "l2")
"""The fields in which the models of one stack may differ: constants of each model, `(K,)`."""


def build(
    settings: Experiment | Sequence[Experiment],
    dataset: Dataset,
    *,
    model: Model | None = None,
    state: TrainState | None = None,
    scaler: Scaler | None = None,
    threads: int = 1,
    common_order: bool = False,
) -> Job:
    """Model, inputs and trainer of an experiment; continues from `state` where it is given.

    Several settings, which differ in STACKED only, make a stack: one model each, from the same first
    weights and on common batches. Their comparison is paired; their spread is no interval.

    common_order: so do the replicas of one setting. They are independent only where a batch is the whole
        split, so that there is no order.
    """
    stack = [settings] if isinstance(settings, Experiment) else list(settings)
    settings = stack[0]
    if any(set(settings.differences(other)) - set(STACKED) for other in stack):
        raise ValueError(f"the settings of a stack may differ in {' and '.join(STACKED)} only")
    if len(stack) > 1 and settings.seeds > 1:
        raise ValueError("a stack of several settings has one seed; train replicas one setting at a time")
    seeds = replica_seeds(settings) if len(stack) == 1 else [settings.seed] * len(stack)
    scaler = scaler or Scaler.fit(dataset.train.x, settings.scaling)
    if model is None:
        l2 = np.array([one.l2 for one in stack])
        model = build_model(settings, dataset.features, len(dataset.classes), seeds=seeds, l2=l2)
    model, inputs_scaler = scaled_in_model(
        model, scaler, dataset.train, settings.batch_size, common=len(stack) > 1
    )

    def inputs(split: Split) -> Inputs:
        return Inputs(split, inputs_scaler, settings.dtype)

    if settings.test and dataset.test is None:
        raise UsageError(f"--test: {dataset.name} has no test split; leave the option out")
    per_epoch = batches.count(len(dataset.train), settings.batch_size, settings.drop_last)
    rates = schedules.parse(
        settings.schedule,
        np.array([one.eta for one in stack]),
        steps_per_epoch=per_epoch,
        total_steps=per_epoch * settings.epochs,
    )
    trainer = Trainer(
        model,
        build_optimizer(settings),
        rates,
        batch_size=settings.batch_size,
        seed=settings.seed if common_order or len(stack) > 1 else seeds,
        shuffle=settings.shuffle,  # type: ignore[arg-type]
        drop_last=settings.drop_last,
        state=state,
        test=settings.test,
        augmentation=augment.parse(settings.augment, dataset),
        threads=threads,
        in_halves=len(stack) == 1 and _in_halves(settings, model),
        side_by_side=_side_by_side(settings, model),
    )
    test = inputs(dataset.test) if settings.test and dataset.test is not None else None
    return Job(
        settings, dataset, scaler, model, trainer, inputs(dataset.train), inputs(dataset.validation), test
    )


def scaled_in_model(
    model: Model, scaler: Scaler | None, train: Split, batch_size: int, *, common: bool = True
) -> tuple[Model, Scaler | None]:
    """The model, and what its inputs are scaled with: None where the model does it (see `ScaledAffine`).

    common: whether all models of a stack see the same batches.

    That is done for bytes only (with floats of a large mean the sums would cancel), and where a batch has
    many more rows than scores have columns: scaling the weights of 10 takes as long as scaling 20 rows.
    """
    if not isinstance(model, Linear) or scaler is None or train.x.dtype != np.uint8:
        return model, scaler
    columns = model.W.shape[1] * (model.K if common else 1)
    if batch_size >= 5 * columns:
        return model.of_raw(scaler), None
    return model, scaler


def _in_halves(settings: Experiment, model: Model) -> bool:
    """Whether two cores share each batch: where that is possible and large enough; see `halves`."""
    if settings.model != "mlp" or settings.seeds > 1 or settings.reduction != "mean":
        return False
    if settings.batch_norm or settings.dropout:
        return False
    assert isinstance(model.params, Params)
    return settings.batch_size * model.params.size >= halves.SMALLEST


SMALL = 10_000
"""Parameters of a model up to which replicas are computed side by side. One after the other, 100 of them took
5 to 6 times as long with 1000 parameters in 4 or 10 hidden layers, 1.2 times with as many in one wide
layer, 2.4 with 7000, 1.5 with 17,000."""


def _side_by_side(settings: Experiment, model: Model) -> bool:
    """Whether replicas are so small that the calls, not the arithmetic, take the time; see `Trainer`.

    Clipping and batch normalisation add up in an order that depends on how many models there are.
    """
    if settings.model != "mlp" or settings.loss != "squared":
        return False
    if settings.clip or settings.batch_norm or settings.augment or settings.shuffle == "batches":
        return False
    return sum(int(array[0].size) for array in model.params.values()) <= SMALL


def run(
    settings: Experiment,
    *,
    name: str = "train",
    out: Path | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = SILENT,
    origin: str = "python",
    profile: Profile | None = None,
) -> Result:
    """Train an experiment into a run directory.

    Args:
        name: the directory is result_pics/<name> unless `out` gives it.
        overwrite: replace a run that is there already.
        data_dir: where to look for data first. threads: cores to use (None: one; see `blas`).
        listener: hears of progress. origin: kept in run.json. profile: is told where the time goes.

    Raises the errors of `linclass.errors`; InterruptedRun after a signal, with everything saved.
    """
    settings, out = settings.resolved(), None if out is None else Path(out)
    threads = threads or blas.DEFAULT_THREADS
    with blas.limited(blas.DEFAULT_THREADS):
        dataset = load_data(settings, data_dir)
        note_sample(settings, dataset, listener)
        job = build(named(settings, dataset), dataset, threads=threads)
        manifest, needed = _manifest(job, threads, origin), space_needed(job.trainer.state, settings)
        with claim(name, out, overwrite=overwrite, manifest=manifest, needed=needed) as directory:
            directory.start(job.trainer.state, job.scaler)
            if profile is not None:
                profile.watch(job.trainer, job.train)
            return _train(job, directory, listener)


def named(settings: Experiment, dataset: Dataset) -> Experiment:
    """The settings with a data set's name that means the same later, in another directory too."""
    name = settings.dataset
    if name.lower().endswith(_OWN_FILES):
        name = str(Path(name).resolve())
    elif dataset.is_sample and not name.endswith("-sample"):
        name = f"{name}-sample"
    return settings.replace(dataset=name)


def resume(
    path: Path,
    *,
    epochs: int | None = None,
    changes: Mapping[str, Any] | None = None,
    allow: Collection[str] = (),
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = SILENT,
) -> Result:
    """Continue a run to the bit-identical result of an uninterrupted one.

    Args:
        epochs: a new total, to extend a finished run.
        changes: settings by field. One that differs from the run's is refused unless `allow` names it.
        allow: fields of CHANGEABLE, and "data" for other rows of the same shape; run.json records them.
        threads: cores to use; the run's own if None.
    """
    with reopen(Path(path)) as directory, blas.limited(blas.DEFAULT_THREADS):
        changed = _change(directory, changes or {}, allow)
        state, model = directory.load_state(training=True)
        if directory.fell_back:
            listener.note(directory.fell_back)
        if epochs is not None:
            _extend(directory, state, epochs)
        settings = directory.settings
        if directory.is_over and (state.epoch >= settings.epochs or not state.active.any()):
            listener.note(_why_over(directory, state))
            return Result(directory.path, settings, state.history, directory.manifest["data"]["sample"])
        dataset = load_data(settings, data_dir)
        changed += _change_data(directory, dataset, allow)
        for entry in changed:
            entry["epoch"] = state.epoch + 1
            listener.note(f"from epoch {state.epoch + 1} on {entry['field']} is {entry['now']}, as allowed")
        if blas.fingerprint() != directory.numerics:
            listener.note("this machine's arithmetic is not, bit for bit, that of the one that began the run")
        directory.write_manifest()
        directory.continue_from(state)
        cores, scaler = threads or directory.threads, directory.loaded_scaler()
        job = build(settings, dataset, model=model, state=state, scaler=scaler, threads=cores)
        return _train(job, directory, listener)


CHANGEABLE = (
    "eta",
    "l2",
    "schedule",
    "clip",
    "momentum",
    "weight_decay",
    "dropout",
    "label_smoothing",
    "overfit_threshold",
    "overfit_action",
    "patience",
    "snapshot_every",
)
"""The settings that a run can go on under after they were changed; any other would not fit its state."""


def _change(directory: Run, changes: Mapping[str, Any], allow: Collection[str]) -> list[dict[str, Any]]:
    """Put `changes` into the run's settings, in memory; returns what is then recorded as allowed.

    Raises UsageError naming the fields that may not be changed.
    """
    unknown = sorted(set(allow) - {*CHANGEABLE, "data"})
    if unknown:
        raise UsageError(f"--allow {unknown[0]}: expected one of {', '.join([*CHANGEABLE, 'data'])}")
    wanted = directory.settings.replace(**changes).resolved()
    differences = directory.settings.differences(wanted)
    for refused, advice in (
        (sorted(set(differences) - set(CHANGEABLE)), "a run cannot go on under it; start a new run"),
        (sorted(set(differences) - set(allow)), "leave it out, or go on under it with --allow FIELD"),
    ):
        if refused:
            texts = (f"{name} is {differences[name][1]!r}, was {differences[name][0]!r}" for name in refused)
            raise UsageError(f"{directory.path} has other settings ({'; '.join(texts)}): {advice}")
    entries = [{"field": name, "was": was, "now": now} for name, (was, now) in differences.items()]
    directory.settings = wanted
    directory.manifest["settings"] = wanted.to_dict()
    if entries:
        directory.manifest["allowed"] = [*directory.allowed, *entries]
    return entries


def _change_data(directory: Run, dataset: Dataset, allow: Collection[str]) -> list[dict[str, Any]]:
    """Accept other rows of the same shape where `data` is allowed; see `_change`. Raises DataError."""
    if dataset.digest() == directory.digest or "data" not in allow:
        check_same_data(directory, dataset)
        return []
    data = directory.manifest["data"]
    rows = {name: len(split) for name, split in dataset.splits().items()}
    was, now = (data["rows"], data["features"], data["classes"]), (rows, dataset.features, [*dataset.classes])
    if was != now:
        raise DataError(
            f"--allow data: {dataset.source} has {rows} rows of {dataset.features}; expected "
            f"{data['rows']} of {data['features']}, and the same classes, as in {directory.path}"
        )
    entry = {"field": "data", "was": data["sha256"], "now": dataset.digest()}
    data["sha256"], data["source"] = dataset.digest(), dataset.source
    directory.manifest["allowed"] = [*directory.allowed, entry]
    return [entry]


def run_or_take_up(
    settings: Experiment,
    *,
    name: str,
    out: Path | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = SILENT,
    origin: str = "python",
) -> Result:
    """One of several runs: `run`, unless the run of exactly these settings is there already.

    A finished one is not run again and an interrupted one is continued, so the command that makes several
    runs can simply be given again.
    """
    directory = out or RESULTS / name
    if not overwrite and is_run_of(directory, settings):
        return resume(directory, data_dir=data_dir, threads=threads, listener=listener)
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
        own.set_model(0, given)
    state.keep_best(0, best_epoch)
    state.history, state.epoch = history, history.epochs
    state.step = state.epoch * batches.count(len(job.train), settings.batch_size, settings.drop_last)
    state.active[:] = False
    manifest = _manifest(job, blas.DEFAULT_THREADS, note)
    with claim(out.name, out, overwrite=True, manifest=manifest) as directory:
        directory.start(state, job.scaler)
        directory.append(state, history.rows)
        directory.snapshot(state)
        directory.finish(state, "finished", [note])
    return job.model


def is_run_of(path: Path, settings: Experiment) -> bool:
    """Whether `path` holds a run, finished or not, of exactly these settings (on the sample, if it is)."""
    try:
        directory = Run(path)
        directory.load_state()
    except DataError:
        return False
    changed = set(directory.settings.differences(settings.resolved()))
    return not changed - ({"dataset"} if directory.manifest["data"]["sample"] else set())


def _extend(directory: Run, state: TrainState, epochs: int) -> None:
    """Set a new total of epochs, in memory. UsageError where there is nothing to extend to."""
    if not state.active.any():
        raise UsageError(f"--epochs {epochs}: {_why_over(directory, state)}")
    if schedules.depends_on_total(directory.settings.schedule):
        raise UsageError(
            f"--epochs {epochs}: the schedule {directory.settings.schedule} is stretched over the "
            f"{directory.settings.epochs} epochs of {directory.path}; start a new run with --epochs {epochs}"
        )
    begun = state.epoch + (state.running_rows > 0)
    if epochs < begun:
        raise UsageError(
            f"--epochs is {epochs}: expected at least {begun}, the epochs that {directory.path} has begun"
        )
    directory.settings = directory.settings.replace(epochs=epochs)
    directory.manifest["settings"] = directory.settings.to_dict()


def _why_over(directory: Run, state: TrainState) -> str:
    """Why a run cannot be continued, and the next move."""
    if state.active.any():
        return (
            f"{directory.path} is finished ({state.epoch} epochs); --epochs N with N above "
            f"{directory.settings.epochs} would extend it"
        )
    if state.diverged.all():
        return f"{directory.path} diverged in epoch {state.epoch + 1}; start a new run with a smaller --eta"
    patience = directory.settings.patience
    models = range(state.history.K)
    if any(callbacks.is_patience_over(state.history.column("val_loss", k), patience) for k in models):
        return (
            f"{directory.path} was stopped by --patience {patience} at epoch {state.epoch}; a new run with "
            "more patience would go on"
        )
    if directory.settings.overfit_action != "stop":
        return f"{directory.path} holds the best weights of a sweep's trial only; start a new run to go on"
    return (
        f"{directory.path} was stopped by the overfit threshold at epoch {state.epoch}; a new run with "
        "--overfit-action warn, or a larger --overfit-threshold, would go on"
    )


def _train(job: Job, directory: Run, listener: Listener) -> Result:
    settings, trainer, notes = job.settings, job.trainer, []

    def note(text: str) -> None:
        notes.append(text)
        listener.note(text)

    trainer.callbacks += [
        *stoppers(settings, note),
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
        directory.finish(trainer.state, "diverged", [*notes, str(error)])
        raise
    finally:
        listener.close()
    state = trainer.state
    if caught and state.epoch < settings.epochs and state.active.any():
        directory.write_status("interrupted", state, notes)
        raise InterruptedRun(
            f"interrupted in epoch {state.epoch + 1} of {settings.epochs}; everything is saved: "
            f"`linclass resume {directory.path}` goes on from there",
            caught[0],
        )
    directory.finish(state, "diverged" if state.diverged.all() else "finished", notes)
    return Result(directory.path, settings, state.history, job.dataset.is_sample)


def stoppers(settings: Experiment, note: callbacks.Note) -> list[Callback]:
    """What may end a model's training before its last epoch."""
    return [
        callbacks.OverfitMonitor(settings.overfit_threshold, settings.overfit_action, note),  # type: ignore[arg-type]
        callbacks.EarlyStop(settings.patience, note),
    ]


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


def note_sample(settings: Experiment, dataset: Dataset, listener: Listener) -> None:
    """Say in one line that only the bundled sample is used, though the full data was asked for."""
    if dataset.is_sample and not settings.dataset.endswith("-sample"):
        full = KNOWN[settings.dataset]
        listener.note(
            f"no full {full.title} found: using the bundled sample of real images "
            f"({len(dataset.train)} train, {len(dataset.validation)} validation); "
            f"`{full.fetch_command(None)}` gets all of it"
        )


def _manifest(job: Job, threads: int, origin: str) -> dict[str, Any]:
    import scipy

    dataset = job.dataset
    return {
        "format": FORMAT,
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
        "blas": blas.describe(),
        "threads": threads,
        "numerics": blas.fingerprint(),
    }


def check_same_data(directory: Run, dataset: Dataset) -> None:
    """DataError unless `dataset` holds the numbers that the run was trained on."""
    if dataset.digest() != directory.digest:
        own = directory.settings.dataset.lower().endswith(_OWN_FILES)
        move = "put the original file back" if own else "give the original data with --data-dir"
        move += ", or go on with what is there: `linclass resume --allow data`"
        raise DataError(
            f"{directory.path} was trained on {directory.manifest['data']['source']}, which is not what "
            f"{dataset.source} holds now; {move}"
        )
