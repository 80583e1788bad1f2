"""Pickled CIFAR batches, read without running anything.

A pickle is a program for a stack machine, and `pickle.load` calls whatever that program names. Here a
smaller machine runs it: it knows the few instructions that a batch needs, six inert names, and how one
array of bytes is described. It calls nothing, imports nothing, and allocates no more than the file holds.

(A subclass of `pickle.Unpickler` with a restricted `find_class` is not enough: two megabytes of nested
tuples as a dictionary key crash the interpreter, and a hundred bytes of shared ones keep it busy for
ever, without naming any class.)

Read: the published batches (protocol 2, written by Python 2) and the same content pickled again by
Python 3 with protocol 2 to 5, in C or Fortran order.
"""

from __future__ import annotations

import enum
import io
import pickletools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from linclass.errors import DataError, quoted
from linclass.params import Array

PIXELS = 3072
MAX_BYTES = 64 << 20  # 30.7 MB of pixels; as text in UTF-8, the largest variant, up to twice that
_MAX_OPERATIONS = 125_000  # ten thousand rows need 90,152 at most; each can cost a hundred bytes
_MAX_NAME = 64  # characters of a key, a number type, a module
_FIRST_WIDE = 0xC4  # in UTF-8 this byte or a larger one begins every character beyond Latin-1


class _Name(enum.Enum):
    """What a pickled array may refer to; the values are labels, never looked up."""

    ENCODE = "_codecs.encode"
    RECONSTRUCT = "numpy _reconstruct"
    FROMBUFFER = "numpy _frombuffer"
    NDARRAY = "numpy.ndarray"
    DTYPE = "numpy.dtype"


_GLOBALS: dict[tuple[str, ...], _Name] = {
    ("_codecs", "encode"): _Name.ENCODE,
    ("numpy.core.multiarray", "_reconstruct"): _Name.RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _Name.RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): _Name.FROMBUFFER,
    ("numpy._core.numeric", "_frombuffer"): _Name.FROMBUFFER,
    ("numpy", "ndarray"): _Name.NDARRAY,
    ("numpy", "dtype"): _Name.DTYPE,
}


@dataclass(eq=False)
class _UInt8:
    """The inert `numpy.dtype("u1")`."""


@dataclass(eq=False)
class _Block:
    """The inert array: bytes and what they claim to be."""

    shape: Any = None
    order: Literal["C", "F"] = "C"
    buffer: bytes | bytearray = b""


class _Refused(Exception):
    """Why this pickle is not a batch."""


_UINT8 = _UInt8()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1"}
_STRINGS = {"SHORT_BINSTRING", "BINSTRING", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_STRINGS |= {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_TEXTS = {"SHORT_BINUNICODE": "<B", "BINUNICODE": "<I", "BINUNICODE8": "<Q"}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ALLOWED = {
    *_CONSTANTS,
    *_NUMBERS,
    *_STRINGS,
    *_TUPLES,
    *("PROTO", "FRAME", "STOP", "MARK", "TUPLE", "EMPTY_LIST", "APPEND", "APPENDS"),
    *("EMPTY_DICT", "SETITEM", "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"),
}
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}


def read_batch(data: bytes, label: str) -> tuple[Array, Array]:
    """Pixels `(n, 3072)` uint8 (read-only) and labels `(n,)` int64 of one pickled batch.

    `label` names the file in messages. Labels are whole numbers, their range is the caller's to check.
    Raises DataError for anything that is not such a batch.
    """
    if len(data) > MAX_BYTES:
        raise DataError(f"{label} holds {len(data):,} bytes; a batch has at most {MAX_BYTES:,}")
    try:
        content = _Machine(len(data)).run(data)
        return _pixels(content), _labels(content)
    except _Refused as reason:
        raise DataError(f"{label} is not a pickled CIFAR-10 batch: {reason}") from None


def _operations(data: bytes) -> Iterator[tuple[int, str, Any]]:
    """(position, name, argument), like `pickletools.genops`, but no argument of a refused one is read."""
    file = io.BytesIO(data)
    for _ in range(_MAX_OPERATIONS):
        position = file.tell()
        opcode = _OPCODES.get(file.read(1))
        if position == len(data):
            raise _Refused(f"it ends after {position:,} bytes, before its last instruction")
        if opcode is None or opcode.name not in _ALLOWED:
            name = "an unknown instruction" if opcode is None else f"the instruction {opcode.name}"
            raise _Refused(f"{name} at byte {position:,} has no place in one")
        try:
            argument = _argument(opcode, file)
        except (ValueError, struct.error) as error:
            raise _Refused(f"it is cut off or damaged at byte {position:,} of {len(data):,}") from error
        yield position, opcode.name, argument
        if opcode.name == "STOP":
            if file.tell() != len(data):
                raise _Refused(f"{len(data) - file.tell():,} bytes follow its end")
            return
    raise _Refused(f"it has more than {_MAX_OPERATIONS:,} instructions")


def _argument(opcode: pickletools.OpcodeInfo, file: io.BytesIO) -> Any:
    if opcode.name == "GLOBAL":  # two lines; the reader of pickletools would interpret their backslashes
        return tuple(file.readline(_MAX_NAME).rstrip(b"\n").decode("ascii") for _ in range(2))
    if opcode.name in _TEXTS:
        return _read_text(file, _TEXTS[opcode.name])
    return None if opcode.arg is None else opcode.arg.reader(file)


def _read_text(file: io.BytesIO, size_format: str) -> str:
    """UTF-8 text of Latin-1 characters: one wider character would make four bytes of every one."""
    (size,) = struct.unpack(size_format, file.read(struct.calcsize(size_format)))
    if size > len(file.getbuffer()) - file.tell():
        raise ValueError
    utf8 = file.read(size)
    if not utf8.isascii() and np.frombuffer(utf8, np.uint8).max() >= _FIRST_WIDE:
        raise _Refused("its text goes beyond Latin-1")
    return utf8.decode("utf-8")


class _Machine:
    """The pickle stack machine, reduced to values that cannot act."""

    def __init__(self, budget: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.budget = budget  # bytes that may still be made from text: never more than the file holds

    def run(self, data: bytes) -> Any:
        """The object that the pickle describes."""
        for position, name, argument in _operations(data):
            try:
                self.step(name, argument)
            except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
                raise _Refused(f"{name} at byte {position:,} does not fit what precedes it") from error
        if len(self.stack) != 1 or self.marks:
            raise _Refused("it does not end with one object")
        return self.stack[0]

    def step(self, name: str, argument: Any) -> None:
        """One instruction."""
        stack = self.stack
        if name in _NUMBERS or name in _STRINGS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(stack)
            self.stack = []
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append([] if name == "EMPTY_LIST" else {})
        elif name in _TUPLES or name == "TUPLE":
            items = self.pop_marked() if name == "TUPLE" else self.pop(_TUPLES[name])
            self.stack.append(tuple(items))
        elif name in ("APPEND", "APPENDS"):
            items = self.pop_marked() if name == "APPENDS" else self.pop(1)
            _as(list, self.stack[-1]).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self.pop_marked() if name == "SETITEMS" else self.pop(2)
            keys = [_text(key) for key in items[::2]]
            _as(dict, self.stack[-1]).update(zip(keys, items[1::2], strict=True))
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name == "STACK_GLOBAL":
            stack.append(_named(tuple(_text(part) for part in self.pop(2))))
        elif name == "REDUCE":
            function, arguments = self.pop(2)
            stack.append(self.reduce(function, _as(tuple, arguments)))
        elif name == "BUILD":
            target, state = stack[-2], _as(tuple, stack.pop())
            self.build(target, state)

    def pop(self, n: int) -> list[Any]:
        """The last n values, in order."""
        if len(self.stack) < n:
            raise IndexError
        items = self.stack[len(self.stack) - n :]
        del self.stack[len(self.stack) - n :]
        return items

    def pop_marked(self) -> list[Any]:
        """All values since the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def reduce(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """What the named numpy function would give, as an inert value."""
        if function is _Name.DTYPE and _text(arguments[0]) in ("u1", "|u1"):
            return _UINT8
        if function is _Name.DTYPE:
            raise _Refused(f"its numbers are {quoted(_text(arguments[0]), 20)}; expected 'u1', bytes")
        if function is _Name.RECONSTRUCT and arguments[0] is _Name.NDARRAY:
            return _Block()
        if function is _Name.FROMBUFFER:
            buffer, dtype, shape, order = arguments
            return _fill(_Block(), dtype, shape, order, buffer)
        if function is _Name.ENCODE and arguments[1] == "latin1":
            return self.encode(_as(str, arguments[0]))
        raise ValueError

    def build(self, target: Any, state: tuple[Any, ...]) -> None:
        """`__setstate__` of the two inert values."""
        if target is _UINT8:
            if state[0] != 3 or _text(state[1]) != "|" or state[2:5] != (None, None, None):
                raise _Refused("its number type has an unknown version or structure")
            return
        version, shape, dtype, is_fortran, buffer = state
        if version != 1:
            raise _Refused("its array has an unknown version; expected 1")
        buffer = self.encode(buffer) if type(buffer) is str else buffer
        _fill(_as(_Block, target), dtype, shape, "F" if is_fortran is True else "C", buffer)

    def encode(self, text: str) -> bytes:
        """Text as the bytes it stands for; the same text again and again would fill any memory."""
        self.budget -= len(text)
        if self.budget < 0:
            raise _Refused("it repeats its text beyond its own size")
        return text.encode("latin-1")


def _as(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _text(value: Any) -> str:
    """A short text: a long one, decoded for each of its uses, would fill any memory."""
    if len(value) > _MAX_NAME:
        raise ValueError
    return value.decode("latin-1") if type(value) is bytes else str(_as(str, value))


def _named(name: tuple[str, ...]) -> _Name:
    if name not in _GLOBALS:
        raise _Refused(f"it asks for {quoted('.'.join(name), 60)}, which is never called here")
    return _GLOBALS[name]


def _fill(block: _Block, dtype: Any, shape: Any, order: Any, buffer: Any) -> _Block:
    if dtype is not _UINT8 or order not in ("C", "F") or type(buffer) not in (bytes, bytearray):
        raise _Refused("its array is not one of bytes; expected uint8")
    if len(_as(tuple, shape)) != 2 or any(type(n) is not int or n < 0 for n in shape):
        raise _Refused(f"its array does not have two dimensions; expected (n, {PIXELS})")
    rows, columns = shape
    if rows == PIXELS != columns:
        raise _Refused(f"its array ({rows:,}, {columns:,}) looks transposed; expected (n, {PIXELS})")
    if columns != PIXELS or rows * columns != len(buffer):
        raise _Refused(
            f"its array claims {_short(rows)} x {_short(columns)} bytes and holds {len(buffer):,}; "
            f"expected (n, {PIXELS})"
        )
    block.shape, block.order, block.buffer = (rows, columns), order, buffer
    return block


def _short(n: int) -> str:
    return f"{n:,}" if n < 10**15 else "over 10^15"


def _pixels(content: Any) -> Array:
    if type(content) is not dict or "data" not in content or "labels" not in content:
        if type(content) is not dict:
            raise _Refused("expected the keys data and labels; found no dictionary")
        keys = ", ".join(quoted(key, 20) for key in list(content)[:6])
        hint = " (CIFAR-100 has them)" if "fine_labels" in keys else ""
        raise _Refused(f"expected the keys data and labels; found {keys or 'nothing'}{hint}")
    block = content["data"]
    if type(block) is not _Block or block.shape is None:
        raise _Refused("its data is not an array")
    pixels: Array = np.frombuffer(block.buffer, np.uint8).reshape(block.shape, order=block.order)
    return pixels


def _labels(content: dict[str, Any]) -> Array:
    labels = content["labels"]
    if type(labels) is not list:
        raise _Refused("its labels are not a list")
    for row, value in enumerate(labels):
        if type(value) is not int or not -(2**31) <= value < 2**31:
            raise _Refused(f"label {row:,} is not a whole number")
    return np.array(labels, np.int64)
