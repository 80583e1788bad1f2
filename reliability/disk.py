"""A model of a disk that keeps only what was synced.

While a run writes real files, `Recording` notes what it asks of the system. `Disk` then says what may be
there after power was lost behind any of these operations:

    a file's contents     are kept for certain once the file was fsynced; before that, each write may be
                          lost, kept, or torn (its first half is there)
    a directory's entries creations, renames and removals are kept for certain once the directory was
                          fsynced; before that, each may be lost or kept, whatever becomes of the others

That is harsher than the journals of ext4, XFS or APFS, which keep renames in their order.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NamedTuple

from linclass import files

MOST = 48
"""The most outcomes looked at for one moment; all of them where there are no more."""


@dataclass(frozen=True)
class Op:
    """One operation: what, on which path (or from `source`), with which bytes or size.

    inode numbers the file that a path means at that time.
    """

    kind: str
    path: Path
    inode: int = 0
    source: Path | None = None
    data: bytes = b""
    offset: int = 0


class Recording(files.System):
    """Does what it is asked, and notes it in `ops`.

    forgets: the names of calls that it only pretends to make, such as "fsync".
    """

    def __init__(self, forgets: Sequence[str] = ()) -> None:
        self.ops: list[Op] = []
        self.inodes: dict[Path, int] = {}
        self.forgets = forgets
        self._numbers = itertools.count(1)

    def open(self, path: Path, mode: str) -> IO[bytes]:
        if mode != "r+b" and path not in self.inodes:
            self.inodes[path] = next(self._numbers)
            self.ops.append(Op("create", path, self.inodes[path]))
        elif mode == "wb":
            self.ops.append(Op("truncate", path, self.inodes[path]))
        return super().open(path, mode)

    def write(self, file: IO[bytes], data: bytes | memoryview) -> None:
        path = Path(file.name)
        self.ops.append(Op("write", path, self.inodes[path], data=bytes(data), offset=file.tell()))
        super().write(file, data)

    def truncate(self, file: IO[bytes], size: int) -> None:
        path = Path(file.name)
        self.ops.append(Op("truncate", path, self.inodes[path], offset=size))
        super().truncate(file, size)

    def fsync(self, file: IO[bytes]) -> None:
        file.flush()
        path = Path(file.name)
        if "fsync" not in self.forgets:
            self.ops.append(Op("fsync", path, self.inodes[path]))

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        self.inodes[target] = self.inodes.pop(source)
        self.ops.append(Op("rename", target, self.inodes[target], source))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        if self.inodes.pop(path, None) is not None:
            self.ops.append(Op("unlink", path))

    def make_directory(self, path: Path) -> None:
        new = [folder for folder in (path, *path.parents) if not folder.exists()]
        super().make_directory(path)
        self.ops += [Op("create", folder) for folder in reversed(new)]

    def fsync_directory(self, path: Path) -> None:
        if "fsync_directory" not in self.forgets:
            self.ops.append(Op("sync", path))


class Image(NamedTuple):
    """What is on the disk: path -> inode (0 for a directory), inode -> contents."""

    entries: dict[Path, int]
    contents: dict[int, bytes]

    def copy(self) -> Image:
        return Image(dict(self.entries), dict(self.contents))

    def apply(self, op: Op) -> None:
        """Do `op` as if nothing could happen to it."""
        if op.kind == "create":
            self.entries[op.path] = op.inode
        elif op.kind == "rename":
            assert op.source is not None
            self.entries.pop(op.source, None)
            self.entries[op.path] = op.inode
        elif op.kind == "unlink":
            self.entries.pop(op.path, None)
        else:
            old = self.contents.get(op.inode, b"")
            if op.kind == "truncate":
                self.contents[op.inode] = old[: op.offset]
            else:
                start = old[: op.offset].ljust(op.offset, b"\0")
                self.contents[op.inode] = start + op.data + old[op.offset + len(op.data) :]

    def build(self, root: Path, below: Path) -> None:
        """Make real files under `root` of all that is in `below` and can be reached from it."""
        for path in sorted(self.entries, key=lambda path: len(path.parts)):
            if not path.is_relative_to(below):
                continue
            place = root / path.relative_to(below)
            if not place.parent.is_dir():
                continue  # its directory is lost, and with it what was in it
            if self.entries[path] == 0:
                place.mkdir(exist_ok=True)
            else:
                place.write_bytes(self.contents.get(self.entries[path], b""))


class Disk:
    """What is there for certain, and the operations that nothing has made certain yet."""

    def __init__(self) -> None:
        self.certain = Image({}, {})
        self.pending: list[Op] = []

    def do(self, op: Op) -> None:
        """Take in the next operation."""
        if op.kind in ("fsync", "sync"):
            settled = [other for other in self.pending if _settles(op, other)]
            self.pending = [other for other in self.pending if not _settles(op, other)]
            for other in settled:
                self.certain.apply(other)
        else:
            self.pending.append(op)

    def outcomes(self, rng: random.Random) -> Iterator[Image]:
        """What may be there if power is lost now: all of it, or MOST of it with the extremes among them."""
        choices = [_choices(op) for op in self.pending]
        total = 1
        for options in choices:
            total *= len(options)
        picks = list(itertools.product(*choices)) if total <= MOST else _some(choices, rng)
        for pick in picks:
            image = self.certain.copy()
            for op in pick:
                if op is not None:
                    image.apply(op)
            yield image


def _settles(sync: Op, op: Op) -> bool:
    if sync.kind == "fsync":
        return op.kind in ("write", "truncate") and op.inode == sync.inode
    return op.kind in ("create", "rename", "unlink") and op.path.parent == sync.path


def _choices(op: Op) -> list[Op | None]:
    """Lost, kept, or torn."""
    torn = [replace(op, data=op.data[: len(op.data) // 2])] if op.kind == "write" else []
    return [None, op, *torn]


def _some(choices: list[list[Op | None]], rng: random.Random) -> list[tuple[Op | None, ...]]:
    lost, kept = tuple(options[0] for options in choices), tuple(options[1] for options in choices)
    names_only = tuple(op if op is not None and op.kind not in ("write", "truncate") else None for op in kept)
    data_only = tuple(op if op is not None and op.kind in ("write", "truncate") else None for op in kept)
    picks = [lost, kept, names_only, data_only]
    for i in range(len(choices)):
        picks += [(*kept[:i], None, *kept[i + 1 :]), (*lost[:i], kept[i], *lost[i + 1 :])]
    while len(picks) < MOST:
        picks.append(tuple(rng.choice(options) for options in choices))
    return picks
