"""One file from https, or from this computer: size-capped, with progress, never trusted before its digest.

A source that is too slow is left (`Pace`); a download that broke off is continued.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from linclass.datasets.published import Remote
from linclass.errors import DataError, UsageError
from linclass.files import PAGE_BYTES, SYSTEM, refuse_page, storage_error

_CHUNK = 1 << 18
_TRIES = 3  # connections that bring nothing worthwhile, one after the other
_WORTHWHILE = 1 << 20
_NOTHING_LEFT = http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE

Progress = Callable[[int, "int | None"], None]


class Pace(NamedTuple):
    """What is asked of a source: `speed` bytes a second on average over each `window` seconds, in which no
    single wait may be longer either; `pause` seconds before it is asked again."""

    speed: float = 200_000
    window: float = 20.0
    pause: float = 1.0


PACE = Pace()


class SlowError(DataError):
    """A source that gives less than was asked of it; `rate` in bytes a second."""

    def __init__(self, host: str, rate: float, pace: Pace) -> None:
        super().__init__(
            f"{host} gave {rate / 1000:,.0f} kB/s for {pace.window:g} s, "
            f"less than the {pace.speed / 1000:,.0f} kB/s asked of it"
        )
        self.rate = rate


class _BrokenOffError(DataError):
    """A connection that ended early, or (not `is_reached`) was not made."""

    def __init__(self, reason: str, is_reached: bool) -> None:
        super().__init__(reason)
        self.is_reached = is_reached


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


def download(
    url: str,
    target: Path,
    limit: int,
    progress: Progress,
    *,
    pace: Pace = PACE,
    note: Callable[[str], None] = lambda text: None,
) -> None:
    """Write what `url` serves to `target`, calling `progress(bytes so far, bytes in all or None)`.

    A `target` that is there already is the beginning of it: only the rest is asked for (RFC 9110, section
    14), and so it is where the connection breaks off on the way, said to `note`. Whether the parts belong
    together is for `check_digests` to say.

    Raises SlowError for a source that is below `pace`; DataError where it cannot be reached, breaks off for
    good, serves a web page or exceeds `limit` bytes; StorageError where `target` cannot be written. What came
    stays in `target` unless it is too large.
    """
    host = urllib.parse.urlsplit(url).netloc
    most, fruitless = size_of(target), 0
    while True:
        try:
            _request(url, target, limit, progress, pace)
            return
        except _BrokenOffError as error:
            done = size_of(target)
            fruitless = 0 if done >= most + _WORTHWHILE else fruitless + 1
            if not (error.is_reached or most) or fruitless == _TRIES:
                raise
            most = max(most, done)
            note(f"the connection to {host} broke off after {done:,} bytes: asking for the rest")
            time.sleep(pace.pause)


def _request(url: str, target: Path, limit: int, progress: Progress, pace: Pace) -> None:
    """One connection, for all of `url` or for what `target` lacks of it."""
    host, start = urllib.parse.urlsplit(url).netloc, size_of(target)
    headers = {"User-Agent": "linclass", **({"Range": f"bytes={start}-"} if start else {})}
    is_reached = False
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=pace.window
        ) as response:
            is_reached = True
            _save(response, target, limit, progress, url, pace)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != _NOTHING_LEFT or not start:
            raise DataError(f"{url}: the server answered {error.code} {error.reason}") from error
        if error.headers.get("Content-Range") != f"bytes */{start}":  # else all of it is there
            SYSTEM.unlink(target)
            raise _BrokenOffError(f"{url} has no more than {start:,} bytes", True) from error
    except urllib.error.URLError as error:
        raise _BrokenOffError(f"cannot reach {host}: {error.reason}; is there a network?", False) from error
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, TimeoutError) and is_reached and pace.speed:
            raise SlowError(host, 0, pace) from error
        raise _BrokenOffError(
            f"the connection to {host} broke off: {error}; try again", is_reached
        ) from error


def _save(
    response: http.client.HTTPResponse, target: Path, limit: int, progress: Progress, url: str, pace: Pace
) -> None:
    done, total = _extent(response, size_of(target), url)
    if (total or 0) > limit:
        raise DataError(f"{url} has {total:,} bytes; expected at most {limit:,}")
    watch = _Watch(urllib.parse.urlsplit(url).netloc, pace)
    chunk = response.read1(_CHUNK)
    refuse_page(chunk, url)  # before it takes the place of what is there
    with _opened(target, "ab" if done else "wb") as file:
        while chunk:
            done += len(chunk)
            if done > limit:
                SYSTEM.unlink(target)
                raise DataError(f"{url} has more than the {limit:,} bytes expected")
            with _storing(target, total):
                SYSTEM.write(file, chunk)
            progress(done, total)
            watch.add(len(chunk))
            chunk = response.read1(_CHUNK)  # what is there now; read() would wait for all of it
        with _storing(target, total):
            file.flush()
    if total is not None and done != total:
        raise _BrokenOffError(f"{url} broke off after {done:,} of {total:,} bytes; try again", True)


def _extent(response: http.client.HTTPResponse, start: int, url: str) -> tuple[int, int | None]:
    """(the first byte that comes, bytes in all or None); a server may send all though asked for the rest."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        extent = re.fullmatch(
            r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})", response.headers["Content-Range"] or ""
        )
        if extent is None or int(extent[1]) != start:
            raise DataError(f"{url}: the server sends other bytes than those from {start:,} on, asked for")
        return start, int(extent[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


class _Watch:
    """Raises SlowError once a whole window brought too little."""

    def __init__(self, host: str, pace: Pace) -> None:
        self.host, self.pace = host, pace
        self.since, self.came = time.monotonic(), 0

    def add(self, n: int) -> None:
        """n bytes came."""
        self.came += n
        seconds = time.monotonic() - self.since
        if seconds >= self.pace.window:
            if self.came < self.pace.speed * seconds:
                raise SlowError(self.host, self.came / seconds, self.pace)
            self.since, self.came = time.monotonic(), 0


def size_of(path: Path) -> int:
    """Bytes of `path`; 0 where there is no such file."""
    return path.stat().st_size if path.is_file() else 0


def _opened(target: Path, mode: str) -> IO[bytes]:
    with _storing(target, None):
        return SYSTEM.open(target, mode)


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
            refuse_page(file.peek(PAGE_BYTES), str(path))
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
