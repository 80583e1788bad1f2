"""A folder of images for each class, as photographs are kept and as torchvision and Keras read them.

    FOLDER/cat/1.png, FOLDER/dog/2.jpg      or with splits      FOLDER/train/cat/1.png, FOLDER/test/cat/7.png

A class's name is its folder's. train, val (also valid, validation) and test are splits where there is a
train. Images are PNG, JPEG, BMP, GIF or PPM of one size; rows are in the order of the paths. All are grey
where all files are, else all are red, green, blue.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.errors import DataError, one_line, quoted
from linclass.files import read_capped
from linclass.npz import check_unfolded
from linclass.params import Array

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM")
_SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
_FILE_BYTES = 64 << 20
_MOST_BYTES = 8 << 30  # of pixels, all together
_MOST_FILES, _MOST_CLASSES = 2_000_000, 10_000
_GREY, _COLOUR = ("L", "1"), ("RGB", "RGBA", "P", "LA", "PA", "CMYK", "YCbCr")


class Images(NamedTuple):
    """x `(n, d)` uint8, channel-major; y `(n,)` int64, positions in the names of the classes."""

    x: Array
    y: Array


class ImageFolder(NamedTuple):
    """The splits by name ("train", and "val" and "test" where there are), the classes, the images' shape."""

    splits: dict[str, Images]
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]


class _File(NamedTuple):
    path: Path
    split: str
    name: str  # of its class


def read_image_folder(folder: Path) -> ImageFolder:
    """The images in `folder`. Raises DataError naming the file that cannot be read or has another size."""
    try:
        files = list(_files(folder))
    except OSError as error:
        raise DataError(f"cannot read {folder}: {error.strerror or error}") from error
    classes = tuple(sorted({file.name for file in files}))
    if len(classes) < 2 or not any(file.split == "train" for file in files):
        found = quoted(", ".join(classes[:8]), 80)[1:-1] or "none"
        raise DataError(
            f"{folder} holds images of the classes: {found}; expected two classes or more, a folder each, "
            f"with {', '.join(SUFFIXES)} in them"
        )
    pixels, image_shape = _read([file.path for file in files], str(folder))
    place = {name: c for c, name in enumerate(classes)}
    y = np.array([place[file.name] for file in files], np.int64)
    of = np.array([file.split for file in files])
    splits = {split: Images(pixels[of == split], y[of == split]) for split in _SPLITS if (of == split).any()}
    return ImageFolder(splits, classes, image_shape)


def read_images(path: Path, features: int | None = None) -> Array:
    """The image `path`, or those in the folder `path`, else in the folders in it: `(n, d)`.

    Rows are in the order of the paths, numbers in them by their values: 2.png comes before 10.png, as the
    ids of a submission do.

    Args:
        features: d of the model. Images are made grey or coloured where d is that of the other kind.

    Raises DataError.
    """
    if path.is_file():
        return _read([path], str(path), features)[0]
    try:
        paths = [one for one in _sorted(path) if _is_image(one)]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    paths = paths or [Path(place) / name for place, _, names in os.walk(path) for name in names]
    paths = sorted((one for one in paths if _is_image(one)), key=_by_numbers)
    if not paths:
        raise DataError(f"{path} holds no images: expected {', '.join(SUFFIXES)} in it")
    if len(paths) > _MOST_FILES:
        raise DataError(f"{path} holds more than {_MOST_FILES:,} images; expected fewer")
    return _read(paths, str(path), features)[0]


def _by_numbers(path: Path) -> list[tuple[str, int, str]]:
    """The key of the order in which 2.png comes before 10.png."""
    parts = re.findall(r"([^0-9]*)([0-9]*)", str(path))
    return [(text, int(digits or -1), digits) for text, digits in parts]


def _files(folder: Path) -> Iterator[_File]:
    """The images in the order of their paths; links to folders are not followed."""
    if not folder.is_dir():
        raise DataError(f"cannot read {folder}: {'it is no folder' if folder.exists() else 'no such folder'}")
    of = {name: split for split, names in _SPLITS.items() for name in names}
    inside = [path for path in _sorted(folder) if path.is_dir()]
    has_splits = any(of.get(path.name.lower()) == "train" for path in inside)
    count = 0
    for path in inside:
        split = of.get(path.name.lower(), "") if has_splits else "train"
        classes = [one for one in _sorted(path) if one.is_dir()] if has_splits else [path]
        if not split:
            continue
        if len(classes) > _MOST_CLASSES:
            raise DataError(f"{path} holds {len(classes):,} folders; expected {_MOST_CLASSES:,} at most")
        for one in classes:
            if not one.name.isprintable() or len(one.name) > 200:
                raise DataError(f"{folder}: the folder {quoted(one.name)} cannot be a class's name")
            for place, below, names in os.walk(one):
                below.sort()
                for name in sorted(names):
                    if _is_image(Path(name)):
                        count += 1
                        yield _File(Path(place) / name, split, one.name)
                if count > _MOST_FILES:
                    raise DataError(f"{folder} holds more than {_MOST_FILES:,} images; expected fewer")


def _sorted(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _read(
    paths: Sequence[Path], where: str, features: int | None = None
) -> tuple[Array, tuple[int, int, int]]:
    """All images as rows `(n, d)`, and their shape (channels, height, width); sizes are checked first."""
    is_colour, stored, first = False, 0, (0, 0)
    for path in paths:
        data = read_capped(path, _FILE_BYTES)
        size, mode = _header(data, str(path))
        first = size if path is paths[0] else first
        if size != first:
            raise DataError(
                f"{path} is {size[0]} x {size[1]}; expected {first[0]} x {first[1]}, as {paths[0].name}: "
                "bring all images to one size"
            )
        is_colour, stored = is_colour or mode in _COLOUR, stored + len(data)
    area = first[0] * first[1]
    channels = {area: 1, 3 * area: 3}.get(features or 0, 3 if is_colour else 1)
    shape = (channels, first[1], first[0])
    total = len(paths) * channels * area
    if total > _MOST_BYTES:
        raise DataError(f"{where}: its images take {total:,} bytes; expected {_MOST_BYTES:,} at most")
    check_unfolded(total, stored, where)
    x = np.empty((len(paths), *shape), np.uint8)
    for row, path in enumerate(paths):
        x[row] = _pixels(read_capped(path, _FILE_BYTES), str(path), first, channels)
    return x.reshape(len(paths), -1), shape


def _header(data: bytes, where: str) -> tuple[tuple[int, int], str]:
    """(width, height) and Pillow's mode; nothing is decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _quiet(), Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            size, mode = image.size, image.mode
    except UnidentifiedImageError as error:  # its own words are of an object in memory
        raise DataError(f"{where} is not a readable image: it is none of {', '.join(_FORMATS)}") from error
    except _damages() as error:
        raise DataError(f"{where} is not a readable image: {one_line(error)}") from error
    if mode not in (*_GREY, *_COLOUR):
        raise DataError(f"{where} has pixels of the kind {mode}; expected 8 bits for grey or each colour")
    if 0 in size:
        raise DataError(f"{where} has no pixels: it is {size[0]} x {size[1]}")
    return size, mode


def _pixels(data: bytes, where: str, size: tuple[int, int], channels: int) -> Array:
    """(channels, height, width) uint8."""
    from PIL import Image

    try:
        with _quiet(), Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.size != size:  # it was changed since
                raise DataError(f"{where} is {image.size}; expected {size}")
            pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    except _damages() as error:
        raise DataError(f"{where} is not a readable image: {one_line(error)}") from error
    by_channel: Array = pixels.reshape(size[1], size[0], channels).transpose(2, 0, 1)
    return by_channel


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns of what is odd in a file and read all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _damages() -> tuple[type[Exception], ...]:
    """What Pillow raises for bytes that are not as they should be."""
    import struct
    import zlib

    from PIL import Image

    return (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        OverflowError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    )
