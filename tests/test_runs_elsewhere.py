"""A run whose surroundings have changed: what became of its log, over all commands that read a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from linclass import files
from linclass.cli import cli
from linclass.console import call
from linclass.errors import DataError
from linclass.experiment import resume, run
from linclass.listener import Listener
from linclass.runs import load_run
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
def copy(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run alone; nothing is drawn."""
    monkeypatch.setattr("linclass.plots.save", lambda *_: None)
    shutil.copytree(trained / "r", tmp_path / "r")
    return tmp_path / "r"


def linclass(name: str, run: Path, *more: str) -> int:
    words = [word.format(run=run, out=run.parent) for word in COMMANDS[name]]
    return call(cli, [*words, *more], prog_name="linclass")


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
