"""`linclass landscape` and the studies over it, on the bundled sample; label noise."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.datasets.labels import with_noise
from linclass.errors import UsageError
from linclass.landscape import of_runs
from linclass.runs import experiment
from linclass.runs.data import load_data
from linclass.runs.directory import Run
from linclass.settings import Experiment

ROOT = Path(__file__).parent.parent
SETTINGS = Experiment(
    dataset="mnist-sample", train_size=300, model="mlp", hidden="6", optimizer="adam", eta=0.01, epochs=4,
    snapshot_every=2, seeds=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(no_pictures_in_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs: one, two (another seed), wide (another shape), short (no trajectory), normed (batch norm)."""
    folder = tmp_path_factory.mktemp("runs")
    for name, changes in {
        "one": {},
        "two": {"seed": 2},
        "wide": {"hidden": "7"},
        "short": {"snapshot_every": 0},
        "normed": {"batch_norm": True},
        "other": {"train_size": 200},
        "double": {"dtype": "float64", "seeds": 1},
    }.items():
        experiment.run(SETTINGS.replace(**changes), out=folder / name)
    return folder


def said(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert call(cli, ["landscape", *arguments], prog_name="linclass") == code
    captured = capsys.readouterr()
    if code:
        assert len(captured.err.splitlines()) == 1
        return captured.err
    return captured.out


@pytest.mark.parametrize(
    ("arguments", "picture"),
    [
        (["interpolate", "one", "two", "--steps", "7"], "interpolation_two_replica0"),
        (["plane", "one", "--steps", "5", "--replica", "1"], "plane_replica1"),
        (["trajectory", "one", "two", "--steps", "5"], "trajectory_0"),
        (["trajectory", "one", "--steps", "5", "--layer", "1"], "trajectory_1"),
        (["sensitivity", "one", "--rows", "50"], "sensitivity_test"),
        (["sensitivity", "normed", "--rows", "50", "--on", "train"], "sensitivity_train"),
        (["sharpness", "one", "--rows", "50"], "sharpness"),
    ],
)
def test_each_survey_prints_a_table_and_draws(
    arguments: list[str], picture: str, runs: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(runs)
    lines = said(arguments, capsys).splitlines()
    assert lines[-1] == f"{arguments[1]}/landscape_{picture}.png"
    assert len(lines) > 3
    with Image.open(lines[-1]) as drawn:
        assert drawn.size[0] > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["interpolate", "one", "wide"], "different shapes (784-6-10 and 784-7-10): expected the same"),
        (["interpolate", "one", "other"], "trained on different data"),
        (["interpolate", "one", "two", "--from", "2", "--to", "-1"], "from 2 to -1: expected it to rise"),
        (["interpolate", "normed", "normed"], "use a run without --batch-norm"),
        (["interpolate", "one", "two", "--replica", "5"], "--replica is 5: one has the replicas 0 to 1"),
        (["trajectory", "one", "wide"], "different shapes"),
        (["trajectory", "short"], "short has 1 snapshot: expected the recorded trajectory"),
        (["trajectory", "one", "--layer", "3"], "--layer is 3: expected 1 to 2"),
        (["sharpness", "normed"], "without --batch-norm"),
        (["plane", "one", "--extent", "-1"], "--extent -1"),
        (["plane", "one", "--rows", "-1"], "--rows is -1"),
        (
            ["plane", "one", "--extent", "1e301"],
            "--extent 1e+301 with --steps 25: expected above 0 and at most",
        ),
        (["interpolate", "one", "two", "--to", "1e308"], "expected it to rise, within -1e+300 to 1e+300"),
    ],
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], message: str, runs: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(runs)
    assert message in said(arguments, capsys, code=2)


def test_the_ends_of_a_path_are_the_runs_own_numbers(runs: Path) -> None:
    found = of_runs.interpolate(runs / "one", runs / "two", start=0, stop=1, steps=2, out=runs / "ends.png")
    for row, name in zip(found.table[1:], ("one", "two"), strict=True):
        last = Run(runs / name).history.of_model(0)[-1]
        assert float(row[1]) == pytest.approx(last["train_loss"], abs=2e-5)
        assert row[2] == f"{100 * last['train_accuracy']:.2f} %"


@pytest.mark.parametrize("steps", [2, 3])
@pytest.mark.parametrize("extent", [5e-324, 1e-300, 1e-15, 1e-9, 1e9, 1e100, 1e300])
@pytest.mark.parametrize("name", ["one", "double"])
def test_a_plane_of_any_extent_is_drawn(name: str, extent: float, steps: int, runs: Path) -> None:
    found = of_runs.random_plane(
        runs / name, extent=extent, steps=steps, rows=20, out=runs / f"{extent}-{steps}.png"
    )
    assert found.picture.exists()
    table = dict(found.table)
    numbers = [float(table[key]) for key in ("lowest on the plane", "median", "highest")]
    assert numbers[:2] == sorted(numbers[:2])
    assert numbers[2] >= numbers[1] * (1 - 1e-5)  # printed with fewer digits
    if steps == 3:  # the model is in the middle
        assert numbers[0] <= float(table["of the model"])
    if extent < 1e-8:
        assert numbers == pytest.approx([float(table["of the model"])] * 3, rel=1e-5)
    if extent == 1e300:
        assert numbers[2] == np.inf
        assert table["overflows at"] == f"{steps**2 - steps % 2} of {steps**2} points"


@pytest.mark.parametrize("far", [1e-300, 1e-15, 1e9, 1e300])
def test_a_path_of_any_length_is_drawn(far: float, runs: Path) -> None:
    out = runs / f"path-{far}.png"
    found = of_runs.interpolate(runs / "one", runs / "two", start=-far, stop=far, steps=3, out=out)
    assert out.exists()
    assert [float(row[0]) for row in found.table[1:]] == pytest.approx([-far, 0, far], rel=1e-5)
    assert (
        found.table[2][1:]
        == of_runs.interpolate(runs / "one", runs / "two", start=0, stop=1, steps=2, out=out).table[1][1:]
    )


def test_the_trajectory_of_a_training_that_stood_still_is_drawn(runs: Path) -> None:
    experiment.run(SETTINGS.replace(optimizer="sgd", eta=1e-300), out=runs / "still")
    found = of_runs.trajectory([runs / "still"], steps=3, rows=20)
    assert found.picture.exists()
    for row in found.table[1:]:
        assert row[2] == row[4]


def test_sensitivity_of_a_run_that_has_no_snapshot_yet(runs: Path, tmp_path: Path) -> None:
    """One interrupted before its first; the last weights are those of the snapshot of a run's end."""
    shutil.copytree(runs / "short", tmp_path / "cut")
    (tmp_path / "cut" / "snapshots" / "4.npz").unlink()
    whole, cut = (of_runs.measure_sensitivity(path, rows=20) for path in (runs / "short", tmp_path / "cut"))
    assert [row[0] for row in whole.table] == ["epoch", "4"]
    assert [row[0] for row in cut.table] == ["epoch", "last"]
    assert cut.table[1][1:] == whole.table[1][1:]
    assert cut.picture.exists()


def test_a_run_from_before_a_field_existed_is_read(runs: Path) -> None:
    path = runs / "two" / "state.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    own = json.loads(arrays["settings"].tobytes())
    del own["label_noise"]
    arrays["settings"] = np.frombuffer(json.dumps(own).encode(), np.uint8)
    np.savez(path, **arrays)
    assert len(Run(runs / "two").history)


# ---- label noise -------------------------------------------------------------------------------------------


def test_noise_replaces_its_share_and_leaves_the_rest() -> None:
    y = np.random.default_rng(0).integers(0, 10, 20_000)
    quarter, half, all_of_them = (with_noise(y, 10, share, 3) for share in (0.25, 0.5, 1.0))
    # nine in ten of the drawn labels are others than before
    for noisy, share in ((quarter, 0.25), (half, 0.5), (all_of_them, 1.0)):
        assert np.mean(noisy != y) == pytest.approx(0.9 * share, abs=0.01)
    changed = quarter != y
    np.testing.assert_array_equal(half[changed], quarter[changed])
    np.testing.assert_array_equal(with_noise(y, 10, 0.25, 3), quarter)
    assert (with_noise(y, 10, 0.25, 4) != quarter).any()
    counts = np.bincount(all_of_them, minlength=10)
    assert np.all(np.abs(counts - 2000) < 5 * np.sqrt(2000))
    with pytest.raises(UsageError, match="--label-noise is for classes"):
        with_noise(np.zeros((3, 1)), 10, 0.5, 0)


def test_noise_is_on_the_training_labels_alone_and_checked() -> None:
    plain, noisy = (load_data(SETTINGS.replace(label_noise=share).resolved()) for share in (0.0, 1.0))
    np.testing.assert_array_equal(plain.train.x, noisy.train.x)
    assert np.mean(plain.train.y == noisy.train.y) < 0.25
    for split in ("validation", "test"):
        np.testing.assert_array_equal(plain.splits()[split].y, noisy.splits()[split].y)
    for share in (-0.1, 1.5):
        with pytest.raises(UsageError, match="--label-noise is"):
            SETTINGS.replace(label_noise=share)
