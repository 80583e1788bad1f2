"""What is handed in: the rows that are read, the file that is written, the sample it is compared with."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from conftest import TinyMnist, idx, pixel_csv

from linclass import files
from linclass.errors import DataError, StorageError, UsageError
from linclass.evaluation.submission import read_rows, write_submission

PREDICTED = np.array([7, 2, 1])
OURS = "Id,Category\n0,7\n1,2\n2,1\n"


def written(tmp_path: Path, *arguments, sample: str | None = None, **options) -> str:
    if sample is not None:
        (tmp_path / "sample.csv").write_bytes(sample.encode())
        options["sample"] = tmp_path / "sample.csv"
    write_submission(tmp_path / "out.csv", *(arguments or (PREDICTED,)), **options)
    return (tmp_path / "out.csv").read_bytes().decode()


def test_the_labs_form(tmp_path: Path) -> None:
    assert written(tmp_path) == OURS
    kaggle = written(tmp_path, first_id=1, header=("ImageId", "Label"))
    assert kaggle == "ImageId,Label\n1,7\n2,2\n3,1\n"


@pytest.mark.parametrize(
    ("sample", "wanted"),
    [
        ("Id,Category\n0,0\n1,0\n2,0\n", OURS),
        ("\ufeffid, category\r\n0,0\r\n1,0\r\n2,0\r\n\r\n", "id,category\n0,7\n1,2\n2,1\n"),
        ("ImageId,Label\n1,0\n2,0\n3,0\n", "ImageId,Label\n1,7\n2,2\n3,1\n"),
        ("ImageId,Label\n3,0\n1,0\n2,0\n", "ImageId,Label\n3,1\n1,7\n2,2\n"),
        ("file,class\nb.png,0\na.png,0\nc.png,0\n", "file,class\nb.png,7\na.png,2\nc.png,1\n"),
        ("id,label\n007,0\n005,0\n006,0\n", "id,label\n007,1\n005,7\n006,2\n"),
        ("id,label\n10,0\n30,0\n20,0\n", "id,label\n10,7\n30,2\n20,1\n"),
        ("id,label\n-1,0\n0,0\n1,0\n", "id,label\n-1,7\n0,2\n1,1\n"),
    ],
)
def test_a_sample_gives_header_ids_and_order(tmp_path: Path, sample: str, wanted: str) -> None:
    assert written(tmp_path, sample=sample) == wanted


def test_ids_from_two_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--first-id is 1, but .* gives the ids"):
        written(tmp_path, sample="Id,Category\n0,0\n1,0\n2,0\n", first_id=1)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("", "begins with nothing"),
        ("0,0\n1,0\n2,0\n", "begins with '0,0'; expected a header of two names, such as Id,Category"),
        ("Id,Category,More\n0,0,0\n", "begins with 'Id,Category,More'"),
        ("Id,\n0,0\n", "begins with 'Id,'"),
        ("Id,Category\n0,0\n0,0\n2,0\n", "line 3: the id is '0', which line 2 has too"),
        ("Id,Category\n0,0\n,0\n2,0\n", "line 3: the id is ''; expected one for each row"),
        ("Id,Category\n0,0\n1\n2,0\n", r"line 3: 1 value\(s\); expected 2"),
        ("Id,Category\n0,0\n1,0\n", "has 2 rows below its header; expected 3"),
        ("Id,Category\n0,0\n1,0\n2,0\n3,0\n", "has 4 rows below its header; expected 3"),
        ('Id,Category\n0,"0\n', "is not a CSV file"),
    ],
)
def test_a_sample_in_another_form_is_one_line_and_nothing_is_written(
    tmp_path: Path, sample: str, words: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        written(tmp_path, sample=sample)
    assert "\n" not in str(caught.value)
    assert "sample.csv" in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_a_sample_that_is_missing_or_binary(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        write_submission(tmp_path / "out.csv", PREDICTED, sample=tmp_path / "sample.csv")
    (tmp_path / "sample.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a CSV file"):
        write_submission(tmp_path / "out.csv", PREDICTED, sample=tmp_path / "sample.csv")


def test_names_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    text = written(tmp_path, ["=1+1", "@x", "a,b", "cat"], header=("Id", "+sum"))
    assert text == "Id,'+sum\n0,'=1+1\n1,'@x\n2,\"a,b\"\n3,cat\n"


def test_nothing_predicted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row was predicted"):
        written(tmp_path, [])


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.csv").write_text("old")

    class Full(files.System):
        def write(self, file, data) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "SYSTEM", Full())
    with pytest.raises(StorageError, match="No space"):
        write_submission(tmp_path / "out.csv", PREDICTED)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert (tmp_path / "out.csv").read_text() == "old"


def test_rows_are_the_same_in_every_form(tmp_path: Path, tiny_mnist: TinyMnist) -> None:
    x, y = tiny_mnist.parts["t10k"]
    images = x.reshape(-1, 28, 28)
    (tmp_path / "images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(images)))
    (tmp_path / "test.csv").write_text(pixel_csv(x, None))
    (tmp_path / "labelled.CSV").write_text(pixel_csv(x, y))
    np.savez(tmp_path / "x.npz", x=images)
    np.savez(tmp_path / "all.npz", x_train=images[:1], y_train=y[:1], x_test=images, y_test=y)
    for path in tmp_path.iterdir():
        found = read_rows(path, 784)
        assert found.dtype == np.uint8, path
        np.testing.assert_array_equal(found, x, err_msg=str(path))


def test_npz_images_become_channel_major_rows(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((2, 4, 5, 3), np.float32)
    np.savez(tmp_path / "x.npz", x=images)
    np.testing.assert_array_equal(read_rows(tmp_path / "x.npz"), images.transpose(0, 3, 1, 2).reshape(2, -1))


IMAGES = np.zeros((2, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.gz", gzip.compress(idx(IMAGES))[:-9], "breaks off"),
        ("a.gz", b"\x1f\x8b" + bytes(30), "not a whole gzip file"),
        ("a.gz", gzip.compress(b"hello"), "an IDX file of images, or a name that ends in"),
        ("a.png", b"\x89PNG" + bytes(30), "not a readable image: it is none of PNG"),
        ("labels", idx(np.zeros(100, np.uint8)), "expected 00 00 08 03"),
        ("empty", b"", r"begins with the bytes \(none\)"),
        ("a", idx(IMAGES)[:-1], "holds 1,583 bytes; its sizes 2 x 28 x 28 make 1,584"),
        ("a", idx(IMAGES)[:4] + b"\xff" * 12, "too large"),
        ("a", idx(np.zeros((0, 28, 28))), "no rows to predict"),
        ("a.npz", b"PK", "not a readable .npz"),
        ("a.csv", b"pixel0,pixel1\n0,0\n", "rows of 2 numbers; expected 784, as in training"),
    ],
)
def test_damaged_rows_are_one_line(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=words) as caught:
        read_rows(tmp_path / name, 784)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": np.zeros((2, 3))}, "expected an array x or x_test"),
        ({"x": np.zeros(3)}, "x_test has the shape"),
        ({"x": np.array([[1.0, np.nan]])}, "NaN or infinity"),
        ({"x": np.zeros((2, 3))}, "rows of 3 numbers; expected 784, as in training"),
    ],
)
def test_npz_rows_that_cannot_be_predicted(tmp_path: Path, arrays: dict, words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=words):
        read_rows(tmp_path / "a.npz", 784)
