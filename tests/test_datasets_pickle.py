"""Pickled batches: what is one is read whatever wrote it; what is not is refused, and nothing ever runs."""

from __future__ import annotations

import contextlib
import copyreg
import pickle
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.datasets import safe_pickle
from linclass.datasets.cifar10_npm import pack_batch
from linclass.datasets.safe_pickle import read_batch
from linclass.errors import DataError

X = np.random.default_rng(1).integers(0, 256, (3, 3072), dtype=np.uint8)
LABELS = [7, 0, 9]
NAMES = ["a.png", "b.png", "c.png"]
PUBLISHED_FORM = pack_batch("training batch 1 of 5", X, np.array(LABELS), NAMES)
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"


def with_data(data: bytes) -> bytes:
    """A batch whose `data` is this pickled value."""
    return b"\x80\x02}(U\x06labels](K\x01eU\x04data" + data + b"u."


def array_state(shape: bytes, buffer: bytes, dtype: bytes = b"U\x02u1", version: bytes = b"K\x01") -> bytes:
    """An array as Python 2 pickled it, with the parts that matter given."""
    number = (
        b"cnumpy\ndtype\n"
        + dtype
        + b"K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    content = b"T" + struct.pack("<i", len(buffer)) + buffer
    return RECONSTRUCT + b"K\x00\x85U\x01b\x87R(" + version + shape + number + b"\x89" + content + b"tb"


def test_published_form_is_read_here_and_by_pickle():
    x, y = read_batch(PUBLISHED_FORM, "batch")
    oracle = pickle.loads(PUBLISHED_FORM, encoding="bytes")
    assert np.array_equal(x, X)
    assert np.array_equal(x, oracle[b"data"])
    assert y.tolist() == LABELS == oracle[b"labels"]
    assert oracle[b"filenames"] == [name.encode() for name in NAMES]
    assert pickle.loads(PUBLISHED_FORM, encoding="latin1")["batch_label"] == "training batch 1 of 5"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("encoding", ["bytes", "latin1"])
def test_pickled_again_by_python_3(encoding, protocol, order):
    content = pickle.loads(PUBLISHED_FORM, encoding=encoding)
    key = b"data" if encoding == "bytes" else "data"
    content[key] = np.asarray(content[key], order=order)
    x, y = read_batch(pickle.dumps(content, protocol), "batch")
    assert np.array_equal(x, X)
    assert y.tolist() == LABELS


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_both_spellings_of_numpys_module(module):
    assert np.array_equal(read_batch(PUBLISHED_FORM.replace(b"numpy.core", module.encode()), "b")[0], X)


# Each of these runs a command when it reaches pickle.load: MARKER is created in the current directory.
MARKER = "it-ran"
COMMAND = f"touch {MARKER}".encode()
EVAL = f"open('{MARKER}', 'w').close()".encode()
FIRING = {
    "os.system": b"cos\nsystem\n(U" + bytes([len(COMMAND)]) + COMMAND + b"tR.",
    "eval": b"c__builtin__\neval\n(U" + bytes([len(EVAL)]) + EVAL + b"tR.",
    "protocol 4 name": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c"
    + bytes([len(COMMAND)])
    + COMMAND
    + b"\x85R.",
    "in the data": with_data(b"cos\nsystem\n(U" + bytes([len(COMMAND)]) + COMMAND + b"tR"),
    "INST": b"(S'" + COMMAND + b"'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nU" + bytes([len(COMMAND)]) + COMMAND + b"o.",
    "NEWOBJ": b"csubprocess\nPopen\n(](U\x05touchU" + bytes([len(MARKER)]) + MARKER.encode() + b"etR.",
    "EXT1": b"\x80\x02\x82\xf0(U" + bytes([len(COMMAND)]) + COMMAND + b"tR.",
    "through numpy": b"\x80\x04\x8c\x05numpy\x8c\x19testing._private.utils.os\x93.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0dos.sys.exit.x\x93.",
}


@pytest.mark.parametrize("name", FIRING)
def test_nothing_is_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = FIRING[name]
    copyreg.add_extension("os", "system", 0xF0)
    try:
        with pytest.raises(DataError):
            read_batch(data, "batch")
        assert list(tmp_path.iterdir()) == []
        # the same bytes do fire where they may: the test would notice
        with contextlib.suppress(Exception):
            process = pickle.loads(data, encoding="latin1")
            if isinstance(process, subprocess.Popen):  # not the module os, which waits for any child
                process.wait()
        if name not in ("through numpy", "dotted name"):
            assert Path(MARKER).exists()
    finally:
        copyreg.remove_extension("os", "system", 0xF0)


ONE_ROW = b"K\x01M\x00\x0c\x86"
ZEROS = b"\0" * 3072
HUGE = b"\x8a\x06" + (10**12).to_bytes(6, "little")
REFUSED = {
    "931 GiB by a shape": (with_data(RECONSTRUCT + HUGE + b"\x85U\x01b\x87R"), "not an array"),
    "claims a huge shape": (with_data(array_state(HUGE + b"M\x00\x0c\x86", b"abc")), "1,000,000,000,000"),
    "claims more than it holds": (with_data(array_state(b"K\x02M\x00\x0c\x86", b"abc")), "holds 3"),
    "transposed": (with_data(array_state(b"M\x00\x0cK\x02\x86", b"\0" * 6144)), "looks transposed"),
    "one dimension": (with_data(array_state(b"M\x00\x0c\x85", b"\0" * 3072)), "two dimensions"),
    "float64": (with_data(array_state(ONE_ROW, ZEROS, b"U\x02f8")), "'f8'"),
    "structured bytes": (
        with_data(array_state(ONE_ROW, ZEROS).replace(b"NNNJ", b"U\x01xNNJ")),
        "unknown version or structure",
    ),
    "backslashes in a name": (b"\x80\x02cnum\\cpy\ndtype\n.", "asks for"),
    "half a name": (b"\x80\x02cnumpy", "asks for"),
    "unknown version": (with_data(array_state(ONE_ROW, ZEROS, version=b"K\x09")), "version"),
    "negative rows": (with_data(array_state(b"J\xff\xff\xff\xffM\x00\x0c\x86", b"")), "two dimensions"),
    "persistent id": (b"\x80\x02U\x01xQ.", "BINPERSID"),
    "persistent id, text": (b"Pname\n.", "PERSID"),
    "out-of-band buffer": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "memo at 2^32 - 1": (b"\x80\x02]r\xff\xff\xff\xff.", "expected the keys"),
    "memo read before it is set": (b"\x80\x02}h\x05.", "does not fit"),
    "a number of ten million digits": (b"L" + b"9" * 10_000_000 + b"L\n.", "LONG"),
    "text of 2^62 bytes": (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.", "cut off"),
    "dictionary key of tuples": (b"\x80\x02}" + b")" + b"\x85" * 1000 + b"Ns.", "does not fit"),
    "attributes set on a name": (b"\x80\x02cnumpy\ndtype\n}U\x01xK\x01sb.", "does not fit"),
    "no list of labels": (with_data(array_state(ONE_ROW, ZEROS)).replace(b"](K\x01e", b"N"), "list"),
    "no dictionary": (b"\x80\x02].", "expected the keys"),
    "CIFAR-100": (b"\x80\x02}(U\x04data]U\x0bfine_labels]u.", "CIFAR-100"),
    "two objects": (b"\x80\x02}}.", "one object"),
    "text label": (PUBLISHED_FORM.replace(b"K\x07K\x00", b"U\x00K\x00"), "label 0 is not"),
    "no pickle at all": (b"<html>not found</html>", "no place"),
    "empty": (b"", "ends after 0 bytes"),
    "bytes after the end": (PUBLISHED_FORM + b"xyz", "3 bytes follow"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name):
    data, reason = REFUSED[name]
    with pytest.raises(DataError, match=r"^data_batch_1 is not a pickled CIFAR-10 batch: ") as caught:
        read_batch(data, "data_batch_1")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shared_tuples_as_a_key_do_not_take_for_ever():
    # pickle.load needs 2^60 steps for these 300 bytes
    bomb = b"\x80\x02})" + b"".join(b"q\x01h\x01\x86" for _ in range(60)) + b"Ns."
    with pytest.raises(DataError):
        read_batch(bomb, "batch")


def test_text_cannot_be_multiplied():
    text = b"X" + struct.pack("<i", 1000) + b"x" * 1000
    once = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    with pytest.raises(DataError, match="repeats its text"):
        read_batch(b"\x80\x02(" + text + b"q\x00" + once * 100 + b"t.", "batch")


def test_size_and_instructions_are_capped(monkeypatch):
    with pytest.raises(DataError, match="more than 125,000 instructions"):
        read_batch(b"\x80\x02" + b"N" * 500_000, "batch")
    monkeypatch.setattr(safe_pickle, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="at most 100"):
        read_batch(PUBLISHED_FORM, "batch")


@pytest.mark.parametrize("kept", [1, 50, 300, 5000, len(PUBLISHED_FORM) - 1])
def test_truncated_files_name_the_byte(kept):
    with pytest.raises(DataError, match="byte"):
        read_batch(PUBLISHED_FORM[:kept], "batch")


CONTENT = pickle.loads(PUBLISHED_FORM, encoding="bytes")
FORMS = [PUBLISHED_FORM, *(pickle.dumps(CONTENT, protocol) for protocol in (2, 3, 4, 5))]


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(FORMS), st.integers(0, 399), st.integers(0, 255), st.booleans())
def test_a_changed_byte_is_refused_or_harmless(form, position, value, tail):
    damaged = bytearray(form)
    damaged[-position - 1 if tail else position] = value
    with contextlib.suppress(DataError):
        x, y = read_batch(bytes(damaged), "batch")
        assert x.shape[1] == 3072
        assert y.dtype == np.int64


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(data):
    with pytest.raises(DataError):
        read_batch(b"\x80\x02" + data, "batch")
