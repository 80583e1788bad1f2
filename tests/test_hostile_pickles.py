"""Pickles that act under `pickle.load`, and pickles that fill memory: the batch reader refuses them all."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import hostile_pickles
import pytest
from hostile_pickles import CORPUS, ELSEWHERE, FIRING, name, short, text, value

from linclass.datasets.cifar10_npm import pack_batch
from linclass.datasets.safe_pickle import read_batch
from linclass.errors import DataError

MB = 1 << 20
HARMLESS = {"object.__getattr__", "object.__setattr__", "object.__delattr__"}
EVENTS: list[str] | None = None  # of Python's audit, while the reader runs


def audit(event: str, arguments: tuple[object, ...]) -> None:
    if EVENTS is not None and event not in HARMLESS:
        EVENTS.append(event)


def refusal(data: bytes) -> tuple[str, list[str], int]:
    """The message, what was done meanwhile (opened, imported, executed ...), peak bytes of memory."""
    global EVENTS
    tracemalloc.start()
    EVENTS = []
    try:
        read_batch(data, "data_batch_1")
    except DataError as error:
        message = str(error)
    else:
        message = "read"
    finally:
        seen, EVENTS = EVENTS, None
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return message, seen, peak


@pytest.fixture(scope="module", autouse=True)
def _audited():
    sys.addaudithook(audit)  # it stays, and does nothing outside `refusal`


def test_the_corpus_acts_where_it_may(tmp_path):
    command = [sys.executable, hostile_pickles.__file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    acted = json.loads(done.stdout.splitlines()[-1])
    assert set(FIRING) - set(acted) == set()
    assert len(acted) >= 60


@pytest.mark.parametrize("label", [*CORPUS])
def test_nothing_acts_here(label, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with hostile_pickles.extensions():
        message, seen, peak = refusal(CORPUS[label])
    assert message.startswith("data_batch_1 is not a pickled CIFAR-10 batch: ")
    assert seen == []
    assert list(tmp_path.iterdir()) == []
    assert peak < 3 * len(CORPUS[label]) + 16 * MB
    assert message.isprintable()
    assert len(message) < 300


def test_the_audit_would_notice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    global EVENTS
    EVENTS = []
    Path("x").mkdir()
    seen, EVENTS = EVENTS, None
    assert "os.mkdir" in seen


def data_of(size: int) -> bytes:
    return b"T" + struct.pack("<i", size) + b"\0" * size


N = 120_000  # instructions, just below the limit
DTYPE = b"cnumpy\ndtype\nU\x02u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
LONG_TEXT = b"X" + struct.pack("<i", 3072 * 300) + b"a" * 3072 * 300
BOMBS = {
    # the first four took all memory of an earlier reader, a step at a time
    "one text as many arrays": b"\x80\x02" + LONG_TEXT + b"q\0" + DTYPE + b"q\1" + b"M\x2c\1M\x00\x0c\x86q\2"
    + (RECONSTRUCT + b"(K\1h\2h\1\x89h\0tb") * 3000 + b".",
    "one string as many keys": b"\x80\x02" + data_of(2 * MB) + b"q\0" + b"}h\0Ns" * 20_000 + b".",
    "one string as many types": b"\x80\x02" + data_of(2 * MB) + b"q\0" + b"cnumpy\ndtype\nq\1"
    + b"h\1h\0K\0K\1\x87R" * 20_000 + b".",
    "one string as many names": b"\x80\x04X" + struct.pack("<i", 2 * MB) + b"a" * 2 * MB + b"q\0"
    + b"h\0h\0\x93" * 20_000 + b".",
    "one wide character": b"\x80\x02X" + struct.pack("<i", 8 * MB) + "\U0001f600".encode()
    + b"a" * (8 * MB - 4) + b".",
    "a name of 8 MB": b"\x80\x02c" + b"a" * 8 * MB + b"\nb\n.",
    "a module of 8 MB": b"\x80\x02" + text("a" * 8 * MB) + text("b") + b"\x93.",
    "marks": b"\x80\x02" + b"(" * (N // 10),
    "marks with something": b"\x80\x02" + b"(N" * (N // 2),
    "more marks than instructions": b"\x80\x02" + b"(" * 8 * MB,
    "dictionaries": b"\x80\x02" + b"}U\0Ns" * (N // 4),
    "dictionaries in dictionaries": b"\x80\x02" + b"}U\0" * (N // 10 // 2) + b"}" + b"s" * (N // 10 // 4),
    "lists": b"\x80\x02" + b"]Na" * (N // 10 // 3),
    "nested lists": b"\x80\x02" + b"]" * (N // 2) + b"a" * (N // 2 - 1) + b".",
    "nested tuples": b"\x80\x02)" + b"\x85" * (N // 10) + b".",
    "doubled tuples": b"\x80\x02)" + b"q\0h\0\x86" * (N // 3) + b".",
    "a list in itself": b"\x80\x02]q\0" + b"h\0a" * (N // 2) + b".",
    "blocks": b"\x80\x02" + RECONSTRUCT[:46] + b"q\0" + name("numpy", "ndarray") + b"K\0\x85U\1b\x87q\1"
    + b"h\0h\1R" * (N // 3),
    "memo": b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", 4_000_000_000 - i) for i in range(N)),
    "memo counted up": b"\x80\x04N" + b"\x94" * (N // 10) + b".",
    "whole numbers of 255 bytes": b"\x80\x02" + (b"\x8a\xff" + b"\x7f" * 255) * 20_000,
    "a number of 2^31 bytes": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\x7f" * 100,
    "a number of -1 bytes": b"\x80\x02\x8b\xff\xff\xff\xff.",
    "text of 2^63 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"x.",
    "text of 2^64 - 1 bytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**64 - 1) + b"x.",
    "bytes of 2^63 bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.",
    "bytearray of 2^62 bytes": b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x.",
    "string of -1 bytes": b"\x80\x02T\xff\xff\xff\xff.",
    "a frame of 2^62 bytes": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
    "frames in frames": b"\x80\x04" + (b"\x95" + struct.pack("<Q", 9)) * (N // 10 // 2) + b"N.",
    "numpy text": b"\x80\x02cnumpy\ndtype\n" + value(("O", 0, 1)) + b"R.",
    "numpy zeros": b"\x80\x02" + RECONSTRUCT.replace(b"K\0\x85", b"\x8a\6" + b"\x7f" * 6 + b"\x85") + b".",
    "persistent": b"Pid\n.",
    "persistent, binary": b"\x80\x02" + text("id") + b"Q.",
    "unregistered extension": b"\x80\x02\x84\x01\0\0\0.",
    "extension 0": b"\x80\x02\x82\0.",
    "a key that breaks the line": b"\x80\x04}" + short("a\n\x1b[31m") + b"Ns.",
    "a name that breaks the line": b"\x80\x04" + short("a\n\x1b[2J") + short("b") + b"\x93.",
}  # fmt: skip


@pytest.mark.parametrize("label", BOMBS)
def test_memory_is_bounded_by_the_file(label):
    message, seen, peak = refusal(BOMBS[label])
    assert message.startswith("data_batch_1 is not a pickled CIFAR-10 batch: ")
    assert peak < 3 * len(BOMBS[label]) + 16 * MB
    assert seen == []
    assert message.isprintable()
    assert len(message) < 300


def test_a_real_batch_takes_no_more_either():
    import numpy as np

    x = np.zeros((2000, 3072), np.uint8)
    batch = pack_batch("a batch", x, np.zeros(2000, int), [f"{i}.png" for i in range(2000)])
    message, seen, peak = refusal(batch)
    assert (message, seen) == ("read", [])
    assert peak < 3 * len(batch)


def test_names_that_act_elsewhere_are_few():
    assert len(ELSEWHERE) < 5
