"""What a run goes on under: more epochs, changed settings, other data; and why one does not go on."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from linclass.datasets.dataset import Dataset
from linclass.errors import DataError, UsageError, counted
from linclass.runs.data import check_same_data, find_data, is_own, named
from linclass.runs.directory import Run
from linclass.settings import Experiment, option_name, shown
from linclass.training import callbacks, schedules
from linclass.training.state import TrainState

CHANGEABLE = (
    "eta",
    "l2",
    "schedule",
    "clip",
    "momentum",
    "weight_decay",
    "dropout",
    "label_smoothing",
    "class_weights",
    "overfit_threshold",
    "overfit_action",
    "patience",
    "snapshot_every",
)
"""The settings that a run can go on under after they were changed; any other would not fit its state."""


def change_settings(
    directory: Run, changes: Mapping[str, Any], allow: Collection[str]
) -> list[dict[str, Any]]:
    """Put `changes` into the run's settings, in memory; returns what is then recorded as allowed.

    Raises UsageError naming the fields that may not be changed.
    """
    unknown = sorted(set(allow) - {*CHANGEABLE, "data"})
    if unknown:
        known = ", ".join([*(option_name(name)[2:] for name in CHANGEABLE), "data"])
        raise UsageError(f"--allow {unknown[0]}: expected one of {known}")
    wanted = directory.decided(directory.settings.replace(**changes).resolved())
    differences = directory.settings.differences(wanted)
    fixed, asked = sorted(set(differences) - set(CHANGEABLE)), sorted(set(differences) - set(allow))
    permission = " ".join(f"--allow {option_name(name)[2:]}" for name in asked)
    for refused, advice in (
        (fixed, "a run cannot go on under it; start a new run"),
        (asked, f"leave it out, or go on under it with {permission}"),
    ):
        if refused:
            texts = (
                f"{option_name(name)} is {shown(differences[name][1])}, was {shown(differences[name][0])}"
                for name in refused
            )
            raise UsageError(f"{directory.path} has other settings ({'; '.join(texts)}): {advice}")
    entries = [{"field": name, "was": was, "now": now} for name, (was, now) in differences.items()]
    directory.settings = wanted
    directory.manifest["settings"] = wanted.to_dict()
    if entries:
        directory.manifest["allowed"] = [*directory.allowed, *entries]
    return entries


def change_data(directory: Run, dataset: Dataset, allow: Collection[str]) -> list[dict[str, Any]]:
    """Take the data from where they are now, and other rows of the same shape where `data` is allowed.

    As `change_settings` it changes the run in memory. Raises DataError.
    """
    directory.settings = named(directory.settings.replace(dataset=dataset.name), dataset)
    directory.manifest["settings"] = directory.settings.to_dict()
    directory.manifest["data"]["source"] = dataset.source
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
    data |= {"sha256": dataset.digest(), "rows_of_classes": dataset.rows_of_classes}
    directory.manifest["allowed"] = [*directory.allowed, entry]
    return [entry]


def extend(directory: Run, state: TrainState, epochs: int) -> None:
    """Set a new total of epochs, in memory. UsageError where there is nothing to extend to."""
    if not state.active.any():
        raise UsageError(f"--epochs {epochs}: {why_over(directory, state)}")
    if schedules.depends_on_total(directory.settings.schedule):
        raise UsageError(
            f"--epochs {epochs}: the schedule {directory.settings.schedule} is stretched over the "
            f"{counted(directory.settings.epochs, 'epoch')} of {directory.path}; "
            f"start a new run with --epochs {epochs}"
        )
    begun = state.epoch + bool(state.running_rows.any())
    if epochs < begun:
        raise UsageError(
            f"--epochs is {epochs}: expected at least {begun}, the epochs that {directory.path} has begun"
        )
    directory.settings = directory.settings.replace(epochs=epochs)
    directory.manifest["settings"] = directory.settings.to_dict()


def take_up_stopped(directory: Run, state: TrainState) -> None:
    """Models that were stopped by a rule that the settings no longer have are active again, in memory."""
    if not directory.is_trial:
        for k in _stopped_here(state):
            state.active[k] = not _stopped_by(directory.settings, state, k)


def why_over(directory: Run, state: TrainState) -> str:
    """Why a run cannot be continued, and the next move."""
    if state.active.any():
        return (
            f"{directory.path} is finished ({counted(state.epoch, 'epoch')}); --epochs N with N above "
            f"{directory.settings.epochs} would extend it"
        )
    if directory.is_trial:
        return f"{directory.path} holds the best weights of a sweep's trial only; start a new run to go on"
    ends = [_end(directory.settings, state, k) for k in range(state.history.K)]
    what = "; ".join(f"model {k} {end}" for k, end in enumerate(ends)) if len(ends) > 1 else ends[0]
    rules = {_stopped_by(directory.settings, state, k) for k in _stopped_here(state)}
    advice = [_ADVICE[rule] for rule in sorted(rules)] or ["start a new run"]
    if state.diverged.all():
        advice = ["start a new run with a smaller --eta"]
    return f"{directory.path}: {what}; {', and '.join(advice)}"


_ADVICE = {
    "overfitting": "--overfit-action warn --allow overfit-action, or a larger --overfit-threshold "
    "with --allow overfit-threshold, would go on",
    "patience": "a larger --patience, or 0, with --allow patience would go on",
}


def _end(settings: Experiment, state: TrainState, k: int) -> str:
    """What ended the training of model k."""
    rows = state.history.of_model(k)
    epoch = rows[-1]["epoch"] if rows else 0
    if state.diverged[k]:
        return f"diverged in epoch {epoch + 1}"
    by = {"patience": f" by --patience {settings.patience}", "overfitting": " by the overfit threshold"}
    return f"was stopped{by.get(_stopped_by(settings, state, k), '')} at epoch {epoch}"


def _stopped_by(settings: Experiment, state: TrainState, k: int) -> str:
    """Which rule of the settings stops model k after its last epoch; empty if none does."""
    if callbacks.is_patience_over(state.history.column("val_loss", k), settings.patience):
        return "patience"
    difference = state.history.last("difference")[k]
    stops = settings.overfit_action == "stop" and difference > settings.overfit_threshold
    return "overfitting" if stops else ""


def _stopped_here(state: TrainState) -> list[int]:
    """The models that a rule stopped at the epoch where the run is: those that stopped before cannot be
    taken up, because the others have gone on."""
    if state.running_rows.any():
        return []
    ends_here = state.history.last("epoch") == state.epoch
    return [int(k) for k in np.flatnonzero(ends_here & ~state.active & ~state.diverged)]


def is_run_of(path: Path, settings: Experiment) -> bool:
    """Whether `path` holds a run, finished or not, of exactly these settings (on the sample, if it is)."""
    try:
        directory = Run(path)
        directory.load_state()
    except DataError:
        return False
    settings = settings.resolved()
    try:
        settings = directory.decided(settings)
    except UsageError:  # class weights of other classes
        return False
    changed = set(directory.settings.differences(settings))
    if changed == {"dataset"} and is_own(settings.dataset):
        with contextlib.suppress(DataError, UsageError):  # the same data, moved
            return find_data(directory, dataset=settings.dataset).digest() == directory.digest
    return not changed - ({"dataset"} if directory.manifest["data"]["sample"] else set())
