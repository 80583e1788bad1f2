"""Progress: one line at any width whose numbers are whole, a notebook's bar, warnings for Python programs."""

import fcntl
import io
import os
import re
import struct
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest

import linclass
from linclass.cli.console import Console, DownloadBar
from linclass.errors import RunWarning
from linclass.runs import progress
from linclass.runs.experiment import run
from linclass.runs.progress import Listener
from linclass.settings import Experiment
from linclass.training.history import Row

ROW: Row = {
    "epoch": 1,
    "train_cost": 4.98512,
    "val_cost": 4.99549,
    "train_accuracy": 0.09876,
    "val_accuracy": 0.1,
}
FULL = "cost: train 4.985, val 4.995 | accuracy: train 9.9, val 10.0 %"


def shown(monkeypatch: pytest.MonkeyPatch, columns: int, epochs: int = 150) -> str:
    """What a terminal of so many columns receives of a training."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(follower, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        console = Console()
        console.start("r", 0, epochs)
        for epoch in range(1, epochs + 1):
            console.epoch([{**ROW, "epoch": epoch}])
        console.note("a note")
        console.close()
        terminal.flush()
        os.set_blocking(leader, False)
        text = b""
        while chunk := _read(leader):
            text += chunk
    os.close(leader)
    return text.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("columns", [0, 10, 30, 50, 64, 80, 100, 140])
def test_the_line_keeps_to_the_width_and_no_number_is_cut(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    text = shown(monkeypatch, columns)
    note, *drawn = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    assert note == "training into r"
    assert all(len(line) <= (columns or progress.WIDTH) for line in drawn), drawn
    line = [line for line in drawn if line.startswith("150/150")][-1].rstrip()
    if columns >= 30:
        numbers = re.sub(r"^150/150 (\|.*\| )?\[<[\d:?]+\] ?", "", line)
        assert numbers in [*progress.texts([ROW]), ""]
        assert (numbers == FULL) == (columns == 0 or columns >= 80)
        assert " |█" in line or columns < 100
    assert "a note" in drawn


def test_a_regression_has_no_accuracy_and_numbers_of_any_size_are_legible() -> None:
    row: Row = {**ROW, "train_cost": 2.5e-5, "val_cost": 7.51e31, "train_accuracy": float("nan")}
    assert progress.texts([row])[0] == "cost: train 2.500e-05, val 7.510e+31"
    assert (
        progress.texts([{**row, "train_cost": 1234.4, "val_cost": 0.5}])[0] == "cost: train 1234, val 0.5000"
    )


def test_where_stderr_is_piped_there_are_ten_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.start("r", 0, 50)
    for epoch in range(1, 51):
        console.epoch([{**ROW, "epoch": epoch}])
    console.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training into r"
    assert lines[-1] == f"epoch 50/50  {FULL}"
    assert len(lines) == 12


def test_quiet_is_silent_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    console = Console(quiet=True)
    console.start("r", 0, 1)
    console.epoch([ROW])
    console.note("a note")
    console.close()
    with DownloadBar(quiet=True) as bar:
        bar.progress(10, 100)
    assert stream.getvalue() == ""


def test_a_download_is_one_line_and_starts_again_with_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    with DownloadBar(quiet=False) as bar:
        for done in (1_000_000, 2_000_000, 500_000, 4_000_000):
            bar.progress(done, 4_000_000)
    assert stream.getvalue().count("\n") == 2
    assert "4.00M/4.00M" in stream.getvalue()


def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process were a notebook's kernel, without ipywidgets."""
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


@pytest.fixture
def sample_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LINCLASS_DATA", raising=False)


@pytest.mark.usefixtures("sample_only", "no_pictures")
def test_python_is_warned_of_the_sample_at_its_own_line() -> None:
    settings = Experiment(epochs=1)
    with pytest.warns(RunWarning, match="no full CIFAR-10 found: using the bundled sample") as caught:
        linclass.run(settings)
    assert [warning.filename for warning in caught] == [__file__]
    run(settings, out=Path("silent"), listener=Listener())
    run(settings.replace(dataset="cifar10-sample"), out=Path("asked-for"))  # asked for, so no warning


@pytest.mark.usefixtures("sample_only", "no_pictures")
def test_a_notebook_shows_a_bar_and_a_script_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Experiment(dataset="cifar10-sample", epochs=2)
    run(settings, out=Path("script"))
    assert capsys.readouterr().err == ""
    kernel(monkeypatch)
    run(settings, out=Path("notebook"))
    assert "2/2 |██████████| [<00:00] cost: train" in capsys.readouterr().err
