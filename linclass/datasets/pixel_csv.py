"""Tables of 28 x 28 images: the header `label,pixel0,...,pixel783`, then one image a line.

Labels are 0 to 9, pixels 0 to 255, all whole numbers. A table to predict for has no label column.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.errors import DataError, one_line, quoted
from linclass.files import read_capped
from linclass.params import Array

CLASSES = 10
IMAGE_SHAPE = (1, 28, 28)
PIXELS = 784
MAX_BYTES = 1 << 30
_LABEL = "label"
_COLUMNS = tuple(f"pixel{i}" for i in range(PIXELS))
_HEADER_BYTES = 1 << 16
_CHUNK = 5000  # lines that are int64 for a moment
_BYTES = b'0123456789,+-" \t\r\n'
_USUAL = frozenset(str(value) for value in range(256))
_WHOLE = re.compile(r'\s*"?[+-]?[0-9]+"?\s*')


class PixelTable(NamedTuple):
    """x `(n, 784)` uint8; y `(n,)` int64 in [0, 10), None where the table has no label column."""

    x: Array
    y: Array | None


def read_pixel_csv(path: Path) -> PixelTable:
    """The rows of `path`. Raises DataError naming the missing column, or the line and what is wrong there."""
    data = read_capped(path, MAX_BYTES).removeprefix(b"\xef\xbb\xbf")
    header, _, body = data.partition(b"\n")
    if len(header) > _HEADER_BYTES:
        raise DataError(f"{path}: its first line has {len(header):,} bytes; expected column names")
    names = _names(header)
    _check_names(names, path)
    try:
        values = _parse(body, len(names))
    except (ValueError, OverflowError, TypeError, MemoryError) as error:
        unread = DataError(f"{path} cannot be read: {one_line(error)}")
        raise _fault(body, names, path) or unread from error
    if len(values) == 0:
        raise DataError(f"{path} has no rows below its header")
    if names[0] != _LABEL:
        return PixelTable(values, None)
    return PixelTable(np.ascontiguousarray(values[:, 1:]), values[:, 0].astype(np.int64))


def read_labelled_csv(path: Path) -> tuple[Array, Array]:
    """x and y of a table that must have labels. Raises DataError as `read_pixel_csv` does."""
    x, y = read_pixel_csv(path)
    if y is None:
        raise DataError(f"{path}: the column {_LABEL} is missing; without it rows can only be predicted")
    return x, y


def has_labels(path: Path) -> bool:
    """Whether `path` is there with labels; False for a table that is meant for predicting only."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            header = file.readline(_HEADER_BYTES).removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    return _names(header) != list(_COLUMNS)


def _names(header: bytes) -> list[str]:
    line = header.decode("utf-8", "replace").strip()
    return [name.strip().strip('"') for name in line.split(",")]


def _check_names(names: list[str], path: Path) -> None:
    wanted = [_LABEL, *_COLUMNS] if names[0] != _COLUMNS[0] else list(_COLUMNS)
    if names == wanted:
        return
    ending = f"expected the columns {_LABEL}, {_COLUMNS[0]} to {_COLUMNS[-1]} in its first line"
    missing = [name for name in wanted if name not in names]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{path}: the column {missing[0]}{more} is missing; {ending}")
    differs = (i for i, (name, right) in enumerate(zip(names, wanted, strict=False)) if name != right)
    at = next(differs, len(wanted))
    raise DataError(f"{path}: column {at + 1} is {quoted(names[at])}; {ending}, in this order")


def _parse(body: bytes, width: int) -> Array:
    """The table `(n, width)` as uint8; ValueError where a value does not fit, `_fault` then says which."""
    import pandas as pd

    if any(line.count(b",") != width - 1 and line.strip(b"\r\n") for line in io.BytesIO(body)):
        raise ValueError("a line with another number of values")  # pandas makes an object of each column
    chunks = [np.empty((0, width), np.uint8)]
    if not body.strip():
        return chunks[0]
    if body.translate(None, _BYTES):  # pandas would take 3.0 for 3
        raise ValueError("something that is no whole number")
    largest = np.full(width, 255)
    largest[: width - PIXELS] = CLASSES - 1  # of the labels, if there are any
    # no column names: with them pandas would take a column too many for an index, silently
    reader = pd.read_csv(
        io.BytesIO(body), header=None, dtype=np.int64, na_filter=False, chunksize=_CHUNK, encoding="latin-1"
    )
    with reader:
        for chunk in reader:
            values = chunk.to_numpy()
            if values.shape[1] != width or (values < 0).any() or (values > largest).any():
                raise ValueError("a value or a number of columns that does not fit")
            chunks.append(values.astype(np.uint8))
    return np.concatenate(chunks)


def _fault(body: bytes, names: list[str], path: Path) -> DataError | None:
    """What is wrong with the first line that is wrong; slow, hence asked only once parsing has failed."""
    for number, raw in enumerate(io.BytesIO(body), start=2):
        line = raw.rstrip(b"\r\n")
        if not line:
            continue
        if line.count(b",") != len(names) - 1:
            return DataError(
                f"{path}, line {number:,}: {line.count(b',') + 1:,} value(s); expected {len(names):,}"
            )
        cells = line.decode("utf-8", "replace").split(",")
        if _USUAL.issuperset(cells) and int(cells[0]) < CLASSES:  # quickly past what is right
            continue
        for name, cell in zip(names, cells, strict=True):
            largest = CLASSES - 1 if name == _LABEL else 255
            if not _WHOLE.fullmatch(cell) or not 0 <= int(cell.strip().strip('"')[:20]) <= largest:
                return DataError(
                    f"{path}, line {number:,}: {name} is {quoted(cell.strip())}; "
                    f"expected a whole number from 0 to {largest}"
                )
    return None
