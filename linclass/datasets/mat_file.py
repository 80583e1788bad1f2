"""Matlab files of the CIFAR-10 Matlab layout, read with bounded memory.

A few kilobytes of a compressed `.mat` can unfold into gigabytes, its header can ask for an array of any
size, and one wrong byte can make `scipy.io.loadmat` crash the interpreter. The two arrays that are wanted
are of the simplest kind, so they are read here: version 5, whose file is a header and then elements

    type (4 bytes), size (4 bytes), contents, padding to 8 bytes       any element
    size (2 bytes), type (2 bytes), up to 4 bytes of contents          a small one

An array is an element of elements: flags, dimensions, name, numbers (column by column).
Reference: MAT-File Format, The MathWorks, chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from linclass.errors import DataError, quoted
from linclass.files import read_capped
from linclass.params import Array

MAX_BYTES = 64 << 20
_MAX_UNFOLDED = 2 * MAX_BYTES  # of all compressed elements together
_MAX_ELEMENTS = 1000
_MAX_NAME = 63  # characters that Matlab allows
_MAX_DIMENSIONS = 32
_HEADER = 128  # bytes: 116 of text, 8 of offsets, 2 of version, 2 of byte order
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)  # double, single, and the integers; not cells, structures, text, objects
_COMPLEX = 0x800


def read_mat(path: Path, rows: int) -> tuple[Array, Array]:
    """The arrays `data` (uint8, two-dimensional) and `labels` (`rows` whole numbers) of a version-5 file.

    The shape of `data` is the caller's to check. Raises DataError for anything else.
    """
    arrays = _arrays(read_capped(path, MAX_BYTES), str(path))
    for name in ("data", "labels"):
        if name not in arrays:
            raise DataError(f"{path}: expected data and labels; found {', '.join(arrays)[:80] or 'nothing'}")
    x, y = arrays["data"], arrays["labels"]
    if x.dtype != np.uint8 or x.ndim != 2:
        raise DataError(f"{path}: data is {x.ndim}-dimensional {x.dtype}; expected two dimensions of uint8")
    if y.size != rows:
        raise DataError(f"{path} holds {y.size:,} labels; expected {rows:,}")
    with np.errstate(invalid="ignore"):
        labels = y.ravel().astype(np.int64)
    if not np.array_equal(labels, y.ravel()):
        raise DataError(f"{path}: labels hold fractions; expected whole numbers")
    return x, labels


def _arrays(data: bytes, label: str) -> dict[str, Array]:
    """Name -> array; empty for all but data and labels."""
    if data[:19] == b"MATLAB 7.3 MAT-file":
        raise DataError(f"{label} is a Matlab 7.3 (HDF5) file: save it with -v7")
    if data[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise DataError(f"{label} is not a Matlab version-5 file ({len(data):,} bytes)")
    order = "<" if data[126:128] == b"IM" else ">"
    arrays: dict[str, Array] = {}
    left = _MAX_UNFOLDED
    for kind, contents in _elements(memoryview(data)[_HEADER:], order, label):
        if kind == _COMPRESSED:
            plain = _unfold(contents, left, label)
            left -= len(plain)
            kind, contents = next(_elements(plain, order, label))
        if kind == _MATRIX:
            name, array = _matrix(contents, order, label)
            arrays[name] = array
    return arrays


def _elements(data: memoryview, order: str, label: str) -> Iterator[tuple[int, memoryview]]:
    """(type, contents) of the elements in `data`, at least one."""
    start = 0
    for _ in range(_MAX_ELEMENTS):
        if start + 8 > len(data):
            raise DataError(
                f"{label} is cut off: an element has {len(data) - start:,} bytes; expected 8 or more"
            )
        kind, size = struct.unpack_from(order + "II", data, start)
        head = 8
        if kind >> 16:
            kind, size, head = kind & 0xFFFF, kind >> 16, 4
        stop = start + head + size
        if stop > len(data):
            raise DataError(f"{label} is cut off: an element needs {stop:,} bytes of {len(data):,}")
        yield kind, data[start + head : stop]
        start = stop if kind == _COMPRESSED else -(-stop // 8) * 8
        if start >= len(data):
            return
    raise DataError(f"{label} holds more than {_MAX_ELEMENTS:,} elements; expected data and labels")


def _unfold(contents: memoryview, limit: int, label: str) -> memoryview:
    unfolder = zlib.decompressobj()
    try:
        plain = unfolder.decompress(contents, min(limit, MAX_BYTES) + 1)
    except zlib.error as error:
        raise DataError(f"{label} is damaged: {error}") from error
    if len(plain) > min(limit, MAX_BYTES):
        raise DataError(f"{label} unfolds to more than {MAX_BYTES:,} bytes")
    if not unfolder.eof:
        raise DataError(f"{label} is cut off within {len(contents):,} compressed bytes")
    return memoryview(plain)


def _matrix(contents: memoryview, order: str, label: str) -> tuple[str, Array]:
    """Name and array; an empty array for a name that is not wanted."""
    try:
        parts = _elements(contents, order, label)
        (_, flags), (_, dimensions), (_, title) = next(parts), next(parts), next(parts)
        if len(title) > _MAX_NAME or len(dimensions) > 4 * _MAX_DIMENSIONS:
            raise DataError(f"{label} is damaged: a name or the dimensions of an array are too long")
        name = quoted(bytes(title).decode("ascii"), _MAX_NAME)[1:-1]
        if name not in ("data", "labels"):
            return name, np.empty(0)
        (word,) = struct.unpack_from(order + "I", flags)
        shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
        kind, numbers = next(parts)
        if (word & 0xFF) not in _NUMERIC_CLASSES or word & _COMPLEX or kind not in _NUMBERS:
            raise DataError(f"{label}: {name} is no array of real numbers")
        return name, _array(numbers, np.dtype(order + _NUMBERS[kind]), shape, f"{label}: {name}")
    except (struct.error, UnicodeDecodeError, StopIteration) as error:
        raise DataError(f"{label} is damaged: an array in it has no proper description") from error


def _array(numbers: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], label: str) -> Array:
    wanted = math.prod(shape) * dtype.itemsize
    if min(shape, default=-1) < 0 or wanted != len(numbers):
        raise DataError(f"{label} claims the shape {shape}; it holds {len(numbers):,} bytes of {dtype}")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F")
