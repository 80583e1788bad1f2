"""Files made to do harm: every reader refuses them in one line, in memory that the file's size bounds."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import stat
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fuzz import seeds
from fuzz.__main__ import NAMES
from fuzz.mutation import mutate
from fuzz.targets import TARGETS, survives
from linclass import npz
from linclass.datasets import mat_file
from linclass.datasets.archive import members
from linclass.datasets.cifar10_npm import unpack_package
from linclass.datasets.cifar10_published import URL, unpack_archive
from linclass.datasets.fetch import Recipe, fetch
from linclass.datasets.published import Facts, Remote
from linclass.errors import DataError
from linclass.evaluation.submission import write_submission
from linclass.training.history import COLUMNS, History

MB = 1 << 20
ROOT = Path(__file__).parent.parent


# any bytes, to every reader


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(name):
    target = TARGETS[name]
    assert all(survives(target, data) for data in target.seeds())


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=25)
@given(st.data())
def test_changed_files_are_read_or_refused(name, data):
    target = TARGETS[name]
    files = target.seeds()
    changed = mutate(files, random.Random(data.draw(st.integers(0, 2**32))))
    whole = data.draw(st.sampled_from(files))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    flipped = bytearray(whole)
    flipped[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    over_long = whole + data.draw(st.binary(min_size=1, max_size=20))
    for hostile in (changed, cut, bytes(flipped), over_long, data.draw(st.binary(max_size=60))):
        survives(target, hostile)


def test_the_fuzzer_counts_and_would_notice(monkeypatch, tmp_path):
    from fuzz import campaign

    monkeypatch.setattr(campaign, "CRASHES", tmp_path)
    assert campaign.plain("npz", 40, seed=1).runs == 40

    def planted(data: bytes) -> None:
        raise DataError("two\nlines") if data.startswith(b"P") else KeyError("a leak")

    monkeypatch.setitem(TARGETS, "npz", TARGETS["npz"]._replace(read=planted))
    tally = campaign.plain("npz", 10, seed=1)
    assert len(tally.crashes) == tally.runs == 10
    assert all((tmp_path / name).is_file() for name in tally.crashes)


def test_the_command_knows_every_target():
    assert set(NAMES) == set(TARGETS)
    command = [sys.executable, "-m", "fuzz", "sample", "--plain", "--runs", "5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "5 inputs" in done.stdout


LEAKS = """
import pathlib, sys

from fuzz import __main__, campaign, targets


def leaks(data):
    if data.startswith(b"P"):
        raise KeyError("a leak")


campaign.CRASHES = pathlib.Path("crashes")
targets.TARGETS["npz"] = targets.TARGETS["npz"]._replace(read=leaks)
sys.exit(__main__.main())
"""


@pytest.mark.parametrize("options", [["--plain"], []], ids=["plain", "guided"])
def test_a_crash_is_an_error_of_the_command(options, tmp_path):
    if not options and find_spec("atheris") is None:
        pytest.skip("not installed: atheris")
    report = tmp_path / "tally.json"
    command = [sys.executable, "-c", LEAKS, "npz", "--runs", "15", "--report", str(report), *options]
    where = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "15 inputs" in done.stdout
    assert len(json.loads(report.read_text())["crashes"]) > 0


# a few kilobytes that ask for gigabytes


def refusal(read, most: int) -> str:
    """The message of the DataError that `read` raises within `most` bytes of memory."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert peak < most, f"{peak:,} bytes: {message}"
    assert message.isprintable()
    assert len(message) < 600
    return message


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(name: bytes, dimensions: bytes, data: bytes) -> bytes:
    parts = (
        element(6, struct.pack("<II", 9, 0)) + element(5, dimensions) + element(1, name) + element(2, data)
    )
    return element(14, parts)


MAT = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
ONE = struct.pack("<ii", 1, 1)


def packed(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<II", 15, len(z)) + z for z in map(zlib.compress, elements))


MAT_BOMBS = {
    "a name of 8 MB": (packed(matrix(b"a" * 8 * MB, ONE, b"\0")), "too long"),
    "many names": (packed(*(matrix(b"%d" % i, ONE, b"\0" * 100_000) for i in range(30))), "expected data"),
    "two million dimensions": (packed(matrix(b"data", b"\1\0\0\0" * 2 * MB, b"\0")), "too long"),
    "more labels than rows": (
        packed(matrix(b"data", struct.pack("<ii", 1, MB), b"\0" * MB),
               matrix(b"labels", struct.pack("<ii", 8 * MB, 1), b"\0" * 8 * MB)),
        "8,388,608 labels; expected 2",
    ),
    "a million elements": (element(7, b"") * 125_000, "more than 1,000 elements"),
    "a name that breaks the line": (matrix(b"a\n\x1b[2J", ONE, b"\0"), "a\\n\\x1b[2J"),
}  # fmt: skip


@pytest.mark.parametrize("name", MAT_BOMBS)
def test_mat_bombs(name, tmp_path):
    body, reason = MAT_BOMBS[name]
    path = tmp_path / "b.mat"
    path.write_bytes(MAT + body)
    assert reason in refusal(lambda: mat_file.read_mat(path, 2), 48 * MB)


def test_mat_elements_share_one_allowance(tmp_path, monkeypatch):
    monkeypatch.setattr(mat_file, "_MAX_UNFOLDED", MB)
    path = tmp_path / "b.mat"
    path.write_bytes(MAT + packed(*[matrix(b"x", ONE, b"\0" * 300_000)] * 5))
    assert "unfolds to more than" in refusal(lambda: mat_file.read_mat(path, 2), 8 * MB)


def zipped(compression: int = zipfile.ZIP_STORED, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in files.items():
            file.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    return b"\x93NUMPY" + version + size + header.encode() + data


def header(descr: str = "<f4", shape: str = "(1,)", order: str = "False") -> str:
    return f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"


def directory_of(n: int) -> bytes:
    """A zip file of nothing but n entries of its directory."""
    entry = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 20, 3, 20, *[0] * 8, 1, *[0] * 6) + b"a"
    return entry * n + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, n & 0xFFFF, n & 0xFFFF, len(entry) * n, 0, 0)


SHORT = b"\0" * 4
NPZ_BOMBS = {
    "ratio": (zipped(zipfile.ZIP_DEFLATED, a=b"\0" * (65 * MB)), "more than 200 times as many"),
    "100,000 members": (directory_of(100_000), "about 100,000 members; expected 1 at most"),
    "a header of 60 KB": (zipped(a=npy(" " * 60_000)), "a header of 60,000 bytes"),
    "a header of 2 GB": (zipped(a=b"\x93NUMPY\2\0\xff\xff\xff\x7f"), "a header of 2,147,483,647 bytes"),
    "a header of nested lists": (zipped(a=npy("[" * 4000)), "damaged"),
    "a header of a long number": (zipped(a=npy(header(shape=f"({'9' * 390},)"))), "more than any"),
    "a header with a warning": (zipped(a=npy(header(descr="\\d"))), "damaged"),
    "shape too large for 64 bits": (
        zipped(a=npy(header(shape="(9999999999999, 9999999999999)"))),
        "more than any file",
    ),
    "sixty-five dimensions": (zipped(a=npy(header(shape="(1" + ",1" * 64 + ")"), SHORT)), "damaged"),
    "an empty array of huge rows": (zipped(a=npy(header(shape="(0, 99999999999999999999)"))), "damaged"),
    "a type of no size": (zipped(a=npy(header(descr="V0"))), "expected numbers"),
    "a date": (zipped(a=npy(header(descr="<M8[s]"), SHORT * 2)), "expected numbers"),
    "keys twice": (zipped(a=npy(header() * 2, SHORT)), "damaged"),
    "a name that breaks the line": (zipped(**{"a\n\x1b[2J": npy(header(), SHORT)}), "a\\n\\x1b[2J"),
    "a path": (zipped(**{"../../a": npy(header(), SHORT)}), "found ../../a"),
    "names of 60 KB": (zipped(**{"b" * 60_000: b"", "c" * 60_000: b""}), "expected the arrays a"),
    "zip in a zip": (zipped(a=zipped(a=npy(header(), SHORT))), "damaged"),
}


@pytest.mark.parametrize("name", NPZ_BOMBS)
def test_npz_bombs(name):
    data, reason = NPZ_BOMBS[name]
    message = refusal(
        lambda: npz.unpack(data, "x.npz", required=("a",), max_bytes=1 << 40), 3 * len(data) + 16 * MB
    )
    assert reason in message


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 1L), }",
        "{'shape': (2, 1), 'fortran_order': True, 'descr': '<f4'}",
        "{'descr':'<f4','fortran_order':False,'shape':(2,1)}   \n",
    ],
)
def test_npz_headers_of_other_writers(text):
    data = zipped(a=npy(text, SHORT * 2))
    assert npz.unpack(data, "x", required=("a",), max_bytes=MB)["a"].shape == (2, 1)


@pytest.mark.skipif(
    np.finfo(np.longdouble).max == np.finfo(float).max, reason="a long double is a float64 on this platform"
)
def test_numbers_beyond_float64():
    x = np.full((2, 3), np.finfo(np.longdouble).max)
    y = np.array([0, 1])
    buffer = io.BytesIO()
    np.savez(buffer, x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(DataError, match="row 0 holds NaN or infinity"):
        TARGETS["own-data"].read(buffer.getvalue())


def test_members_that_overlap():
    """Two names for one stretch of the file: what it unfolds to counts twice."""
    data = bytearray(zipped(zipfile.ZIP_DEFLATED, a=npy(header(), SHORT), b=npy(header(), SHORT)))
    second = data.rindex(b"PK\1\2")
    data[second + 42 : second + 46] = b"\0\0\0\0"
    with pytest.raises(DataError):
        npz.unpack(bytes(data), "x", required=("a", "b"), max_bytes=MB)


PIXELS = ",".join(f"pixel{i}" for i in range(784)).encode()
LABELLED = b"label," + PIXELS
ROW = b"7" + b",0" * 784


def zipped_table(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


def picture(width: int, height: int, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def with_cell(cell: bytes) -> bytes:
    return LABELLED + b"\n" + ROW + b"\n" + b"3," + cell + b",0" * 783 + b"\n"


TWO = ROW + b"\n" + ROW.replace(b"7", b"3", 1) + b"\n"
CSVS = {
    "a line of commas": (LABELLED + b"\n" + b"," * 4 * MB, "line 2: 4,194,305 value(s)"),
    "a line of quotes": (LABELLED + b"\n" + b'"",' * MB, "line 2: "),
    "many empty lines": (LABELLED + b"\n" * 200_000 + b"x\n", "1 value(s)"),
    "only a header, without an end": (b"pixel," * MB, "its first line has 6,291,456 bytes"),
    "many columns": (b"1," * 200_000 + b"1\n", "its first line has 200,001 columns; expected 20,000"),
    "many labels": (b"label,a\n" + b"".join(b"l%d,0\n" % i for i in range(21_000)), "20,000 different"),
    "a label of a megabyte": (b"a,label\n1,x\n2," + b"y" * MB + b"\n", "line 3: label is 'yyy"),
    "a number of a million digits": (with_cell(b"9" * MB), "line 3: pixel0 is '9999"),
    "Arabic digits": (with_cell("٣".encode()), "pixel0 is '\\u0663'"),
    "fullwidth digits": (with_cell("７".encode()), "pixel0 is '\\uff17'"),
    "nan": (with_cell(b"nan"), "pixel0 is 'nan'"),
    "inf": (with_cell(b"1e999"), "pixel0 is '1e999'"),
    "underscores": (with_cell(b"1_0"), "pixel0 is '1_0'"),
    "hexadecimal": (with_cell(b"0x1"), "pixel0 is '0x1'"),
    "true": (with_cell(b"True"), "pixel0 is 'True'"),
    "a decimal comma": (with_cell(b'"1,5"'), "pixel0 is '1,5'"),
    "NUL": (with_cell(b"\0"), "is not a text table: its byte 8,524 is zero"),
    "a terminal's command": (with_cell(b"\x1b[2J"), "pixel0 is '\\x1b[2J'"),
    "nothing": (with_cell(b""), "pixel0 is ''"),
    "an open quote": (with_cell(b'"1'), "line 3"),
    "half a character of UTF-16": (b"\xff\xfe" + LABELLED + b"\n" + TWO + b"x", "is not a text table"),
    "a terminal's command as a label": (b"a,label\n1,x\n2,\x1b[2J\n", "line 3: label is '\\x1b[2J'"),
    "a separator of ASCII's first days": (b"wia\n1\n2\n\x1d\n", "line 4: wia is '\\x1d'"),
    "no label": (b"a,label\n1,x\n2, \n", "line 3: label is ''; expected a label"),
    "gzip of much": (gzip.compress(b"0,1\n" * (20 * MB)), "unfolds to more than the 67,108,864 bytes"),
    "half a gzip": (gzip.compress(TWO)[:-9], "breaks off"),
    "zip of much": (zipped_table({"a.csv": b"0,1\n" * (20 * MB)}), "unfolds to more than the 67,108,864"),
    "a zip of no table": (zipped_table({"a.txt.exe": TWO}), "holds the tables: none"),
    "a zip of two": (zipped_table({"a.csv": TWO, "b\x1b.csv": TWO}), "the tables: a.csv, b\\x1b.csv"),
    "a zip of 100,000": (directory_of(100_000), "csv"),
}


@pytest.mark.parametrize("name", CSVS)
def test_hostile_tables(name):
    data, reason = CSVS[name]
    most = 144 * MB if "of much" in name else 5 * len(data) + 16 * MB
    assert reason in refusal(lambda: TARGETS["csv"].read(data), most)


def test_tables_that_differ_only_in_form_are_read():
    lines = [LABELLED, *TWO.splitlines()]
    plain = TARGETS["csv"].read(b"\n".join(lines))
    for data in (
        b"\xef\xbb\xbf" + b"\r\n".join(lines),
        b"\n\n".join(lines) + b"\n\n\r\n",
        b"\r".join(lines),
        b"\n".join(lines).replace(b",", b";"),
        b"\n".join(lines).replace(b",", b"\t"),
        b"\n".join(lines).decode().encode("utf-16"),
        gzip.compress(b"\n".join(lines)),
        zipped_table({"train.csv": b"\n".join(lines), "sample.csv": b"id,label\n"}),
        LABELLED + b"\n" + b'"07"' + b", +0" * 784 + b"\n" + b"3.0" + b",0.0" * 784,
    ):
        table = TARGETS["csv"].read(data)
        for name, split in plain.splits().items():
            assert np.array_equal(table.splits()[name].x, split.x)
            assert np.array_equal(table.splits()[name].y, split.y)
        assert table.train.x.dtype == np.uint8


IHDR = struct.pack(">4s2I5B", b"IHDR", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
PNG_OF_MUCH = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + IHDR + struct.pack(">I", zlib.crc32(IHDR))
IMAGE_BOMBS = {
    "a page": (b"<html>", "is a web page (HTML)"),
    "2^62 pixels": (PNG_OF_MUCH, "is not a readable image"),
    "a small file of many pixels": (
        picture(9000, 9000),
        "unfold to 486,000,000, more than 200 times as many",
    ),
    "another size": (picture(3, 2), "is 4 x 6; expected 3 x 2, as 1.png"),
    "no image": (b"GIF89a", "is not a readable image"),
    "half an image": (picture(4, 6)[:45], "is not a readable image"),
    "sixteen bits": (picture(4, 6, "I;16"), "has pixels of the kind I;16"),
}


@pytest.mark.parametrize("name", IMAGE_BOMBS)
def test_hostile_images(name, monkeypatch):
    data, reason = IMAGE_BOMBS[name]
    if "many" in name:  # of one size all of them
        monkeypatch.setattr(seeds, "images", lambda: [data])
    assert reason in refusal(lambda: TARGETS["image-folder"].read(data), 16 * MB)


def test_histories():
    history = History()
    history.append({**dict.fromkeys(COLUMNS, 0.5), "epoch": 1})
    good = history.to_csv()
    for bad, reason in (
        (good.replace("\n1,", "\n999999999999,"), "epoch 999999999999; expected 1"),
        (good.replace("\n1,", "\n-1,"), "epoch -1"),
        (good.replace("\n1,", "\n١,"), "epoch is '\\u0661'"),
        (good.replace("0.5", "0_5"), "train_loss is '0_5'"),
        (good + good.splitlines()[1], "epoch 1; expected 2"),
        (good.replace("0.5", '"' + "5" * 200_000, 1), "values.csv"),
        (good.replace("\n1,", f"\n{'9' * 5000},"), "values.csv"),
    ):
        assert reason in refusal(lambda bad=bad: History.from_csv(bad), 8 * MB)
    two = History(2)
    two.append({**dict.fromkeys(COLUMNS, 0.5), "epoch": 1, "model": 1})
    assert "model 2" in refusal(lambda: History.from_csv(two.to_csv().replace("\n1,", "\n2,"), 2), MB)
    assert "model -1" in refusal(lambda: History.from_csv(two.to_csv().replace("\n1,", "\n-1,"), 2), MB)


@pytest.mark.parametrize(
    "data",
    [b"Id,Category\n" + b"\n0,1" * 300_000, b"Id," * 350_000, b"\n" * 10**6, b"Id,Category\n0,0\n" * 9],
)
def test_samples_of_submissions(tmp_path, data):
    (tmp_path / "sample.csv").write_bytes(data)
    refusal(
        lambda: write_submission(tmp_path / "s.csv", [1, 2], sample=tmp_path / "sample.csv"),
        12 * len(data) + MB,
    )
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize(
    "sizes", [(4000, 2000, 2000), (2**32 - 1,) * 3, (0, 2**32 - 1, 2**32 - 1), (1, 0, 9)]
)
def test_images_that_are_not_there(sizes):
    plain = b"\0\0\x08\x03" + struct.pack(">3I", *sizes)
    for data in (plain, gzip.compress(plain), gzip.compress(plain + b"\0" * 4 * MB)):
        refusal(lambda data=data: TARGETS["idx-rows"].read(data), 16 * MB)
        refusal(lambda data=data: TARGETS["idx"].read(data), 16 * MB)


def test_manifests():
    good = seeds.manifest()
    for changes in (
        {"threads": float("inf")},
        {"linclass": "\x1b[2J" * 1000, "format": 99},
        {"settings": {"a\n" * 5000: 1}},
        {"settings": {"epochs": 10**400}},
        {"settings": []},
        {"data": None},
        {"data": 3},
    ):
        refusal(
            lambda changes=changes: TARGETS["manifest"].read(json.dumps({**good, **changes}).encode()), MB
        )
    refusal(lambda: TARGETS["manifest"].read(b"[" * 1_000_000), 16 * MB)


# archives: nothing is written but the files that were asked for, where they belong


def tarred(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    block = info.tobuf(tarfile.GNU_FORMAT if len(name) < 90 else tarfile.PAX_FORMAT)
    return block + data + b"\0" * (-len(data) % 512)


WANTED = "cifar-10-batches-py/data_batch_1"
PAX_PATH = b"23 path=../../outside\n"
TRICKS = {
    "parent": tarred("../outside", data=b"x"),
    "parent inside": tarred("cifar-10-batches-py/../../outside", data=b"x"),
    "absolute": tarred("/tmp/linclass-outside", data=b"x"),
    "backslashes": tarred("..\\..\\outside", data=b"x"),
    "drive": tarred("C:\\outside", data=b"x"),
    "NUL": tarred("data\0batch", data=b"x"),
    "device name": tarred("CON", data=b"x") + tarred("cifar-10-batches-py/NUL", data=b"x"),
    "symbolic link, then through it": tarred("cifar-10-batches-py", tarfile.SYMTYPE, linkname="..")
    + tarred("cifar-10-batches-py/outside", data=b"x"),
    "wanted as a symbolic link": tarred(WANTED, tarfile.SYMTYPE, linkname="../../outside"),
    "wanted as a hard link": tarred(WANTED, tarfile.LNKTYPE, linkname="/etc/passwd"),
    "wanted as a pipe": tarred(WANTED, tarfile.FIFOTYPE),
    "wanted as a device": tarred(WANTED, tarfile.BLKTYPE, devmajor=8),
    "wanted as a directory": tarred(WANTED, tarfile.DIRTYPE, mode=0o777),
    "wanted as a sparse file": tarred(WANTED, tarfile.GNUTYPE_SPARSE),
    "another name by an extended header": tarred("x", tarfile.XHDTYPE, PAX_PATH) + tarred(WANTED, data=b"x"),
    "for all by a global header": tarred("x", tarfile.XGLTYPE, PAX_PATH) + tarred(WANTED, data=b"x"),
    "another name by a long name": tarred("x", tarfile.GNUTYPE_LONGNAME, b"../outside\0")
    + tarred(WANTED, data=b"x"),
    "long names": tarred("a/" * 5000, data=b"x"),
    "a negative size": tarred(WANTED)[:124] + b"-0000000001\0" + tarred(WANTED)[136:],
    "a wrong checksum": tarred(WANTED, data=b"x").replace(b"data_batch_1", b"data_batch_2"),
    "twice": tarred(WANTED, data=b"x") * 2,
    "executable": tarred("run", data=b"#!", mode=0o4777),
    "tar in a tar": tarred("a.tar", data=tarred("../outside", data=b"x")),
    "many members": b"".join(tarred(f"{i}") for i in range(3000)),
    "cut off": tarred(WANTED, data=b"x" * 5000)[:3000],
    "cut off in a header": tarred(WANTED)[:300],
}


def tree(directory: Path) -> dict[str, tuple[int, int]]:
    """Every path below, with its kind and size."""
    return {
        str(path.relative_to(directory)): (stat.S_IFMT(path.lstat().st_mode), path.lstat().st_size)
        for path in directory.rglob("*")
    }


@pytest.mark.parametrize("name", TRICKS)
def test_nothing_is_written_outside(name, tmp_path):
    facts = Facts(rows={}, file_md5={"data_batch_1": "0" * 32}, arrays={})
    recipe = Recipe(
        folder="cifar-10-batches-py",
        remotes=(Remote(URL, 1 << 30, "0" * 32, None),),
        unpack=lambda paths: unpack_archive(paths[0], facts),
        verify=lambda folder, report: None,
        repacked=True,  # another digest than the published one
    )
    mirror = tmp_path / "mirror" / "cifar-10-python.tar.gz"
    target = tmp_path / "home" / "data"
    mirror.parent.mkdir()
    target.mkdir(parents=True)
    mirror.write_bytes(gzip.compress(TRICKS[name] + b"\0" * 1024, 1))
    before = tree(tmp_path)
    message = refusal(
        lambda: fetch("tiny", target, str(mirror), recipes={"tiny": recipe}), 3 * len(TRICKS[name]) + 16 * MB
    )
    after = tree(tmp_path)
    assert set(after) - set(before) <= {"home/data/.linclass-fetch.lock"}
    assert {path: after[path] for path in before} == before
    assert not Path("/tmp/linclass-outside").exists()
    assert "cifar-10-python.tar.gz" in message


def test_headers_that_ask_for_much_are_passed_over(tmp_path):
    path = tmp_path / "a.tgz"
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE):
        hostile = tarred("x", kind, b"1 a\n" * 3 * MB)
        path.write_bytes(gzip.compress(hostile + tarred("a", data=b"right"), 1))
        tracemalloc.start()
        assert list(members(path, {"a": 10})) == [("a", b"right")]
        assert tracemalloc.get_traced_memory()[1] < 4 * MB  # tarfile fills 24 to 400
        tracemalloc.stop()


def test_the_tar_reader_agrees_with_pythons(tmp_path):
    path = tmp_path / "a.tgz"
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(path, "w:gz", format=form) as file:
            for name, data in (
                ("a" * 90 + "/" + "b" * 60, b"1"),
                ("p/a", b"22" * 700),
                ("p/é", b"3"),
                ("b", b""),
            ):
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(data), 1.5
                file.addfile(info, io.BytesIO(data))
            file.addfile(tarfile.TarInfo("p"))
        assert list(members(path, {"p/a": 5000, "b": 0})) == [("p/a", b"22" * 700), ("b", b"")]


def test_a_picture_that_unfolds(tmp_path):
    """A PNG whose header asks for 2^62 pixels is refused before anything decodes it."""
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s2I5B", 13, b"IHDR", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    png += struct.pack(">I", zlib.crc32(png[12:]))
    labels = json.dumps([0] * 10).encode(), json.dumps([0] * 2).encode()
    tar = tarred("package/train_lables.json", data=labels[0]) + tarred(
        "package/test_lables.json", data=labels[1]
    )
    path = tmp_path / "p.tgz"
    path.write_bytes(gzip.compress(tar + tarred("package/data_batch_1.png", data=png)))
    facts = Facts(rows={"data_batch_1": 2}, file_md5={}, arrays={})
    assert "(2147483647, 2147483647); expected (1024, 2)" in refusal(
        lambda: list(unpack_package(path, facts)), 16 * MB
    )
