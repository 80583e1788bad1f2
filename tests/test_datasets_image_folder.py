"""A folder of images for each class: the pixels that Pillow shows, in the order of the paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.datasets.image_folder import read_image_folder
from linclass.datasets.split import load_dataset
from linclass.errors import DataError
from linclass.evaluation.submission import read_rows
from linclass.runs.directory import load_run

RNG = np.random.default_rng(3)


def put(path: Path, mode: str = "RGB", size: tuple[int, int] = (4, 6)) -> np.ndarray:
    """Write a random image; returns its pixels `(d,)`, channel-major."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return (pixels.transpose(2, 0, 1) if mode == "RGB" else pixels).ravel()


def test_rows_classes_and_order(tmp_path: Path) -> None:
    names = ["dog/b.png", "cat/2.png", "cat/10.png", "dog/in/a.bmp"]
    pixels = {name: put(tmp_path / name) for name in names}
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    (tmp_path / "readme.txt").write_text("beside")
    found = read_image_folder(tmp_path)
    assert found.classes == ("cat", "dog")
    assert found.image_shape == (3, 6, 4)
    order = ["cat/10.png", "cat/2.png", "dog/b.png", "dog/in/a.bmp"]
    assert np.array_equal(found.splits["train"].x, [pixels[name] for name in order])
    assert found.splits["train"].y.tolist() == [0, 0, 1, 1]


def test_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        for name in ("a/1.png", "b/1.png", "b/2.png"):
            put(tmp_path / split / name, "L")
    dataset = load_dataset(f"{tmp_path}/", split="all")
    assert [len(part) for part in dataset.splits().values()] == [3, 3, 3]
    assert dataset.classes == ("a", "b")
    assert dataset.image_shape == (1, 6, 4)
    assert dataset.train.x.dtype == np.uint8
    assert dataset.validation.y.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("first", "second", "channels"),
    [("L", "L", 1), ("L", "RGB", 3), ("P", "P", 3), ("RGBA", "L", 3), ("1", "1", 1)],
)
def test_grey_only_where_all_are(tmp_path: Path, first: str, second: str, channels: int) -> None:
    colours = RNG.integers(0, 256, (2, 2, 3, 3), dtype=np.uint8)
    pictures = [Image.fromarray(x).convert(mode) for x, mode in zip(colours, (first, second), strict=True)]
    for name, picture in zip("ab", pictures, strict=True):
        (tmp_path / name).mkdir()
        picture.save(tmp_path / name / "1.png")
    found = read_image_folder(tmp_path)
    assert found.image_shape == (channels, 2, 3)
    wanted = [np.asarray(picture.convert("RGB" if channels == 3 else "L")) for picture in pictures]
    rows = [pixels.reshape(2, 3, channels).transpose(2, 0, 1).ravel() for pixels in wanted]
    assert np.array_equal(found.splits["train"].x, rows)


def test_from_the_command_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):
        for i in range(12):
            put(Path("photos") / name / f"{i}.png")
    for dataset in ("photos/", "photos"):
        train = ["train", "--dataset", dataset, "--epochs", "1", "--out", "run", "--overwrite"]
        assert call(cli, train) == 0
    run = load_run("run")
    assert run.subject.classes == ("cat", "dog")
    assert run.settings.dataset == str(tmp_path / "photos")
    assert call(cli, ["evaluate", "run", "--on", "validation", "--no-details"]) == 0
    new = put(Path("new") / "x.png")
    assert np.array_equal(read_rows(Path("new"), 72), [new])
    assert call(cli, ["predict", "run", "--rows", "new", "--out", "p.csv"]) == 0
    assert Path("p.csv").read_text().splitlines()[1] in ("0,cat", "0,dog")
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert call(cli, ["evaluate", "run", "--on", "validation"]) == 3
    assert "was trained on photos, which was not found" in capsys.readouterr().err
    assert call(cli, ["evaluate", "run", "--on", "validation", "--no-details", "--dataset", "moved"]) == 0


def test_images_to_predict_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = ["1.png", "2.png", "10.png", "b/3.png", "b/a.png"]
    flat = [put(tmp_path / "flat" / name) for name in names[:3]]
    assert np.array_equal(read_rows(tmp_path / "flat", 72), flat)
    nested = [put(tmp_path / "nested" / "c" / name) for name in names]
    assert np.array_equal(read_rows(tmp_path / "nested", 72), nested)
    assert np.array_equal(read_rows(tmp_path / "flat" / "2.png", 72), flat[1:2])


def test_images_to_predict_have_the_channels_of_the_model(tmp_path: Path) -> None:
    grey = put(tmp_path / "grey" / "1.png", "L")
    assert np.array_equal(read_rows(tmp_path / "grey", 72), [np.tile(grey, 3)])
    put(tmp_path / "colour" / "1.png")
    with Image.open(tmp_path / "colour" / "1.png") as image:
        wanted = np.asarray(image.convert("L")).ravel()
    assert np.array_equal(read_rows(tmp_path / "colour", 24), [wanted])
    with pytest.raises(DataError, match="rows of 72 numbers; expected 30"):
        read_rows(tmp_path / "colour", 30)


def test_faults_are_one_line(tmp_path: Path) -> None:
    def refused(reason: str) -> None:
        with pytest.raises(DataError) as caught:
            load_dataset(f"{tmp_path / 'f'}/", split="all")
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)

    refused("no such folder")
    (tmp_path / "f").mkdir()
    refused("holds images of the classes: none; expected two classes or more")
    put(tmp_path / "f" / "a" / "1.png")
    refused("holds images of the classes: a; expected two classes")
    put(tmp_path / "f" / "b" / "1.png", size=(5, 6))
    refused("b/1.png is 5 x 6; expected 4 x 6, as 1.png: bring all images to one size")
    (tmp_path / "f" / "b" / "1.png").write_bytes(b"<!doctype html>")
    refused("1.png is a web page (HTML)")
    (tmp_path / "f" / "b" / "1.png").unlink()
    put(tmp_path / "f" / "b" / "1.png")
    (tmp_path / "f" / "a" / "1.png").unlink()
    (tmp_path / "f" / "a" / "1.png").symlink_to("/nowhere")
    refused("no such file")
