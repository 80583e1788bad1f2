"""IDX files of bytes, plain or gzip: 00 00 08 N, then N big-endian sizes of 4 bytes each, then the data.

Source: Yann LeCun, Corinna Cortes, Christopher J. C. Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from linclass.errors import DataError
from linclass.files import read_capped
from linclass.params import Array

GZIP = b"\x1f\x8b"
GZIP_SLACK = 1 << 20  # what cannot be compressed grows a little


def read_idx(path: Path, shape: tuple[int, ...]) -> Array:
    """The uint8 array of this `shape` in `path`. Raises DataError where it holds anything else."""
    return parse_idx(read_capped(path, idx_bytes(shape) + GZIP_SLACK), shape, str(path))


def parse_idx(data: bytes, shape: tuple[int, ...], label: str) -> Array:
    """`read_idx` for bytes in memory, plain or gzip; `label` names them in messages."""
    plain = unfold(data, idx_bytes(shape), label)
    start = 4 + 4 * len(shape)
    magic = bytes((0, 0, 8, len(shape)))
    if plain[:4] != magic:
        raise DataError(
            f"{label} begins with the bytes {plain[:4].hex(' ') or '(none)'}; "
            f"expected {magic.hex(' ')}, an IDX file of bytes in {len(shape)} dimension(s)"
        )
    if len(plain) < start:
        raise DataError(f"{label} holds {len(plain):,} bytes; expected {idx_bytes(shape):,}")
    sizes = struct.unpack(f">{len(shape)}I", plain[4:start])
    if len(plain) != idx_bytes(sizes):
        raise DataError(
            f"{label} holds {len(plain):,} bytes; its sizes {_times(sizes)} make {idx_bytes(sizes):,}"
        )
    if sizes != shape:
        raise DataError(f"{label} holds {_times(sizes)} bytes; expected {_times(shape)}")
    return np.frombuffer(plain, np.uint8, offset=start).reshape(shape)


def idx_bytes(shape: tuple[int, ...]) -> int:
    """The size of a plain IDX file of bytes of this shape."""
    return 4 + 4 * len(shape) + math.prod(shape)


def unfold(data: bytes, size: int, label: str) -> bytes:
    """`data`, unfolded if it is gzip, whatever its name; at most `size` bytes are expected.

    Browsers unfold downloads and keep the name, so the first two bytes decide. Raises DataError, naming
    the byte counts, for a stream that breaks off, is damaged or unfolds to more.
    """
    if data[:2] != GZIP:
        if len(data) > size:
            raise DataError(f"{label} holds {len(data):,} bytes; expected {size:,}")
        return data
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise DataError(f"{label} ({len(data):,} bytes) is not a whole gzip file: {error}") from error
    if len(plain) > size:
        raise DataError(f"{label} unfolds to more than the {size:,} bytes expected")
    if not stream.eof:
        raise DataError(
            f"{label} breaks off: its {len(data):,} bytes unfold to {len(plain):,}; expected {size:,}"
        )
    if stream.unused_data:
        raise DataError(f"{label}: {len(stream.unused_data):,} bytes follow the end of its gzip stream")
    return plain


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(f"{n:,}" for n in sizes)
