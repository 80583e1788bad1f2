"""The data set of an experiment: loaded, named for good, compared with what a run began with."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from linclass.datasets import labels
from linclass.datasets.dataset import Dataset
from linclass.datasets.known import KNOWN
from linclass.datasets.load import NAMES, load
from linclass.datasets.locate import data_dirs
from linclass.datasets.split import load_dataset
from linclass.errors import DataError, UsageError
from linclass.runs.directory import Run
from linclass.runs.progress import Listener
from linclass.settings import FUNCTION_NAMES, Experiment, option_name, shown

_SHOWN = 5


def is_own(name: str) -> bool:
    """Whether `--dataset name` is a user's own file, not a data set that is known by its name."""
    return name not in NAMES and name not in FUNCTION_NAMES


def load_data(
    settings: Experiment, data_dir: Path | None = None, classes: Sequence[str] | None = None
) -> Dataset:
    """The data set of `settings`, its training labels with their noise. Raises DataError or UsageError.

    classes: of a run, which a user's own labels must be among; None: those that occur.
    """
    dataset = load_dataset(
        settings.dataset,
        split=settings.split,
        train_size=settings.train_size or 0,
        val_size=settings.val_size or 0,
        folds=settings.folds,
        seed=settings.split_seed,
        data_dir=data_dir,
        classes=classes,
        label=settings.label,
    )
    if settings.label_noise:
        dataset = dataset.with_label_noise(settings.label_noise, settings.split_seed)
    return dataset


def fitting(settings: Experiment, given: Mapping[str, Any], data_dir: Path | None) -> Experiment:
    """Published `settings` with all of the bundled sample, where that is what there is and is smaller.

    given: options by field; a `train_size` among them stands.
    """
    if given.get("train_size") is not None or settings.dataset in FUNCTION_NAMES:
        return settings
    found = load(settings.dataset, data_dir=data_dir, label=settings.label)
    is_small = isinstance(found, Dataset) and (settings.train_size or 0) > len(found.train)
    return settings.replace(train_size=None) if is_small else settings


def note_data(
    settings: Experiment, dataset: Dataset, listener: Listener, searched: Collection[str] = ()
) -> None:
    """Say, in one line each, how the data were read, that only the bundled sample is used, which classes have
    no training or validation row, and which options have no effect.

    searched: fields that have other values than these too.
    """
    for name, why in without_effect(settings, dataset, searched).items():
        value = getattr(settings, name)
        given = option_name(name) if value is True else f"{option_name(name)} {shown(value)}"
        listener.warning(f"{given} has no effect: {why}; leave it out")
    if dataset.remark:
        listener.note(dataset.remark)
    if dataset.is_sample and not settings.dataset.endswith("-sample"):
        full = KNOWN[settings.dataset]
        listener.warning(
            f"no full {full.title} found: using the bundled sample of real images "
            f"({len(dataset.train)} train, {len(dataset.validation)} validation); "
            f"`{full.fetch_command(None)}` gets all of it"
        )
    if lacking := _lacking(dataset):
        listener.note(lacking)


def _lacking(dataset: Dataset) -> str:
    """Which classes no training row is of, and which no validation row; "" where there are none."""
    found = []
    for word, split in (("training", dataset.train), ("validation", dataset.validation)):
        names = [] if dataset.is_regression else labels.lacking(split.y, dataset.classes)
        if names:
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            found.append(f"no {word} row has the label {' or '.join(names[:_SHOWN])}{more}")
    return "; ".join(found)


def without_effect(settings: Experiment, dataset: Dataset, searched: Collection[str] = ()) -> dict[str, str]:
    """Field -> why, of those that were given and change nothing, with these settings and this data set.

    searched: as for `note_data`.
    """
    one, auto = settings.resolved(), settings.replace(split="auto").resolved()
    is_drawn = one.split == "stratified" and not (dataset.is_sample and not one.train_size)
    own = "the bundled sample has a split of its own"
    rules: list[tuple[str, tuple[str, ...], bool, str]] = [
        (
            "split",
            ("train_size", "fold"),
            dataset.is_sample and one.split != auto.split and not (is_drawn or one.fold),
            own,
        ),
        ("val_size", (), dataset.is_sample and one.val_size is not None, own),
        (
            "val_size",
            ("fold",),
            bool(one.fold and one.val_size),
            "folds are dealt from training and validation rows together",
        ),
        (
            "split_seed",
            ("fold", "label_noise", "split", "train_size"),
            bool(one.split_seed and not (one.fold or one.label_noise or is_drawn)),
            "nothing of the data is drawn without --fold, --label-noise or --split stratified",
        ),
        (
            "activation",
            ("model",),
            one.model == "linear" and one.activation != Experiment.activation,
            "a linear model has no hidden layers",
        ),
        (
            "init_std",
            ("init", "model", "activation"),
            one.init != "normal" and one.init_std != Experiment.init_std,
            f"it goes with --init normal, not with {one.init}",
        ),
        (
            "overfit_threshold",
            ("overfit_action",),
            one.overfit_action == "ignore" and one.overfit_threshold != Experiment.overfit_threshold,
            "--overfit-action is ignore",
        ),
        ("label", (), bool(one.label) and one.dataset in FUNCTION_NAMES, "a function has no columns"),
        ("test", (), one.test and one.is_regression, "numbers that are learnt have no accuracy"),
    ]
    return {name: why for name, others, holds, why in rules if holds and not {name, *others} & set(searched)}


def named(settings: Experiment, dataset: Dataset) -> Experiment:
    """The settings with a data set's name that means the same later, in another directory too."""
    name = settings.dataset
    if is_own(name):
        name = str(Path(name).resolve())
    elif dataset.is_sample and not name.endswith("-sample"):
        name = f"{name}-sample"
    return settings.replace(dataset=name)


def data_of(run: Run, *, dataset: str | None = None, data_dir: Path | None = None) -> Dataset:
    """The data that a run was trained on, wherever they are now. Raises DataError.

    Args: those of `find_data`.
    """
    found = find_data(run, dataset=dataset, data_dir=data_dir)
    check_same_data(run, found)
    return found


def find_data(run: Run, *, dataset: str | None = None, data_dir: Path | None = None) -> Dataset:
    """The data that the digest in run.json proves to be the run's; else other data in their place.

    Args:
        dataset: the file that the run's own data are in now; then only it is looked at.
        data_dir: a folder to look in, for the run's own data before all others, for published data alone.

    Raises DataError where nothing is there, which says where it was looked.
    """
    recorded = run.settings.dataset
    if dataset is not None or not is_own(recorded):
        return _load(run, dataset or recorded, data_dir)
    others, problem = [], ""
    for place in filter(os.path.exists, dict.fromkeys(_places(recorded, run.path, data_dir))):
        try:
            others.append(_load(run, str(place)))
        except (DataError, UsageError) as error:
            problem = problem or f" ({error})"
            continue
        if others[-1].digest() == run.digest:
            return others[-1]
    if others:
        return others[0]
    folders = [data_dir] if data_dir is not None else []
    folders += [Path(recorded).parent, *data_dirs()]
    raise DataError(
        f"{run.path} was trained on {_parts(recorded)[-1]}, which was not found{problem}: looked in "
        f"{', '.join(map(str, folders))}, the working folder, {run.path} and the folders around it; give the "
        "file itself with --dataset FILE, or its folder with --data-dir DIR"
    )


def _load(run: Run, dataset: str, data_dir: Path | None = None) -> Dataset:
    return load_data(run.settings.replace(dataset=dataset), data_dir, run.subject.classes)


def _places(recorded: str, folder: Path, data_dir: Path | None) -> Iterator[Path]:
    """Where the file that was `recorded` may be now, the most likely place first.

    A run and its data that were moved together still have a folder in common: below one of the folders
    around the run the last parts of the recorded path are as they were.
    """
    parts = _parts(recorded)
    tails = [Path(*parts[i:]) for i in range(len(parts))]
    if data_dir is not None:
        yield from (data_dir / tail for tail in tails)
    yield from (Path(recorded), folder / parts[-1], Path(parts[-1]))
    yield from (place / parts[-1] for place in data_dirs())
    yield from (around / tail for around in folder.resolve().parents for tail in tails)


def _parts(recorded: str) -> tuple[str, ...]:
    """The names in a path, of this system or of Windows."""
    path = PureWindowsPath(recorded)
    return path.parts[1:] if path.anchor else path.parts


def check_same_data(run: Run, dataset: Dataset) -> None:
    """DataError unless `dataset` holds the numbers that the run was trained on."""
    if dataset.digest() != run.digest:
        own = is_own(run.settings.dataset)
        place = "the original file with --dataset FILE, or its folder" if own else "the original data"
        raise DataError(
            f"{run.path} was trained on {run.manifest['data']['source']}, which is not what "
            f"{dataset.source} holds; give {place} with --data-dir DIR, or go on with what is there: "
            f"`linclass resume {run.path} --allow data`"
        )
