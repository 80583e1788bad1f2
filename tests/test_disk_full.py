"""A full disk: whatever call is refused, what was saved before is intact, and the message says what to do."""

from __future__ import annotations

import errno
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from linclass import files
from linclass.errors import StorageError
from linclass.runs.directory import load_run
from linclass.runs.experiment import resume, run
from linclass.settings import Experiment


class Full(files.System):
    """Allows so many of the calls that need space, and no more; of a refused write a half is done."""

    def __init__(self, allowed: int) -> None:
        self.left = allowed
        self.refused = 0

    def _take(self) -> None:
        self.left -= 1
        if self.left < 0:
            self.refused += 1
            raise OSError(errno.ENOSPC, "No space left on device")

    def open(self, path: Path, mode: str) -> IO[bytes]:
        if mode != "r+b" and path.name != ".lock":
            self._take()
        return super().open(path, mode)

    def write(self, file: IO[bytes], data: bytes | memoryview) -> None:
        super().write(file, data[: len(data) // 2])
        self._take()
        super().write(file, data[len(data) // 2 :])

    def fsync(self, file: IO[bytes]) -> None:
        self._take()
        super().fsync(file)

    def replace(self, source: Path, target: Path) -> None:
        self._take()
        super().replace(source, target)


@pytest.fixture
def settings(tmp_path: Path) -> Experiment:
    y = np.arange(60) % 3
    x = np.random.default_rng(0).normal(size=(60, 4)) + np.eye(3, 4)[y]
    np.savez(tmp_path / "own.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    return Experiment(dataset=str(tmp_path / "own.npz"), epochs=3, batch_size=20, eta=0.1, snapshot_every=2)


def numbers_of(path: Path) -> tuple[bytes, bytes, list[list[float]]]:
    state, model = load_run(path).load_state()
    rows = [[value for name, value in row.items() if name != "seconds"] for row in state.history.rows]
    return model.params.flat.tobytes(), (path / "best.npz").read_bytes(), rows


@pytest.mark.usefixtures("no_pictures")
def test_every_refused_call_leaves_what_was_saved(
    settings: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = numbers_of(run(settings, out=tmp_path / "whole").path)
    allowed, messages = 0, []
    while True:
        system, out = Full(allowed), tmp_path / f"r{allowed}"
        monkeypatch.setattr(files, "SYSTEM", system)
        try:
            run(settings, out=out)
        except StorageError as error:
            messages.append(str(error))
        else:
            break
        finally:
            monkeypatch.setattr(files, "SYSTEM", files.System())
        assert system.refused > 0
        assert not list(out.rglob("*.partial"))
        if (out / "state.npz").exists() or (out / "state-1.npz").exists():
            resume(out)
        else:
            run(settings, out=out)
        assert numbers_of(out) == whole, f"after {allowed} calls"
        allowed += 1
    assert allowed > 30
    assert StorageError.exit_code == 6
    for text in messages:
        assert re.search(r"cannot write .*/r\d+/.* \([\d,]+ bytes\): No space left", text), text
        assert "free some space, or give a writable place with --out" in text


@pytest.mark.usefixtures("no_pictures")
def test_a_resume_on_a_full_disk_leaves_the_state_it_began_with(
    settings: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings, out=tmp_path / "r")
    before = numbers_of(tmp_path / "r")
    for allowed in range(8):
        monkeypatch.setattr(files, "SYSTEM", Full(allowed))
        with pytest.raises(StorageError):
            resume(tmp_path / "r", epochs=5)
        monkeypatch.setattr(files, "SYSTEM", files.System())
        after = numbers_of(tmp_path / "r")
        assert after[:2] == before[:2]
        assert after[2] == before[2]


def linclass(
    settings: Experiment, out: Path, program: str = "", **changes: object
) -> subprocess.CompletedProcess:
    options = {"dataset": settings.dataset, "epochs": 3, "batch-size": 20, "eta": 0.1, **changes}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    start = f"{program}; import sys; from linclass.cli.main import main; sys.argv[0] = 'linclass'; main()"
    command = [sys.executable, "-c", start, "train", *arguments, "--out", str(out), "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_size_limit_ends_the_command_with_6_and_the_run_goes_on_later(
    settings: Experiment, tmp_path: Path
) -> None:
    """The kernel itself refuses: the state fits below the limit, the pictures do not."""
    limit = 20_000
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    program = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    )
    done = linclass(settings, tmp_path / "r", program)
    assert done.returncode == 6, done.stderr
    assert re.search(r"cannot write .*\.png \([\d,]+ bytes\): File too large", done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1
    resume(tmp_path / "r")
    assert load_run(tmp_path / "r").status["status"] == "finished"


def test_a_device_that_is_always_full(settings: Experiment, tmp_path: Path) -> None:
    """/dev/full takes the place of a file that is appended to."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "values.csv").symlink_to("/dev/full")
    with pytest.raises(
        StorageError, match=r"values\.csv \(3 bytes\): No space left on device; free some space"
    ):
        files.append_durably(tmp_path / "values.csv", b"1,2")
