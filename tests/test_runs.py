"""The run directory: what is written, what is refused, and that a resumed run is the uninterrupted one."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import linclass
from linclass import engine, files, plots
from linclass.datasets.inputs import Inputs
from linclass.datasets.scale import Scaler
from linclass.errors import DataError, DivergedError, InterruptedRun, RunTakenError, StorageError, UsageError
from linclass.evaluation.of_run import evaluate_run, score_run
from linclass.landscape.of_runs import (
    interpolate,
    measure_sharpness,
    random_plane,
)
from linclass.runs.build import build
from linclass.runs.data import load_data
from linclass.runs.directory import load_run
from linclass.runs.experiment import ended_worse, resume, run, run_or_take_up
from linclass.runs.progress import Listener
from linclass.search import grid_search
from linclass.settings import Experiment
from linclass.training.evaluate import evaluate
from linclass.training.history import Row
from linclass.training.replicas import Replicas

pytestmark = pytest.mark.bits


@pytest.fixture
def own_npz(tmp_path: Path) -> Path:
    return write_npz(tmp_path / "own.npz")


def write_npz(path: Path, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 3, 360).astype(np.int64)
    x = generator.normal(size=(360, 6)) + np.eye(3, 6)[y]
    np.savez(path, x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    return path


def settings(own_npz: Path, **changes: object) -> Experiment:
    base = {
        "dataset": str(own_npz),
        "epochs": 6,
        "batch_size": 25,
        "eta": 0.1,
        "l2": 0.01,
        "dtype": "float64",
    }
    return Experiment.from_dict({**base, "test": True, **changes})


class InterruptAt(Listener):
    """Sends SIGINT to this very process when an epoch is finished."""

    def __init__(self, epoch: int, number: int = signal.SIGINT) -> None:
        self.at, self.number = epoch, number

    def epoch(self, rows: list[Row]) -> None:
        if rows[0]["epoch"] == self.at:
            signal.raise_signal(self.number)


def without_seconds(path: Path) -> list[list[str]]:
    rows = [line.split(",") for line in path.read_text().splitlines()]
    drop = rows[0].index("seconds")
    return [row[:drop] + row[drop + 1 :] for row in rows]


def assert_same_run(a: Path, b: Path) -> None:
    assert without_seconds(a / "values.csv") == without_seconds(b / "values.csv")
    for name in ("best.npz", "snapshots/6.npz", "6_loss.png", "6_accuracy.png", "6_difference.png"):
        assert (a / name).read_bytes() == (b / name).read_bytes(), name
    np.testing.assert_array_equal(load_run(a).model().params.flat, load_run(b).model().params.flat)


def test_what_is_in_the_directory(own_npz: Path, tmp_path: Path) -> None:
    result = run(settings(own_npz, snapshot_every=2), out=tmp_path / "r", origin="a test")
    found = load_run(tmp_path / "r")
    assert found.manifest["origin"] == "a test"
    assert found.settings == settings(own_npz, snapshot_every=2).resolved()
    assert set(found.manifest["versions"]) == {"python", "numpy", "scipy"}
    assert found.manifest["data"]["sample"] is False
    assert found.snapshots == [2, 4, 6]
    assert found.status["status"] == "finished"
    assert found.history.to_csv() == (tmp_path / "r/values.csv").read_text()
    assert list(found.history.to_pandas()["epoch"]) == [1, 2, 3, 4, 5, 6]
    assert result.history.rows == found.history.rows
    for epoch in (2, 4, 6):
        for kind in ("loss", "accuracy", "difference"):
            assert (tmp_path / f"r/{epoch}_{kind}.png").stat().st_size > 1000
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_is_bit_identical(
    own_npz: Path, tmp_path: Path, seeds: int, number: int
) -> None:
    wanted = settings(own_npz, seeds=seeds)
    run(wanted, out=tmp_path / "whole")
    with pytest.raises(InterruptedRun, match="linclass resume") as caught:
        run(wanted, out=tmp_path / "part", listener=InterruptAt(2, number))
    assert caught.value.exit_code == 128 + number
    assert load_run(tmp_path / "part").status["status"] == "interrupted"
    with pytest.raises(InterruptedRun):
        resume(tmp_path / "part", listener=InterruptAt(4, number))
    resume(tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")


EVERYTHING = {
    "model": "mlp",
    "hidden": "8,5",
    "batch_norm": True,
    "dropout": 0.3,
    "optimizer": "adam",
    "eta": 0.01,
    "schedule": "warmup:5,triangular:1e-3:7",
    "clip": 1.0,
}


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_with_everything_resumes_to_the_same_bits(
    own_npz: Path, tmp_path: Path, seeds: int, dtype: str
) -> None:
    wanted = settings(own_npz, seeds=seeds, **{**EVERYTHING, "dtype": dtype})
    run(wanted, out=tmp_path / "whole")
    with pytest.raises(InterruptedRun):
        run(wanted, out=tmp_path / "part", listener=InterruptAt(2))
    with pytest.raises(InterruptedRun):
        resume(tmp_path / "part", listener=InterruptAt(4))
    resume(tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    whole, part = (load_run(tmp_path / name).load_state()[0] for name in ("whole", "part"))
    for name in whole.slots:
        np.testing.assert_array_equal(whole.slots[name].flat, part.slots[name].flat)
    np.testing.assert_array_equal(whole.buffers.flat, part.buffers.flat)
    np.testing.assert_array_equal(whole.best_buffers.flat, part.best_buffers.flat)


@pytest.mark.parametrize("torch_optim", [False, True])
def test_a_pytorch_run_resumes_exactly_and_is_read_without_pytorch(
    own_npz: Path, tmp_path: Path, torch_optim: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    wanted = settings(own_npz, model="torch-mlp", hidden="7", optimizer="adam", torch_optim=torch_optim)
    run(wanted, out=tmp_path / "whole")
    with pytest.raises(InterruptedRun):
        run(wanted, out=tmp_path / "part", listener=InterruptAt(3))
    resume(tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    monkeypatch.setitem(sys.modules, "torch", None)
    (report,) = evaluate_run(tmp_path / "part")
    assert report.accuracy == load_run(tmp_path / "part").history.last("test_accuracy")[0]


def test_a_schedule_over_the_whole_run_is_not_stretched(own_npz: Path, tmp_path: Path) -> None:
    run(settings(own_npz, schedule="cosine"), out=tmp_path / "r")
    with pytest.raises(UsageError, match="stretched over the 6 epochs"):
        resume(tmp_path / "r", epochs=9)


def test_a_killed_process_loses_no_row_and_doubles_none(own_npz: Path, tmp_path: Path) -> None:
    """SIGKILL a real process at an arbitrary moment, resume in another: the same run."""
    arguments = [
        "--dataset",
        own_npz,
        "--batch-size",
        25,
        "--eta",
        0.1,
        "--lambda",
        0.01,
        "--dtype",
        "float64",
    ]
    command = [sys.executable, "-m", "linclass", "train", *map(str, arguments), "--epochs", "400", "--out"]
    subprocess.run([*command, tmp_path / "whole", "--quiet"], check=True, capture_output=True)
    process = subprocess.Popen([*command, tmp_path / "part", "--quiet"], stderr=subprocess.DEVNULL)
    while (
        not (tmp_path / "part/values.csv").exists() or len((tmp_path / "part/values.csv").read_bytes()) < 5000
    ):
        time.sleep(0.005)
        assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.wait()
    (tmp_path / "part/state.npz.partial").write_bytes(b"left by a killed write")
    with (tmp_path / "part/values.csv").open("a") as csv:
        csv.write("9999,0.1,0.1")  # a row that no state knows of
    resume(tmp_path / "part")
    assert without_seconds(tmp_path / "whole/values.csv") == without_seconds(tmp_path / "part/values.csv")
    assert (tmp_path / "whole/best.npz").read_bytes() == (tmp_path / "part/best.npz").read_bytes()
    assert not (tmp_path / "part/state.npz.partial").exists()


def test_resuming_a_finished_run_says_so_and_epochs_extends_it(own_npz: Path, tmp_path: Path) -> None:
    run(settings(own_npz, epochs=4), out=tmp_path / "r")
    notes: list[str] = []
    listener = Listener()
    listener.note = notes.append
    before = (tmp_path / "r/values.csv").read_bytes()
    resume(tmp_path / "r", listener=listener)
    assert "is finished (4 epochs)" in notes[0]
    assert (tmp_path / "r/values.csv").read_bytes() == before
    resume(tmp_path / "r", epochs=6)
    run(settings(own_npz), out=tmp_path / "whole")
    assert_same_run(tmp_path / "r", tmp_path / "whole")
    with pytest.raises(UsageError, match="expected at least 6, the epochs that"):
        resume(tmp_path / "r", epochs=3)


def test_which_directory(own_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short = settings(own_npz, epochs=1)
    assert run(short, name="a").path == Path("result_pics/a")
    assert run(short, name="a").path == Path("result_pics/a-2")
    assert run(short, name="a").path == Path("result_pics/a-3")
    assert run(short, name="a", overwrite=True).path == Path("result_pics/a")
    with pytest.raises(RunTakenError, match=r"a finished run.*linclass resume result_pics/a.*--overwrite"):
        run(short, out=Path("result_pics/a"))
    with pytest.raises(InterruptedRun):
        run(settings(own_npz), name="b", listener=InterruptAt(2))
    with pytest.raises(RunTakenError, match=r"an unfinished run.*resume"):
        run(short, name="b")


def test_overwriting_removes_the_run_and_nothing_else(own_npz: Path, tmp_path: Path) -> None:
    run(settings(own_npz, snapshot_every=3), out=tmp_path / "r")
    (tmp_path / "r/notes.txt").write_text("mine")
    (tmp_path / "r/my_loss.png").write_text("mine")
    run(settings(own_npz, epochs=1), out=tmp_path / "r", overwrite=True)
    assert load_run(tmp_path / "r").snapshots == [1]
    assert not (tmp_path / "r/3_loss.png").exists()
    assert (tmp_path / "r/notes.txt").read_text() == "mine"
    assert (tmp_path / "r/my_loss.png").read_text() == "mine"


def test_overwriting_removes_the_pictures_that_other_commands_drew(own_npz: Path, tmp_path: Path) -> None:
    wanted, path = settings(own_npz, epochs=2, seeds=2, snapshot_every=1), tmp_path / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save", lambda figure, file: file.write_text("a picture"))
        other = run(wanted.replace(seed=5, epochs=1), out=tmp_path / "the-other.1").path
        run(wanted, out=path)
        of_training = set(path.glob("*.png"))
        score_run(path, weights="1,2").draw()
        interpolate(path, other, steps=3)
        random_plane(path, steps=2)
        measure_sharpness(path, rows=9)
        for name in ("last_class_replica1.png", "class_replica1.gif", "1_shared.png"):
            (path / f"templates_{name}").write_text("of images")
        assert len(set(path.glob("*.png")) - of_training) == 3 + 3 + 2
        run(wanted.replace(epochs=1), out=path, overwrite=True)
    assert {file.name for file in [*path.glob("*.png"), *path.glob("*.gif")]} == {
        f"1_{kind}.png" for kind in ("loss", "accuracy", "difference")
    }


def test_a_locked_directory_is_left_alone(own_npz: Path, tmp_path: Path) -> None:
    run(settings(own_npz, epochs=1), out=tmp_path / "r")
    before = {path: path.read_bytes() for path in (tmp_path / "r").rglob("*") if path.is_file()}
    with files.locked(tmp_path / "r/.lock"):
        for attempt in (
            lambda: run(settings(own_npz), out=tmp_path / "r", overwrite=True),
            lambda: resume(tmp_path / "r", epochs=9),
        ):
            with pytest.raises(RunTakenError, match="in use by another"):
                attempt()
    assert before == {path: path.read_bytes() for path in before}


def test_a_diverged_run_keeps_what_it_had(own_npz: Path, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="--eta"):
        run(settings(own_npz, eta=1e200, l2=1.0), out=tmp_path / "r")
    found = load_run(tmp_path / "r")
    assert found.status["status"] == "diverged"
    assert "--eta 1e+199" in found.status["notes"][-1]
    assert np.isfinite(found.model().params.flat).all()


@pytest.mark.usefixtures("no_pictures")
def test_a_run_that_ends_a_thousand_times_worse_than_it_began_has_diverged(
    own_npz: Path, tmp_path: Path
) -> None:
    """Though every number is finite; after a resume too."""
    words = r"the cost ended at \d\.\d+e\+\d+, .* times what it began with \(1\.\d+\), with eta = 1e\+30: try"
    with pytest.raises(DivergedError, match=words):
        run(settings(own_npz, eta=1e30, l2=0.0), out=tmp_path / "r")
    found = load_run(tmp_path / "r")
    assert found.status["status"] == "diverged"
    assert "times what it began with" in found.status["notes"][-1]
    assert np.isfinite(found.history.column("train_cost")).all()
    with pytest.raises(InterruptedRun):
        run(settings(own_npz, eta=1e30, l2=0.0), out=tmp_path / "part", listener=InterruptAt(3))
    with pytest.raises(DivergedError, match=words):
        resume(tmp_path / "part")


def test_of_several_models_only_some_ended_worse(own_npz: Path) -> None:
    chosen = settings(own_npz, seeds=3).resolved()
    job = build(chosen, load_data(chosen))
    history = job.trainer.state.history
    x, y = job.train.rows(slice(0, 200))
    began = job.model.loss_sums(x, y)[0] / 200 + job.model.penalty()
    for k, factor in enumerate((1.0, 2000.0, 500.0)):
        row = dict.fromkeys(history.columns, 0.0)
        history.append(row | {"model": k, "epoch": 1, "train_cost": factor * began[k]})
    ((k, text),) = ended_worse(job).items()
    assert k == 1
    assert " 2e+03 times what it began with (1." in text


@pytest.mark.usefixtures("no_pictures")
def test_small_class_weights_are_no_divergence(own_npz: Path, tmp_path: Path) -> None:
    """A factor common to all weights changes nothing: neither numbers nor what they are compared with."""
    found = []
    for weights in ("1,2,3", "1e-6,2e-6,3e-6"):
        chosen = settings(own_npz, class_weights=weights, epochs=2)
        path = run(chosen, out=tmp_path / weights).path
        assert load_run(path).status["status"] == "finished"
        found.append(load_run(path).history.last("train_cost")[0])
    assert found[0] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.usefixtures("no_pictures")
def test_the_weights_of_a_replica_that_was_stopped_are_of_its_own_last_epoch(
    own_npz: Path, tmp_path: Path
) -> None:
    wanted = settings(own_npz, eta=0.3, l2=0.0, epochs=30, patience=1, seeds=3)
    found = load_run(run(wanted, out=tmp_path / "r").path)
    epochs = found.history.last("epoch").tolist()
    assert len(set(epochs)) > 1
    assert [found.epoch_of("last", k) for k in range(3)] == epochs


def test_overfitting_stops_the_run_and_is_written_down(own_npz: Path, tmp_path: Path) -> None:
    wanted = settings(own_npz, eta=1.0, l2=0.0, epochs=50, overfit_threshold=1e-4, overfit_action="stop")
    result = run(wanted, out=tmp_path / "r")
    assert result.history.epochs < 50
    status = load_run(tmp_path / "r").status
    assert status["status"] == "finished"
    assert f"overfitting at epoch {result.history.epochs}:" in status["notes"][0]
    assert load_run(tmp_path / "r").snapshots == [result.history.epochs]


def test_a_full_disk_leaves_the_earlier_state(
    own_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(files.System):
        def __init__(self, writes: int) -> None:
            self.left = writes

        def write(self, file, data) -> None:
            self.left -= 1
            if self.left < 0:
                raise OSError(28, "No space left on device")
            super().write(file, data)

    run(settings(own_npz), out=tmp_path / "whole")
    for writes in range(4, 11, 2):
        monkeypatch.setattr(files, "SYSTEM", FullDisk(writes))
        out = tmp_path / f"r{writes}"
        with pytest.raises(StorageError, match=r"cannot write .*bytes\): No space left"):
            run(settings(own_npz), out=out)
        monkeypatch.setattr(files, "SYSTEM", files.System())
        resume(out)
        assert_same_run(tmp_path / "whole", out)


def test_evaluate_agrees_with_the_log(own_npz: Path, tmp_path: Path) -> None:
    run(settings(own_npz, snapshot_every=3, seeds=2), out=tmp_path / "r")
    history = load_run(tmp_path / "r").history
    for weights, epoch in (("last", 6), (3, 3), ("3", 3)):
        for split, column in (("test", "test"), ("validation", "val"), ("train", "train")):
            scores = evaluate_run(tmp_path / "r", split=split, weights=weights)
            for score in scores:
                assert score.accuracy == history.matrix(f"{column}_accuracy")[epoch - 1, score.model]
                assert score.interval[0] < score.accuracy < score.interval[1]
                if column != "test":
                    assert score.cost == history.matrix(f"{column}_cost")[epoch - 1, score.model]
    best = evaluate_run(tmp_path / "r", split="validation", weights="best")
    assert [score.loss for score in best] == [history.column("val_loss", k).min() for k in range(2)]
    with pytest.raises(UsageError, match="expected one of last, best, 3, 6"):
        evaluate_run(tmp_path / "r", weights="5")


def test_other_data_is_refused(own_npz: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRun):
        run(settings(own_npz), out=tmp_path / "r", listener=InterruptAt(2))
    write_npz(own_npz, seed=1)
    for attempt in (resume, evaluate_run):
        with pytest.raises(DataError, match="was trained on"):
            attempt(tmp_path / "r")


@pytest.mark.parametrize("name", ["state.npz", "run.json"])
def test_a_damaged_file_is_one_line(own_npz: Path, tmp_path: Path, name: str) -> None:
    run(settings(own_npz, epochs=2), out=tmp_path / "r")
    path = tmp_path / "r" / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=name) as caught:
        load_run(tmp_path / "r").model()
    assert "\n" not in str(caught.value)


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run in .*run\.json"):
        load_run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_public_names_of_the_package(own_npz: Path, tmp_path: Path) -> None:
    result = linclass.run(settings(own_npz, epochs=1), out=tmp_path / "r")
    assert linclass.load_run(result.path).model("best").K == 1
    assert json.loads((tmp_path / "r/run.json").read_text())["settings"]["epochs"] == 1
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = linclass.nothing


def test_extending_a_run_in_the_middle_of_an_epoch(
    own_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Replicas.step

    def interrupted(replicas: Replicas, *arguments: object) -> None:
        if replicas.state.step == 40:
            signal.raise_signal(signal.SIGINT)
        step(replicas, *arguments)

    monkeypatch.setattr(Replicas, "step", interrupted)
    with pytest.raises(InterruptedRun, match="in epoch 4 of 6"):
        run(settings(own_npz), out=tmp_path / "r")
    monkeypatch.undo()
    with pytest.raises(UsageError, match="expected at least 4"):
        resume(tmp_path / "r", epochs=3)
    before = (tmp_path / "r/run.json").read_bytes()
    write_npz(own_npz, seed=1)
    with pytest.raises(DataError):
        resume(tmp_path / "r", epochs=9999)
    assert (tmp_path / "r/run.json").read_bytes() == before, "a refused resume changes nothing"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"eta": 1.0, "l2": 0.0, "overfit_threshold": 1e-4, "overfit_action": "stop"},
            "--overfit-action warn",
        ),
        ({"eta": 1e200, "l2": 1.0}, "smaller --eta"),
    ],
)
def test_what_stopped_by_itself_is_not_extended(
    own_npz: Path, tmp_path: Path, changes: dict, words: str
) -> None:
    with contextlib.suppress(DivergedError):
        run(settings(own_npz, **changes), out=tmp_path / "r")
    notes: list[str] = []
    listener = Listener()
    listener.note = notes.append
    resume(tmp_path / "r", listener=listener)
    assert words in notes[-1]
    with pytest.raises(UsageError, match=words):
        resume(tmp_path / "r", epochs=60)
    assert load_run(tmp_path / "r").settings.epochs == 6


@pytest.mark.parametrize(
    ("stopping", "changes"),
    [
        ({"overfit_threshold": 1e-4, "overfit_action": "stop"}, {"overfit_action": "warn"}),
        ({"overfit_threshold": 1e-4, "overfit_action": "stop"}, {"overfit_threshold": 9.0}),
        ({"patience": 1}, {"patience": 0}),
    ],
    ids=str,
)
@pytest.mark.usefixtures("no_pictures")
def test_what_a_rule_stopped_goes_on_when_the_rule_is_lifted(
    own_npz: Path, tmp_path: Path, stopping: dict, changes: dict
) -> None:
    """To the bits of the run that never had it."""
    begun = settings(own_npz, eta=1.0, l2=0.0, optimizer="adam", epochs=8, **stopping)
    stopped = run(begun, out=tmp_path / "r").history.epochs
    assert stopped < 8
    (field,) = changes
    with pytest.raises(UsageError, match=f"was stopped by .* --allow {field.replace('_', '-')}"):
        resume(tmp_path / "r", epochs=9)
    resume(tmp_path / "r", epochs=9, changes=changes, allow=[field])
    run(begun.replace(epochs=9, **changes), out=tmp_path / "whole")
    assert without_seconds(tmp_path / "r/values.csv") == without_seconds(tmp_path / "whole/values.csv")
    assert (tmp_path / "r/snapshots/9.npz").read_bytes() == (tmp_path / "whole/snapshots/9.npz").read_bytes()
    notes = load_run(tmp_path / "r").status["notes"]
    assert f"at epoch {stopped}" in notes[0], "what was noted before is kept"


@pytest.mark.usefixtures("no_pictures")
def test_of_several_models_those_go_on_that_stopped_last(own_npz: Path, tmp_path: Path) -> None:
    begun = settings(own_npz, eta=1.0, l2=0.0, seeds=4, epochs=30, patience=2)
    trained = run(begun, out=tmp_path / "r").history
    ends = [len(trained.of_model(k)) for k in range(4)]
    assert len(set(ends)) > 1, "they stop at different epochs"
    assert max(ends) < 30
    with pytest.raises(UsageError, match=r"model 0 was stopped by --patience 2 at epoch \d+; model 1 was"):
        resume(tmp_path / "r", epochs=40)
    history = resume(tmp_path / "r", epochs=40, changes={"patience": 0}, allow=["patience"]).history
    whole = run(begun.replace(epochs=40, patience=0), out=tmp_path / "whole").history
    for k, end in enumerate(ends):
        last = 40 if end == max(ends) else end
        assert history.column("val_loss", k).tolist() == whole.column("val_loss", k)[:last].tolist()


@pytest.mark.usefixtures("no_pictures")
def test_the_overfit_rule_of_a_resume_is_obeyed(own_npz: Path, tmp_path: Path) -> None:
    begun = settings(own_npz, eta=1.0, l2=0.0, epochs=3, overfit_threshold=1e-4)
    run(begun, out=tmp_path / "r")
    shutil.copytree(tmp_path / "r", tmp_path / "lower")
    assert load_run(tmp_path / "r").history.column("difference")[-1] > 1e-4
    change = {"overfit_action": "stop"}
    assert resume(tmp_path / "r", epochs=6, changes=change, allow=change).history.epochs == 4
    assert resume(tmp_path / "r").history.epochs == 4, "and stays stopped"
    lower = {"overfit_threshold": 1e-5}
    resume(tmp_path / "lower", epochs=6, changes=lower, allow=lower)
    first, second = load_run(tmp_path / "lower").status["notes"]
    assert "above the threshold 0.0001;" in first
    assert "overfitting at epoch 4: " in second
    assert "above the threshold 1e-05;" in second


@pytest.mark.usefixtures("no_pictures")
def test_a_resume_with_nothing_to_train_leaves_a_whole_run(
    own_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr("linclass.runs.pictures.draw_curves", lambda path, *_: drawn.append(path))
    begun = settings(own_npz, eta=1.0, l2=0.0, overfit_threshold=1e-4)
    with pytest.raises(InterruptedRun):
        run(begun, out=tmp_path / "r", listener=InterruptAt(3))
    assert "overfitting at epoch" in load_run(tmp_path / "r").status["notes"][0]
    resume(tmp_path / "r", epochs=3)
    run(begun.replace(epochs=3), out=tmp_path / "whole")
    assert load_run(tmp_path / "r").status == load_run(tmp_path / "whole").status
    assert load_run(tmp_path / "r").snapshots == [3]
    assert drawn == [tmp_path / "r", tmp_path / "whole"]


@pytest.mark.usefixtures("no_pictures")
def test_what_was_noted_outlives_the_process(own_npz: Path, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    class KilledAt(Listener):
        def epoch(self, rows: list[Row]) -> None:
            if rows[0]["epoch"] == 4:
                raise KilledError

    begun = settings(own_npz, eta=1.0, l2=0.0, overfit_threshold=1e-4)
    with pytest.raises(KilledError):
        run(begun, out=tmp_path / "r", listener=KilledAt())
    resume(tmp_path / "r")
    run(begun, out=tmp_path / "whole")
    assert load_run(tmp_path / "r").status == load_run(tmp_path / "whole").status


def test_a_validation_cost_that_is_not_finite_is_divergence(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 4)), np.arange(60) % 3
    x_val = x.copy()
    x_val[0, 0] = 1e308
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_val=x_val, y_val=y, x_test=x, y_test=y)
    with pytest.raises(DivergedError, match="the end of epoch 1"):
        run(settings(tmp_path / "own.npz", scaling="raw", init_std=10.0), out=tmp_path / "r")
    assert load_run(tmp_path / "r").status["status"] == "diverged"


def test_a_deleted_state_leaves_no_old_snapshot_in_the_next_run(own_npz: Path, tmp_path: Path) -> None:
    run(settings(own_npz, snapshot_every=3), out=tmp_path / "r")
    for name in ("state.npz", "state-1.npz"):
        (tmp_path / "r" / name).unlink()
    run(settings(own_npz, epochs=1), out=tmp_path / "r")
    assert load_run(tmp_path / "r").snapshots == [1]


def test_settings_and_state_belong_together(own_npz: Path, tmp_path: Path) -> None:
    run(settings(own_npz), out=tmp_path / "r")
    manifest = json.loads((tmp_path / "r/run.json").read_text())
    manifest["settings"]["eta"] = 0.7
    (tmp_path / "r/run.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"eta is 0\.7, was 0\.1.*put run\.json back"):
        resume(tmp_path / "r", epochs=9)


@pytest.mark.parametrize(
    "edit",
    ["threads", "numerics", "format", "settings", "data", lambda m: m["settings"].update(newfield=1), list],
)
def test_a_manifest_that_does_not_fit_is_named(own_npz: Path, tmp_path: Path, edit: object) -> None:
    run(settings(own_npz, epochs=1), out=tmp_path / "r")
    manifest = json.loads((tmp_path / "r/run.json").read_text())
    if isinstance(edit, str):
        del manifest[edit]
    elif edit is list:
        manifest = []
    else:
        edit(manifest)
    (tmp_path / "r/run.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"run\.json"):
        load_run(tmp_path / "r")


@pytest.mark.parametrize("status", ["", "[]", "{}", "null"])
def test_a_damaged_status_stops_nobody(own_npz: Path, tmp_path: Path, status: str) -> None:
    run(settings(own_npz, epochs=2), out=tmp_path / "r")
    (tmp_path / "r/status.json").write_text(status)
    resume(tmp_path / "r", epochs=6)
    run(settings(own_npz), out=tmp_path / "whole")
    assert_same_run(tmp_path / "r", tmp_path / "whole")


def test_a_run_is_found_again_from_another_directory(
    own_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    linclass.run(settings(Path("own.npz")), out="r")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(evaluate_run("../r")) == 1


def test_a_second_interrupt_stops_at_once_and_resume_is_still_exact(own_npz: Path, tmp_path: Path) -> None:
    class Twice(InterruptAt):
        def epoch(self, rows: list[Row]) -> None:
            super().epoch(rows)
            super().epoch(rows)

    with pytest.raises(KeyboardInterrupt):
        run(settings(own_npz), out=tmp_path / "part", listener=Twice(3))
    resume(tmp_path / "part")
    run(settings(own_npz), out=tmp_path / "whole")
    assert_same_run(tmp_path / "part", tmp_path / "whole")


@pytest.mark.usefixtures("no_pictures")
def test_balanced_class_weights_are_numbers_that_the_run_keeps(own_npz: Path, tmp_path: Path) -> None:
    asked, out = settings(own_npz, class_weights="balanced", epochs=2), tmp_path / "balanced"
    kept = run(asked, out=out).settings
    counts = np.bincount(load_data(asked.resolved()).train.y)
    assert kept.weights_of_classes == tuple(counts.sum() / (len(counts) * counts))
    data = load_run(out).manifest["data"]
    assert list(data["rows_of_classes"].items()) == list(zip(data["classes"], counts, strict=True))
    assert resume(out, epochs=3, changes={"class_weights": "balanced"}).settings == kept.replace(epochs=3)
    assert run_or_take_up(asked.replace(epochs=3), name="balanced", out=out).history.epochs == 3
    # the same numbers, given: the same bits
    run(asked.replace(class_weights=kept.class_weights), out=tmp_path / "given")
    resume(tmp_path / "given", epochs=3)
    one, two = (load_run(path).model().params.flat.tobytes() for path in (out, tmp_path / "given"))
    assert one == two
    other = ",".join("1" for _ in counts)
    with pytest.raises(UsageError, match=f"--class-weights is {other}, was .*--allow class-weights"):
        resume(out, epochs=4, changes={"class_weights": other})
    resume(out, epochs=4, changes={"class_weights": other}, allow=["class_weights"])
    assert load_run(out).allowed[0]["now"] == other
    best = grid_search({"class_weights": ["balanced", other]}, asked, out=tmp_path / "sweep").path / "best"
    assert load_run(best).settings.class_weights in (kept.class_weights, other)


@pytest.mark.usefixtures("no_pictures")
def test_few_rows_train_with_the_default_batch_size_and_a_given_one_is_kept(
    own_npz: Path, tmp_path: Path
) -> None:
    few = settings(own_npz, train_size=30, batch_size=None, epochs=2)
    out = tmp_path / "few"
    trained = run(few, out=out)
    assert trained.settings.batch_size == load_run(out).settings.batch_size == 30
    assert resume(out, epochs=3).settings.batch_size == 30
    again = run_or_take_up(few.replace(epochs=3), name="few", out=out)  # it is the run of these settings
    assert again.history.epochs == 3
    with pytest.raises(UsageError, match=r"--batch-size is 100: expected 1 to 30"):
        run(few.replace(batch_size=100), out=tmp_path / "given")
    best = grid_search({"eta": [0.01, 0.1]}, few, out=tmp_path / "sweep").path / "best"
    assert load_run(best).settings.batch_size == 30
    assert run(few.replace(train_size=None), out=tmp_path / "many").settings.batch_size == 100


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "cifar10-sample", "scaling": "per-pixel"},
        {"dataset": "cifar10-sample", "batch_size": 20},
        {"dataset": "mnist-sample", "model": "mlp", "hidden": "12", "dtype": "float32"},
        {},
    ],
    ids=["weights scaled", "rows scaled", "mlp", "floats"],
)
def test_a_runs_model_takes_rows_as_they_are_stored_and_gives_the_numbers_of_the_log(
    own_npz: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    # in training the weights are scaled instead of the rows, to other bits
    by_weights = changes.get("scaling") == "per-pixel"
    found = run(settings(own_npz, epochs=2, eta=0.01, batch_size=100).replace(**changes), out=tmp_path / "r")
    data = load_data(found.settings)
    for weights in ("last", 2, "best"):
        kept = load_run(found.path)
        epoch = kept.epoch_of(weights)
        with engine.limited(1):  # as in training: BLAS adds up in another order on two
            scored = evaluate(kept.model(weights), Inputs(data.validation))
        logged = found.history.column("val_loss")[epoch - 1]
        assert scored.loss[0] == pytest.approx(logged, rel=1e-12 if by_weights else 0)
        assert scored.accuracy[0] == found.history.column("val_accuracy")[epoch - 1]
        assert kept.model(weights).architecture.scaler.same_as(
            Scaler.fit(data.train.x, kept.settings.scaling)
        )
