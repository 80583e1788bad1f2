"""Members of a `.tar.gz`, read one by one in bounded memory; nothing is ever extracted.

A tar file is a row of members: a header of 512 bytes, then the contents, padded to 512; two empty headers
end it. Whatever is not asked for is passed over unread. (Python's tarfile interprets it: a few kilobytes
of long names, extended headers or maps of sparse files make it fill gigabytes.)

Reference: IEEE Std 1003.1-1988, USTAR; The GNU tar manual, Basic Tar Format.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from linclass.errors import DataError, one_line
from linclass.files import PAGE_BYTES, refuse_page

MAX_BYTES = 512 << 20  # unfolded, all members together
_BLOCK = 512
_CHUNK = 1 << 18
_REGULAR = (b"0", b"\0")


class _Header(NamedTuple):
    name: str
    size: int
    kind: bytes


class _Damaged(Exception):
    """Why this is no tar file."""


def members(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """(name, contents) of the regular files named in `limits`, in the archive's order; others are skipped.

    `limits` maps a member's full name to the bytes it may have. Raises DataError for a member that is
    missing, twice there, too large or no regular file, and for a damaged archive.
    """
    wanted = dict(limits)
    try:
        with path.open("rb") as file:
            refuse_page(file.read(PAGE_BYTES), str(path))
        with gzip.open(path) as unfolded:
            stream = _Capped(unfolded, path)
            while (header := _header(stream)) is not None:
                if header.name in limits:
                    _check(header, wanted.pop(header.name, None), path)
                    yield header.name, stream.exactly(header.size)
                else:
                    stream.skip(header.size)
                stream.skip(-header.size % _BLOCK)
    except (_Damaged, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{path} is not a readable .tar.gz file: {one_line(error)}") from error
    if wanted:
        raise DataError(f"{path}: {', '.join(wanted)} missing")


def _header(stream: _Capped) -> _Header | None:
    """The next member's header; None at the end."""
    start = stream.done
    block = stream.read(_BLOCK)
    if not block.strip(b"\0"):  # an empty one, or nothing more
        return None
    if len(block) < _BLOCK:
        raise _Damaged(f"a header of {len(block)} bytes at byte {start:,}; expected {_BLOCK}")
    # the checksum is the sum of the header's bytes, its own eight counted as spaces
    if sum(block[:148]) + 8 * ord(" ") + sum(block[156:]) != _octal(block[148:156], start):
        raise _Damaged(f"the header at byte {start:,} does not add up to its checksum")
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345] != 0:
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    return _Header(name.decode("latin-1").rstrip("/"), _size(block[124:136], start), block[156:157])


def _size(field: bytes, start: int) -> int:
    if field[0] == 0x80:  # GNU's way from 8 GiB on: a binary number
        return int.from_bytes(field[1:], "big")
    return _octal(field, start)


def _octal(field: bytes, start: int) -> int:
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise _Damaged(f"a number in the header at byte {start:,} is not octal")
    return int(digits or b"0", 8)


def _check(header: _Header, limit: int | None, path: Path) -> None:
    if limit is None:
        raise DataError(f"{path}: {header.name} is there twice; expected one file")
    if header.kind not in _REGULAR or header.size > limit:
        kind = f"{header.size:,} bytes" if header.kind in _REGULAR else "no regular file"
        raise DataError(f"{path}: {header.name} is {kind}; expected one file of at most {limit:,} bytes")


class _Capped:
    """A stream that ends in an error after MAX_BYTES: a small archive can unfold into terabytes."""

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self.file, self.path, self.done = file, path, 0

    def read(self, n: int) -> bytes:
        """The next n bytes, fewer at the end."""
        data = self.file.read(n)
        self.done += len(data)
        if self.done > MAX_BYTES:
            raise DataError(f"{self.path} unfolds to more than {MAX_BYTES:,} bytes")
        return data

    def exactly(self, n: int) -> bytes:
        """The next n bytes."""
        data = self.read(n)
        if len(data) != n:
            raise _Damaged(f"it ends after {self.done:,} bytes, {n - len(data):,} before the end of a member")
        return data

    def skip(self, n: int) -> None:
        """Pass over n bytes, a chunk at a time."""
        while n > 0:
            n -= len(self.exactly(min(n, _CHUNK)))
