"""Reading and writing `.npz` without trust: nothing in the file is believed before it is checked.

A 182-byte file can ask `np.load` for 3.64 TiB, and a flipped bit in the archive's directory can make an
array vanish. So the members' names, compression, sizes, types and shapes are checked first, and objects
(pickles) are never read.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from linclass.errors import DataError
from linclass.files import read_capped

_KINDS = "buif"  # bool, unsigned, signed, float


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an uncompressed `.npz` of these arrays; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def read(
    path: Path,
    *,
    required: Collection[str],
    optional: Collection[str] = (),
    max_bytes: int,
) -> dict[str, NDArray[Any]]:
    """The arrays in `path`; their names are exactly `required` plus any of `optional`.

    `max_bytes` bounds the file and the arrays together. Raises DataError for anything unexpected.
    """
    return unpack(
        read_capped(path, max_bytes), str(path), required=required, optional=optional, max_bytes=max_bytes
    )


def unpack(
    data: bytes, label: str, *, required: Collection[str], optional: Collection[str] = (), max_bytes: int
) -> dict[str, NDArray[Any]]:
    """`read` for bytes in memory; `label` names them in messages."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _checked_members(archive, label, required, optional, max_bytes)
            return {name: _read_member(archive, info, label) for name, info in members.items()}
    except DataError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{label} is not a readable .npz file: {error}") from error
    except (ValueError, TypeError, SyntaxError, KeyError, OSError, IndexError, MemoryError) as error:
        raise DataError(f"{label} is damaged: {error}") from error


def _checked_members(
    archive: zipfile.ZipFile, label: str, required: Collection[str], optional: Collection[str], max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    names = [info.filename.removesuffix(".npy") for info in infos]
    missing = sorted(set(required) - set(names))
    unknown = sorted(set(names) - set(required) - set(optional))
    if missing or unknown or len(set(names)) != len(names):
        found = ", ".join(names[:12]) or "nothing"
        raise DataError(f"{label}: expected the arrays {', '.join(sorted(required))}; found {found}")
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise DataError(f"{label}: its arrays are compressed in an unknown way; write it with numpy.savez")
    total = sum(info.file_size for info in infos)
    if total > max_bytes:
        raise DataError(f"{label}: its arrays take {total:,} bytes, more than the {max_bytes:,} expected")
    return dict(zip(names, infos, strict=True))


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, label: str) -> NDArray[Any]:
    with archive.open(info) as file:
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{label}: {info.filename} has the unknown format version {version}")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read_header(file)
        if dtype.kind not in _KINDS or dtype.hasobject:
            raise DataError(f"{label}: {info.filename} holds {dtype}; expected numbers")
        size = math.prod(shape) * dtype.itemsize
        body = file.read(size + 1) if 0 <= size <= info.file_size else b""
        if len(body) != size or any(n < 0 for n in shape):
            raise DataError(f"{label}: {info.filename} holds {len(body):,} bytes; its header says {size:,}")
    order = "F" if fortran_order else "C"
    return np.frombuffer(body, dtype).reshape(shape, order=order).copy()  # type: ignore[call-overload,no-any-return]
