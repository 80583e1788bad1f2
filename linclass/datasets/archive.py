"""Members of a `.tar.gz`, read one by one in bounded memory; nothing is ever extracted."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from linclass.errors import DataError

MAX_BYTES = 512 << 20  # unfolded, all members together


def members(path: Path, limits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """(name, contents) of the regular files named in `limits`, in the archive's order; others are skipped.

    `limits` maps a member's full name to the bytes it may have. Raises DataError for a member that is
    missing, twice there, too large or no regular file, and for a damaged archive.
    """
    wanted = dict(limits)
    try:
        with gzip.open(path) as unfolded, _open(unfolded, path) as archive:
            for member in archive:
                if member.name in limits:
                    yield member.name, _contents(archive, member, wanted.pop(member.name, -1), path)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable .tar.gz file: {error}") from error
    if wanted:
        raise DataError(f"{path}: {', '.join(wanted)} missing")


def _open(unfolded: gzip.GzipFile, path: Path) -> tarfile.TarFile:
    capped = _Capped(unfolded, path)
    return tarfile.open(fileobj=capped, mode="r|")  # type: ignore[call-overload,no-any-return]


def _contents(archive: tarfile.TarFile, member: tarfile.TarInfo, limit: int, path: Path) -> bytes:
    if not member.isreg() or member.size > limit:
        kind = f"{member.size:,} bytes" if member.isreg() else "no regular file"
        raise DataError(
            f"{path}: {member.name} is {kind}; expected one file of at most {max(limit, 0):,} bytes"
        )
    file = archive.extractfile(member)
    data = b"" if file is None else file.read(limit + 1)
    if len(data) != member.size:
        raise DataError(f"{path}: {member.name} holds {len(data):,} bytes; expected {member.size:,}")
    return data


class _Capped:
    """A stream that ends in an error after MAX_BYTES: a small archive can unfold into terabytes."""

    def __init__(self, file: gzip.GzipFile, path: Path) -> None:
        self.file, self.path, self.left = file, path, MAX_BYTES

    def read(self, n: int) -> bytes:
        data = self.file.read(n)
        self.left -= len(data)
        if self.left < 0:
            raise DataError(f"{self.path} unfolds to more than {MAX_BYTES:,} bytes")
        return data
