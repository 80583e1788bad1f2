"""Labels: whatever a file names its classes by -> integers in [0, C), one for each row; and noise on them.

A class's name is its label as text, the same for the number 7, the float 7.0 and the text "7", unless the
file brings names. Classes are in numerical order where all labels are whole numbers, else alphabetical.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from linclass import rng
from linclass.errors import DataError, UsageError, quoted
from linclass.params import Array

KINDS = "biufUS"
"""Of numpy's types: those that labels may have."""
_MANY = 1000
_LONGEST = 200  # characters of a name
_WHOLE = re.compile(r"-?[0-9]+")


def is_name(text: str) -> bool:
    """Whether `text` can be a class's name."""
    return 0 < len(text) <= _LONGEST and text.isprintable()


def check_labels(y: Array, C: int, label: str) -> None:
    """Raise DataError naming the first row of y `(n,)` whose label is outside [0, C)."""
    outside = (y < 0) | (y >= C)
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(f"{label}: the label of row {row:,} is {int(y[row])}; expected 0 to {C - 1}")


def numbered(
    labels: Mapping[str, Array], *, names: Sequence[str] | None = None, classes: Sequence[str] | None = None
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Arrays of labels as integers in [0, C), int64, and the names of the C classes.

    Args:
        labels: `(n,)` numbers or text each, by what messages call it; the training rows' come first.
        names: of the classes that the labels 0, 1, ... stand for; or the labels themselves in the order that
            is wanted; or as many as there are labels, for these in order. None: the labels are the names.
        classes: those of a run, in its order, which no other may join; None: all that occur.

    Raises DataError naming the row whose label cannot be used.
    """
    distinct = {where: _distinct(y, where) for where, y in labels.items()}
    called = _called({text for texts, _ in distinct.values() for text in texts}, names, next(iter(labels)))
    if classes is None:
        classes = tuple(called.values())
        _check_classes(distinct)
    number = {name: c for c, name in enumerate(classes)}
    found = {}
    for where, (texts, rows) in distinct.items():
        y = np.array([number.get(called[text], -1) for text in texts], np.int64)[rows]
        if (y < 0).any():
            row = int(np.argmax(y < 0))
            raise DataError(
                f"{where}: the label of row {row:,} is {quoted(called[texts[rows[row]]])}; expected one of "
                f"the {len(classes)} classes {quoted(', '.join(classes), 60)[1:-1]}"
            )
        found[where] = y
    return found, tuple(classes)


def class_names(array: Array, where: str) -> tuple[str, ...]:
    """The names `(C,)` that a file gives its classes. Raises DataError where two are the same."""
    texts, rows = _distinct(array, where)
    if len(texts) != len(array):
        twice = texts[int(np.argmax(np.bincount(rows)))]
        raise DataError(f"{where} has {quoted(twice)} more than once; expected a name for each class")
    return tuple(texts[row] for row in rows)


def named(classes: Sequence[str]) -> Array:
    """The labels `(C,)` of these classes: int64 where all are whole numbers, else text."""
    if all(_WHOLE.fullmatch(name) and str(int(name)) == name and len(name) < 19 for name in classes):
        return np.array([int(name) for name in classes], np.int64)
    return np.array(classes)


def lacking(y: Array, classes: Sequence[str]) -> list[str]:
    """The names of the classes that no row of y `(n,)` has."""
    counts = np.bincount(y, minlength=len(classes))
    return [name for name, n in zip(classes, counts, strict=True) if n == 0]


def _distinct(y: Array, where: str) -> tuple[list[str], Array]:
    """The distinct labels as text, and for each row which of them it has `(n,)`. Raises DataError."""
    if y.ndim != 1 or y.dtype.kind not in KINDS:
        raise DataError(f"{where} is {y.shape} {y.dtype}; expected (n,) numbers or text")
    y = y.astype(np.float64) if y.dtype.kind == "f" else y
    if y.dtype.kind == "U" and (np.ascontiguousarray(y.astype("<U")).view("<u4") > 0x10FFFF).any():
        raise DataError(f"{where} is damaged: it holds what is no text")
    values, rows = np.unique(y, return_inverse=True)
    rows = rows.reshape(-1)  # of numpy 2.0 it had another shape
    texts = []
    for place, value in enumerate(values.tolist()):
        text = _text(value)
        if not is_name(text):
            row, shown = int(np.argmax(rows == place)), quoted(str(value))
            raise DataError(
                f"{where}: the label of row {row:,} is {shown}; expected a whole number or a name"
            )
        texts.append(text)
    return texts, rows


def _text(value: object) -> str:
    """A label as text; "" where it is no label."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return ""
    return str(int(value)) if isinstance(value, int) else str(value)


def _called(labels: Collection[str], names: Sequence[str] | None, where: str) -> dict[str, str]:
    """Label -> the name of its class, in the order of the classes."""
    whole = all(_WHOLE.fullmatch(label) for label in labels)
    ordered = sorted(labels, key=lambda label: (int(label), label)) if whole else sorted(labels)
    if names is None:
        return {label: label for label in ordered}
    numbers = [str(c) for c in range(len(names))]
    for own in (numbers, names):
        if set(labels) <= set(own):
            return dict(zip(own, names, strict=True))
    if len(ordered) != len(names):
        shown = quoted(", ".join(ordered), 60)[1:-1]
        raise DataError(
            f"{where} and the others hold {len(ordered)} labels ({shown}); expected {len(names)}, as many as "
            "class_names"
        )
    return dict(zip(ordered, names, strict=True))


def _check_classes(distinct: Mapping[str, tuple[list[str], Array]]) -> None:
    """DataError unless the first array, the training rows', holds classes."""
    where, (texts, rows) = next(iter(distinct.items()))
    if len(texts) < 2:
        raise DataError(f"{where} holds only the label {texts[0]}; expected at least two classes")
    if len(texts) > max(_MANY, len(rows) / 2):
        raise DataError(
            f"{where} holds {len(texts):,} different labels in {len(rows):,} rows; expected classes, with "
            "rows of the same"
        )


def with_noise(y: Array, C: int, share: float, seed: int) -> Array:
    """y `(n,)` with a share of the labels, rounded to whole rows, replaced by uniformly drawn ones.

    One in C of those happens to be the label that was there. A larger share of the same seed replaces the
    same rows by the same labels, and more of them. Raises UsageError for targets that are no classes.
    Source: Zhang et al., arXiv:1611.03530, section 2 (their "partially corrupted labels").
    """
    if y.ndim != 1:
        raise UsageError("--label-noise is for classes: leave it out for targets that are numbers")
    noisy: Array = y.copy()
    replaced = rng.permutation(len(y), seed, "labels", 0)[: round(share * len(y))]
    # raw outputs, which PCG64's definition fixes; the remainder's bias is below 1e-17
    noisy[replaced] = rng.stream(seed, "labels", 1).random_raw(len(replaced)) % np.uint64(C)
    return noisy
