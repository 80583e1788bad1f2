"""Operating systems that die, or forget, at a named point; they take the place of `files.SYSTEM`."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from linclass import files


class Dying(files.System):
    """Kills its own process at the first fault point that is not in `survived`.

    A point is named by when, what and where: "middle of write state.npz, later". The first time a process
    does it and all later times are two points.
    """

    def __init__(self, survived: Collection[str], tell: Callable[[str], None]) -> None:
        self.survived, self.tell = survived, tell
        self.times: Counter[str] = Counter()

    def _point(self, when: str, call: str, path: Path) -> None:
        name = re.sub(r"^\d+", "N", path.name)
        what = f"{when} {call} {name}"
        self.times[what] += 1
        point = f"{what}, {'first' if self.times[what] == 1 else 'later'}"
        if point not in self.survived:
            self.tell(point)
            os.kill(os.getpid(), signal.SIGKILL)

    def open(self, path: Path, mode: str) -> IO[bytes]:
        self._point("before", "open", path)
        file = super().open(path, mode)
        self._point("after", "open", path)
        return file

    def write(self, file: IO[bytes], data: bytes | memoryview) -> None:
        path = Path(file.name)
        self._point("before", "write", path)
        super().write(file, data[: len(data) // 2])
        file.flush()
        self._point("middle of", "write", path)
        super().write(file, data[len(data) // 2 :])
        file.flush()
        self._point("after", "write", path)

    def fsync(self, file: IO[bytes]) -> None:
        super().fsync(file)
        self._point("after", "fsync", Path(file.name))

    def truncate(self, file: IO[bytes], size: int) -> None:
        self._point("before", "truncate", Path(file.name))
        super().truncate(file, size)
        self._point("after", "truncate", Path(file.name))

    def replace(self, source: Path, target: Path) -> None:
        self._point("before", "replace", target)
        super().replace(source, target)
        self._point("after", "replace", target)

    def unlink(self, path: Path) -> None:
        self._point("before", "unlink", path)
        super().unlink(path)
        self._point("after", "unlink", path)

    def make_directory(self, path: Path) -> None:
        self._point("before", "make directory", path)
        super().make_directory(path)
        self._point("after", "make directory", path)

    def fsync_directory(self, path: Path) -> None:
        super().fsync_directory(path)
        self._point("after", "fsync directory", path)


def forget_to_truncate() -> None:
    """Plant a writer that does not cut values.csv back: the checks must see it."""
    files.truncate = lambda path, size: None


PLANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "no-truncation": forget_to_truncate,
}
