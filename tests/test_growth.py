"""Growing data: the points and their intervals by hand, sizes the data does not have, the ladder itself."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from linclass import plots
from linclass.analysis import learning_curve
from linclass.cli.console import call
from linclass.courses.experiments import Assignment
from linclass.errors import UsageError
from linclass.metrics import mean_interval, wilson_interval
from linclass.runs.experiment import Result
from linclass.settings import Experiment
from linclass.training.history import COLUMNS, History

SETTINGS = Experiment(dataset="cifar10-sample", model="mlp", hidden="200", activation="leaky-relu")
LADDER = Assignment(
    name="ladder",
    title="A small ladder",
    source="nobody",
    settings=SETTINGS.replace(optimizer="adam", scaling="global", batch_size=10, epochs=30),
    variants={
        "1": {"train_size": 1, "batch_size": 1},
        "10": {"train_size": 10},
        "9999": {"train_size": 9999},
    },
    growth=True,
)


def result(folder: Path, rows: int, accuracies: list[float]) -> Result:
    """A run of one epoch with these validation accuracies, one a seed."""
    folder.mkdir()
    manifest = {"data": {"rows": {"train": rows, "validation": 500}}}
    (folder / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    history = History(len(accuracies))
    for k, accuracy in enumerate(accuracies):
        numbers = dict.fromkeys(COLUMNS, 0.0) | {"train_accuracy": 1.0, "val_accuracy": accuracy}
        history.append({**numbers, "epoch": 1, "model": k})
    return Result(folder, SETTINGS, history, False)


def test_points_have_wilsons_interval_or_students_and_rise(tmp_path: Path, monkeypatch) -> None:
    results = [result(tmp_path / "b", 20, [0.3, 0.36]), result(tmp_path / "a", 4, [0.25])]
    fake = {r.path: json.loads((r.path / "run.json").read_text()) for r in results}
    monkeypatch.setattr(learning_curve, "Run", lambda path: type("R", (), {"manifest": fake[path]}))
    one, two = learning_curve.points(results)
    assert (one.rows, two.rows) == (4, 20)
    assert list(one.accuracies) == ["train", "validation"]
    assert one.accuracies["validation"] == (0.25, *wilson_interval(125, 500))
    assert np.isnan(one.accuracies["train"][1:]).all()  # the rows trained on are no sample
    low, high = mean_interval(np.array([0.3, 0.36])).bounds()
    assert two.accuracies["validation"] == pytest.approx((0.33, max(low, 0), min(high, 1)))
    assert learning_curve.table([one, two])[1][0] == "4"


@pytest.mark.usefixtures("no_pictures")
def test_the_ladder_overfits_and_leaves_out_what_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(LADDER.command(), ["--quiet", "--out", str(tmp_path)], prog_name="ladder") == 0
    out = capsys.readouterr().out
    assert "left out: --train-size is 9,999: the training split has only 2,000 rows" in out
    assert re.search(r"^1 +100\.00 %  +\d", out, re.MULTILINE)
    assert re.search(r"^10 +100\.00 %  +\d", out, re.MULTILINE)
    assert (tmp_path / "growth.png").exists()


def test_the_picture_needs_a_point_for_each_size() -> None:
    with pytest.raises(UsageError, match="a point for each"):
        plots.growth([1, 10], {"train": [(1, 1, 1)]}, title="t", chance=0.1)
    points = [(0.2, 0.1, 0.3), (0.5, 0.4, 0.55)]
    figure = plots.growth([10, 1000], {"train": points, "validation": points}, title="t", chance=0.1)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "1,000"]
    styles = {container[0].get_linestyle() for container in axes.containers}
    assert len(styles) == 2  # told apart without colour


def test_sizes_that_double_are_told_apart() -> None:
    sizes = [1, 10, 1000, 10_000, 20_000, 40_000]
    figure = plots.growth(sizes, {"train": [(0.5, 0.4, 0.6)] * len(sizes)}, title="t", chance=0.1)
    figure.canvas.draw()
    (axes,) = figure.axes
    labels = axes.get_xticklabels()
    assert {label.get_rotation() for label in labels} == {45}
    # across their lines: what lies between two that follow each other
    at = [label.get_transform().transform(label.get_position())[0] for label in labels]
    height = labels[0].get_fontsize() * figure.dpi / 72
    assert min(np.diff(at)) * np.sin(np.radians(45)) > height
