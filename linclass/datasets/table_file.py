"""The file of a table: unpacked, its separator found, and whether line 1 is a header.

A table has one row a line, in a file that may be packed (.gz, .zip). The separator is a comma, a semicolon,
a tab or spaces, whichever line 1 has most of; with semicolons 3,5 may be 3.5. Line 1 is a header where it has
text above numbers, or counts 0, 1, 2, ...
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from linclass.datasets.idx import GZIP, unfold
from linclass.errors import DataError, one_line, quoted
from linclass.files import read_capped, refuse_page
from linclass.npz import DAMAGES, check_directory, most_unfolded

MAX_BYTES = 1 << 30
SUFFIXES = (".csv", ".tsv", ".txt", ".data")
_LINE_BYTES = 1 << 20  # of the first one
_MOST_COLUMNS = 20_000
_SEPARATORS = (",", ";", "\t")
_MISSING = ("", "?", "-", "na", "n/a", "nan", "null", "none", "inf", "-inf", "+inf")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
ZIP = b"PK\x03\x04"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(path: Path, *, part: str = "train") -> bytes | None:
    """The plain text of a table; of several in a .zip the one with `part` in its name, None where none has.

    Raises DataError for a file that is damaged, too large or no text.
    """
    data = read_capped(path, MAX_BYTES)
    if data[:4] == ZIP:
        found = _from_zip(data, path, part)
        return None if found is None else _plain(found, path)
    if data[:2] == GZIP:
        data = unfold(data, min(MAX_BYTES, most_unfolded(len(data))), str(path))
    return _plain(data, path)


def read_head(path: Path) -> bytes:
    """The first lines of a table that is plain or .gz, up to a megabyte. Raises DataError."""
    try:
        with path.open("rb") as file:
            data = file.read(_LINE_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    refuse_page(data, str(path))
    if data[:2] == GZIP:
        try:
            data = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(data, _LINE_BYTES)
        except zlib.error as error:
            raise DataError(f"{path} is not a whole gzip file: {one_line(error)}") from error
    text = _plain(data, path)
    return text[: text.rfind(b"\n") + 1] or text


def _plain(data: bytes, path: Path) -> bytes:
    """In UTF-8 or Latin-1, each line ended by \\n or \\r\\n."""
    if data[:2] in _UTF_16:
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError as error:
            raise DataError(f"{path} is not a text table: {one_line(error)}") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise DataError(f"{path} is not a text table: its byte {data.index(0):,} is zero")
    return data if b"\n" in data else data.replace(b"\r", b"\n")  # of old Macs


def _from_zip(data: bytes, path: Path, part: str) -> bytes | None:
    limit = min(MAX_BYTES, most_unfolded(len(data)))
    try:
        check_directory(data, 64, str(path))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(SUFFIXES)]
            names = [name for name in names if not name.startswith("__MACOSX")]
            chosen = [name for name in names if part in name.rpartition("/")[2].lower()]
            if part == "train" and len(names) == 1:
                chosen = names
            elif not chosen and part != "train":
                return None
            if len(chosen) != 1:
                found = quoted(", ".join(name[:40] for name in names[:8]), 200)[1:-1] or "none"
                raise DataError(
                    f"{path} holds the tables: {found}; expected one, or one with {part} in its name"
                )
            with archive.open(chosen[0]) as file:
                text = file.read(min(limit, archive.getinfo(chosen[0]).file_size) + 1)
    except DAMAGES as error:
        raise DataError(f"{path} is not a readable .zip file: {one_line(error)}") from error
    if len(text) > limit:
        raise DataError(f"{path} unfolds to more than the {limit:,} bytes expected at most")
    return text


class Form(NamedTuple):
    """How to read the lines of a table.

    Attributes:
        separator: None for spaces. decimal: "." or ",".
        names: of the columns; empty without a header.
        width: the number of columns.
        start: where the first row begins, in bytes. line: the number of its line.
    """

    separator: str | None
    decimal: str
    names: tuple[str, ...]
    width: int
    start: int
    line: int

    def cells(self, line: bytes) -> list[str]:
        """The cells of a line."""
        if self.separator is None:
            return [decoded(cell) for cell in line.split()]
        text = decoded(line).strip("\r\n")
        if '"' in text and text.count(self.separator) < 10 * self.width + 1000:
            found = next(csv.reader([text], delimiter=self.separator, skipinitialspace=True), [])
        else:
            found = text.split(self.separator, self.width or -1)  # a line may be of separators alone
        return [cell.strip() for cell in found]

    def column(self, lines: Sequence[bytes], place: int) -> list[str]:
        """The cells of a column."""
        if self.separator is None or any(b'"' in line for line in lines):
            return [self.cells(line)[place] for line in lines]
        between = self.separator.encode()
        return [decoded(line.split(between, place + 1)[place]).strip() for line in lines]

    def is_number(self, cell: str) -> bool:
        """Whether a cell holds a finite number."""
        return _NUMBER.fullmatch(cell.replace(self.decimal, ".")) is not None

    def is_text(self, cell: str) -> bool:
        """Whether a cell holds neither a number nor a sign that there is none."""
        return not self.is_number(cell) and cell.lower() not in _MISSING

    def called(self, column: int) -> str:
        """A column, for messages."""
        name = self.names[column] if self.names else ""
        return quoted(name)[1:-1] if name else f"column {column + 1}"

    def rows(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(its number, itself) of every line below the header that is not empty."""
        return ((number, line) for _, number, line in _lines(data, self.start, self.line))


def form_of(data: bytes, where: str) -> Form:
    """The form of the table `data`. Raises DataError for a first line that no table has."""
    lines = _lines(data, 0, 1)
    start, number, first = next(lines, (0, 1, b""))
    if not first:
        raise DataError(f"{where} is empty; expected a table")
    if len(first) > _LINE_BYTES:
        raise DataError(f"{where}: its first line has {len(first):,} bytes; expected column names or numbers")
    text = decoded(first)
    separator = max(_SEPARATORS, key=text.count)
    is_comma = separator == ";" and data.count(b",") > data.count(b".")
    form = Form(separator if separator in text else None, "," if is_comma else ".", (), 0, start, number)
    if text.count(separator) >= _MOST_COLUMNS:
        raise DataError(
            f"{where}: its first line has {text.count(separator) + 1:,} columns; expected {_MOST_COLUMNS:,} "
            "at most"
        )
    try:
        cells = form.cells(first)
        form = form._replace(width=len(cells))
        start, number, second = next(lines, (len(data), number + 1, b""))
        below = form.cells(second)
    except csv.Error as error:
        raise DataError(f"{where} is not a table: {one_line(error)}") from error
    is_header = _is_header(form, cells, below)
    return form._replace(names=tuple(cells), start=start, line=number) if is_header else form


def _is_header(form: Form, first: Sequence[str], below: Sequence[str]) -> bool:
    numbers = [int(cell) for cell in first if cell.isdecimal() and len(cell) < 9]
    counting = [list(range(start, start + len(numbers))) for start in (0, 1)]
    if len(numbers) > 2 and len(numbers) >= len(first) - 2 and numbers in counting:
        return True
    above = [cell for cell, under in zip(first, below, strict=False) if not form.is_text(under)]
    return any(form.is_text(cell) for cell in above or first)


def _lines(data: bytes, start: int, number: int) -> Iterator[tuple[int, int, bytes]]:
    """(where it begins, its number, itself) of every line from `start` on that is not empty."""
    stream = io.BytesIO(data)
    stream.seek(start)
    for line in stream:
        if line.strip():
            yield start, number, line
        start, number = start + len(line), number + 1


def decoded(line: bytes) -> str:
    """Text of UTF-8, or else of Latin-1, which is what old spreadsheets write."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")
