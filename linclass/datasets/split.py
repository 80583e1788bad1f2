"""The three splits of an experiment, from whatever `load` found.

    batch-1      train data_batch_1, validate data_batch_2, test test_batch: the course's, for CIFAR-10 only
    all          train on all training rows but the last --val-size, in file order; validate on those
    stratified   validate on --val-size rows that are drawn, of each class its share; train on the others, or
                 on --train-size of them that are drawn likewise

    fold k/F     any of them again for cross-validation: train and validation rows together, in F parts that
                 are drawn at random (of `stratified` with all classes in each); validate on part k, train on
                 the others

A bundled sample has its own fixed split, and so has a user's file with x_val and y_val. A function has three
grids, and the two sizes say how many points they have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from linclass.datasets import functions, strata
from linclass.datasets.cifar10 import ROWS
from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.labels import numbered
from linclass.datasets.load import Full, Own, Source, load
from linclass.datasets.npz_dataset import OwnData
from linclass.datasets.published import Published
from linclass.datasets.sample import name_of
from linclass.errors import TooFewRowsError, UsageError, counted
from linclass.params import Array
from linclass.rng import permutation

SPLITS = ("batch-1", "all", "stratified")
BATCH_1_NAMES = (CIFAR10.name, name_of(CIFAR10.name))


def load_dataset(
    name: str,
    *,
    split: str,
    train_size: int = 0,
    val_size: int = 0,
    folds: tuple[int, int] = (0, 0),
    seed: int = 0,
    data_dir: Path | None = None,
    classes: Sequence[str] | None = None,
    label: str = "",
) -> Dataset:
    """The data set `name`, read, checked and split.

    Args:
        name: one of `load.NAMES`, or the path of a user's file or folder; see `own_data`.
        split: "batch-1" (CIFAR-10 only), "all" or "stratified". A bundled sample, and a file with x_val, have
            their own validation rows.
        train_size: keep so many training rows, the first ones, of "stratified" drawn ones; 0 keeps all. Of a
            function: its grid's points.
        val_size: validation rows of "all" and "stratified"; 0 is the data set's own (CIFAR-10 1000, MNIST
            10,000; a file without x_val a tenth of its training rows).
        folds: (k, F) for fold k of F, k from 1 on; of `train_size` of all rows. (0, 0): none.
        seed: of what is drawn.
        data_dir: look there only, and never fall back to a bundled sample.
        classes: names that a user's own labels must be among, in their order; None: those that occur.
        label: the column of a user's table that holds the labels; "": found out.

    Raises UsageError for what cannot be asked, DataError for data that is missing or damaged.
    """
    if split not in SPLITS:
        raise UsageError(f"--split is {split!r}: expected one of {', '.join(SPLITS)}")
    for option, size in (("--train-size", train_size), ("--val-size", val_size)):
        if size < 0:
            raise UsageError(f"{option} is {size}: expected a number of rows, or 0 for the data set's own")
    if name in functions.FUNCTIONS:
        _check_split(split, name)
        if folds != (0, 0):
            raise UsageError(f"--fold: {name} is a grid, drawn once; expected a data set of images")
        return functions.load(name, train_size=train_size, val_size=val_size)
    source = load(name, data_dir=data_dir, label=label)
    _check_split(split, name)
    is_drawn = split == "stratified"
    # folds put the two together again, in the order of the file
    cut = partial(_cut_drawn, seed=seed) if is_drawn and folds == (0, 0) else _cut_tail
    dataset = _split(source, name, split, val_size, classes, cut)
    if folds != (0, 0):
        n = _pool_size(dataset, train_size)
        if not is_drawn:
            return fold(dataset, folds[0], parts(n, folds[1], seed))
        y = np.concatenate([dataset.train.y, dataset.validation.y])
        pool = strata.draw(y, n, seed, "train size")
        return fold(dataset, folds[0], [pool[part] for part in parts(n, folds[1], seed, y[pool])])
    rows = len(dataset.train)
    if train_size > rows:
        raise TooFewRowsError(
            f"--train-size is {train_size:,}: the training split has only {counted(rows, 'row')}"
        )
    if train_size and is_drawn:
        chosen = strata.draw(dataset.train.y, train_size, seed, "train size")
        return replace(dataset, train=dataset.train.rows(chosen))
    return dataset.with_train_size(train_size) if train_size else dataset


def _check_split(split: str, name: str) -> None:
    if split == "stratified" and name in functions.FUNCTIONS:
        raise UsageError(f"--split {split}: {name} is a grid, drawn once; use --split all")
    if split == "batch-1" and name not in BATCH_1_NAMES:
        raise UsageError(f"--split {split} is CIFAR-10's: use --split all with {name}")


Cut = Callable[[Split, int], tuple[Split, Split]]
"""(rows, how many validate) -> training and validation rows."""


def _split(
    source: Source, name: str, split: str, val_size: int, classes: Sequence[str] | None, cut: Cut
) -> Dataset:
    if isinstance(source, Dataset):
        return replace(source, name=name)
    if isinstance(source, Own):
        return _own(source, name, val_size, classes, cut)
    return _full(source, name, split, val_size, cut)


def _full(source: Full, name: str, split: str, val_size: int, cut: Cut) -> Dataset:
    published = source.found.dataset
    if split == "batch-1":
        first, second = published.train[:2]
        if val_size:
            raise UsageError(
                f"--val-size is {val_size}, but --split batch-1 validates on all of data_batch_2 "
                f"({ROWS:,} rows): leave it out or use --split all"
            )
        source.found.require((first, second, published.test))
        train, validation = source.read([first]), source.read([second])
    else:
        source.found.require(source.found.needed)
        rows = source.read(published.train)
        train, validation = cut(rows, val_size or _own_val_size(published, len(rows)))
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=source.read_test(),
        classes=published.classes,
        image_shape=published.image_shape,
        source=f"full: {source.found.where}",
        remark=source.found.remark,
    )


def _own_val_size(published: Published, rows: int) -> int:
    """What --split all validates on: of a file with few of the rows a part in proportion."""
    if rows >= 2 * published.val_size:
        return published.val_size
    n = sum(published.facts.rows[part] for part in published.train)
    return max(1, round(rows * published.val_size / n))


def _own(source: Own, name: str, val_size: int, classes: Sequence[str] | None, cut: Cut) -> Dataset:
    data, classes = _numbered(source, classes)
    if data.validation is None:
        tenth = max(1, round(len(data.train) / 10))
        train, validation = cut(data.train, val_size or tenth)
    elif val_size:
        raise UsageError(f"--val-size is {val_size}, but {source.path} has its own x_val: leave it out")
    else:
        train, validation = data.train, data.validation
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=data.test,
        classes=tuple(classes),
        image_shape=data.image_shape,
        source=f"file: {source.path}",
        remark=f"{source.path}: {data.remark}" if data.remark else "",
    )


def _numbered(source: Own, classes: Sequence[str] | None) -> tuple[OwnData, tuple[str, ...]]:
    """The rows of a user's file with labels in [0, C), and the names of the C classes."""
    data = source.data
    splits = {"y_train": data.train, "y_val": data.validation, "y_test": data.test}
    there = {f"{source.path}: {name}": split for name, split in splits.items() if split is not None}
    y, names = numbered(
        {name: split.y for name, split in there.items()}, names=data.class_names, classes=classes
    )
    train, validation, test = (
        None if split is None else Split(split.x, y[f"{source.path}: {name}"])
        for name, split in splits.items()
    )
    assert train is not None
    return data._replace(train=train, validation=validation, test=test), names


def _cut_tail(rows: Split, n: int) -> tuple[Split, Split]:
    """All but the last n rows, and those (views)."""
    _check_val_size(rows, n)
    head = len(rows) - n
    return rows.first(head), Split(rows.x[head:], rows.y[head:])


def _cut_drawn(rows: Split, n: int, seed: int) -> tuple[Split, Split]:
    """All but n rows that are drawn, and those; a class of which there is one row trains."""
    _check_val_size(rows, n)
    trains = np.zeros(len(rows), bool)
    trains[strata.draw(rows.y, len(rows) - n, seed, "split")] = True
    return rows.rows(np.flatnonzero(trains)), rows.rows(np.flatnonzero(~trains))


def _check_val_size(rows: Split, n: int) -> None:
    if n >= len(rows):
        raise UsageError(f"--val-size is {n:,}: expected fewer than the {len(rows):,} training rows")


def parts(n: int, count: int, seed: int, y: Array | None = None) -> list[Array]:
    """range(n) in `count` random parts of equal size (the first ones one larger where it does not divide).

    A function of (n, count, seed, y); each row is in exactly one part. Raises UsageError for more parts than
    rows.

    y: the rows' classes `(n,)`, of each of which all parts then have as many rows, give or take one.
    """
    if not 2 <= count <= n:
        raise UsageError(f"{count} folds of {counted(n, 'row')}: expected 2 to {n:,}, such as --folds 5")
    order = permutation(n, seed, "folds")
    if y is None:
        return [np.sort(part) for part in np.array_split(order, count)]
    return [np.sort(strata.by_class(y, order)[k::count]) for k in range(count)]


def fold(dataset: Dataset, k: int, parts: Sequence[Array]) -> Dataset:
    """`dataset` with its training and validation rows dealt anew: part k (from 1 on) validates."""
    held_out = parts[k - 1]
    others = np.sort(np.concatenate([part for j, part in enumerate(parts, start=1) if j != k]))
    x = np.concatenate([dataset.train.x, dataset.validation.x])
    y = np.concatenate([dataset.train.y, dataset.validation.y])
    return replace(dataset, train=Split(x[others], y[others]), validation=Split(x[held_out], y[held_out]))


def _pool_size(dataset: Dataset, train_size: int) -> int:
    rows = len(dataset.train) + len(dataset.validation)
    if train_size > rows:
        raise TooFewRowsError(
            f"--train-size is {train_size:,}: there are only {rows:,} rows to make folds of"
        )
    return train_size or rows
