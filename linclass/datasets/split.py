"""The three splits of an experiment, from whatever `load` found.

    batch-1   train data_batch_1, validate data_batch_2, test test_batch: the course's basic split
    all       train on all training rows but the last --val-size, in file order; validate on those

The bundled sample has its own fixed split, and so has a user's file with x_val and y_val.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from linclass.datasets.cifar10 import CLASSES, IMAGE_SHAPE, ROWS, TEST, TRAIN
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.load import Cifar10, Own, Source, load
from linclass.errors import UsageError

SPLITS = ("batch-1", "all")
CIFAR10_VAL_SIZE = 1000


def load_dataset(
    name: str, *, split: str, train_size: int = 0, val_size: int = 0, data_dir: Path | None = None
) -> Dataset:
    """The data set `name`, read, checked and split.

    Args:
        name: "cifar10", "cifar10-sample", or the path of a `.npz` file.
        split: "batch-1" or "all"; without effect on the bundled sample.
        train_size: keep the first so many training rows; 0 keeps all.
        val_size: validation rows of "all"; 0 is the data set's own (CIFAR-10 1000; a file without x_val a
            tenth of its training rows).
        data_dir: look there only, and never fall back to the bundled sample.

    Raises UsageError for what cannot be asked, DataError for data that is missing or damaged.
    """
    if split not in SPLITS:
        raise UsageError(f"--split is {split!r}: expected one of {', '.join(SPLITS)}")
    for option, size in (("--train-size", train_size), ("--val-size", val_size)):
        if size < 0:
            raise UsageError(f"{option} is {size}: expected a number of rows, or 0 for the data set's own")
    dataset = _split(load(name, data_dir=data_dir), name, split, val_size)
    rows = len(dataset.train)
    if train_size > rows:
        raise UsageError(f"--train-size is {train_size:,}: the training split has only {rows:,} rows")
    return dataset.with_train_size(train_size) if train_size else dataset


def _split(source: Source, name: str, split: str, val_size: int) -> Dataset:
    if isinstance(source, Dataset):
        return replace(source, name=name)
    if isinstance(source, Own):
        return _own(source, name, split, val_size)
    return _cifar10(source, name, split, val_size)


def _cifar10(source: Cifar10, name: str, split: str, val_size: int) -> Dataset:
    if split == "batch-1":
        if val_size:
            raise UsageError(
                f"--val-size is {val_size}, but --split batch-1 validates on all of data_batch_2 "
                f"({ROWS:,} rows): leave it out or use --split all"
            )
        source.found.require((*TRAIN[:2], TEST))
        train, validation = source.read(TRAIN[:1]), source.read(TRAIN[1:2])
    else:
        source.found.require((*TRAIN, TEST))
        train, validation = _cut_tail(source.read(TRAIN), val_size or CIFAR10_VAL_SIZE)
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=source.read([TEST]),
        classes=CLASSES,
        image_shape=IMAGE_SHAPE,
        source=f"full: {source.found.folder}",
    )


def _own(source: Own, name: str, split: str, val_size: int) -> Dataset:
    if split != "all":
        raise UsageError(f"--split {split} is CIFAR-10's: use --split all with {source.path}")
    data = source.data
    if data.validation is None:
        tenth = max(1, round(len(data.train) / 10))
        train, validation = _cut_tail(data.train, val_size or tenth)
    elif val_size:
        raise UsageError(f"--val-size is {val_size}, but {source.path} has its own x_val: leave it out")
    else:
        train, validation = data.train, data.validation
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=data.test,
        classes=tuple(str(label) for label in range(data.C)),
        image_shape=data.image_shape,
        source=f"file: {source.path}",
    )


def _cut_tail(rows: Split, n: int) -> tuple[Split, Split]:
    """All but the last n rows, and those (views)."""
    if n >= len(rows):
        raise UsageError(f"--val-size is {n:,}: expected fewer than the {len(rows):,} training rows")
    head = len(rows) - n
    return rows.first(head), Split(rows.x[head:], rows.y[head:])
