"""Reading and writing `.npz` without trust: nothing in the file is believed before it is checked.

A 182-byte file can ask `np.load` for 3.64 TiB, and a flipped bit in the archive's directory can make an
array vanish. So the members' names, compression, sizes, types and shapes are checked first, and objects
(pickles) are never read.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from linclass.errors import DataError, one_line, quoted
from linclass.files import read_capped

_KINDS = "buif"  # bool, unsigned, signed, float
_TEXT = "US"
_SMALL = 64 << 20  # bytes that any file may unfold to
_MAX_RATIO = 200  # beyond: how many times its size; images compress 5 times, deflate can 1032 times
_ENTRY = b"PK\x01\x02"  # begins each entry of a zip file's directory
_MAX_HEADER = 4096
_MAX_SIZE = 1 << 62
_HEADER_ENTRY = re.compile(
    r"\s*'(?:descr'\s*:\s*'(?P<descr>[^'\\]{1,40})'|fortran_order'\s*:\s*(?P<fortran_order>True|False)"
    r"|shape'\s*:\s*\((?P<shape>[0-9L, ]{0,400})\))\s*(?:,|(?=\}))"
)
# what zipfile, zlib and numpy raise for bytes that are not as they should be
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    OSError,
)


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an uncompressed `.npz` of these arrays; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    named: dict[str, Any] = {**arrays}  # numpy's stubs take a mapping of arrays for its `allow_pickle` too
    np.savez(buffer, **named)
    return buffer.getvalue()


def read(
    path: Path,
    *,
    required: Collection[str],
    optional: Collection[str] = (),
    text: Collection[str] = (),
    max_bytes: int,
) -> dict[str, NDArray[Any]]:
    """The arrays in `path`; their names are exactly `required` plus any of `optional`.

    All hold numbers, those in `text` perhaps text, which is not checked for being any. `max_bytes` bounds the
    file and the arrays together. Raises DataError for anything unexpected.
    """
    data = read_capped(path, max_bytes)
    return unpack(data, str(path), required=required, optional=optional, text=text, max_bytes=max_bytes)


def names_in(data: bytes, label: str, most: int) -> list[str]:
    """The names of the arrays in the bytes of a `.npz`, of which at most about `most` are expected."""
    check_directory(data, most, label)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except DAMAGES as error:
        raise DataError(f"{label} is not a readable .npz file: {one_line(error)}") from error


def read_one(path: Path, name: str, max_bytes: int) -> NDArray[Any]:
    """The array `name` alone, whatever else is in `path`. Raises DataError."""
    data = read_capped(path, max_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.getinfo(f"{name}.npy")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > len(data):
                raise DataError(f"{path}: {name} is not stored as linclass stores it")
            return _read_member(archive, info, str(path))
    except DAMAGES as error:
        raise DataError(f"{path} is damaged: {one_line(error)}") from error


def unpack(
    data: bytes,
    label: str,
    *,
    required: Collection[str],
    optional: Collection[str] = (),
    text: Collection[str] = (),
    max_bytes: int,
) -> dict[str, NDArray[Any]]:
    """`read` for bytes in memory; `label` names them in messages."""
    try:
        check_directory(data, len(required) + len(optional), label)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _checked_members(archive, label, required, optional)
            _check_total(sum(info.file_size for info in members.values()), len(data), max_bytes, label)
            return {
                name: _read_member(archive, info, label, _KINDS + _TEXT if name in text else _KINDS)
                for name, info in members.items()
            }
    except DataError:
        raise
    # RuntimeError: a member is encrypted, or compressed in a way that zipfile does not know
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise DataError(f"{label} is not a readable .npz file: {one_line(error)}") from error
    except (ValueError, TypeError, KeyError, OSError, IndexError, MemoryError, struct.error) as error:
        raise DataError(f"{label} is damaged: {one_line(error)}") from error


def most_unfolded(stored: int) -> int:
    """The bytes that `stored` ones may unfold to."""
    return max(_SMALL, _MAX_RATIO * stored)


def check_unfolded(size: int, stored: int, label: str) -> None:
    """Raise DataError where `stored` bytes claim to unfold to a `size` that no data have, only bombs."""
    if size > most_unfolded(stored):
        raise DataError(
            f"{label}: its {stored:,} bytes unfold to {size:,}, more than {_MAX_RATIO} times as many; "
            "if that is right, store it uncompressed"
        )


def check_directory(data: bytes, expected: int, label: str) -> None:
    """Raise DataError where a zip file has many more members than are expected."""
    # counted before it is read: each entry of 46 bytes becomes an object of a kilobyte
    found, most = data.count(_ENTRY), expected + 16  # array data may hold those four bytes by chance
    if found > most:
        raise DataError(f"{label} holds about {found:,} members; expected {expected:,} at most")


def _check_total(total: int, stored: int, max_bytes: int, label: str) -> None:
    if total > max_bytes:
        raise DataError(f"{label}: its arrays take {total:,} bytes, more than the {max_bytes:,} expected")
    check_unfolded(total, stored, label)


def _checked_members(
    archive: zipfile.ZipFile, label: str, required: Collection[str], optional: Collection[str]
) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    names = [info.filename.removesuffix(".npy") for info in infos]
    missing = sorted(set(required) - set(names))
    unknown = sorted(set(names) - set(required) - set(optional))
    if missing or unknown or len(set(names)) != len(names):
        found = quoted(", ".join(names[:12]), 180)[1:-1] or "nothing"
        reason = f"{missing[0]} is missing" if missing else "one is there twice"
        if unknown:
            reason = f"{quoted(unknown[0])[1:-1]} is none of them"
        raise DataError(
            f"{label}: expected the arrays {', '.join(sorted(required))}; found {found}: {reason}"
        )
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise DataError(f"{label}: its arrays are compressed in an unknown way; write it with numpy.savez")
    return dict(zip(names, infos, strict=True))


def _read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str, kinds: str = _KINDS
) -> NDArray[Any]:
    label = f"{label}: {info.filename}"
    with archive.open(info) as file:
        shape, fortran_order, dtype = _read_header(file, label, kinds)
        size = math.prod(shape) * dtype.itemsize
        body = file.read(size + 1) if size <= info.file_size else b""
        if len(body) != size:
            says = f"{size:,}" if size < _MAX_SIZE else "more than any file has"
            raise DataError(f"{label} holds {len(body):,} bytes; its header says {says}")
    order: Literal["C", "F"] = "F" if fortran_order else "C"
    array: NDArray[Any] = np.frombuffer(body, dtype).reshape(shape, order=order).copy()
    return array


def _read_header(file: IO[bytes], label: str, kinds: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether in Fortran order, dtype) that the header of a `.npy` file gives.

    The header is the text of a Python dictionary. It is matched here: numpy evaluates it as a literal,
    and warns of what it meets.
    """
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{label} has the unknown format version {version}")
    size_format = "<H" if version == (1, 0) else "<I"
    (size,) = struct.unpack(size_format, file.read(struct.calcsize(size_format)))
    if size > _MAX_HEADER:
        raise DataError(f"{label} has a header of {size:,} bytes; expected {_MAX_HEADER:,} at most")
    text = file.read(size).decode("latin-1")
    entries = _header_entries(text)
    if entries is None:
        raise DataError(f"{label} is damaged, or holds records; expected numbers, not {quoted(text.strip())}")
    shape = tuple(int(n) for n in entries["shape"].replace("L", "").split(",") if n.strip())
    dtype = np.dtype(entries["descr"])
    if dtype.kind not in kinds or dtype.hasobject:
        wanted = "numbers" if kinds == _KINDS else "numbers or text (y.astype(str))"
        raise DataError(f"{label} holds {quoted(str(dtype))[1:-1]}; expected {wanted}")
    return shape, entries["fortran_order"] == "True", dtype


def _header_entries(text: str) -> dict[str, str] | None:
    """descr, fortran_order and shape, in any order; None where the header is not made of these three."""
    text = text.strip()
    entries: dict[str, str] = {}
    position = 1
    while match := _HEADER_ENTRY.match(text, position):
        entries.update({key: value for key, value in match.groupdict().items() if value is not None})
        position = match.end()
    is_whole = text[:1] == "{" and text[position:].strip() == "}" and len(entries) == 3
    return entries if is_whole else None
