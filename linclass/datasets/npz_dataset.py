"""A user's own data: one `.npz` with x_train, y_train, and perhaps x_test, y_test, x_val, y_val, class_names.

The names that other programs give them are known too: train_images and train_labels, X_train, or x and y.

Rows may have any shape: `(n, d)` stays; images become channel-major rows, and their shape is kept:

    (n, h, w)  ->  (1, h, w)      (n, h, w, c)  ->  (c, h, w)      (n, c, h, w)  ->  (c, h, w)

with c = 1 or 3 (where both ends could be c, the last one is). Flat uint8 rows of 3072 are taken for
(3, 32, 32) images, flat rows of 784 for (1, 28, 28).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass import npz
from linclass.datasets.dataset import Split
from linclass.datasets.labels import class_names
from linclass.errors import DataError, quoted
from linclass.files import read_capped
from linclass.params import Array

MAX_BYTES = 8 << 30
_NAMES = "class_names"
_KINDS = {"x": ("x", "images", "data", "features", "inputs"), "y": ("y", "labels", "targets", "target")}
_SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation", "dev"), "test": ("test",)}
ROLES = {
    alias: f"{kind}_{split}"
    for kind, kinds in _KINDS.items()
    for split, splits in _SPLITS.items()
    for one in kinds
    for of in splits
    for alias in (f"{one}_{of}", f"{of}_{one}")
}
ROLES |= dict.fromkeys((_NAMES, "classes", "label_names", "target_names"), _NAMES)
"""What an array may be called, in small letters -> what it is."""
_FLAT_IMAGES = {784: (1, 28, 28)}
_FLAT_UINT8_IMAGES = {**_FLAT_IMAGES, 3072: (3, 32, 32)}

ImageShape = tuple[int, int, int]


class OwnData(NamedTuple):
    """The splits as they are in the file; validation and test are None where it has none.

    y is `(n,)`, labels of any of `labels.KINDS`; class_names: as in `labels.numbered`; remark: how the file
    was read, where that was found out.
    """

    train: Split
    validation: Split | None
    test: Split | None
    image_shape: ImageShape | None
    class_names: tuple[str, ...] | None = None
    remark: str = ""


def read_npz(path: Path) -> OwnData:
    """The checked contents of `path`. Raises DataError for whatever does not fit together.

    x is finite, of one dtype and width in all splits.
    """
    arrays = read_arrays(path)
    for name in ("x_train", "y_train"):
        if name not in arrays:
            raise DataError(f"{path}: {name} is missing; found {', '.join(arrays) or 'nothing'}")
    for name in ("val", "test"):
        if f"y_{name}" in arrays and f"x_{name}" not in arrays:
            raise DataError(f"{path}: y_{name} is there without x_{name}; expected both or neither")
    if "x_val" in arrays and "y_val" not in arrays:
        raise DataError(f"{path}: x_val is there without y_val; expected both or neither")
    # x_test alone is for predicting
    splits = {name: _split(arrays, name, path) for name in _SPLITS if f"y_{name}" in arrays}
    train, shape = splits["train"].x, arrays["x_train"].shape[1:]
    for name, split in splits.items():
        if arrays[f"x_{name}"].shape[1:] != shape or split.x.dtype != train.dtype:
            here, there = _form(arrays[f"x_{name}"]), _form(arrays["x_train"])
            raise DataError(f"{path}: x_{name} is {here}, x_train {there}; expected rows of one form")
    image_shape = image_shape_of(shape, train.dtype == np.uint8)
    names = class_names(arrays[_NAMES], f"{path}: {_NAMES}") if _NAMES in arrays else None
    return OwnData(splits["train"], splits.get("val"), splits.get("test"), image_shape, names)


def read_arrays(path: Path, *, alone: str = "x_train") -> dict[str, Array]:
    """The arrays in `path` by what they are, a value of ROLES. Raises DataError naming one that is none.

    alone: what rows are that are called x (or images, ...) and no more.
    """
    own = {one: f"{kind}{alone[1:]}" for kind, kinds in _KINDS.items() for one in kinds}
    data = read_capped(path, MAX_BYTES)
    named: dict[str, str] = {}
    for name in npz.names_in(data, str(path), len(set(ROLES.values()))):
        role = {**ROLES, **own}.get(name.lower())
        if role is None or role in named:
            other = f", as {named[role]} is" if role else ""
            raise DataError(
                f"{path}: the array {quoted(name)} is {role or 'unknown'}{other}; expected x_train, y_train, "
                f"and x_test, y_test, x_val, y_val, {_NAMES} if you like: leave the others out"
            )
        named[role] = name
    text = [name for role, name in named.items() if role[0] == "y" or role == _NAMES]
    arrays = npz.unpack(data, str(path), required=tuple(named.values()), text=text, max_bytes=MAX_BYTES)
    return {role: arrays[name] for role, name in named.items()}


def _split(arrays: dict[str, Array], name: str, path: Path) -> Split:
    x, y = arrays[f"x_{name}"], arrays[f"y_{name}"]
    label = f"{path}: x_{name}"
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        hint = "; one-hot rows become labels by y.argmax(axis=1)" if y.ndim == 2 else ""
        raise DataError(f"{path}: y_{name} is {_form(y)}; expected (n,) labels{hint}")
    if x.ndim == 2 and len(x) != len(y) == x.shape[1]:
        raise DataError(f"{label} {x.shape} looks transposed: y_{name} has {len(y):,} rows; store x_{name}.T")
    if x.ndim < 2 or len(x) != len(y):
        raise DataError(f"{label} is {_form(x)} and y_{name} has {len(y):,} rows; expected (n, d) and (n,)")
    if x.size == 0:
        raise DataError(f"{label} is empty: {x.shape}; expected at least one row and one column")
    return Split(flat_rows(x, label), y)


def flat_rows(x: Array, label: str) -> Array:
    """x as `(n, d)`: uint8 stays, other numbers become float32, or float64 where float32 would round."""
    if x.dtype != np.uint8:
        narrow = x.dtype.kind == "b" or x.dtype.itemsize <= (4 if x.dtype.kind == "f" else 2)
        with np.errstate(all="ignore"):  # what does not fit becomes infinite, and is named below
            x = x.astype(np.float32 if narrow else np.float64)
        finite = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise DataError(f"{label}: row {row:,} holds NaN or infinity; expected finite numbers")
    if x.ndim == 4 and x.shape[3] in (1, 3):
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x.reshape(len(x), -1))


def image_shape_of(shape: tuple[int, ...], is_uint8: bool) -> ImageShape | None:
    """(channels, height, width) of rows that had this shape in the file; None if they are no images."""
    if len(shape) == 1:
        return (_FLAT_UINT8_IMAGES if is_uint8 else _FLAT_IMAGES).get(shape[0])
    if len(shape) == 2:
        return (1, *shape)
    if len(shape) == 3 and shape[2] in (1, 3):
        return (shape[2], shape[0], shape[1])
    if len(shape) == 3 and shape[0] in (1, 3):
        return (shape[0], shape[1], shape[2])
    return None


def _form(x: Array) -> str:
    return f"{x.shape} {x.dtype}" if math.prod(x.shape) else f"{x.shape} (empty)"
