"""The data set of an experiment: loaded, named for good, compared with what a run began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from linclass.datasets.dataset import Dataset
from linclass.datasets.known import KNOWN
from linclass.datasets.load import load
from linclass.datasets.split import load_dataset
from linclass.errors import DataError
from linclass.listener import Listener
from linclass.runs import Run
from linclass.settings import FUNCTION_NAMES, Experiment

_OWN_FILES = (".npz", ".csv")


def load_data(
    settings: Experiment, data_dir: Path | None = None, classes: Sequence[str] | None = None
) -> Dataset:
    """The data set of `settings`, its training labels with their noise. Raises DataError or UsageError.

    classes: of a run, which a user's own labels must be among; None: those that occur.
    """
    dataset = load_dataset(
        settings.dataset,
        split=settings.split,
        train_size=settings.train_size,
        val_size=settings.val_size,
        folds=settings.folds,
        seed=settings.split_seed,
        data_dir=data_dir,
        classes=classes,
    )
    if settings.label_noise:
        dataset = dataset.with_label_noise(settings.label_noise, settings.split_seed)
    return dataset


def data_of(run: Run, data_dir: Path | None = None) -> Dataset:
    """The data set that a run was trained on. Raises DataError where it is missing, or is another now."""
    dataset = load_data(run.settings, data_dir, run.subject.classes)
    check_same_data(run, dataset)
    return dataset


def fitting(settings: Experiment, given: Mapping[str, Any], data_dir: Path | None) -> Experiment:
    """Published `settings` with all of the bundled sample, where that is what there is and is smaller.

    given: options by field; a `train_size` among them stands.
    """
    if given.get("train_size") is not None or settings.dataset in FUNCTION_NAMES:
        return settings
    found = load(settings.dataset, data_dir=data_dir)
    is_small = isinstance(found, Dataset) and settings.train_size > len(found.train)
    return settings.replace(train_size=0) if is_small else settings


def note_sample(settings: Experiment, dataset: Dataset, listener: Listener) -> None:
    """Say in one line that only the bundled sample is used, though the full data was asked for."""
    if dataset.is_sample and not settings.dataset.endswith("-sample"):
        full = KNOWN[settings.dataset]
        listener.warning(
            f"no full {full.title} found: using the bundled sample of real images "
            f"({len(dataset.train)} train, {len(dataset.validation)} validation); "
            f"`{full.fetch_command(None)}` gets all of it"
        )


def named(settings: Experiment, dataset: Dataset) -> Experiment:
    """The settings with a data set's name that means the same later, in another directory too."""
    name = settings.dataset
    if name.lower().endswith(_OWN_FILES):
        name = str(Path(name).resolve())
    elif dataset.is_sample and not name.endswith("-sample"):
        name = f"{name}-sample"
    return settings.replace(dataset=name)


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
