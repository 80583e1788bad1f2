"""Tables as people have them: every form gives the numbers that Python reads, every fault one line."""

from __future__ import annotations

import csv
import gzip
import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import pixel_csv
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.datasets import table as table_module
from linclass.datasets.split import load_dataset
from linclass.datasets.table import parse, read_table
from linclass.errors import DataError, UsageError
from linclass.evaluation.submission import read_rows
from linclass.runs.directory import load_run

RNG = np.random.default_rng(1)
X = RNG.integers(0, 256, (8, 784))
X[:, 0] = X[:, -1] = 0  # as the corners of digits are
Y = np.array([5, 0, 4, 5, 0, 4, 4, 5])
IRIS = """Id,SepalLengthCm,SepalWidthCm,PetalLengthCm,PetalWidthCm,Species
1,5.1,3.5,1.4,0.2,Iris-setosa
2,4.9,3.0,1.4,0.2,Iris-setosa
3,7.0,3.2,4.7,1.4,Iris-versicolor
4,6.3,3.3,6.0,2.5,Iris-virginica
"""
FLOWERS = [0, 0, 1, 2]
MEASURES = [[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2], [7.0, 3.2, 4.7, 1.4], [6.3, 3.3, 6.0, 2.5]]


def text(*columns, header: str = "", between: str = ",", end: str = "\n") -> bytes:
    rows = np.column_stack(columns).tolist()
    lines = [*([header] if header else []), *(between.join(map(str, row)) for row in rows), ""]
    return end.join(lines).encode()


NAMES = ",".join(f"{i}x{j}" for i in range(28) for j in range(28))
COUNTING = ",".join(map(str, range(784)))
TABLES = {
    "the usual one": pixel_csv(X, Y).encode(),
    "other names": text(Y, X, header="label," + NAMES),
    "no header": text(Y, X),
    "no header, the label last": text(X, Y),
    "the label last": text(X, Y, header=NAMES + ",class"),
    "no header, an index": text(np.arange(8), Y, X),
    "an index from 1": text(np.arange(1, 9), Y, X),
    "an index that pandas wrote": text(RNG.permutation(8), Y, X, header=",label," + COUNTING),
    "unnamed columns that pandas wrote": text(Y, X, header=",".join(map(str, range(785)))),
    "4.0 for 4": text(Y.astype(float), X.astype(float)),
    "semicolons": text(Y, X, between=";"),
    "tabs": text(Y, X, header="label\t" + NAMES.replace(",", "\t"), between="\t"),
    "spaces": text(Y, X, between="  "),
    "a space after the comma": text(Y, X, between=", "),
    "crlf": text(Y, X, end="\r\n"),
    "old Macs": text(Y, X, end="\r"),
    "bom": b"\xef\xbb\xbf" + pixel_csv(X, Y).encode(),
    "utf-16": pixel_csv(X, Y).encode("utf-16"),
    "quoted": text(Y, X, header=",".join(f'"{n}"' for n in ("label," + NAMES).split(","))),
    "blank lines": b"\n" + pixel_csv(X, Y).encode().replace(b"\n", b"\n\n"),
    "no end": text(Y, X).removesuffix(b"\n"),
    "gzip": gzip.compress(pixel_csv(X, Y).encode()),
    "capitals": text(Y, X, header="Label," + NAMES),
}


@pytest.mark.parametrize("form", TABLES)
def test_images_in_every_form(tmp_path: Path, form: str) -> None:
    (tmp_path / "digits.csv").write_bytes(TABLES[form])
    dataset = load_dataset(str(tmp_path / "digits.csv"), split="all", val_size=1)
    assert dataset.image_shape == (1, 28, 28)
    assert dataset.train.x.dtype == np.uint8
    assert dataset.classes == ("0", "4", "5")
    pixels = np.concatenate([dataset.train.x, dataset.validation.x])
    labels = np.concatenate([dataset.train.y, dataset.validation.y])
    order = np.lexsort(pixels.T)
    wanted = np.lexsort(X.T)
    assert np.array_equal(pixels[order], X[wanted])
    assert [dataset.classes[y] for y in labels[order]] == [str(y) for y in Y[wanted]]
    assert np.array_equal(read_rows(tmp_path / "digits.csv", 784), X)


IRISES = {
    "as Kaggle has it": (IRIS, ""),
    "named": (IRIS, "Species"),
    "in other capitals": (IRIS, "species"),
    "by number": (IRIS, "6"),
    "semicolons and commas": (IRIS.replace(",", ";").replace(".", ","), ""),
    "without a header or ids": ("\n".join(line[2:] for line in IRIS.splitlines()[1:]), ""),
    "an unknown name": (IRIS.replace("Species", "kind of flower"), ""),
}


@pytest.mark.parametrize("form", IRISES)
def test_tables_that_are_no_images(tmp_path: Path, form: str) -> None:
    content, label = IRISES[form]
    (tmp_path / "iris.csv").write_text(content)
    table = read_table(tmp_path / "iris.csv", label=label)
    assert table.x.tolist() == MEASURES
    assert table.y is not None
    assert table.y.tolist() == FLOWERS
    assert table.labels == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    assert (form == "without a header or ids") == ("no header" in table.remark)


@pytest.mark.parametrize(
    ("rows", "label"),
    [
        ("30,1.5,0\n41,2.5,1\n30,3.5,2\n41,4.5,1\n52,1.5,0\n52,2.5,2\n", "3"),  # ages have gaps
        ("0,1.5,7\n1,2.5,2\n0,3.5,2\n1,4.5,7\n", "1"),
        ("0,1.5,0\n1,2.5,1\n2,3.5,0\n2,4.5,1\n0,3.5,0\n1,1.5,1\n", "3"),  # the fewer
        ("0.5,1.5,7\n0.25,2.5,2\n0.5,3.5,2\n0.75,4.5,7\n", "3"),
    ],
)
def test_the_label_of_a_table_without_a_header(rows: str, label: str) -> None:
    assert parse(rows.encode(), "t").label == label


def test_from_the_command_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    flowers = "".join(IRIS.partition("\n")[2] for _ in range(20))
    Path("iris.csv").write_text(IRIS.partition("\n")[0] + "\n" + flowers)
    train = ["train", "--dataset", "iris.csv", "--label", "species", "--epochs", "30", "--out", "run"]
    train += ["--eta", "0.1"]
    assert call(cli, train) == 0
    assert "iris.csv: Id left out" in capsys.readouterr().err
    run = load_run("run")
    assert run.subject.classes == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    assert run.settings.label == "species"
    assert run.features == 4
    assert call(cli, ["evaluate", "run", "--on", "validation"]) == 0
    assert "Iris-virginica" in capsys.readouterr().out
    Path("new.csv").write_text(
        "Id,SepalLengthCm,SepalWidthCm,PetalLengthCm,PetalWidthCm\n9,5.0,3.4,1.5,0.2\n"
    )
    assert call(cli, ["predict", "run", "--rows", "new.csv", "--out", "p.csv"]) == 0
    assert Path("p.csv").read_text() == "Id,Category\n0,Iris-setosa\n"
    assert call(cli, [*train, "--dataset", "mnist-sample", "--overwrite"]) == 2
    assert "--label is species: it names a column of your own table" in capsys.readouterr().err


def test_test_rows_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mnist_train.csv").write_bytes(TABLES["no header"])
    test = tmp_path / "mnist_test.csv"
    test.write_bytes(text(Y[:3], X[:3]))
    found = load_dataset(str(tmp_path / "mnist_train.csv"), split="all").test
    assert found is not None
    assert np.array_equal(found.x, X[:3])
    test.write_bytes(text(X[:3]))  # for predicting only
    assert load_dataset(str(tmp_path / "mnist_train.csv"), split="all").test is None
    (tmp_path / "train.csv").write_text(IRIS)
    (tmp_path / "test.csv").write_text(
        IRIS.replace(",Species", "").replace(",Iris-setosa", "").split("\n3")[0]
    )
    assert load_dataset(str(tmp_path / "train.csv"), split="all").test is None
    (tmp_path / "test.csv").write_text(IRIS.replace("PetalWidthCm", "Petal"))
    with pytest.raises(DataError, match=r"test\.csv has other columns than .*train\.csv"):
        load_dataset(str(tmp_path / "train.csv"), split="all")


def test_a_zip_as_kaggle_sends_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digit-recognizer.zip", "w") as file:
        file.writestr("train.csv", pixel_csv(X, Y))
        file.writestr("test.csv", pixel_csv(X, None))
        file.writestr("sample_submission.csv", "ImageId,Label\n1,0\n")
    dataset = load_dataset(str(tmp_path / "digit-recognizer.zip"), split="all")
    assert dataset.test is None
    assert len(dataset.train) + len(dataset.validation) == 8
    with zipfile.ZipFile(tmp_path / "fashion.zip", "w") as file:
        file.writestr("a/fashion-mnist_train.csv", pixel_csv(X, Y))
        file.writestr("a/fashion-mnist_test.csv", pixel_csv(X[:2], Y[:2]))
    test = load_dataset(str(tmp_path / "fashion.zip"), split="all").test
    assert test is not None
    assert np.array_equal(test.x, X[:2])


FAULTS = {
    "nothing": ("", "", "is empty; expected a table"),
    "only a header": ("a,label\n", "", "has no rows below its header"),
    "a value too few": ("a,label\n1,0\n3\n", "", "line 3: 1 value(s); expected 2"),
    "a value too many": ("a,label\n1,0\n3,1,2\n", "", "line 3: 3 value(s); expected 2"),
    "missing": ("a,b,label\n1,2,0\n3,,1\n", "", "line 3: b is ''; expected a finite number"),
    "NA": ("a,b,label\n1,2,0\n3,NA,1\n", "", "line 3: b is 'NA'; expected a finite number"),
    "text among numbers": (
        "a,b,label\n1,2,0\n3,male,1\n",
        "",
        "line 3: b is 'male'; expected a finite number",
    ),
    "no such column": (
        "a,b\n1,0\n2,1\n",
        "c",
        "has no column 'c'; expected one of a, b, or a number from 1 to 2",
    ),
    "no such number": ("a,b\n1,0\n2,1\n", "3", "has no column '3'"),
    "no label": ("1.5,2.5\n2.5,3.25\n", "", "no column looks like labels; name the right one with --label"),
    "the label alone": ("label\n1\n2\n", "", "has no columns but the label"),
    "nothing but ids": ("id,index\n1,2\n3,4\n", "", "has no columns but the label"),
    "one row": ("a,label\n1,7\n", "", "holds one row to train on; expected two or more"),
    "one class": ("a,label\n1,7\n2,7\n", "", "holds only the label 7; expected at least two classes"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line(tmp_path: Path, name: str) -> None:
    content, label, reason = FAULTS[name]
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(DataError) as caught:
        load_dataset(str(tmp_path / "own.csv"), split="all", label=label)
    assert reason in str(caught.value)
    assert str(tmp_path / "own.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_beyond_the_first_chunk_is_found_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "_CHUNK", 4)
    lines = ["a,label", *(f"{i},{i % 2}" for i in range(40))]
    assert parse("\n".join(lines).encode(), "t").x[:, 0].tolist() == list(range(40))
    lines[30] = "x,1"
    with pytest.raises(DataError, match="line 31: a is 'x'"):
        parse("\n".join(lines).encode(), "t")


def test_a_table_is_not_expected_everywhere(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=X, y=Y)
    with pytest.raises(UsageError, match="--label is y: it names a column of a table"):
        load_dataset(str(tmp_path / "own.npz"), split="all", label="y")


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=8), st.integers(0, 2**32))
def test_every_number_is_the_one_that_python_reads(rows: list[tuple[float, float]], seed: int) -> None:
    draw = random.Random(seed)
    between, end = draw.choice([",", ";", "\t"]), draw.choice(["\n", "\r\n"])
    buffer = io.StringIO()
    writer = csv.writer(
        buffer, delimiter=between, lineterminator=end, quoting=draw.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
    )
    writer.writerow(["a", "b", "label"])
    writer.writerows((a, b, draw.choice("xyz")) for a, b in rows)
    table = parse(buffer.getvalue().encode(), "t")
    assert table.x.tolist() == [[float(a), float(b)] for a, b in rows]
