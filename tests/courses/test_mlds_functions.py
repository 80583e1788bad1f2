"""The studies on functions of one number, at a size at which they only have to run and be told right."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

from linclass import plots
from linclass.cli.console import call
from linclass.courses.claims import VERDICTS, Study, prepared, trained
from linclass.datasets.functions import FUNCTIONS, grid
from linclass.errors import UsageError

pytestmark = pytest.mark.usefixtures("empty_place")


def study(name: str) -> Study:
    found: Study = importlib.import_module(f"assignments.{name}").STUDY
    return found


@pytest.mark.parametrize(
    ("name", "options", "claims", "pictures"),
    [
        ("mlds_functions", ["--epochs", "20", "--seeds", "2"], 4, 6),
        ("mlds_gradient_norm", ["--epochs", "1", "--seeds", "2", "--train-size", "300"], 2, 4),
        ("mlds_minimal_ratio", ["--epochs", "160", "--seeds", "6", "--neighbours", "5"], 4, 1),
        ("mlds_minimal_ratio", ["--epochs", "10", "--seeds", "3", "--minimise-gradient", "3"], 4, 1),
    ],
)
def test_a_study_runs_and_says_what_it_found(
    name: str,
    options: list[str],
    claims: int,
    pictures: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"assignments.{name}.EPOCHS_OF_FUNCTIONS", 20, raising=False)
    monkeypatch.setattr(plots, "save", lambda figure, path: path.write_bytes(b""))
    assert study(name).name == name
    assert call(study(name).command(), [*options, "--quiet"], prog_name=name) == 0
    out = capsys.readouterr().out
    folder = Path("result_pics", name)
    kept = json.loads((folder / "claims.json").read_text())["claims"]
    assert len(kept) == claims
    for claim in kept:
        assert claim["verdict"] in VERDICTS
        assert f"{claim['verdict']}: {claim['text']}\n    {claim['numbers']}" in out
    assert len(list(folder.glob("*.png"))) == pictures
    assert "not the study's settings" in out


def test_what_a_study_varies_cannot_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    command = study("mlds_functions").command()
    assert call(command, ["--hidden", "3"], prog_name="mlds_functions") == 2
    assert "--hidden is what mlds_functions varies" in capsys.readouterr().err


def test_full_batches_train_as_one_stack_to_what_each_seed_alone_comes_to() -> None:
    """Without an order the replicas are independent, so the stack must agree with the single runs."""
    settings = study("mlds_minimal_ratio").settings.replace(seeds=3, epochs=5)
    together = trained(settings)
    assert len(together.trainer.replicas) == 1
    for k in range(3):
        alone = trained(settings.replace(seeds=1, seed=settings.seed + k))
        difference = together.model.params.flat[k] - alone.model.params.flat[0]
        assert np.abs(difference).max() < 1e-10
    in_batches = prepared(settings.replace(batch_size=10))
    assert len(in_batches.trainer.replicas) == 3, "with an order each replica keeps its own"


def test_the_lower_plateau_is_the_best_function_with_one_bend() -> None:
    """A constant up to c and a straight line after it, fitted by least squares for every c."""
    plateaus = importlib.import_module("assignments.mlds_minimal_ratio").PLATEAUS
    x = grid(1000)
    y = FUNCTIONS["half-sine"](x)
    errors = []
    for c in np.linspace(0, 2, 101):
        basis = np.stack([np.ones_like(x), np.maximum(0, x - c)], axis=1)
        errors.append(np.mean((y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]) ** 2))
    assert min(errors) == pytest.approx(plateaus["one bend: 0.0609"], abs=1e-4)
    assert errors[-1] == pytest.approx(plateaus["a constant: 0.0947"], abs=1e-4)


def test_pictures_refuse_what_does_not_fit() -> None:
    with pytest.raises(UsageError, match="cannot draw fits"):
        plots.fits(np.arange(5.0), np.arange(5.0), {"a": np.zeros((4, 1))}, title="")
    with pytest.raises(UsageError, match="cannot draw a scatter"):
        plots.scatter(
            {"a": np.zeros(3)}, np.zeros(4), {"b": np.ones(4, bool)}, title="", xlabel="", ylabel=""
        )


def test_a_scatter_has_a_point_for_each_model_in_each_panel() -> None:
    y, first = np.linspace(0, 1, 7), np.arange(7) < 3
    figure = plots.scatter(
        {"one": y, "two": y**2},
        y,
        {"few": first, "many": ~first},
        title="T",
        xlabel="x",
        ylabel="y",
        lines={"half": 0.5},
    )
    for axes in figure.axes:
        points = [line for line in axes.lines if line.get_linestyle() == "None"]
        assert [len(line.get_xdata()) for line in points] == [3, 4]
