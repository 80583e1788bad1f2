"""What is known about the published CIFAR-10: address, digests, and whether a folder agrees with them.

The archive and its files have digests of their own. A mirror packs the same images differently, so what
counts in the end is the SHA-256 of the decoded pixels (one byte each, row after row) and labels (one byte
each) of every batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.datasets.archive import members
from linclass.datasets.cifar10 import PYTHON, ROWS, Layout, read_batches
from linclass.datasets.safe_pickle import MAX_BYTES
from linclass.errors import CheckFailedError, DataError
from linclass.files import read_capped
from linclass.params import Array

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_BYTES = 170_498_071
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
ARCHIVE_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
META = "batches.meta"

Report = Callable[[str], None]


class Facts(NamedTuple):
    """rows of a batch; file name -> MD5 in the python layout; batch -> SHA-256 of pixels and of labels."""

    rows: int
    file_md5: Mapping[str, str]
    arrays: Mapping[str, tuple[str, str]]


PUBLISHED = Facts(
    rows=ROWS,
    file_md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        META: "5ff9c542aee3614f3951f8cda6e48888",
    },
    arrays={
        "data_batch_1": (
            "a50e8b48728e1667d682a807155c375279d5ae321fb12242c02e3104a6bc8b21",
            "d829dbdf32167c9d7b3687cee66d92d80d46c441308b5aca0d11e8b69e27dac9",
        ),
        "data_batch_2": (
            "0b825e5592c3b72ea18d6ec2ff5f5b19d33e41a75f5039054a9bb87be3cf69a0",
            "5d18f7371ed35ea9ade77952fe958b0660a45cd6c8b8a8970030f21612cfd7e3",
        ),
        "data_batch_3": (
            "c6ee1dd4601a69ec085d8ebf53ee6441775491a6839a0a9ae8fa198e88a3a429",
            "32cf77b0ee2e790b1c4384d2d82e42dc1571b87e67f6da8f444b2725b2973f65",
        ),
        "data_batch_4": (
            "1f6b6c799cff375a9f8fae2fac909d51ee09f38a6a60eebb9e8fec6f47ddc48f",
            "d2815e3f8f656272864920fc0edde56b04ec9cf81bf397c0dd3069f4aea51aeb",
        ),
        "data_batch_5": (
            "58e3bbf713e28357476a351d3a05d056372f94c681d04ca9d62a076fdf2a643b",
            "2ddf3ab27d5d04409c94ce7b56849c243129c10de1058ae0bfe14c77e934800c",
        ),
        "test_batch": (
            "177777c33ba79825320efa646ad04a94bdc3c80e4ebe3bd21724f8cdfd4b9d56",
            "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
        ),
    },
)


def array_digests(x: Array, y: Array) -> tuple[str, str]:
    """SHA-256 of pixels x `(n, 3072)` uint8 and of labels y `(n,)`, a byte each."""
    pixels, labels = np.ascontiguousarray(x).tobytes(), y.astype(np.uint8).tobytes()
    return hashlib.sha256(pixels).hexdigest(), hashlib.sha256(labels).hexdigest()


def check_arrays(batch: str, x: Array, y: Array, facts: Facts = PUBLISHED) -> None:
    """Raise CheckFailedError unless these are the published pixels and labels of `batch`."""
    for what, got, wanted in zip(("pixels", "labels"), array_digests(x, y), facts.arrays[batch], strict=True):
        if got != wanted:
            raise CheckFailedError(
                f"{batch}: its {what} are not the published ones (sha256 {got[:12]}..., "
                f"expected {wanted[:12]}...)"
            )


def verify_folder(folder: Path, layout: Layout, report: Report, facts: Facts = PUBLISHED) -> None:
    """Report, batch by batch, that `folder` holds the published data.

    Raises DataError for a file that cannot be read, CheckFailedError for one that holds something else.
    """
    for batch in facts.arrays:
        path = layout.path(folder, batch)
        if layout is PYTHON and _md5(read_capped(path, MAX_BYTES)) == facts.file_md5[batch]:
            report(f"{path}: the published file (md5)")
            continue
        rows = read_batches(folder, layout, [batch], facts.rows)
        try:
            check_arrays(batch, rows.x, rows.y, facts)
        except CheckFailedError as error:
            raise CheckFailedError(f"{path.parent}: {error}") from error
        report(f"{path}: the published pixels and labels (sha256)")


def unpack_archive(path: Path, facts: Facts = PUBLISHED) -> Iterator[tuple[str, bytes]]:
    """(file name, contents) of the published archive's files, each checked against its MD5.

    Raises DataError for a damaged archive or file.
    """
    limits = {f"{PYTHON.folder}/{name}": MAX_BYTES for name in facts.file_md5}
    for member, data in members(path, limits):
        name = member.rpartition("/")[2]
        if _md5(data) != facts.file_md5[name]:
            raise DataError(
                f"{path}: {name} has md5 {_md5(data)}; expected {facts.file_md5[name]}: download it again"
            )
        yield name, data


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
