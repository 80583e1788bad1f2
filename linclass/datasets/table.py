"""Tables of numbers with a label in every row, as Kaggle, pandas, spreadsheets and old archives write them.

What a table does not say is found out, and `Table.remark` says what was:

    label       the column that is asked for; else the one of a usual name (label, class, target, ...); else
                the only one of text; else the first or the last one, whichever holds few whole numbers
    left out    a column that numbers the rows: one of no name, or called id, index, ...; without a header a
                first column that counts from 0 or 1

Every other column must hold finite numbers.
"""

from __future__ import annotations

import contextlib
import csv
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from linclass.datasets.labels import is_name
from linclass.datasets.table_file import Form, form_of, read_head, read_text
from linclass.errors import DataError, one_line, quoted
from linclass.params import Array

_LABELS = ("label", "labels", "class", "classes", "target", "targets", "y", "category", "species", "digit")
_INDEX = ("", "id", "ids", "index", "idx", "imageid", "image_id", "rowid", "row_id", "rownames", "row.names")
_SEEN = 20  # rows that tell text from numbers
_CHUNK = 4_000_000  # cells that are float64 for a moment
_MOST_LABELS = 20_000
_USUAL = frozenset(str(value) for value in range(256))


class Table(NamedTuple):
    """What a table holds.

    Attributes:
        x: `(n, d)`: uint8 where all values are whole and in [0, 255], else float64.
        y: `(n,)` int64, positions in `labels`; None for a table without labels.
        labels: the distinct ones, as text.
        names: of the d columns; empty without a header.
        label: of the label's column, the name, or without a header the number from 1 on; "" without labels.
        remark: what was found out, for a sentence; "" for a plain table.
    """

    x: Array
    y: Array | None
    labels: tuple[str, ...]
    names: tuple[str, ...]
    label: str
    remark: str


def read_table(path: Path, *, label: str = "", features: int | None = None) -> Table:
    """The table in `path`, plain, .gz or .zip.

    Args:
        label: the name of the label's column, or its number from 1 on; "": found out.
        features: d, if known: a table of no more columns has no labels.

    Raises DataError naming the line and the column of what is no number, or what cannot be found out.
    """
    data = read_text(path)
    assert data is not None
    return parse(data, str(path), label=label, features=features)


def read_both(path: Path, label: str = "") -> tuple[Table, Table | None]:
    """The table in `path`, and the one beside it of test rows, if that has labels.

    That is the file (in a .zip the member) with test where the name has train.

    Raises DataError as `read_table`, and for a table without labels or test rows of other columns.
    """
    train = read_table(path, label=label)
    if train.y is None:
        raise DataError(f"{path} has no column of labels; without it rows can only be predicted")
    where, data = _beside(path)
    if data is None:
        return train, None
    form, d = form_of(data, where), train.x.shape[1]
    has_labels = train.label in form.names if train.names else form.width != d
    test = parse(data, where, label=train.label if has_labels else "", features=d)
    if test.y is None:
        return train, None
    if test.x.shape[1] != d or test.names != train.names:
        raise DataError(f"{where} has other columns than {path}; expected the same, or no label in it")
    return train, test


def has_labels(path: Path, features: int) -> bool:
    """Whether the table in `path` has more than `features` columns of numbers, from its first lines."""
    data = read_head(path)
    form = form_of(data, str(path))
    return _usual(form) is not None or form.width - len(_index(data, form)) != features


def _beside(path: Path) -> tuple[str, bytes | None]:
    """What messages call the table of test rows, and its text; None where there is none."""
    if path.suffix.lower() == ".zip":
        return f"{path}: its test table", read_text(path, part="test")
    beside = path.with_name(path.name.replace("train", "test"))
    return str(beside), read_text(beside) if beside != path and beside.is_file() else None


def parse(data: bytes, where: str, *, label: str = "", features: int | None = None) -> Table:
    """`read_table` for text in memory; `where` names it in messages."""
    form = form_of(data, where)
    try:
        _check_widths(data, form, where)
        columns = _columns(data, form, label, features, where)
        x, y, labels = _values(data, form, columns, where)
    except csv.Error as error:
        raise DataError(f"{where} is not a table: {one_line(error)}") from error
    if len(x) == 0:
        raise DataError(f"{where} has no rows below its header")
    place = columns.label
    if x.shape[1] == 0:
        raise DataError(f"{where} has no columns but the label; expected numbers beside it")
    if place is None and (features is None or features < len(columns.numbers)):
        at = _first_or_last(x)
        if at is None:
            raise DataError(f"{where}: no column looks like labels; name the right one with --label")
        place = columns.numbers[at]
        values, y = np.unique(x[:, at].astype(np.int64), return_inverse=True)
        labels, y, x = tuple(str(v) for v in values.tolist()), y.reshape(-1), np.delete(x, at, axis=1)
    if x.shape[1] == 0:
        raise DataError(f"{where} has no columns but the label; expected numbers beside it")
    names = [name for j, name in enumerate(form.names) if j in columns.numbers and j != place]
    return Table(x, y, labels, tuple(names), _name(form, place), _remark(form, columns, place, label))


class _Columns(NamedTuple):
    """Positions: of the numbers; of the label (None: none, or one of the numbers); of what is left out."""

    numbers: tuple[int, ...]
    label: int | None
    left_out: tuple[int, ...]


def _columns(data: bytes, form: Form, label: str, features: int | None, where: str) -> _Columns:
    texts, left_out = _texts(data, form), _index(data, form)
    is_enough = features is not None and form.width - len(left_out) <= features
    if label and (label.lower() in (name.lower() for name in form.names) or not is_enough):
        place: int | None = _asked_for(form, label, where)
    else:
        place = _usual(form)
    others = [j for j in range(form.width) if j not in left_out and j != place]
    if place is None and (features is None or features < len(others)):
        only = [j for j in others if j in texts]
        place = only[0] if len(only) == 1 else None
        others = [j for j in others if j != place]
    for j in others:
        if j in texts:
            number, text = texts[j]
            raise DataError(
                f"{where}, line {number:,}: {form.called(j)} is {quoted(text)}; expected a finite number: "
                "write one for each text, or leave the column out"
                + ("" if label else "; or is it the label? then name it with --label")
            )
    return _Columns(tuple(others), place, tuple(sorted(j for j in left_out if j != place)))


def _texts(data: bytes, form: Form) -> dict[int, tuple[int, str]]:
    """Column -> (its line, the first text in it), for those that hold some in the first rows."""
    found: dict[int, tuple[int, str]] = {}
    for number, line in islice(form.rows(data), _SEEN):
        for j, cell in enumerate(form.cells(line)[: form.width]):
            if form.is_text(cell):
                found.setdefault(j, (number, cell))
    return found


def _index(data: bytes, form: Form) -> set[int]:
    if form.names:
        names = [name.lower() for name in form.names]
        return {j for j, name in enumerate(names) if name in _INDEX or name.startswith("unnamed: ")}
    count, first = 0, "1"
    for count, (_, line) in enumerate(form.rows(data), start=1):
        cell = (form.cells(line[:40]) or [""])[0].removesuffix(".0")
        first = cell if count == 1 else first
        if first not in ("0", "1") or cell != str(int(first) + count - 1):
            return set()
    return {0} if count > 2 and form.width > 2 else set()


def _asked_for(form: Form, label: str, where: str) -> int:
    if label in form.names:
        return form.names.index(label)
    lower = [name.lower() for name in form.names]
    if lower.count(label.lower()) == 1:
        return lower.index(label.lower())
    if label.isdecimal() and len(label) < 9 and 1 <= int(label) <= form.width:
        return int(label) - 1
    named = f"one of {quoted(', '.join(form.names[:20]), 120)[1:-1]}, or " if form.names else ""
    raise DataError(
        f"{where} has no column {quoted(label)}; expected {named}a number from 1 to {form.width:,}"
    )


def _usual(form: Form) -> int | None:
    lower = [name.lower() for name in form.names]
    return next((lower.index(name) for name in _LABELS if lower.count(name) == 1), None)


def _first_or_last(x: Array) -> int | None:
    """The column that looks like labels: few whole numbers, rather without gaps, rather fewer."""
    found = []
    for at in {0, x.shape[1] - 1}:
        values = np.unique(x[:, at])
        is_whole = bool((values == np.floor(values)).all() and np.abs(values).max() < 1e9)
        if is_whole and 2 <= len(values) <= max(2, len(x) // 2):
            has_gaps = values[0] not in (0, 1) or values[-1] - values[0] != len(values) - 1
            found.append((has_gaps, len(values), at))
    return min(found)[2] if found else None


def _name(form: Form, place: int | None) -> str:
    if place is None:
        return ""
    return form.names[place] if form.names and form.names[place] else str(place + 1)


def _remark(form: Form, columns: _Columns, place: int | None, label: str) -> str:
    parts = [] if form.names else ["there is no header"]
    if place is not None and not label and not (form.names and form.names[place].lower() == "label"):
        parts.append(f"the label is {form.called(place)}")
    if columns.left_out:
        names = ", ".join(form.called(j) for j in columns.left_out[:3])
        parts.append(f"{names}{' and more' if len(columns.left_out) > 3 else ''} left out")
    return ", ".join(parts)


# the values


def _check_widths(data: bytes, form: Form, where: str) -> None:
    """Every line has as many values as the first; pandas would make objects of the columns."""
    if form.separator is None:
        for number, line in form.rows(data):
            if len(line.split()) != form.width:
                raise _other_width(where, number, len(line.split()), form)
        return
    separator = form.separator.encode()
    for number, line in form.rows(data):
        if line.count(separator) != form.width - 1:
            count = len(form.cells(line)) if b'"' in line else line.count(separator) + 1
            if count != form.width:
                raise _other_width(where, number, count, form)


def _other_width(where: str, number: int, count: int, form: Form) -> DataError:
    return DataError(f"{where}, line {number:,}: {count:,} value(s); expected {form.width:,}")


def _values(
    data: bytes, form: Form, columns: _Columns, where: str
) -> tuple[Array, Array | None, tuple[str, ...]]:
    """x, y and the labels; DataError where a value does not fit, `_fault` then says which."""
    chunks, codes, known = [np.empty((0, len(columns.numbers)), np.uint8)], [], dict[str, int]()
    rows, at_a_time = form.rows(data), max(1, min(5000, _CHUNK // form.width))
    try:
        while lines := [line for _, line in islice(rows, at_a_time)]:
            chunks.append(_numbers(lines, form, columns.numbers))
            if columns.label is not None:
                codes.append(_coded(form.column(lines, columns.label), known, where))
    except (ValueError, OverflowError, TypeError, MemoryError) as error:
        unread = DataError(f"{where} cannot be read: {one_line(error)}")
        raise _fault(data, form, columns, where) or unread from error
    return np.concatenate(chunks), np.concatenate(codes) if codes else None, tuple(known)


def _numbers(lines: Sequence[bytes], form: Form, numbers: Sequence[int]) -> Array:
    """The numbers in some lines: uint8 where that holds them all, else the float64 next to what is written.

    Raises ValueError for what is no finite number.
    """
    # these characters are the same in every encoding
    spaced = lines if form.separator else [b" ".join(line.split()) for line in lines]
    texts = [line.decode("latin-1").replace(form.decimal, ".") for line in spaced]
    how: dict[str, Any] = {
        "delimiter": form.separator or " ",
        "usecols": numbers,
        "comments": None,
        "ndmin": 2,
    }
    with contextlib.suppress(ValueError, DeprecationWarning), warnings.catch_warnings():
        warnings.simplefilter("error")  # 3.0 is read, with a warning
        whole: Array = np.loadtxt(texts, np.uint8, quotechar='"', **how)
        return whole
    values: Array = np.loadtxt(texts, np.float64, quotechar='"', **how)
    if not np.isfinite(values).all():
        raise ValueError("a number that is not finite")
    with np.errstate(invalid="ignore"):
        narrow: Array = values.astype(np.uint8)
    return narrow if (narrow == values).all() else values


def _coded(cells: Sequence[str], known: dict[str, int], where: str) -> Array:
    """The positions of the labels in `known`, which grows. Raises ValueError for what is no label."""
    for cell in dict.fromkeys(cells):
        text = _label(cell)
        if not is_name(text):
            raise ValueError("a label that is no name")
        known.setdefault(text, len(known))
    if len(known) > _MOST_LABELS:
        raise DataError(f"{where}: its label has more than {_MOST_LABELS:,} different values; is it another?")
    return np.array([known[_label(cell)] for cell in cells], np.int64)


def _label(text: str) -> str:
    """A label as it is kept: 4.0 is 4."""
    text = text.strip()
    whole, point, rest = text.partition(".")
    is_whole = (
        point and not rest.strip("0") and whole.lstrip("+-").isascii() and whole.lstrip("+-").isdecimal()
    )
    return whole if is_whole else text


def _fault(data: bytes, form: Form, columns: _Columns, where: str) -> DataError | None:
    """What is wrong with the first line that is wrong; slow, hence asked only once parsing has failed."""
    for number, line in form.rows(data):
        cells = form.cells(line)
        if len(cells) != form.width:
            return _other_width(where, number, len(cells), form)
        if _USUAL.issuperset(cells):
            continue
        if columns.label is not None and not is_name(_label(cells[columns.label])):
            shown = quoted(cells[columns.label])
            return DataError(
                f"{where}, line {number:,}: {form.called(columns.label)} is {shown}; expected a label"
            )
        for j in columns.numbers:
            if not form.is_number(cells[j]) or not np.isfinite(float(cells[j].replace(form.decimal, "."))):
                return DataError(
                    f"{where}, line {number:,}: {form.called(j)} is {quoted(cells[j])}; expected a finite "
                    "number"
                )
    return None


def joint(tables: Sequence[Table]) -> tuple[list[Array], tuple[str, ...] | None]:
    """The labels of several tables: whole numbers, else positions among the names that come with them."""
    texts = sorted({text for table in tables for text in table.labels})
    is_whole = all(text.lstrip("+-").isdecimal() and text.isascii() and len(text) < 19 for text in texts)
    place = {text: int(text) if is_whole else at for at, text in enumerate(texts)}
    found = [
        np.array([place[text] for text in table.labels], np.int64)[table.y]
        for table in tables
        if table.y is not None
    ]
    return found, None if is_whole else tuple(texts)
