"""Files that are whole or absent: durable write, append, lock, size-capped reading.

Every call to the operating system goes through one small object, `SYSTEM`, so that a test can put a
full disk or a power failure in its place.

A durable write is: temporary file in the same directory, flush, fsync, replace, fsync of the directory.
At every moment the path holds the old bytes or the new ones, never a part.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from linclass.errors import DataError, RunTakenError, StorageError

TEMPORARY_SUFFIX = ".partial"


class System:
    """The operating system's calls that can fail; replaced in tests."""

    def open(self, path: Path, mode: str) -> IO[bytes]:
        return path.open(mode)

    def write(self, file: IO[bytes], data: bytes | memoryview) -> None:
        file.write(data)

    def fsync(self, file: IO[bytes]) -> None:
        file.flush()
        os.fsync(file.fileno())

    def truncate(self, file: IO[bytes], size: int) -> None:
        file.truncate(size)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def make_directory(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def free_space(self, path: Path) -> int:
        """Bytes that may still be written to the file system of `path`."""
        return shutil.disk_usage(path).free

    def fsync_directory(self, path: Path) -> None:
        if os.name == "nt":  # Windows has no handle on a directory to sync
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


SYSTEM = System()


def storage_error(path: Path, error: OSError, size: int | None = None) -> StorageError:
    """The OSError as one line: which file, why, how much space it needed, what to do."""
    need = "" if size is None else f" ({size:,} bytes)"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "free some space, or " if full else ""
    return StorageError(
        f"cannot write {path}{need}: {error.strerror or error}; "
        f"{advice}give a writable place with --out or --data-dir"
    )


def make_directory(path: Path) -> None:
    """Create `path` and its parents, durably; StorageError where that is not possible."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        SYSTEM.make_directory(path)
        for folder in new:
            SYSTEM.fsync_directory(folder.parent)
    except OSError as error:
        raise storage_error(path, error) from error


def write_durably(path: Path, data: bytes | memoryview, previous: Path | None = None) -> None:
    """Replace the contents of `path` by `data`, all or nothing. Raises StorageError.

    previous: where the old contents are kept. Between the two renames `path` is absent and `previous` holds
        them: a reader that finds no `path` takes `previous`.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        with SYSTEM.open(temporary, "wb") as file:
            SYSTEM.write(file, data)
            SYSTEM.fsync(file)
        if previous is not None and path.exists():
            SYSTEM.replace(path, previous)
        SYSTEM.replace(temporary, path)
        SYSTEM.fsync_directory(path.parent)
    except BaseException as error:  # an interrupt too leaves no orphan
        with contextlib.suppress(OSError):
            SYSTEM.unlink(temporary)
        if isinstance(error, OSError):
            raise storage_error(path, error, len(data)) from error
        raise


def rename(source: Path, target: Path) -> None:
    """Put `source` in the place of `target`, durably. Raises StorageError."""
    try:
        SYSTEM.replace(source, target)
        SYSTEM.fsync_directory(target.parent)
    except OSError as error:
        raise storage_error(target, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, durably; non-finite numbers are refused."""
    write_durably(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


_SEAL = "crc32"


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """`write_json` with a checksum of `value` beside its own entries; see `unseal`."""
    write_json(path, {**value, _SEAL: _checksum(value)})


def unseal(value: Any) -> bool:
    """Take the checksum of `write_sealed` out of `value`; whether it fits (or there is none)."""
    if not isinstance(value, dict) or _SEAL not in value:
        return True
    return bool(value.pop(_SEAL) == _checksum(value))


def _checksum(value: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(value, sort_keys=True).encode()):08x}"


def append_durably(path: Path, data: bytes) -> None:
    """Append `data` and fsync. A crash can leave a part of it: the reader must know the good length."""
    try:
        with SYSTEM.open(path, "ab") as file:
            SYSTEM.write(file, data)
            SYSTEM.fsync(file)
    except OSError as error:
        raise storage_error(path, error, len(data)) from error


def truncate(path: Path, size: int) -> None:
    """Cut `path` back to its first `size` bytes. Raises StorageError."""
    try:
        with SYSTEM.open(path, "r+b") as file:
            SYSTEM.truncate(file, size)
            SYSTEM.fsync(file)
    except OSError as error:
        raise storage_error(path, error) from error


def read_capped(path: Path, limit: int) -> bytes:
    """All bytes of a regular file of at most `limit` bytes. Raises DataError otherwise; see `refuse_page`."""
    try:
        if not path.is_file():
            problem = "it is not a regular file" if path.exists() else "no such file"
            raise DataError(f"cannot read {path}: {problem}")
        with path.open("rb") as file:
            # not limit + 1 outright: read() sets aside as much memory as it is asked for
            data = file.read(min(limit, path.stat().st_size) + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > limit:
        raise DataError(f"cannot read {path}: it is larger than the {limit:,} bytes expected at most")
    refuse_page(data, str(path))
    return data


PAGE_BYTES = 1024
"""Of a file, from its beginning, that `refuse_page` looks at."""
_PAGES = {
    re.compile(
        rb"<!doctype html|<html|<head|<body", re.IGNORECASE
    ): "a web page (HTML) saved in place of the "
    "data, often a login or an error: open it in a browser, and get the data again",
    re.compile(
        rb"<\?xml|<error>", re.IGNORECASE
    ): "a server's answer (XML) saved in place of the data: open it in an editor, and get the data again",
    re.compile(
        rb"version https://git-lfs"
    ): "a pointer of Git LFS, not the data: run `git lfs pull` where it was cloned",
}


def refuse_page(data: bytes, label: str) -> None:
    """Raise DataError where `data` begins as something that was saved in place of data."""
    head = data[:PAGE_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, what in _PAGES.items():
        if beginning.match(head):
            raise DataError(f"{label} is {what}")


def read_json(path: Path, limit: int = 4 << 20) -> Any:
    """The JSON value in `path`; DataError where it is missing, too large or not JSON."""
    try:
        return json.loads(read_capped(path, limit))
    except (ValueError, RecursionError) as error:
        raise DataError(f"cannot read {path}: it is not valid JSON ({error})") from error


def sweep_temporaries(directory: Path) -> None:
    """Delete what a killed `write_durably` left behind; call it only while holding the lock."""
    for orphan in directory.rglob("*" + TEMPORARY_SUFFIX):
        with contextlib.suppress(OSError):
            SYSTEM.unlink(orphan)


def check_space(path: Path, needed: int, freed: int = 0) -> None:
    """Raise StorageError unless `needed` bytes will fit where `path` is, after `freed` bytes were deleted."""
    free = SYSTEM.free_space(path) + freed
    if needed > free:
        raise StorageError(
            f"cannot write {path}: it needs about {needed:,} bytes and {free:,} are free; free some space, "
            "take fewer snapshots (--snapshot-every), or give another place with --out"
        )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` (created if absent); RunTakenError when another has it.

    The kernel releases the lock when the process ends, however it ends. The file itself stays.
    """
    try:
        file = SYSTEM.open(path, "ab")
    except OSError as error:
        raise storage_error(path, error) from error
    with file:
        try:
            _lock(file)
        except OSError as error:
            raise RunTakenError(
                f"{path.parent} is in use by another linclass process; wait for it or name another place"
            ) from error
        yield


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
