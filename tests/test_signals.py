"""Signals, a second process in the same directory, and the same bits whatever the number of threads."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linclass.errors import DataError, DivergedError, InterruptedRun
from linclass.runs.directory import load_run
from linclass.runs.experiment import resume, run
from linclass.runs.progress import Listener
from linclass.settings import Experiment
from linclass.training.replicas import Replicas

pytestmark = [pytest.mark.bits, pytest.mark.usefixtures("no_pictures")]


def write(path: Path, rows: int = 100, features: int = 20) -> Path:
    y = np.arange(rows) % 3
    x = np.random.default_rng(0).normal(size=(rows, features)) + np.eye(3, features)[y]
    half = rows - rows // 5
    np.savez(path, x_train=x[:half], y_train=y[:half], x_test=x[half:], y_test=y[half:])
    return path


def train(dataset: Path, out: Path, *flags: str, **options: object) -> subprocess.Popen[str]:
    arguments = [
        text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))
    ]
    command = [
        sys.executable,
        "-m",
        "linclass",
        "train",
        "--dataset",
        dataset,
        "--out",
        out,
        *flags,
        *arguments,
    ]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


LONG_EPOCH = {"epochs": 3, "batch_size": 2, "model": "mlp", "hidden": "300,300", "eta": 1e-4}
"""An epoch of 8000 batches."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_a_long_epoch_saves_the_batch_it_is_at(tmp_path: Path, number: int, code: int) -> None:
    process = train(write(tmp_path / "own.npz", 20_000), tmp_path / "r", **LONG_EPOCH)
    wait_for(tmp_path / "r/status.json", process)
    time.sleep(0.3)
    process.send_signal(number)
    _, text = process.communicate()
    assert process.returncode == code, text
    assert "interrupted in epoch 1 of 3; everything is saved" in text
    assert "Traceback" not in text
    found = load_run(tmp_path / "r")
    state, _ = found.load_state()
    assert 0 < state.step < 8000
    assert state.running_rows == 2 * state.step
    assert found.status["status"] == "interrupted"


def test_a_second_interrupt_ends_the_command_without_another_save(tmp_path: Path) -> None:
    """Sent together: the first asks for an orderly end, the second does not wait for it."""
    program = (
        "import signal, sys; from linclass.training.replicas import Replicas\n"
        "from linclass.cli.main import main\n"
        "original = Replicas.step\n"
        "def twice(self, *arguments):\n"
        "    original(self, *arguments)\n"
        "    if self.state.step == 5:\n"
        "        signal.raise_signal(signal.SIGINT); signal.raise_signal(signal.SIGINT)\n"
        "Replicas.step = twice; main()"
    )
    data, out = write(tmp_path / "own.npz"), tmp_path / "r"
    arguments = ["train", "--dataset", data, "--out", out, "--batch-size", "2", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "what was saved before is intact" in done.stderr
    assert load_run(out).load_state()[0].step == 0, "the state before the first step is all there is"
    assert not list(out.rglob("*.partial"))


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sha = hashlib.sha256()
    for path in files:
        sha.update(f"{path}{path.stat().st_mtime_ns}".encode() + path.read_bytes())
    return sha.hexdigest()


def test_of_two_runs_in_one_directory_the_second_changes_nothing(tmp_path: Path) -> None:
    """The first waits in its first batch, so that nothing but the second could change the directory."""
    data, out = write(tmp_path / "own.npz"), tmp_path / "r"
    program = (
        "import time; from linclass.training.replicas import Replicas; from linclass.cli.main import main\n"
        "Replicas.step = lambda *_: (print('waiting', flush=True), time.sleep(600)); main()"
    )
    options = ["--dataset", str(data), "--out", str(out), "--batch-size", "20"]
    command = [sys.executable, "-c", program, "train", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "waiting\n"
        before = digest(out)
        for option in ([], ["--overwrite"]):
            second = train(data, out, *option, batch_size=20)
            _, text = second.communicate()
            assert second.returncode == 5
            assert "is in use by another linclass process" in text
            assert digest(out) == before
        first.kill()


def test_of_two_runs_started_together_one_trains_and_one_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "own.npz", 20_000)
    both = [train(data, tmp_path / "r", **LONG_EPOCH) for _ in range(2)]
    while all(process.poll() is None for process in both):
        time.sleep(0.01)
    refused = next(process for process in both if process.poll() is not None)
    assert refused.returncode == 5, refused.communicate()
    other = both[1 - both.index(refused)]
    wait_for(tmp_path / "r/status.json", other)
    other.kill()
    for process in both:
        process.communicate()
    assert load_run(tmp_path / "r").load_state()[0].epoch == 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "model", [{}, {"model": "mlp", "hidden": "16,8", "optimizer": "adam", "dropout": 0.2}]
)
def test_the_same_bits_twice_and_interrupted_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, model: dict[str, object]
) -> None:
    settings = Experiment(dataset=str(write(tmp_path / "own.npz")), epochs=4, batch_size=15, eta=0.01)
    settings = settings.replace(**model)
    for name in ("once", "twice"):
        run(settings, out=tmp_path / name, threads=threads)
    step = Replicas.step
    for stop_at in (0, 1, 4, 5, 6, 13, 19):
        with monkeypatch.context() as patch:

            def interrupted(replicas: Replicas, *arguments: Any, at: int = stop_at) -> None:
                if replicas.state.step == at:
                    signal.raise_signal(signal.SIGINT)
                step(replicas, *arguments)

            patch.setattr(Replicas, "step", interrupted)
            with pytest.raises(InterruptedRun):
                run(settings, out=tmp_path / f"at{stop_at}", threads=threads)
        resume(tmp_path / f"at{stop_at}")
    runs = [load_run(path) for path in tmp_path.iterdir() if path.is_dir()]
    assert len(runs) == 9
    assert all(found.threads == threads and found.numerics == runs[0].numerics for found in runs)
    assert len({found.load_state()[0].params.flat.tobytes() for found in runs}) == 1
    assert len({(found.path / "best.npz").read_bytes() for found in runs}) == 1
    rows = [[{**row, "seconds": 0} for row in found.history.rows] for found in runs]
    assert all(found == rows[0] for found in rows)


def test_another_arithmetic_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    listener = Listener()
    listener.note = notes.append
    run(Experiment(dataset=str(write(tmp_path / "own.npz")), epochs=1, batch_size=20), out=tmp_path / "r")
    monkeypatch.setattr("linclass.engine.fingerprint", lambda: "another")
    resume(tmp_path / "r", epochs=2, listener=listener)
    assert "this machine's arithmetic is not, bit for bit" in notes[0]


def test_pixels_that_are_not_finite_are_refused_before_training(tmp_path: Path) -> None:
    x, y = np.ones((30, 4)), np.arange(30) % 3
    x[7, 2] = np.nan
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:5], y_test=y[:5])
    with pytest.raises(DataError, match="row 7 holds NaN"):
        run(Experiment(dataset=str(tmp_path / "own.npz")), out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_pixel_that_overflows_ends_the_run_within_its_batch(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3
    x[25, 2] = 1e308
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:5], y_test=y[:5])
    settings = Experiment(
        dataset=str(tmp_path / "own.npz"), scaling="raw", shuffle="none", batch_size=5, val_size=3, eta=1e-3
    ).replace(dtype="float64", init_std=10.0, split="all")
    with pytest.raises(
        DivergedError, match=r"at epoch 1, batch 6, with eta = 0\.001.*--eta 0\.0001"
    ) as caught:
        run(settings, out=tmp_path / "r")
    assert caught.value.exit_code == 4
    state, model = load_run(tmp_path / "r").load_state()
    assert np.isfinite(model.params.flat).all()
    assert state.step <= 6


def test_of_several_seeds_only_the_diverged_one_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Experiment(dataset=str(write(tmp_path / "own.npz")), epochs=3, batch_size=20, seeds=3)
    run(settings, out=tmp_path / "whole")
    step = Replicas.step

    def poisoned(replicas: Replicas, *arguments: Any) -> None:
        if replicas.state.step == 5 and replicas.models == slice(1, 2):
            replicas.state.params["W"][1, 0, 0] = np.nan
        step(replicas, *arguments)

    monkeypatch.setattr(Replicas, "step", poisoned)
    result = run(settings, out=tmp_path / "r")
    found, whole = load_run(tmp_path / "r"), load_run(tmp_path / "whole")
    assert found.load_state()[0].diverged.tolist() == [False, True, False]
    assert [len(result.history.of_model(k)) for k in range(3)] == [3, 1, 3]
    expected = "epoch 2, batch 2"
    notes = found.status["notes"]
    assert any(note.startswith("model 1: stopped") and expected in note for note in notes)
    for k in (0, 2):
        np.testing.assert_array_equal(found.model().params["W"][k], whole.model().params["W"][k])
    assert np.isfinite(found.model().params.flat).all()
