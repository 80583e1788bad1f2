"""Submission: the rows to predict, and the file of their predicted classes.

Id,Category
0,7
1,2

or with the header and the ids of a sample of what is asked for, such as Kaggle's ImageId,Label from 1.
"""

from __future__ import annotations

import csv
import io
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from linclass.datasets import own_data
from linclass.datasets.idx import idx_bytes, parse_idx
from linclass.datasets.npz_dataset import MAX_BYTES, flat_rows, read_arrays
from linclass.errors import DataError, UsageError, one_line, quoted
from linclass.files import read_capped, write_durably
from linclass.npz import check_unfolded
from linclass.params import Array

HEADER = ("Id", "Category")
_SAMPLE_BYTES, _LINE_BYTES = 1 << 20, 256  # a sample: this and, for each row, that
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_GZIP = b"\x1f\x8b"
_IDX_IMAGES = b"\x00\x00\x08\x03"


def write_submission(
    path: Path,
    predicted: Sequence[int | str] | Array,
    *,
    sample: Path | None = None,
    first_id: int | None = None,
    header: tuple[str, str] = HEADER,
) -> None:
    """Write one line a row, "id,class", below the header, durably.

    Args:
        predicted: `(n,)` labels or class names. A name that a spreadsheet would run as a formula gets a '.
        sample: a file in the form that is asked for, whose header, ids and order are taken. Where its ids are
            n whole numbers without a gap, in any order, the least one is the first row's; other ids are those
            of the rows in order.
        first_id: without a sample the first row's id (0); the others count up.

    Raises UsageError for both, DataError for a sample that has not n rows of an id and a class; StorageError
    where `path` cannot be written.
    """
    n = len(predicted)
    if n == 0:
        raise DataError(f"nothing to write to {path}: no row was predicted")
    rows: Sequence[int] = range(n)
    if sample is None:
        ids = [str((first_id or 0) + i) for i in rows]
    elif first_id is not None:
        raise UsageError(f"--first-id is {first_id}, but {sample} gives the ids: leave one of them out")
    else:
        header, ids = _header_and_ids(sample, n)
        rows = _rows_of(ids)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(name) for name in header])
    writer.writerows((_cell(id), _cell(predicted[row])) for id, row in zip(ids, rows, strict=True))
    write_durably(path, text.getvalue().encode())


def _cell(value: int | str) -> str:
    text = str(value)
    is_text = isinstance(value, str) and not _WHOLE.fullmatch(text)
    return f"'{text}" if is_text and text.startswith(_FORMULA) else text


def _header_and_ids(sample: Path, n: int) -> tuple[tuple[str, str], list[str]]:
    """The two column names and the n ids of a sample, as they are written there. Raises DataError."""
    lines = _lines(sample, _SAMPLE_BYTES + _LINE_BYTES * n)
    header = [name.strip() for name in next(lines, (0, []))[1]]
    if len(header) != 2 or not all(header) or _WHOLE.fullmatch(header[0]):
        shown = quoted(",".join(header), 60) if header else "nothing"
        raise DataError(
            f"{sample} begins with {shown}; expected a header of two names, such as {','.join(HEADER)}"
        )
    ids: dict[str, int] = {}  # id -> its line
    count = 0
    for number, cells in lines:
        if len(cells) != 2:
            raise DataError(
                f"{sample}, line {number:,}: {len(cells)} value(s); expected 2, an id and a class"
            )
        count += 1
        id = cells[0].strip()
        if not id or id in ids:
            before = f", which line {ids[id]:,} has too" if id else ""
            raise DataError(
                f"{sample}, line {number:,}: the id is {quoted(id)}{before}; expected one for each row"
            )
        if count <= n:
            ids[id] = number
    if count != n:
        raise DataError(
            f"{sample} has {count:,} rows below its header; expected {n:,}, as many as were "
            "predicted; is it the sample of another data set?"
        )
    return (header[0], header[1]), list(ids)


def _rows_of(ids: Sequence[str]) -> Sequence[int]:
    """The row that each id is of; see `write_submission`."""
    if all(_WHOLE.fullmatch(id) for id in ids):
        numbers = [int(id) for id in ids]
        first = min(numbers)
        if len(set(numbers)) == len(ids) and max(numbers) - first == len(ids) - 1:
            return [number - first for number in numbers]
    return range(len(ids))


def _lines(path: Path, limit: int) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of every line that is not empty; at most `limit` bytes of file."""
    data = read_capped(path, limit)
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {one_line(error)}") from error


def read_rows(path: Path, features: int | None = None, label: str = "") -> Array:
    """The rows `(n, d)` to predict, as they are in the file; labels, where it has some, are left out.

    By the name: an image or a folder of them; a table (.csv and the like, packed or not); .npz, its array
    x, else x_test; any other is an IDX file of images, plain or gzip.

    Args:
        features: what d must be, if known. label: the column of a table that is none of them.

    Raises DataError for whatever cannot be read, or has another width.
    """
    if own_data.is_images(path) or own_data.is_table(path):
        x = own_data.read_rows(path, features, label)
    elif path.suffix.lower() == ".npz":
        x = _npz_rows(path)
    else:
        x = _idx_rows(path)
    if len(x) == 0:
        raise DataError(f"{path} holds no rows to predict")
    if features is not None and x.shape[1] != features:
        raise DataError(f"{path} holds rows of {x.shape[1]:,} numbers; expected {features:,}, as in training")
    return x


def _npz_rows(path: Path) -> Array:
    arrays = read_arrays(path, alone="x_test")
    if "x_test" not in arrays:
        found = ", ".join(arrays) or "nothing"
        raise DataError(f"{path}: expected an array x or x_test to predict for; found {found}")
    x = arrays["x_test"]
    if x.ndim < 2 or x.size == 0:
        raise DataError(f"{path}: x_test has the shape {x.shape}; expected (n, d) with n, d >= 1")
    return flat_rows(x, f"{path}: x_test")


def _idx_rows(path: Path) -> Array:
    data = read_capped(path, MAX_BYTES)
    head = data[:16]
    if head[:2] == _GZIP:
        try:
            head = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(data, 16)
        except zlib.error as error:
            raise DataError(f"{path} ({len(data):,} bytes) is not a whole gzip file: {error}") from error
    if len(head) < 16 or head[:4] != _IDX_IMAGES:
        raise DataError(
            f"{path} begins with the bytes {head[:4].hex(' ') or '(none)'}; expected {_IDX_IMAGES.hex(' ')}, "
            "an IDX file of images, or a name that ends in .csv, .npz or .png"
        )
    n, height, width = struct.unpack(">3I", head[4:])
    if 0 in (n, height, width):  # numpy cannot shape nothing into rows of any size
        raise DataError(f"{path} holds no rows to predict: {n:,} images of {height:,} x {width:,}")
    if idx_bytes((n, height, width)) > MAX_BYTES:
        raise DataError(f"{path} says it holds {n:,} images of {height:,} x {width:,}; that is too large")
    check_unfolded(idx_bytes((n, height, width)), len(data), str(path))
    return np.ascontiguousarray(parse_idx(data, (n, height, width), str(path)).reshape(n, height * width))
