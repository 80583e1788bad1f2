"""Resuming under other settings or on other data: refused by name, or allowed and written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from linclass import files
from linclass.cli.main import cli
from linclass.errors import DataError, DivergedError, StorageError, UsageError
from linclass.runs import checkpoint
from linclass.runs.directory import load_run
from linclass.runs.experiment import resume, run
from linclass.runs.progress import Listener
from linclass.settings import Experiment

pytestmark = [pytest.mark.bits, pytest.mark.usefixtures("no_pictures")]


def write(path: Path, seed: int = 0, rows: int = 40) -> Path:
    y = np.arange(rows + 20) % 3
    x = np.random.default_rng(seed).normal(size=(rows + 20, 4)) + np.eye(3, 4)[y]
    np.savez(path, x_train=x[:rows], y_train=y[:rows], x_test=x[rows:], y_test=y[rows:])
    return path


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    settings = Experiment(dataset=str(write(tmp_path / "own.npz")), epochs=2, batch_size=20, eta=0.1)
    return run(settings, out=tmp_path / "r").path


def test_a_changed_setting_is_refused_by_name_and_nothing_is_written(trained: Path) -> None:
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=r"--eta is 0\.2, was 0\.1.*--allow eta"):
        resume(trained, epochs=4, changes={"eta": 0.2})
    with pytest.raises(UsageError, match=r"--batch-size is 10, was 20.*start a new run"):
        resume(trained, epochs=4, changes={"batch_size": 10, "eta": 0.2}, allow=["eta"])
    with pytest.raises(UsageError, match=r"--allow batch_size: expected one of eta, lambda, schedule"):
        resume(trained, epochs=4, allow=["batch_size"])
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    resume(trained, epochs=4, changes={"eta": 0.1}, allow=["eta"])
    assert load_run(trained).allowed == [], "what is the same needs no permission and no record"


def test_an_allowed_change_is_recorded_and_can_be_resumed(trained: Path, tmp_path: Path) -> None:
    command = ["resume", str(trained), "--epochs", "4", "--lambda", "0.5", "--allow", "lambda", "--quiet"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    found = load_run(trained)
    assert found.allowed == [{"field": "l2", "was": 0.0, "now": 0.5, "epoch": 3}]
    assert found.settings.l2 == 0.5
    rows = found.history.rows
    assert rows[1]["train_cost"] == rows[1]["train_loss"]
    assert rows[2]["train_cost"] > rows[2]["train_loss"]
    resume(trained, epochs=5)
    resume(trained, epochs=6, changes={"l2": 0.25}, allow=["l2"])
    assert [entry["now"] for entry in load_run(trained).allowed] == [0.5, 0.25]


def test_an_allowed_change_survives_a_kill_before_the_next_save(trained: Path, tmp_path: Path) -> None:
    """run.json has the new eta, the state still the old one."""

    class KilledError(Exception):
        pass

    class Killed(Listener):
        def start(self, directory: str, done: int, epochs: int) -> None:
            raise KilledError

    with pytest.raises(KilledError):
        resume(trained, epochs=4, changes={"eta": 0.2}, allow=["eta"], listener=Killed())
    assert checkpoint.saved_settings(trained / "state.npz")["eta"] == 0.1
    resume(trained)
    assert load_run(trained).history.column("learning_rate").tolist() == [0.1, 0.1, 0.2, 0.2]


def test_other_data_of_the_same_shape_can_be_allowed(trained: Path, tmp_path: Path) -> None:
    scaler = load_run(trained).model().architecture.scaler
    digest = load_run(trained).digest
    write(tmp_path / "own.npz", seed=1)
    with pytest.raises(DataError, match=r"linclass resume .* --allow data"):
        resume(trained, epochs=4)
    resume(trained, epochs=4, allow=["data"])
    found = load_run(trained)
    assert [(e["field"], e["was"], e["now"]) for e in found.allowed] == [("data", digest, found.digest)]
    np.testing.assert_array_equal(found.model().architecture.scaler.gain, scaler.gain)
    write(tmp_path / "own.npz", seed=1, rows=60)
    with pytest.raises(DataError, match=r"--allow data: .* expected .*'train': "):
        resume(trained, epochs=6, allow=["data"])


def test_parameters_that_are_not_finite_stop_the_run_within_the_batch(tmp_path: Path) -> None:
    """The cost of batch 1 is finite, its step is not."""
    settings = Experiment(
        dataset=str(write(tmp_path / "own.npz")), epochs=2, batch_size=20, eta=1e308, reduction="sum"
    ).replace(dtype="float64")
    with pytest.raises(
        DivergedError, match=r"parameters are no longer finite after epoch 1, batch 1, with eta = 1e\+308"
    ):
        run(settings, out=tmp_path / "r")
    state, model = load_run(tmp_path / "r").load_state()
    assert np.isfinite(model.params.flat).all()
    assert state.diverged.all()


def test_a_run_that_will_not_fit_is_refused_before_it_begins(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Small(files.System):
        def free_space(self, path: Path) -> int:
            return 30_000

    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    monkeypatch.setattr(files, "SYSTEM", Small())
    settings = load_run(trained).settings.replace(epochs=100, snapshot_every=1)
    with pytest.raises(StorageError, match=r"needs about [\d,]+ bytes and [\d,]+ are free.*--snapshot-every"):
        run(settings, out=trained, overwrite=True)
    assert before == {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
