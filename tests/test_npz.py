"""Reading .npz without trust: round trips, and files that ask for what they must not get."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from linclass import npz
from linclass.errors import DataError, quoted

NAMES = ("a", "b")
ARRAYS = {"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.array([True, False])}


def unpack(data: bytes, **changes) -> dict[str, np.ndarray]:
    return npz.unpack(data, "state.npz", **{"required": NAMES, "max_bytes": 1 << 20, **changes})


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    """A version-1 array file with this header."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(compression: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return buffer.getvalue()


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        st.sampled_from(["f4", "f8", ">f8", "i8", "u1", "?"]),
        hnp.array_shapes(min_dims=0, min_side=0),
        fill=st.nothing(),
    )
)
def test_round_trip_is_exact(array):
    for data in (npz.pack({"a": array, "b": array}), npz.pack({"a": np.array(array, order="F"), "b": array})):
        back = unpack(data)
        assert list(back) == ["a", "b"]
        for got in back.values():
            assert got.dtype == array.dtype
            assert got.shape == array.shape
            assert got.tobytes() == array.tobytes()
            assert got.flags.writeable or got.size == 0


def test_same_arrays_same_bytes_and_numpy_reads_them():
    assert npz.pack(ARRAYS) == npz.pack(ARRAYS)
    with np.load(io.BytesIO(npz.pack(ARRAYS)), allow_pickle=False) as oracle:
        assert all(np.array_equal(oracle[name], ARRAYS[name]) for name in NAMES)


def test_optional_arrays_and_compressed_files(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **ARRAYS, c=np.ones(2))
    assert sorted(unpack(buffer.getvalue(), optional=("c", "d"))) == ["a", "b", "c"]
    (tmp_path / "x.npz").write_bytes(buffer.getvalue())
    assert len(npz.read(tmp_path / "x.npz", required=NAMES, optional=("c",), max_bytes=10_000)) == 3


LONG = npy("'<f8'", "(500000000000,)")
MANY = npy("'|u1'", "(9000000,)", b"\0" * 9_000_000)
A, B = npy("'<f4'", "(3,)", b"\0" * 12), npy("'|b1'", "(1,)", b"\1")
HOSTILE = {
    "3.64 TiB in 182 bytes": (archive(a=LONG, b=B), "header says 4,000,000,000,000"),
    "negative shape": (archive(a=npy("'<f4'", "(-3,)", b"\0" * 12), b=B), "a.npy"),
    "negative product": (archive(a=npy("'<f4'", "(-1, -3)", b"\0" * 12), b=B), "a.npy"),
    "objects": (archive(a=npy("'|O'", "(1,)", b"\x80\x04N."), b=B), "expected numbers"),
    "text": (archive(a=npy("'<U4'", "(1,)", b"\0" * 16), b=B), "expected numbers"),
    "records": (archive(a=npy("[('x', '<f4')]", "(3,)", b"\0" * 12), b=B), "expected numbers"),
    "complex": (archive(a=npy("'<c8'", "(1,)", b"\0" * 8), b=B), "expected numbers"),
    "a call in the header": (archive(a=npy("__import__('os')", "(1,)"), b=B), "damaged"),
    "deep header": (archive(a=npy("(" * 60 + ")" * 60, "()"), b=B), "damaged"),
    "no header": (archive(a=b"hello", b=B), "damaged"),
    "format version 9": (archive(a=A.replace(b"NUMPY\x01", b"NUMPY\x09"), b=B), "version"),
    "too short": (archive(a=A[:-1], b=B), "header says 12"),
    "too long": (archive(a=A + b"\0", b=B), "header says 12"),
    "an array missing": (archive(a=A), "expected the arrays a, b; found a"),
    "an array too many": (archive(a=A, b=B, c=B), "found a, b, c"),
    "bzip2": (archive(zipfile.ZIP_BZIP2, a=A, b=B), "compressed in an unknown way"),
    "zip bomb": (archive(zipfile.ZIP_DEFLATED, a=MANY, b=B), "take 9,000,"),
    "no zip": (b"PK nothing", "not a readable .npz"),
    "empty": (b"", "not a readable .npz"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(name):
    data, reason = HOSTILE[name]
    with pytest.raises(DataError, match=r"state\.npz") as caught:
        unpack(data)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_there_twice():
    data = archive(a=A, b=B, c=B).replace(b"c.npy", b"b.npy")
    with pytest.raises(DataError):
        unpack(data)


def test_a_directory_that_understates_a_member():
    data = archive(zipfile.ZIP_DEFLATED, a=npy("'|u1'", "(100000,)", b"\0" * 100_000), b=B)
    size = struct.pack("<I", 100_000 + 128)
    assert data.count(size) == 2
    with pytest.raises(DataError):
        unpack(data.replace(size, struct.pack("<I", 500)))


def test_file_larger_than_the_limit(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(npz.pack(ARRAYS))
    with pytest.raises(DataError, match="larger than the 100 bytes"):
        npz.read(path, required=NAMES, max_bytes=100)
    with pytest.raises(DataError, match="no such file"):
        npz.read(tmp_path / "y.npz", required=NAMES, max_bytes=100)


def test_every_flipped_bit_is_refused_or_harmless():
    data = npz.pack(ARRAYS)
    refused = 0
    for bit in range(0, 8 * len(data), 3):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            back = unpack(bytes(damaged))
        except DataError:
            refused += 1
        else:
            assert all(np.array_equal(back[name], ARRAYS[name]) for name in NAMES)
    assert refused > len(data)


@pytest.mark.parametrize("kept", [0, 10, 100, 300, -1])
def test_truncated(kept):
    with pytest.raises(DataError):
        unpack(npz.pack(ARRAYS)[:kept])


def test_damaged_deflate_stream():
    data = bytearray(archive(zipfile.ZIP_DEFLATED, a=A, b=B))
    start = data.index(b"a.npy") + 5
    assert zlib.decompressobj(-15).decompress(bytes(data[start:])).startswith(b"\x93NUMPY")
    data[start : start + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(DataError):
        unpack(bytes(data))


def test_long_names_of_wide_characters_stay_a_short_message() -> None:
    names = ["\N{GREEK SMALL LETTER TAU}" * 100 + str(i) for i in range(3)]
    with pytest.raises(DataError) as caught:
        unpack(npz.pack({name: np.zeros(1) for name in names}))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a" * 10, "'aaaaaaaaaa'"), ("a" * 11, "'aaaaaaa...'"), ("\n" * 6, "'\\n\\n\\n\\...'"), ("'", '"\'"')],
)
def test_quoted_text_is_never_longer_than_asked_for(text: str, shown: str) -> None:
    assert quoted(text, 10) == shown
