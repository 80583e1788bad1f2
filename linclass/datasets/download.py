"""One file from https, or from this computer: size-capped, with progress, never trusted before its digest."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from linclass.datasets.published import Remote
from linclass.errors import DataError, UsageError
from linclass.files import SYSTEM, storage_error

TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 18

Progress = Callable[[int, "int | None"], None]


def locate(remote: Remote, mirror: str | None) -> str | Path:
    """The address to download `remote` from, or the path where it lies.

    `mirror` is https://, file:// or a path, of the file itself or of the directory that holds it; None is
    the published address, which may be http:// where its SHA-256 is pinned. Raises UsageError for any other
    scheme, DataError for a path that is not there.
    """
    address = remote.url if mirror is None else mirror
    parts = urllib.parse.urlsplit(address)
    is_pinned = mirror is None and remote.sha256 is not None
    if parts.scheme == "https" or (parts.scheme == "http" and is_pinned):
        is_file = parts.path.endswith((".gz", ".tgz"))
        path = parts.path if is_file else f"{parts.path.rstrip('/')}/{remote.name}"
        return urllib.parse.urlunsplit(parts._replace(path=path))
    if parts.scheme == "file":
        local = Path(urllib.request.url2pathname(parts.path))
    elif "://" in address:
        raise UsageError(f"--mirror is {address}: expected https://, file://, a path, or npm")
    else:
        local = Path(address)
    local = local / remote.name if local.is_dir() else local
    if not local.is_file():
        raise DataError(f"no {remote.name} at {local}")
    return local


def download(url: str, target: Path, limit: int, progress: Progress) -> None:
    """Write what `url` serves to `target`, calling `progress(bytes so far, bytes in all or None)`.

    Raises DataError where it cannot be reached, breaks off or exceeds `limit` bytes, StorageError where
    `target` cannot be written.
    """
    host = urllib.parse.urlsplit(url).netloc
    request = urllib.request.Request(url, headers={"User-Agent": "linclass"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            _save(response, target, limit, progress, url)
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"{url}: the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise DataError(f"cannot reach {host}: {error.reason}; is there a network?") from error
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"the connection to {host} broke off: {error}; try again") from error


def _save(response: http.client.HTTPResponse, target: Path, limit: int, progress: Progress, url: str) -> None:
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if (total or 0) > limit:
        raise DataError(f"{url} has {total:,} bytes; expected at most {limit:,}")
    done = 0
    with _opened(target) as file:
        while chunk := response.read(_CHUNK):
            done += len(chunk)
            if done > limit:
                raise DataError(f"{url} has more than the {limit:,} bytes expected")
            with _storing(target, total):
                SYSTEM.write(file, chunk)
            progress(done, total)
        with _storing(target, total):
            file.flush()
    if total is not None and done != total:
        raise DataError(f"{url} broke off after {done:,} of {total:,} bytes; try again")


def _opened(target: Path) -> IO[bytes]:
    with _storing(target, None):
        return SYSTEM.open(target, "wb")


@contextlib.contextmanager
def _storing(target: Path, size: int | None) -> Iterator[None]:
    """What the disk refuses is a StorageError, and not the connection's fault."""
    try:
        yield
    except OSError as error:
        raise storage_error(target, error, size) from error


def check_digests(path: Path, remote: Remote) -> None:
    """Raise DataError unless `path` has the digests of `remote`."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                md5.update(chunk)
                sha256.update(chunk)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    for kind, got, wanted in (("md5", md5, remote.md5), ("sha256", sha256, remote.sha256)):
        if wanted is not None and got.hexdigest() != wanted:
            raise DataError(
                f"{remote.name} ({size:,} bytes) has {kind} {got.hexdigest()}; expected {wanted}: "
                "it is damaged or another file, get it again"
            )
