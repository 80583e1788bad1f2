"""Studies: claims with verdicts, printed and kept."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import click
import pytest
from matplotlib.figure import Figure

from linclass.cli.console import call
from linclass.courses.claims import Claim, Findings, Study, is_above, is_below, trained, verdict
from linclass.metrics import Interval
from linclass.settings import Experiment

pytestmark = pytest.mark.usefixtures("empty_place")


def find(settings, *, data_dir, listener, twice=False):
    job = trained(settings, data_dir=data_dir, listener=listener)
    loss = float(job.trainer.state.history.last("train_loss")[0])
    numbers = f"{loss * (2 if twice else 1):.3f}"
    return Findings([Claim("it learns", verdict(loss < 2.3), numbers)], {"empty": Figure()}, {"T": [("a",)]})


STUDY = Study(
    name="mlds_test",
    title="A study.",
    source="a test",
    settings=Experiment(dataset="mnist-sample", epochs=1, eta=0.1),
    find=find,
    options=[click.option("--twice", is_flag=True, default=None, help="double")],
)


def test_a_study_prints_its_claims_and_keeps_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "here"
    assert call(STUDY.command(), ["--out", str(out), "--epochs", "2", "--twice"], prog_name="mlds_test") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("T:\na\n\nsupported: it learns\n    ")
    assert "not the study's settings: --epochs 2 instead of 1" in captured.out
    assert "memory: mnist-sample" in captured.err
    kept = json.loads((out / "claims.json").read_text())
    assert kept["claims"][0]["verdict"] == "supported"
    assert kept["settings"]["epochs"] == 2
    assert kept["options"] == {"twice": True}
    assert (out / "empty.png").exists()


def test_a_study_of_more_rows_than_the_sample_has_takes_all_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    larger = replace(STUDY, settings=STUDY.settings.replace(train_size=5000))
    arguments = ["--out", str(tmp_path / "here")]
    assert call(larger.command(), arguments, prog_name="mlds_test") == 0
    assert "not the study's settings: --train-size not given instead of 5000" in capsys.readouterr().out
    assert call(larger.command(), [*arguments, "--train-size", "4000"], prog_name="mlds_test") == 2
    assert "--train-size is 4,000: the training split has only 2,000 rows" in capsys.readouterr().err


def test_what_has_no_effect_on_a_study_is_no_option_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--patience=3", "--no-test", "--overfit-action=stop"):
        assert call(STUDY.command(), [option], prog_name="mlds_test") == 2
        assert "No such option" in capsys.readouterr().err


def test_a_wrong_value_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(STUDY.command(), ["--eta", "-1"], prog_name="mlds_test") == 2
    assert "--eta is -1.0" in capsys.readouterr().err


def test_an_interval_decides_only_as_a_whole() -> None:
    assert is_below(Interval(-1.0, 0.5))
    assert not is_below(Interval(-1.0, 1.5))
    assert is_above(Interval(2.0, 0.5), 1.0)
    assert not is_above(Interval(2.0, float("nan")))


# ---- the studies -------------------------------------------------------------------------------------------

STUDIES = {
    "mlds_depth": (["--epochs", "2"], ["loss", "accuracy"]),
    "mlds_trajectories": (["--epochs", "2", "--snapshot-every", "1"], ["trajectories"]),
    "mlds_random_labels": (["--epochs", "2", "--train-size", "300"], ["random_labels"]),
    "mlds_interpolation": (["--epochs", "2"], ["interpolation"]),
    "mlds_sensitivity": (["--epochs", "1", "--hidden", "8"], ["sensitivity"]),
    "mlds_sensitivity few rows": (["--epochs", "1", "--hidden", "8", "--train-size", "60"], ["sensitivity"]),
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_gives_verdicts_and_pictures(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, pictures = STUDIES[name]
    name = name.split()[0]
    study = importlib.import_module(f"assignments.{name}").STUDY
    arguments = ["--dataset", "mnist-sample", "--train-size", "1000", "--seeds", "2", "--quiet", *options]
    assert call(study.command(), [*arguments, "--out", str(tmp_path / "out")], prog_name=name) == 0
    claims = json.loads((tmp_path / "out" / "claims.json").read_text())["claims"]
    assert len(claims) >= 1
    assert all(claim["numbers"] for claim in claims)
    for picture in pictures:
        assert (tmp_path / "out" / f"{picture}.png").exists()


def test_finished_models_are_not_trained_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = importlib.import_module("assignments.mlds_parameters").STUDY
    arguments = ["--largest", "7", "--epochs", "6", "--batch-size", "500", "--processes", "1"]
    arguments += ["--out", "out", "--models", "kept"]
    assert call(study.command(), arguments, prog_name="mlds_parameters") == 0
    heard = capsys.readouterr().err
    assert "3 models to train: about" in heard
    assert "3 of 3 models trained" in heard
    assert (tmp_path / "out" / "parameters.png").exists()
    epochs = json.loads((tmp_path / "kept" / "7.json").read_text())["epochs"]
    assert [numbers["epoch"] for numbers in epochs] == [5, 6]
    Path("kept/5.json").unlink()
    assert call(study.command(), arguments, prog_name="mlds_parameters") == 0
    assert "1 models to train" in capsys.readouterr().err
