"""Small valid files of every kind, made by code: what mutation starts from."""

from __future__ import annotations

import functools
import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from linclass import npz
from linclass.datasets.cifar10_npm import pack_batch
from linclass.settings import Experiment
from linclass.training.history import COLUMNS, History

ROWS = 2
X = np.random.default_rng(0).integers(0, 256, (ROWS, 3072), dtype=np.uint8)
Y = np.array([3, 9])
GREY = X[:, :784]


def pickles() -> list[bytes]:
    """A batch in the published form, and pickled again by Python 3."""
    published = pack_batch("training batch 1 of 5", X, Y, ["a.png", "b.png"])
    again = [pickle.loads(published, encoding=encoding) for encoding in ("bytes", "latin1")]
    return [published, *(pickle.dumps(content, protocol) for content in again for protocol in (2, 4, 5))]


def binaries() -> list[bytes]:
    """Records of a label byte and 3072 pixel bytes."""
    return [np.hstack([Y[:, None].astype(np.uint8), X]).tobytes()]


def mat_files() -> list[bytes]:
    """Matlab version 5, compressed and not."""
    from scipy.io import savemat

    files = []
    for is_compressed in (True, False):
        buffer = io.BytesIO()
        content = {"data": X, "labels": Y.astype(np.uint8)[:, None], "batch_label": "training"}
        savemat(buffer, content, do_compression=is_compressed)
        files.append(buffer.getvalue())
    return files


def idx_files() -> list[bytes]:
    """Images, plain and gzip."""
    plain = b"\0\0\x08\x03" + struct.pack(">3I", ROWS, 28, 28) + GREY.tobytes()
    return [plain, gzip.compress(plain, mtime=0)]


def pixel_csvs() -> list[bytes]:
    """Tables with and without labels."""
    pixels = [f"pixel{i}" for i in range(784)]
    labelled = [["label", *pixels], *np.column_stack([Y, GREY]).astype(str).tolist()]
    plain = [pixels, *GREY.astype(str).tolist()]
    return ["\n".join(",".join(line) for line in table).encode() for table in (labelled, plain)]


def tables() -> list[bytes]:
    """Tables as they are found: names and ids, no header, semicolons, tabs, spaces, packed."""
    named = b"Id,Width,Height,Species\n1,5.1,3.5,setosa\n2,4.9,3.0,virginica\n3,4.7,3.2,setosa\n"
    european = b"width;height;class\r\n5,1;3,5;a\r\n4,9;3;b\r\n"
    plain = b"1,14.23,1.71\n2,13.2,1.78\n1,13.16,2.36\n2,14.37,1.95\n"
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", named)
        archive.writestr("test.csv", named)
    return [
        named,
        european,
        plain,
        plain.replace(b",", b" "),
        named.replace(b",", b"\t"),
        gzip.compress(named, mtime=0),
        zipped.getvalue(),
        named.decode().encode("utf-16"),
    ]


@functools.cache
def images() -> list[bytes]:
    """Images of 4 x 6 pixels in every form that is read."""
    from PIL import Image

    files = []
    for mode, form in (
        ("RGB", "PNG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("RGB", "JPEG"),
        ("L", "BMP"),
        ("P", "GIF"),
    ):
        buffer = io.BytesIO()
        pixels = X[0, :72].reshape(6, 4, 3)
        Image.fromarray(pixels).convert(mode).save(buffer, form)
        files.append(buffer.getvalue())
    return files


def _compressed(arrays: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def own_data() -> list[bytes]:
    """A user's data: flat rows, images, a validation split, names for labels."""
    x = X[:, :12].astype(np.float32)
    flat = {"x_train": x, "y_train": Y, "x_test": x, "y_test": Y}
    images = {**flat, "x_train": x.reshape(ROWS, 2, 2, 3), "x_test": x.reshape(ROWS, 2, 2, 3)}
    with_validation = {**flat, "x_val": x, "y_val": Y.astype(np.uint8)}
    named = {
        **flat,
        "y_train": Y.astype("U"),
        "y_test": Y.astype("S"),
        "class_names": np.array([*"abcdefghij"]),
    }
    return [npz.pack(flat), _compressed(images), npz.pack(with_validation), npz.pack(named)]


def own_npz() -> list[bytes]:
    """Two named arrays."""
    arrays = {"a": X[:, :9].astype(np.float32), "b": Y > 4}
    return [npz.pack(arrays), _compressed(arrays)]


def samples() -> list[bytes]:
    """The form of a submission."""
    return [
        b"Id,Category\n0,7\n1,2\n",
        b"ImageId,Label\n2,0\n1,0\n",
        b"\xef\xbb\xbfid, category\r\n0,0\r\n1,0\r\n",
    ]


def histories() -> list[bytes]:
    """`values.csv` of one model."""
    history = History()
    for epoch in (1, 2, 3):
        history.append({**dict.fromkeys(COLUMNS, 0.1 + epoch / 3), "epoch": epoch})
    return [history.to_csv().encode()]


@functools.cache
def manifest() -> dict[str, Any]:
    """`run.json` as a run writes it."""
    return {
        "format": 1,
        "linclass": "0.1.0",
        "settings": Experiment().to_dict(),
        "threads": 1,
        "numerics": "0",
        "data": {
            "sha256": "0",
            "title": "sample",
            "classes": ["a", "b"],
            "image_shape": [1, 2, 2],
            "features": 4,
        },
    }


def manifests() -> list[bytes]:
    """The manifest's text."""
    return [json.dumps(manifest()).encode(), json.dumps({**manifest(), "format": 2}, indent=1).encode()]


def tar(**members: bytes) -> bytes:
    """A plain tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def archives() -> list[bytes]:
    """Tar files; the target packs them by gzip, so that mutations reach what is in them."""
    return [tar(a=b"one", other=b"two" * 300, b=b"three"), tar(b=b"", a=b"\0" * 700)]


def sprites() -> list[bytes]:
    """A PNG of two lines of 1024 pixels."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(X.reshape(ROWS, 1024, 3)).save(buffer, "PNG")
    return [buffer.getvalue()]
