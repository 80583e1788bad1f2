"""Every assignment runs, takes experiment options, and puts published beside measured."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from linclass.cli.console import call
from linclass.courses.experiments import Assignment, compare_numbers, lab_line
from linclass.runs.experiment import Result
from linclass.training.history import COLUMNS, History

pytestmark = pytest.mark.usefixtures("empty_place")

ROOT = Path(__file__).parents[2]
FOUND: dict[str, Assignment] = {
    path.stem: importlib.import_module(f"assignments.{path.stem}").ASSIGNMENT
    for path in sorted((ROOT / "assignments").glob("[a-z]*.py"))
    if "\nASSIGNMENT = Assignment(" in path.read_text(encoding="utf-8")
}


def assignment(name: str) -> Assignment:
    return FOUND[name]


def test_they_are_all_there() -> None:
    assert {"exp1", "exp2", "exp3", "exp4", "all_data", "train_longer", "shuffling"} <= set(FOUND)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", FOUND)
def test_runs_on_the_sample_with_options(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = assignment(name)
    assert found.name == name
    is_torch = found.settings.model == "torch-mlp"
    if is_torch:
        pytest.importorskip("torch", reason="PyTorch is not installed")
    seeds = "1" if is_torch else "2"
    arguments = ["--epochs", "1", "--seeds", seeds, "--quiet", "--lambda", "0.5"]
    arguments += [] if found.growth else ["--train-size", "600"]  # what a growth varies
    if max(found.settings.hidden_sizes, default=0) > 500:
        arguments += ["--hidden", "50"]  # a wide one takes long to save
    assert call(found.command(), arguments, prog_name=name) == 0
    out = capsys.readouterr().out
    assert "on the bundled sample" in out
    assert "not the published settings" in out
    assert found.remarks in out
    assert re.search(r"--lambda 0\.5 instead of \d", out)
    for label, changes in found.variants.items():
        if changes.get("train_size", 0) > 2000:
            assert f"left out: --train-size is {changes['train_size']:,}" in out
            continue
        folder = Path("result_pics", name, label)
        assert (folder / "values.csv").exists()
        at_first = found.published.get(label, {}).get(1, {})
        finished_one = len((folder / "values.csv").read_text().splitlines()) > 1  # it may diverge at once
        drawn = finished_one and bool({"test_accuracy", "val_accuracy"} & set(at_first))
        assert (folder / "published.png").exists() == drawn
    assert all(set(published) <= set(found.variants) for published in [found.published])


def test_the_published_numbers_are_those_of_the_report() -> None:
    """Read off the report's tables once more, by hand, apart from the assignments' own lines."""
    assert assignment("exp1").published[""][40]["test_accuracy"] == 0.2784
    assert assignment("exp2").published[""][40]["test_accuracy"] == 0.3908
    assert assignment("exp4").published[""][40] == {
        "train_cost": 1.899,
        "val_cost": 1.958,
        "test_accuracy": 0.3738,
    }
    table = assignment("train_longer").published[""]
    assert len(table) == 13
    assert table[700] == {"train_cost": 1.91865, "val_cost": 1.93335, "test_accuracy": 0.3825}
    for name, l2, eta in (("exp1", 0, 0.1), ("exp2", 0, 0.001), ("exp3", 0.1, 0.001), ("exp4", 1, 0.001)):
        settings = assignment(name).settings
        assert (settings.l2, settings.eta, settings.shuffle) == (l2, eta, "batches")
        assert (settings.epochs, settings.batch_size, settings.resolved().split) == (40, 100, "batch-1")


@pytest.mark.usefixtures("no_pictures")
def test_the_sample_stands_in_where_the_report_used_more_rows(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--epochs", "1", "--seeds", "1", "--hidden", "5", "--quiet"]
    assert call(assignment("cifar10_best").command(), arguments, prog_name="cifar10_best") == 0
    assert "--train-size not given instead of 20000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "option"), [("shuffling", "--shuffle none"), ("cifar10_ladder", "--train-size 5")]
)
def test_what_a_variant_varies_cannot_be_overridden(
    name: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(assignment(name).command(), option.split(), prog_name=name) == 2
    assert f"{option.split()[0]} is what {name} varies" in capsys.readouterr().err


def test_comparison_takes_the_mean_over_seeds_at_the_published_epoch() -> None:
    history = History(2, test=True)
    for epoch in (1, 2):
        for model in (0, 1):
            numbers = dict.fromkeys((*COLUMNS, "test_accuracy"), 0.1 * epoch + 0.02 * model)
            history.append({**numbers, "epoch": epoch, "model": model})
    result = Result(Path("r"), assignment("exp1").settings, history, False)
    published = {2: {"test_accuracy": 0.25, "unknown": 1.0}, 50: {"test_accuracy": 0.5}}
    (compared,) = compare_numbers(published, result)
    assert compared.measured.mean == pytest.approx(0.21)
    assert compared.texts()[:3] == ("2", "test_accuracy", "25.00 %")
    assert compared.texts()[4] == "-4.00 points"
    assert compared.measured.bounds()[0] == pytest.approx(
        0.21 - 12.706 * np.std([0.2, 0.22], ddof=1) / 2**0.5, abs=1e-4
    )


def test_a_replica_that_stopped_stays_in_the_mean_and_is_counted() -> None:
    history = History(3, test=True)
    for epoch, models in ((1, (0, 1, 2)), (2, (0, 2)), (3, (2,))):
        for model in models:
            numbers = dict.fromkeys((*COLUMNS, "test_accuracy"), 0.1 * epoch)
            history.append({**numbers, "epoch": epoch, "model": model})
    result = Result(Path("r"), assignment("exp1").settings, history, False)
    first, third, tenth = compare_numbers({e: {"test_accuracy": 0.5} for e in (1, 3, 10)}, result)
    assert [one.measured.mean for one in (first, third, tenth)] == pytest.approx([0.1, 0.2, 0.2])
    assert [one.texts()[0] for one in (first, third)] == ["1", "3 (2 of 3 ended before)"]
    assert tenth.texts()[0] == "10 (3 of 3 ended before)"


def test_python_m_from_the_checkout() -> None:
    command = [sys.executable, "-m", "assignments.exp4", "--lambda", "1", "--eta", "0.001", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "Experiment 4" in done.stdout


def test_an_interrupted_comparison_is_continued_by_the_same_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--epochs", "2", "--seeds", "1", "--quiet"]
    command = assignment("shuffling").command()
    assert call(command, arguments, prog_name="shuffling") == 0
    before = Path("result_pics/shuffling/samples/state.npz").stat().st_mtime_ns
    for name in ("state.npz", "state-1.npz", "status.json"):  # as if killed before its first save
        Path("result_pics/shuffling/none", name).unlink()
    assert call(command, arguments, prog_name="shuffling") == 0
    assert Path("result_pics/shuffling/samples/state.npz").stat().st_mtime_ns == before
    assert sorted(path.name for path in Path("result_pics").glob("*/*")) == ["batches", "none", "samples"]
    other = [*arguments, "--eta", "0.01"]
    assert call(command, other, prog_name="shuffling") == 0
    assert Path("result_pics/shuffling/samples-2/values.csv").exists()


def test_the_labs_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The line that the lab's report prints, character for character."""
    row = {
        "epoch": 43,
        "running_loss": 0.0,
        "running_accuracy": 1.0,
        "val_loss": 0.25809,
        "val_accuracy": 0.9652,
    }
    expected = (
        "Task1 | Epoch: 43 | Train Loss: 0.0000 | Train Acc:100.0000 | Val Loss: 0.2581 | Val Acc:96.5200"
    )
    assert lab_line("Task1", [row]) == expected
    arguments = ["--epochs", "1", "--seeds", "1", "--train-size", "200"]
    assert call(assignment("lab01_task1").command(), arguments, prog_name="lab01_task1") == 0
    assert re.search(
        r"^Task1 \| Epoch: 1 \| Train Loss: \d\.\d{4} \| ", capsys.readouterr().out, re.MULTILINE
    )


def test_a_variant_that_diverges_does_not_end_the_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    fast = Assignment(
        name="fast",
        title="",
        source="a test",
        settings=assignment("exp4").settings.replace(seeds=1, epochs=1),
        variants={"far-too-fast": {"eta": 1e200}, "right": {}},
    )
    assert call(fast.command(), ["--quiet"], prog_name="fast") == 0
    assert "diverged, which is an answer too" in capsys.readouterr().out
    assert Path("result_pics/fast/right/values.csv").exists()
