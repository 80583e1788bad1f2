"""A user's own data: the file or the folder that `--dataset` names -> splits with the labels as they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from linclass.datasets import image_folder, table
from linclass.datasets.dataset import Split
from linclass.datasets.npz_dataset import OwnData, image_shape_of, read_npz
from linclass.datasets.table_file import SUFFIXES
from linclass.errors import DataError, UsageError
from linclass.params import Array

FORMS = "FILE.npz, FILE.csv (also .tsv, .txt, .data, .gz, .zip) or FOLDER/ of an image folder for each class"


def is_table(path: Path) -> bool:
    """Whether a path's name is that of a table."""
    name = path.name.lower()
    return name.endswith((*SUFFIXES, ".zip")) or name.removesuffix(".gz").endswith(SUFFIXES)


def is_images(path: Path) -> bool:
    """Whether a path is a folder, or its name that of an image."""
    return path.is_dir() or path.suffix.lower() in image_folder.SUFFIXES


def is_path(name: str) -> bool:
    """Whether `--dataset name`, which is no name of a known data set, is that of a user's file or folder."""
    path = Path(name)
    is_file = path.suffix.lower() == ".npz" or is_table(path)
    return is_file or "/" in name or os.sep in name or (name != "" and path.is_dir())


def read_own(path: Path, label: str = "") -> OwnData:
    """The data in `path`; `label` names the column of a table that holds the labels.

    Raises DataError for what cannot be read or is a single row, UsageError for a label where there are no
    columns.
    """
    if is_table(path):
        data = _read_table(path, label)
    elif label:
        raise UsageError(f"--label is {label}: it names a column of a table, and {path} is none")
    else:
        data = read_npz(path) if path.suffix.lower() == ".npz" else _read_folder(path)
    if data.validation is None and len(data.train) < 2:
        raise DataError(f"{path} holds one row to train on; expected two or more, one of them for validation")
    return data


def _read_table(path: Path, label: str) -> OwnData:
    train, test = table.read_both(path, label)
    tables = [train] if test is None else [train, test]
    y, names = table.joint(tables)
    is_uint8 = all(one.x.dtype == np.uint8 for one in tables)
    image_shape = image_shape_of(train.x.shape[1:], is_uint8)
    # bytes are levels of grey or colour; small whole numbers of another kind are not
    kind = np.uint8 if is_uint8 and image_shape is not None else np.float64
    splits = [Split(one.x.astype(kind, copy=False), labels) for one, labels in zip(tables, y, strict=True)]
    return OwnData(splits[0], None, splits[1] if test else None, image_shape, names, train.remark)


def _read_folder(path: Path) -> OwnData:
    found = image_folder.read_image_folder(path)
    splits = {name: Split(images.x, images.y) for name, images in found.splits.items()}
    return OwnData(splits["train"], splits.get("val"), splits.get("test"), found.image_shape, found.classes)


def read_rows(path: Path, features: int | None = None, label: str = "") -> Array:
    """The rows `(n, d)` of a table, an image or a folder of images, without labels. Raises DataError."""
    if is_images(path):
        return image_folder.read_images(path, features)
    return table.read_table(path, label=label, features=features).x
