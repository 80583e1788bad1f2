"""Searches: stacks, early stopping, what is kept, and that nothing finished is trained again."""

from __future__ import annotations

import csv
import itertools
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linclass import engine
from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.cli.sweep import sweep
from linclass.errors import DataError, InterruptedRun, RunTakenError, UsageError
from linclass.evaluation import of_run
from linclass.runs import experiment
from linclass.runs.build import Job, build, stoppers
from linclass.runs.data import load_data
from linclass.runs.directory import Run
from linclass.runs.model import build_model
from linclass.search import Plan, grid_search, random_search, report, search, space
from linclass.search.executors import here, processes
from linclass.search.packs import Pack, PackResult, pack, train_pack
from linclass.search.trials import best_row, draw
from linclass.settings import Experiment
from linclass.training.callbacks import is_patience_over
from linclass.training.evaluate import evaluate
from linclass.training.history import History

BASE = Experiment(dataset="cifar10-sample", train_size=300, epochs=3, batch_size=50)
MLP = BASE.replace(model="mlp", hidden="8", optimizer="adam")
SPACE = {"lr": ([1e-4, 1e-2], "log"), "reg": ([1e-4, 1e-1], "log")}


pytestmark = [pytest.mark.bits, pytest.mark.usefixtures("no_pictures")]


def test_only_what_differs_in_constants_shares_a_pack() -> None:
    trials = draw(space(SPACE, {"batch_size": [50, 60]}), BASE, trials=20)
    packs = pack(trials)
    assert [len(members) for members in packs] == [16, 16, 4, 4]
    assert sorted(trial.number for members in packs for trial in members) == list(range(40))
    for members in packs:
        assert len({trial.settings.batch_size for trial in members}) == 1
    replicas = draw(space(SPACE), BASE.replace(seeds=2), trials=3)
    assert [len(members) for members in pack(replicas)] == [1, 1, 1]


def history_of(job: Job) -> History:
    job.trainer.callbacks += stoppers(job.settings, print)
    with engine.limited(1):
        return job.fit().history


@pytest.mark.parametrize(
    "base",
    [
        BASE,
        MLP.replace(dropout=0.2),
        BASE.replace(fold="2/3", shuffle="batches", drop_last=True),
        BASE.replace(label_noise=0.4, shuffle="none", train_size=110),
        MLP.replace(augment="mirror,shift:2", fold="1/5", label_noise=0.2, split_seed=1),
        MLP.replace(batch_norm=True, train_size=130, shuffle="batches", optimizer="momentum"),
    ],
    ids=["linear", "mlp", "fold", "noise", "augmented", "normalised"],
)
def test_a_stack_is_its_models_trained_alone(base: Experiment) -> None:
    base = base.replace(dtype="float64", patience=1, epochs=4, seed=3)
    changes = [{"eta": 0.001, "l2": 0.5}, {"eta": 0.05, "l2": 0.0}, {"eta": 0.004, "l2": 0.01}]
    base = base.resolved()
    stack = [base.replace(**change) for change in changes]
    dataset = load_data(base)
    theirs = history_of(build(stack, dataset))
    for k, settings in enumerate(stack):
        own = history_of(build(settings, dataset))
        assert len(own.of_model(0)) == len(theirs.of_model(k))
        for name in ("train_cost", "val_loss", "learning_rate"):
            np.testing.assert_allclose(own.column(name), theirs.column(name, k), rtol=1e-10)


def test_only_eta_and_l2_may_differ_in_a_stack() -> None:
    dataset = load_data(BASE.resolved())
    with pytest.raises(ValueError, match="eta and l2 only"):
        build([BASE, BASE.replace(batch_size=10)], dataset)
    with pytest.raises(ValueError, match="one seed"):
        build([BASE.replace(seeds=2), BASE.replace(seeds=2, eta=0.5)], dataset)


@pytest.mark.parametrize(
    ("losses", "patience", "over"),
    [
        ([3, 2, 1], 1, False),
        ([1, 2], 1, True),
        ([1, 2], 2, False),
        ([2, 1, 3, 1], 2, True),  # as low is not lower
        ([2, 1, 3, 0.5], 2, False),
        ([1, 2, 3, 4], 0, False),
        ([], 1, False),
    ],
)
def test_patience(losses: list[float], patience: int, over: bool) -> None:
    assert is_patience_over(np.array(losses, float), patience) is over


def test_early_stopping_keeps_the_best_and_survives_resume(tmp_path: Path) -> None:
    settings = MLP.replace(eta=0.02, epochs=30, patience=3)
    run = experiment.run(settings, out=tmp_path / "whole")
    losses = run.history.column("val_loss")
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + 3 < 30
    assert Run(run.path).epoch_of("best") == best
    assert "3 epochs without a lower validation loss" in Run(run.path).status["notes"][-1]
    with pytest.raises(UsageError, match="stopped by --patience 3"):
        experiment.resume(run.path, epochs=40)

    class StopAfter(experiment.Listener):
        def epoch(self, rows: Any) -> None:
            if rows[0]["epoch"] == best + 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.run(settings, out=tmp_path / "cut", listener=StopAfter())
    again = experiment.resume(tmp_path / "cut")
    assert again.history.epochs == best + 3
    assert (tmp_path / "cut/best.npz").read_bytes() == (run.path / "best.npz").read_bytes()


def test_one_diverged_and_one_stopped_early_is_no_divergence() -> None:
    stack = [MLP.replace(eta=1e30, patience=1).resolved(), MLP.replace(eta=0.05, patience=1).resolved()]
    stack = [settings.replace(epochs=30) for settings in stack]
    job = build(stack, load_data(stack[0]))
    job.trainer.callbacks += stoppers(stack[0], print)
    state = job.fit()
    assert list(state.diverged) == [True, False]
    assert not state.active.any()


def test_a_search_keeps_and_marks_its_trials(tmp_path: Path) -> None:
    found = random_search(SPACE, BASE, trials=5, rounds=2, out=tmp_path)
    table = found.table()
    assert list(table["round"]) == [0] * 5 + [1] * 5
    best = table.loc[table["val_loss"].idxmin()]
    assert found.best.trial.number == best["trial"]
    assert found.settings.eta == best["eta"]
    p = best["val_accuracy"]
    assert best["val_error"] == pytest.approx((p * (1 - p) / 500) ** 0.5)
    assert list(table["close"]) == [p - q <= best["val_error"] for q in table["val_accuracy"]]
    assert (tmp_path / "trials.csv").read_text().splitlines()[0].startswith("trial,round,eta,l2,status")
    # the model that is returned, and the one in best/, have the score that the table says
    kept = Run(tmp_path / "best")
    assert kept.settings == found.settings
    dataset = load_data(kept.settings)
    for model in (found.model, kept.model("best"), kept.model("last")):
        job = build(kept.settings, dataset, model=model)
        measured = evaluate(job.model, job.valid)
        assert measured.loss[0] == pytest.approx(best["val_loss"], rel=1e-6)
        assert measured.accuracy[0] == pytest.approx(best["val_accuracy"])


def test_grid_search_ranks_by_accuracy_too(tmp_path: Path) -> None:
    found = grid_search({"eta": [1e-4, 1e-3, 1e-2]}, BASE.replace(seeds=2), rank="accuracy", out=tmp_path)
    assert found.best.score.val_accuracy == max(result.score.val_accuracy for result in found.results)
    assert found.settings.seeds == 2
    assert Run(tmp_path / "best").settings.seeds == 1


@pytest.mark.parametrize("rank", ["loss", "accuracy"])
@pytest.mark.parametrize("drawn", [{"fold": "1/5"}, {"label_noise": 0.4}, {"fold": "2/3", "split_seed": 4}])
def test_replicas_of_a_trial_are_single_runs_and_the_best_is_scored_on_its_own_rows(
    drawn: dict[str, Any], rank: str, tmp_path: Path
) -> None:
    base = Experiment(
        dataset="mnist-sample", train_size=60, batch_size=20, epochs=5, seed=10, seeds=3, **drawn
    )
    found = grid_search({"eta": [0.05, 0.5]}, base, rank=rank, out=tmp_path / "f")
    for result in found.results:
        own = result.trial.settings.replace(seeds=1)
        singles = [
            experiment.run(own.replace(seed=10 + k), out=tmp_path / f"{result.trial.number}-{k}").history.rows
            for k in range(3)
        ]
        for rows, single in zip(result.histories, singles, strict=True):
            assert without_seconds(rows) == without_seconds(single)
        best = [best_row(rows) for rows in singles]
        assert result.score.val_loss == pytest.approx(np.mean([row["val_loss"] for row in best]))
        assert result.score.val_accuracy == pytest.approx(np.mean([row["val_accuracy"] for row in best]))
    kept, k = Run(tmp_path / "f/best"), found.replica
    assert kept.settings == found.settings.replace(seeds=1, seed=10 + k)
    assert without_seconds(kept.history.rows) == without_seconds(found.best.histories[k])
    rows = [best_row(history) for history in found.best.histories]
    ranked = [row["val_loss"] if rank == "loss" else -row["val_accuracy"] for row in rows]
    assert k == int(np.argmin(ranked))
    assert kept.epoch_of("best") == kept.epoch_of("last") == rows[k]["epoch"]
    (measured,) = of_run.evaluate_run(kept.path, split="validation")
    assert measured.loss == pytest.approx(rows[k]["val_loss"], rel=1e-6)
    assert measured.accuracy == pytest.approx(rows[k]["val_accuracy"])


def without_seconds(rows: Any) -> list[dict[str, Any]]:
    return [{name: row[name] for name in row if name not in ("seconds", "model")} for row in rows]


def test_a_pack_that_kept_another_replicas_epochs_is_trained_again(tmp_path: Path) -> None:
    """As format 1 did: the first replica's, whichever was the best."""
    plan = Plan(space(None, {"eta": [1e-3, 1e-2, 1e-1]}), BASE.replace(seeds=3, seed=2))
    found = search(plan, out=tmp_path)
    replicas = []
    for path in sorted(tmp_path.glob("packs/*.json")):
        record = json.loads(path.read_text())
        (result,) = record["results"]
        result["history"] = result.pop("histories")[0]
        replicas.append(record["replica"])
        path.write_text(json.dumps(record))
    assert any(replicas)
    trained: list[int] = []
    again = search(plan, out=tmp_path, executor=counting(trained))
    assert trained == [number for number, replica in enumerate(replicas) if replica]
    assert again.rows() == found.rows()


def test_a_trial_that_lost_a_replica_is_a_result_and_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_seeds(monkeypatch, lambda settings, seed: seed == 0 and settings.eta < 0.5)
    base = Experiment(dataset="mnist-sample", train_size=60, batch_size=20, epochs=2, seeds=2)
    found = grid_search({"eta": [0.1, 1e-6, 1.0]}, base, out=tmp_path / "f")
    assert [result.lost for result in found.results] == [1, 1, 0]
    assert [result.score.status for result in found.results] == ["diverged", "diverged", "finished"]
    assert found.results[0].score.val_loss < found.results[1].score.val_loss
    assert found.best.trial.number == 2
    assert [row[1] for row in report.table(found)[1:]] == ["2", "0", "1"]
    assert any(remark.startswith("trial 0, 1: some replicas diverged") for remark in report.remarks(found))
    # a mean over what is left: the run with the other seed
    alone = experiment.run(base.replace(eta=0.1, seed=1, seeds=1), out=tmp_path / "alone").history
    assert found.results[0].score.val_loss == alone.column("val_loss").min()
    # all lost one: the best of them is kept, its second replica
    found = grid_search({"eta": [1e-6, 0.1]}, base, out=tmp_path / "g")
    assert (found.best.trial.number, found.replica) == (1, 1)
    kept = Run(tmp_path / "g/best")
    assert without_seconds(kept.history.rows) == without_seconds(alone.rows)
    assert kept.settings.seed == 1
    lose_seeds(monkeypatch, lambda settings, seed: True)
    with pytest.raises(UsageError, match="every trial diverged"):
        grid_search({"eta": [1e-6, 0.1]}, base, out=tmp_path / "h")


BEST_AGAIN: list[tuple[str, str]] = [
    ("--dataset mnist-sample --scaling per-pixel", "eta=0.1,0.2"),
    ("--dataset mnist-sample --model mlp --init normal --activation tanh", "hidden=8,9"),
    ("--model mlp --hidden 8 --init-std 0.1", "layers=1,2 activation=tanh,relu"),
    ("--dataset mnist-sample --seeds 2 --seed 3 --fold 1/4", "eta=0.1"),
    ("--label-noise 0.3 --split-seed 5 --split all --drop-last", "eta=0.01,0.02"),
    ("--dataset OWN --dtype float64", "scaling=raw,global init=uniform,xavier"),
    ("--model mlp --hidden 8 --optimizer nesterov", "batch-norm=on momentum=0,0.5"),
    ("--augment mirror,shift:2 --schedule step:1:0.5", "eta=0.01"),
]


@pytest.mark.parametrize(("options", "grid"), BEST_AGAIN, ids=[options for options, _ in BEST_AGAIN])
def test_the_printed_command_is_the_best_trial(
    options: str, grid: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "my own.npz"
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    np.savez(
        own,
        x_train=rng.normal(size=(90, 4)) + y[:, None],
        y_train=y,
        x_test=rng.normal(size=(9, 4)),
        y_test=y[:9],
    )
    common = ["--dataset", "cifar10-sample", "--train-size", "60", "--batch-size", "20", "--epochs", "2"]
    given = [str(own) if word == "OWN" else word for word in options.split()]
    spaces = [word for one in grid.split() for word in ("--grid", one)]
    assert call(sweep, [*common, *given, *spaces, "--out", str(tmp_path / "f"), "--quiet"]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("the best again: ")]
    program, *words = shlex.split(line.removeprefix("the best again: "))
    assert (program, words[0]) == ("linclass", "train")
    assert call(cli, [*words, "--out", str(tmp_path / "again"), "--quiet"]) == 0
    again, kept = Run(tmp_path / "again"), Run(tmp_path / "f/best")
    assert kept.settings == again.settings.replace(seeds=1, seed=kept.settings.seed)
    with (tmp_path / "f/trials.csv").open() as file:
        lowest = min(float(row["val_loss"]) for row in csv.DictReader(file))
    losses = [again.history.column("val_loss", k).min() for k in range(again.settings.seeds)]
    assert np.mean(losses) == pytest.approx(lowest, rel=1e-5)


def test_the_printed_command_looks_for_the_data_where_the_search_did(tmp_path: Path) -> None:
    settings = BASE.resolved()
    assert report.command_line(settings, tmp_path / "a b").endswith(f" --data-dir '{tmp_path}/a b'")
    assert "--data-dir" not in report.command_line(settings)


def lose_seeds(monkeypatch: pytest.MonkeyPatch, lost: Callable[[Experiment, int], bool]) -> None:
    """Let the replicas diverge at once whose (settings, seed) `lost` names."""

    def build(settings: Experiment, *args: Any, **options: Any) -> Any:
        model = build_model(settings, *args, **options)
        for k, seed in enumerate(options["seeds"]):
            if lost(settings, seed):
                for array in model.params.values():
                    array[k] = np.nan
        return model

    monkeypatch.setattr("linclass.runs.build.build_model", build)


def test_diverged_trials_are_results(tmp_path: Path) -> None:
    found = grid_search({"eta": [1e-3, 1e200]}, BASE, out=tmp_path)
    assert [result.score.status for result in found.results] == ["finished", "diverged"]
    assert found.results[1].score.val_loss == np.inf
    assert report.table(found)[2][3:] == ("inf", "-", "0 of 0", "diverged")
    again = grid_search({"eta": [1e-3, 1e200]}, BASE, out=tmp_path)
    np.testing.assert_equal(again.rows(), found.rows())
    with pytest.raises(UsageError, match="every trial diverged"):
        grid_search({"eta": [1e200, 1e201]}, BASE, out=tmp_path / "all")


@pytest.mark.parametrize(
    "grid",
    [
        {"fold": ["1/4", "2/4"]},
        {"fold": ["1/4"], "split_seed": [0, 1]},
        {"label_noise": [0.2, 0.4]},
        {"label_noise": [0.5], "split_seed": [0, 1]},
        {"train_size": [40, 60]},
    ],
)
def test_what_chooses_the_rows_is_part_of_the_data_that_a_pack_is_checked_against(
    grid: dict[str, list[Any]], tmp_path: Path
) -> None:
    base = Experiment(dataset="mnist-sample", epochs=1, train_size=60, batch_size=20)
    found = search(Plan(space(None, grid), base), out=tmp_path)
    for result in found.results:
        settings = result.trial.settings
        dataset = load_data(settings)
        (members,) = pack([result.trial])
        again = train_pack(Pack(members, "loss", dataset.digest()))
        assert again.results[0].score == result.score


def test_what_is_automatic_follows_the_trial() -> None:
    trials = draw(space(None, {"activation": ["relu", "tanh"]}), MLP, trials=1)
    assert [trial.settings.init for trial in trials] == ["he", "xavier"]
    assert PLAN.settings.split == "auto"


def counting(trained: list[int], stop_after: int = 99) -> Any:
    def execute(packs: Mapping[int, Pack]) -> Iterator[tuple[int, PackResult]]:
        for number, result in itertools.islice(here(packs), stop_after):
            trained.append(number)
            yield number, result
        if stop_after < len(packs):
            raise KeyboardInterrupt

    return execute


PLAN = Plan(space(None, {"lr": [1e-3, 1e-2], "batch_size": [50, 60, 70]}), BASE)


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = search(PLAN, out=tmp_path / "whole")
    first: list[int] = []
    with pytest.raises(InterruptedRun, match="the same command goes on") as caught:
        search(PLAN, out=tmp_path / "cut", executor=counting(first, 2))
    assert caught.value.exit_code == 130
    assert len((tmp_path / "cut/trials.csv").read_text().splitlines()) == 1 + 4
    second: list[int] = []
    found = search(PLAN, out=tmp_path / "cut", executor=counting(second))
    assert (first, second) == ([0, 1], [2])
    assert found.rows() == whole.rows()
    assert (tmp_path / "cut/trials.csv").read_bytes() == (tmp_path / "whole/trials.csv").read_bytes()
    third: list[int] = []
    assert search(PLAN, out=tmp_path / "cut", executor=counting(third)).rows() == whole.rows()
    assert third == []


def test_processes_give_the_same_table(tmp_path: Path) -> None:
    search(PLAN, out=tmp_path / "here")
    search(PLAN, out=tmp_path / "there", executor=processes(2))
    assert (tmp_path / "there/trials.csv").read_bytes() == (tmp_path / "here/trials.csv").read_bytes()


def test_another_search_in_the_same_place_is_refused(tmp_path: Path) -> None:
    search(PLAN, out=tmp_path)
    other = Plan(PLAN.space, BASE.replace(epochs=2))
    with pytest.raises(RunTakenError, match=r"another sweep \(epochs was 3, is 2\)"):
        search(other, out=tmp_path)
    with pytest.raises(RunTakenError, match=r"another sweep \(seed was 0, is 1\)"):  # of the draws
        search(Plan(PLAN.space, PLAN.settings, seed=1), out=tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert len(search(other, out=tmp_path, overwrite=True).results) == 6
    assert (tmp_path / "notes.txt").exists()
    with pytest.raises(RunTakenError, match="holds a run"):
        search(other, out=tmp_path / "best")


def test_damaged_packs_are_said(tmp_path: Path) -> None:
    search(PLAN, out=tmp_path)
    path = tmp_path / "packs/0001.json"
    record = json.loads(path.read_text())
    record["results"][0]["settings"]["eta"] = 0.5
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"0001.json is not a pack of this sweep .*delete it"):
        search(PLAN, out=tmp_path)
    record["results"][0]["settings"]["eta"] = PLAN.space.grid[0].values[0]
    path.write_text(json.dumps({**record, "best": 9}))
    with pytest.raises(DataError, match=r"0001.json is not a pack of this sweep"):
        search(PLAN, out=tmp_path)
    path.unlink()
    assert len(search(PLAN, out=tmp_path).results) == 6


def test_a_worker_with_other_data_says_so() -> None:
    (members,) = pack(draw(space(SPACE), BASE, trials=2))
    with pytest.raises(DataError, match="not the data this search is about"):
        train_pack(Pack(members, "loss", "0" * 64))


def test_a_bad_space_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    for bad, said in (
        ({"batch_size": [10, 1000]}, "--batch-size is 1,000"),
        ({"schedule": ["constant", "cosine:0.5"]}, "ETA_MIN is 0.5"),
        ({"momentum": [0.0, 0.9]}, "--momentum is 0.9, but --optimizer sgd has none"),
    ):
        with pytest.raises(UsageError, match=said):
            grid_search(bad, BASE, out=tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    common = ["--dataset", "cifar10-sample", "--train-size", "300", "--epochs", "1", "--quiet"]
    arguments = [*common, "--model", "mlp", "--random", "hidden=int:4:9", "--grid", "activation=relu,tanh"]
    assert call(sweep, [*arguments, "--trials", "2"]) == 0
    out = capsys.readouterr().out
    assert "within one standard error" in out
    assert "the best again: linclass train --dataset cifar10-sample" in out
    assert len(Path("result_pics/sweep/trials.csv").read_text().splitlines()) == 5
    assert call(sweep, [*arguments, "--trials", "3"]) == 5
    assert "trials was 2, is 3" in capsys.readouterr().err
    for bad, said in (
        ([], "nothing to search"),
        (["--random", "lr=log:0:1"], "needs a number above 0"),
        (["--random", "lr=log:1:2", "--lr", "1"], "--eta is searched"),
        (["--grid", "lr=1,2", "--rounds", "2"], "--rounds narrows random dimensions"),
    ):
        assert call(sweep, [*common, *bad]) == 2
        assert said in capsys.readouterr().err
