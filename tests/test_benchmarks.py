"""`python -m benchmarks`: what is listed, measured, refused and written. No test looks at a time."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import cli, machine, report, rounds, whole_runs
from benchmarks.agreement import EPOCHS, Reference
from benchmarks.cli import main
from benchmarks.contenders import CONTENDERS, Entry
from benchmarks.contenders.contender import Peer
from benchmarks.contenders.own import Own
from benchmarks.problem import Problem
from benchmarks.rounds import Timing, measure
from benchmarks.workloads import WORKLOADS
from linclass import engine

PLANTED = """
from benchmarks.contenders.textbook import Textbook


class WrongDecay(Textbook):
    # PyTorch's weight_decay taken for lambda
    def _gradients(self, k, x, y):
        gradients = super()._gradients(k, x, y)
        gradients["W"] -= self.workload.l2[k] * self._theta[k]["W"]
        return gradients


class Dies(Textbook):
    def train_model(self, k, order):
        raise RuntimeError("no such kernel")
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contenders `textbook` with half the decay, `torch` that fails, and `jax` that is not installed."""
    (tmp_path / "planted.py").write_text(PLANTED, encoding="utf-8")
    root = Path(cli.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{root}")
    monkeypatch.setitem(CONTENDERS, "textbook", Entry("planted:WrongDecay", (), "wrong"))
    monkeypatch.setitem(CONTENDERS, "torch", Entry("planted:Dies", (), "fails"))
    monkeypatch.setitem(CONTENDERS, "jax", Entry("planted:Absent", ("no_such_package",), "absent"))


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small product for the peak, so that a test does not wait for it."""
    monkeypatch.setattr(machine, "SIZE", 64)


def test_list_names_every_workload_and_contender() -> None:
    result = CliRunner().invoke(main, ["--list"], catch_exceptions=False)
    assert result.exit_code == 0
    for name in (*WORKLOADS, *whole_runs.WHOLE_RUNS, *CONTENDERS):
        assert name in result.output


def test_list_says_what_is_absent(planted: None) -> None:
    assert "absent (absent: no_such_package not installed)" in CliRunner().invoke(main, ["--list"]).output


@pytest.mark.usefixtures("small_machine")
def test_quick_run_prints_a_table_and_writes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(cli.__file__).parents[1]))
    file = tmp_path / "bench.json"
    options = ["--quick", "--rounds", "2", "--threads", "1", "--only", "linear-batches", "--json", str(file)]
    contenders = ["--contender", "linclass", "--contender", "textbook"]
    result = CliRunner().invoke(main, [*options, *contenders], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "GFLOP/s" in result.output
    assert "--quick" in result.output
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["format"] == report.FORMAT
    assert found["options"] == {"rounds": 2, "threads": 1, "quick": True}
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["versions"]["numpy"] == np.__version__
    (workload,) = found["workloads"]
    assert workload["name"] == "linear-batches"
    for contender in workload["contenders"]:
        assert contender["status"] == "ok", contender
        assert contender["minimum"] == min(contender["seconds"])
        assert len(contender["seconds"]) == 2
        assert contender["name"] in result.output
    ours, textbook = workload["contenders"]
    assert ours["times_linclass"] == 1
    assert textbook["times_linclass"] == textbook["minimum"] / ours["minimum"]


def test_wrong_failing_and_absent_contenders_are_not_timed(planted: None) -> None:
    workload = WORKLOADS["linear-batches"]
    timings = measure(workload, ["textbook", "torch", "jax"], rounds=1, threads=1, quick=True)
    assert [timing.status for timing in timings] == ["wrong", "failed", "absent"]
    assert not any(timing.seconds for timing in timings)
    record = report.workload_record(workload, timings, 1.0, 1.0)
    lines = "\n".join(report.workload_lines(record, 1))
    for words in ("weights off by", "RuntimeError: no such kernel", "not installed: no_such_package"):
        assert words in lines
    json.dumps(record, allow_nan=False)


@pytest.mark.usefixtures("small_machine")
def test_a_wrong_contender_is_an_error_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: Any, **__: Any) -> list[Timing]:
        return [Timing("linclass", "wrong", "weights off")]

    monkeypatch.setattr(cli, "measure", measured)
    result = CliRunner().invoke(main, ["--quick", "--only", "function-4"])
    assert result.exit_code == 7
    assert "linclass on function-4" in result.output


def test_the_parent_survives_a_worker_that_ends() -> None:
    with pytest.raises(rounds.WorkerError, match="no_such_module"):
        rounds.WorkerProcess("no_such_module:Class", "linear", 1, True)


@pytest.mark.parametrize("name", ["linear-batches", "seeds-10", "mlp-25", "mlp-adam", "function-4"])
def test_linclass_agrees_with_the_textbook_in_float64(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference and linclass are written apart: in float64 they agree to rounding."""
    monkeypatch.setattr("benchmarks.contenders.own.DTYPE", "float64")
    problem = Problem(WORKLOADS[name], quick=True, check=True)
    models = min(3, WORKLOADS[name].K)
    own, reference = Own(problem, 1, models=models), Reference(problem, models=models)
    for epoch in range(1, EPOCHS + 1):
        own.epoch(epoch)
    assert reference.disagreement(own.weights()) < 1e-8
    assert reference.fault(own.weights(), own.scores()) == ""


PEERS = [
    ("torch", "linear-batches"),
    ("torch", "mlp-25"),
    ("torch-manual", "mlp-25"),
    ("torch-loader", "linear"),
    ("jax", "linear-batches"),
    ("jax", "mlp-25"),
    ("sklearn", "mlp-25"),
]


@pytest.mark.parametrize(("peer", "name"), PEERS)
def test_peers_agree_with_the_reference(peer: str, name: str) -> None:
    workload, entry = WORKLOADS[name], CONTENDERS[peer]
    if entry.missing:
        pytest.skip(f"not installed: {', '.join(entry.missing)}")
    problem = Problem(workload, quick=True, check=True)
    module, class_name = entry.place.split(":")
    contender = getattr(import_module(module), class_name)(problem, 1)
    with engine.limited(1):
        for epoch in range(1, EPOCHS + 1):
            contender.epoch(epoch)
    assert Reference(problem, models=1).fault(contender.weights(), contender.scores()) == ""


def test_a_peer_that_lacks_something_cannot_be_made() -> None:
    class Idle(Peer):
        def use_threads(self, threads: int) -> None: ...

    with pytest.raises(TypeError, match=r"evaluate.*train.*weights"):
        Idle(Problem(WORKLOADS["linear-batches"], quick=True, check=True), 1)


def test_scikit_learn_which_evaluates_nothing_is_asked_only_to_train() -> None:
    assert not any(workload.evaluates for workload in WORKLOADS.values() if "sklearn" in workload.contenders)


def test_the_reference_sees_faults() -> None:
    problem = Problem(WORKLOADS["linear-batches"], quick=True, check=True)
    own, reference = Own(problem, 1), Reference(problem, models=1)
    for epoch in range(1, EPOCHS + 1):
        own.epoch(epoch)
    weights, scores = own.weights(), own.scores()
    assert reference.fault(weights, {}) == "not evaluated on train"
    loss, accuracy = scores["test"]
    assert "rows judged otherwise" in reference.fault(weights, {**scores, "test": (loss, accuracy + 0.1)})
    assert math.isinf(reference.disagreement({**weights, "b": weights["b"] * np.nan}))
    assert "weights off" in reference.fault(problem.weights(), scores)


SIZES = [("function-1", 1006), ("function-4", 1004), ("function-10", 1002)]


@pytest.mark.parametrize(("name", "parameters"), SIZES)
def test_the_regression_networks_have_the_published_sizes(name: str, parameters: int) -> None:
    weights = Problem(WORKLOADS[name], check=True).weights()
    assert sum(array[0].size for array in weights.values()) == parameters


def test_flops_of_a_round() -> None:
    # forward and dW of 50,000 rows, and dx in all layers but the first
    assert WORKLOADS["linear"].flops(50_000, 0) == 2 * 2 * 3072 * 10 * 50_000
    assert WORKLOADS["linear-evaluated"].flops(0, 100) == 2 * 3072 * 10 * 100
    first, rest = 784 * 256, 256 * 128 + 128 * 64 + 64 * 10
    assert WORKLOADS["mlp-100"].flops(10, 0) == 2 * 10 * (2 * first + 3 * rest)


def test_one_by_one_times_are_for_all_models() -> None:
    workload = WORKLOADS["sweep-16"]
    assert rounds._share(workload, Timing("torch", models=1)) == 16
    assert rounds._share(workload, Timing("jax", models=16)) == 1
    assert rounds._share(WORKLOADS["seeds-10"], Timing("linclass-one", models=1)) == 1


def test_whole_runs_start_in_processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(cli.__file__).parents[1]))
    (figure,) = whole_runs.start_up(repeats=1, threads=1, quick=True)
    assert len(figure.values) == 1
    assert "wanted at most 1 s" in report.figure_line(report.figure_record(figure))
