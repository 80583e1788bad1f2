"""A run whose surroundings have changed, over all commands that read one: its data moved, its log lost, its
directory read-only."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from linclass import files
from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.errors import DataError, StorageError
from linclass.evaluation.of_run import evaluate_run
from linclass.runs.data import data_of
from linclass.runs.directory import Run, load_run
from linclass.runs.experiment import resume, run
from linclass.runs.progress import Listener
from linclass.settings import Experiment

pytestmark = pytest.mark.usefixtures("no_pictures_in_module")
OLD = Path(__file__).parent / "old_runs" / "runs" / "linear"
SHORT = ["--rows", "20"]
COMMANDS = {
    "evaluate": ["evaluate", "{run}", "--no-details"],
    "evaluate an ensemble": ["evaluate", "{run}", "--no-details", "--weights", "2,4"],
    "evaluate the best": ["evaluate", "{run}", "--no-details", "--weights", "best"],
    "predict": ["predict", "{run}", "--out", "{out}/predicted.csv"],
    "templates": ["templates", "{run}", "--weights", "best"],
    "optimum": ["optimum", "{run}", "--max-iterations", "2"],
    "interpolate": ["landscape", "interpolate", "{run}", "{run}", "--steps", "3", *SHORT],
    "plane": ["landscape", "plane", "{run}", "--steps", "3", *SHORT],
    "trajectory": ["landscape", "trajectory", "{run}", "--steps", "3", *SHORT],
    "sensitivity": ["landscape", "sensitivity", "{run}", *SHORT],
    "sharpness": ["landscape", "sharpness", "{run}", *SHORT],
}


class Notes(Listener):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def trained(no_pictures_in_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of 60 images, own.npz, and a finished run of 4 epochs on it, r."""
    folder = tmp_path_factory.mktemp("elsewhere")
    y = np.arange(60) % 3
    x = (np.random.default_rng(0).integers(0, 120, (60, 4, 4)) + 60 * y[:, None, None]).astype(np.uint8)
    np.savez(folder / "own.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    wanted = Experiment(
        dataset=str(folder / "own.npz"), epochs=4, batch_size=20, eta=0.1, scaling="unit", snapshot_every=1
    )
    run(wanted, out=folder / "r")
    return folder


@pytest.fixture
def moved(trained: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The run where neither its data are where they were, nor anywhere; the working folder is empty."""
    (copy.parent / "work").mkdir()
    monkeypatch.chdir(copy.parent / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(copy.parent / "cache"))
    monkeypatch.delenv("LINCLASS_DATA", raising=False)
    (trained / "own.npz").rename(trained / "hidden")
    yield copy
    (trained / "hidden").rename(trained / "own.npz")


@pytest.fixture
def copy(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run alone; nothing is drawn."""
    monkeypatch.setattr("linclass.plots.save", lambda *_: None)
    shutil.copytree(trained / "r", tmp_path / "r")
    return tmp_path / "r"


def linclass(name: str, run: Path, *more: str) -> int:
    words = [word.format(run=run, out=run.parent) for word in COMMANDS[name]]
    return call(cli, [*words, *more], prog_name="linclass")


PLACES = {
    "beside the run": ("own.npz", []),
    "in the run": ("r/own.npz", []),
    "in the working folder": ("work/own.npz", []),
    "in ./data": ("work/data/own.npz", []),
    "under another name": ("other/renamed.npz", ["--dataset", "{out}/other/renamed.npz"]),
    "in a folder that is given": ("other/own.npz", ["--data-dir", "{out}/other"]),
}
WITH_DATA = [name for name in COMMANDS if name != "templates"]


def hide(trained: Path, run: Path, place: str) -> list[str]:
    """Put the data to `place`; returns the options that this takes."""
    path, options = PLACES[place]
    (run.parent / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(trained / "hidden", run.parent / path)
    return [word.format(out=run.parent) for word in options]


@pytest.mark.parametrize("name", WITH_DATA)
def test_every_command_finds_data_that_moved_with_the_run(
    name: str, moved: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert linclass(name, moved) == 3
    said = capsys.readouterr().err
    for words in (f"own.npz, which was not found: looked in {trained}, data, ", str(moved), "--dataset FILE"):
        assert words in said
    hide(trained, moved, "beside the run")
    assert linclass(name, moved) == 0
    found = capsys.readouterr().out.replace(str(moved.parent / "own.npz"), "FILE")
    shutil.copy(trained / "hidden", trained / "own.npz")
    assert linclass(name, moved) == 0
    assert capsys.readouterr().out.replace(str(trained / "own.npz"), "FILE") == found


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["evaluate", "optimum", "sharpness"])
def test_where_data_are_found(name: str, place: str, moved: Path, trained: Path) -> None:
    assert linclass(name, moved, *hide(trained, moved, place)) == 0


@pytest.mark.parametrize("place", PLACES)
def test_a_moved_run_goes_on_to_the_same_bits_and_remembers_the_place(
    place: str, moved: Path, trained: Path, tmp_path: Path
) -> None:
    options = hide(trained, moved, place)
    assert call(cli, ["resume", str(moved), "--epochs", "6", "--quiet", *options]) == 0
    found = load_run(moved)
    assert found.settings.dataset == str(moved.parent / PLACES[place][0])
    assert linclass("evaluate", moved) == 0
    whole = run(found.settings, out=tmp_path / "whole")
    np.testing.assert_array_equal(found.model().params.flat, load_run(whole.path).model().params.flat)
    assert not found.allowed


def test_a_tree_that_moved_keeps_its_shape(moved: Path, trained: Path, tmp_path: Path) -> None:
    """runs/a/r and data/own.npz, from which the run was begun, are now below another folder."""
    run = load_run(moved)
    path = shutil.move(moved, tmp_path / "new" / "runs" / "a" / "r")
    (tmp_path / "new" / "data").mkdir()
    shutil.copy(trained / "hidden", tmp_path / "new" / "data" / "own.npz")
    for recorded in ("/home/me/project/data/own.npz", "C:\\Users\\me\\project\\data\\own.npz"):
        found = Run(Path(path))
        found.settings = run.settings.replace(dataset=recorded)
        assert data_of(found).digest() == run.digest


def test_other_data_of_the_same_name_are_passed_over_and_never_taken(moved: Path, trained: Path) -> None:
    with np.load(trained / "hidden") as archive:
        arrays = dict(archive)
    np.savez(moved.parent / "own.npz", **{**arrays, "x_test": arrays["x_test"][::-1]})
    (moved / "own.npz").write_bytes(b"no data at all")
    with pytest.raises(DataError, match=r"was trained on file: .* which is not what file: .*own\.npz holds"):
        evaluate_run(moved)
    with pytest.raises(DataError, match=r"which is not what file: .* holds; give the original file"):
        evaluate_run(moved, dataset=str(moved.parent / "own.npz"))
    hide(trained, moved, "in ./data")
    assert evaluate_run(moved)[0].rows == 20


def test_other_data_are_allowed_by_name_only(moved: Path, trained: Path) -> None:
    with np.load(trained / "hidden") as archive:
        arrays = dict(archive)
    other = moved.parent / "other.npz"
    np.savez(other, **{**arrays, "x_test": arrays["x_test"][::-1]})
    with pytest.raises(DataError, match=r"resume .* --allow data"):
        resume(moved, epochs=6, dataset=str(other))
    resume(moved, epochs=6, dataset=str(other), allow=["data"])
    assert load_run(moved).settings.dataset == str(other)
    assert evaluate_run(moved)[0].rows == 20


def test_a_sweep_and_a_cross_validation_are_found_again_after_a_move(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    shutil.copy(trained / "own.npz", here)
    common = ["--dataset", "{0}/own.npz", "--epochs", "2", "--batch-size", "20"]
    searched = ["sweep", *common, "--grid", "eta=0.1,0.01", "--out", "{0}/grid"]
    asked = [
        "sweep",
        *common,
        "--random",
        "eta=log:1e-3:1",
        "--trials",
        "2",
        "--sampler",
        "tpe",
        "--out",
        "{0}/tpe",
    ]
    folds = ["crossval", *common, "--folds", "2", "--out", "{0}/folds"]
    commands = (searched, asked, folds)
    for words in commands:
        assert call(cli, [word.format(here) for word in words]) == 0
    tables = [path.read_bytes() for path in sorted(here.rglob("trials.csv"))]
    before = {path.relative_to(here): path.stat().st_mtime_ns for path in here.rglob("packs/*.npz")}
    here.rename(there)
    capsys.readouterr()
    for words in commands:
        assert call(cli, [word.format(there) for word in words]) == 0
    said = capsys.readouterr().err
    assert said.count("finished already") >= 2
    assert said.count("is finished (2 epochs)") == 2
    assert [path.read_bytes() for path in sorted(there.rglob("trials.csv"))] == tables
    assert {path.relative_to(there): path.stat().st_mtime_ns for path in there.rglob("packs/*.npz")} == before


def from_a_spreadsheet(log: Path) -> None:
    """Semicolons, decimal commas, nine digits, other line ends."""
    header, *rows = log.read_text().splitlines()
    cells = [[f"{float(cell):.9g}".replace(".", ",") for cell in row.split(",")] for row in rows]
    lines = [header.replace(",", ";"), *(";".join(row) for row in cells)]
    log.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines, ""]).encode())


def windows(log: Path) -> None:
    log.write_bytes(log.read_bytes().replace(b"\n", b"\r\n"))


def a_folder(log: Path) -> None:
    log.unlink()
    log.mkdir()


def a_remark(log: Path) -> None:
    log.write_text(log.read_text().replace("\n", ",mine\n", 1))


LOGS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "of Windows": windows,
    "of a spreadsheet": from_a_spreadsheet,
    "empty": lambda log: log.write_bytes(b""),
    "cut": lambda log: files.truncate(log, 300),
    "a folder": a_folder,
    "with a remark": a_remark,
}
KEPT = {"of a spreadsheet", "a folder", "with a remark"}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_needs_no_log_never_asks_for_it(
    name: str, copy: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert linclass(name, copy) == 0
    wanted = capsys.readouterr()
    (copy / "values.csv").unlink()
    assert linclass(name, copy) == 0
    assert capsys.readouterr() == wanted


@pytest.mark.parametrize("log", LOGS)
def test_resume_restores_the_log_from_the_state_and_keeps_what_it_finds(log: str, copy: Path) -> None:
    path, listener = copy / "values.csv", Notes()
    whole = path.read_bytes()
    LOGS[log](path)
    found = None if log == "a folder" or not path.exists() else path.read_bytes()
    assert load_run(copy).history.to_csv().encode() == whole
    resume(copy, listener=listener)
    assert path.read_bytes() == whole
    kept = copy / "values-changed.csv"
    assert kept.exists() == (log in KEPT)
    assert any(str(kept) in text for text in listener.notes) == (log in KEPT)
    if kept.is_file():
        assert kept.read_bytes() == found
    resume(copy, epochs=6)
    assert path.read_bytes().startswith(whole)
    assert load_run(copy).history.to_csv().encode() == path.read_bytes()


def test_a_second_file_that_is_kept_does_not_replace_the_first(copy: Path) -> None:
    for text in ("first", "second", "third"):
        (copy / "values.csv").write_text(text)
        resume(copy)
    assert [(copy / f"values-changed{n}.csv").read_text() for n in ("", "-2", "-3")] == [
        "first",
        "second",
        "third",
    ]


def old_run(folder: Path) -> Path:
    """A run of an earlier version, whose state has no rows."""
    return shutil.copytree(OLD, folder / "old")


def test_the_log_of_an_old_run_may_have_other_line_ends(tmp_path: Path) -> None:
    path = old_run(tmp_path)
    wanted = load_run(path).history.to_csv()
    windows(path / "values.csv")
    assert load_run(path).history.to_csv() == wanted


@pytest.mark.parametrize("log", ["missing", "of a spreadsheet"])
def test_an_old_run_without_its_log_has_weights_but_no_history(log: str, tmp_path: Path) -> None:
    path = old_run(tmp_path)
    wanted = load_run(path).model().params.flat.tobytes()
    LOGS[log](path / "values.csv")
    found = load_run(path)
    assert found.model().params.flat.tobytes() == wanted
    for attempt in (lambda: found.history, lambda: resume(path)):
        with pytest.raises(DataError, match=r"values\.csv") as caught:
            attempt()
        assert "overwrite" not in str(caught.value)


class ReadOnly(files.System):
    """Refuses all that would change something in `folder`, which root too may not do on a read-only disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _check(self, path: Path) -> None:
        if path.resolve().is_relative_to(self.folder):
            raise OSError(errno.EROFS, "Read-only file system")

    def open(self, path: Path, mode: str) -> IO[bytes]:
        self._check(path)
        return super().open(path, mode)

    def replace(self, source: Path, target: Path) -> None:
        self._check(target)
        super().replace(source, target)

    def unlink(self, path: Path) -> None:
        self._check(path)
        super().unlink(path)

    def make_directory(self, path: Path) -> None:
        self._check(path)
        super().make_directory(path)


@pytest.fixture
def read_only(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run on a read-only disk; a picture is a file of a few bytes."""

    def draw(path: Path, *_: object) -> None:
        files.write_durably(path, b"picture")

    monkeypatch.setattr("linclass.plots.save", lambda _, path: draw(path))
    monkeypatch.setattr("linclass.runs.pictures.draw_weights", draw)
    monkeypatch.setattr(files, "SYSTEM", ReadOnly(copy.resolve()))
    return copy


READ_ONLY = {**COMMANDS, "evaluate": ["evaluate", "{run}"], "resume": ["resume", "{run}"]}
DRAWING = {"evaluate", "templates", "interpolate", "plane", "trajectory", "sensitivity", "sharpness"}


def say(name: str, run: Path, *more: str) -> int:
    words = [word.format(run=run, out=run.parent) for word in READ_ONLY[name]]
    return call(cli, [*words, *more], prog_name="linclass")


@pytest.mark.parametrize("name", READ_ONLY)
def test_a_read_only_run_gives_all_its_numbers(
    name: str, read_only: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in read_only.rglob("*") if path.is_file()}
    code, read = say(name, read_only), capsys.readouterr()
    assert {path: path.read_bytes() for path in read_only.rglob("*") if path.is_file()} == before
    monkeypatch.setattr(files, "SYSTEM", files.System())
    assert say(name, read_only) == 0
    wanted = capsys.readouterr()
    pictures = [line for line in wanted.out.splitlines() if line.endswith((".png", ".gif"))]
    assert read.out.splitlines() == [line for line in wanted.out.splitlines() if line not in pictures]
    assert code == (6 if name == "templates" else 0)
    more = read.err.removeprefix(wanted.err).splitlines()
    assert len(more) == (name in DRAWING)
    if more:
        assert "Read-only file system" in more[0]
        assert "--out" in more[0]


@pytest.mark.parametrize("name", sorted(DRAWING))
def test_pictures_of_a_read_only_run_go_to_out(
    name: str, read_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    is_folder = name in ("evaluate", "templates")
    out = tmp_path / "pictures" if is_folder else tmp_path / "one.png"
    assert say(name, read_only, "--out", str(out)) == 0
    wanted = {"evaluate": 4, "templates": 1}
    assert len([*out.iterdir()] if is_folder else [out]) == wanted.get(name, 1)
    capsys.readouterr()
    refused = read_only / "pictures" if is_folder else read_only / "one.png"
    assert say(name, read_only, "--out", str(refused)) == 6
    assert capsys.readouterr().out.count("\n") > 2 or name == "templates"


def test_a_read_only_run_is_resumed_as_a_copy(read_only: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"Read-only file system; .* copy it .*, and resume the copy"):
        resume(read_only, epochs=6)
    shutil.copytree(read_only, tmp_path / "mine")
    resume(tmp_path / "mine", epochs=6)
    assert load_run(tmp_path / "mine").status["epoch"] == 6
