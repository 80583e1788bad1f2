"""Adaptive search: what Optuna is asked and told, what is pruned, and that a search goes on after a crash."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linclass.cli.console import call
from linclass.cli.sweep import sweep
from linclass.errors import InterruptedRun, UsageError
from linclass.runs.model import build_model
from linclass.search import Plan, Sampler, search, space
from linclass.search.adaptive import Adaptive
from linclass.search.packs import Pack, train_pack
from linclass.search.sweep import executor_of
from linclass.settings import Experiment

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")

BASE = Experiment(dataset="cifar10-sample", train_size=200, epochs=4, batch_size=50)
PLAN = Plan(
    space({"lr": ([1e-5, 1e-1], "log"), "reg": ([1e-5, 1.0], "log")}, {"batch_size": [50, 100]}),
    BASE,
    trials=14,
    sampler=Sampler(together=4),
)


pytestmark = pytest.mark.usefixtures("no_pictures")


def opened(storage: str) -> Any:
    if not storage.startswith("journal:"):
        return storage
    backend = optuna.storages.journal.JournalFileBackend(storage.removeprefix("journal:"))
    return optuna.storages.JournalStorage(backend)


def study_in(storage: str) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=opened(storage))


def test_tpe_learns_from_what_it_was_told(tmp_path: Path) -> None:
    found = search(PLAN, out=tmp_path)
    assert [result.trial.number for result in found.results] == list(range(14))
    assert all(result.trial.settings.batch_size in (50, 100) for result in found.results)
    study = study_in(f"journal:{tmp_path / 'study.journal'}")
    assert [trial.value for trial in study.trials] == [result.score.val_loss for result in found.results]
    assert study.best_trial.number == found.best.trial.number
    first = [result.score.val_loss for result in found.results[:10]]
    later = [result.score.val_loss for result in found.results[10:]]
    assert sum(later) / len(later) < sum(first) / len(first)


def test_it_goes_on_after_a_crash_as_if_there_was_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = search(PLAN, out=tmp_path / "whole")
    trained = []

    def dying(task: Pack) -> object:
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append(task)
        return train_pack(task)

    with monkeypatch.context() as patch:
        patch.setattr("linclass.search.executors.train_pack", dying)
        with pytest.raises(InterruptedRun):
            search(PLAN, out=tmp_path / "cut")
    assert search(PLAN, out=tmp_path / "cut").rows() == whole.rows()
    assert search(PLAN, out=tmp_path / "cut").rows() == whole.rows()


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_pruners_give_up_what_lags_behind(pruner: str, tmp_path: Path) -> None:
    kind = "sqlite:///" if pruner == "median" else "journal:"
    sampler = Sampler(pruner=pruner, storage=f"{kind}{tmp_path / 'study'}", together=6)
    plan = replace(PLAN, sampler=sampler, trials=12, settings=BASE.replace(epochs=6))
    found = search(plan, out=tmp_path / "sweep")
    pruned = [result for result in found.results if result.score.status == "pruned"]
    assert pruned
    assert all(result.score.epochs < 6 for result in pruned)
    assert found.best.score.status == "finished"
    states = [trial.state.name for trial in study_in(sampler.storage).trials]
    assert states.count("PRUNED") == len(pruned)
    again = search(plan, out=tmp_path / "sweep", overwrite=True)
    assert again.rows() == found.rows()


@pytest.mark.parametrize("pruner", ["none", "median"])
def test_sweeps_that_share_a_storage_have_studies_of_their_own(pruner: str, tmp_path: Path) -> None:
    sampler = Sampler(pruner=pruner, storage=f"journal:{tmp_path / 'shared'}", together=2)
    plan = replace(PLAN, sampler=sampler, trials=4, settings=BASE.replace(epochs=2))
    first = search(plan, out=tmp_path / "first")
    second = search(plan, out=tmp_path / "second")
    assert second.rows() == first.rows()
    assert len(optuna.get_all_study_names(opened(sampler.storage))) == 2
    # a sweep that is found again, moved or not, goes on in its own; one that starts afresh forgets it
    (tmp_path / "second").rename(tmp_path / "moved")
    assert search(plan, out=tmp_path / "moved").rows() == first.rows()
    assert search(plan, out=tmp_path / "moved", overwrite=True).rows() == first.rows()
    assert len(optuna.get_all_study_names(opened(sampler.storage))) == 2
    # where the directory was deleted by hand, its study is nobody's
    shutil.rmtree(tmp_path / "moved")
    assert search(plan, out=tmp_path / "moved").rows() == first.rows()
    assert [one.n_trials for one in optuna.get_all_study_summaries(opened(sampler.storage))] == [4, 4, 4]


def test_a_trial_that_lost_a_replica_has_failed_and_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(
        space(None, {"lr": [1e-4, 1e-3, 1e-2]}),
        BASE.replace(seeds=2, epochs=2),
        trials=4,
        sampler=Sampler(together=2),
    )

    def build(settings: Experiment, *args: Any, **options: Any) -> Any:
        model = build_model(settings, *args, **options)
        if settings.eta < 1e-2:  # the first or the second replica
            model.params["W"][int(settings.eta == 1e-4)] = np.nan
        return model

    monkeypatch.setattr("linclass.runs.build.build_model", build)
    found = search(plan, out=tmp_path)
    study = study_in(f"journal:{tmp_path / 'study.journal'}")
    states = ["FAIL" if result.trial.settings.eta < 1e-2 else "COMPLETE" for result in found.results]
    assert len(set(states)) == 2
    assert [trial.state.name for trial in study.trials] == states
    assert study.best_trial.number == found.best.trial.number


def test_what_does_not_go_together_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="leave out --rounds"):
        replace(PLAN, rounds=2)
    with pytest.raises(UsageError, match="compares trials while they are trained"):
        executor_of(2, None, Sampler(pruner="median"))
    with pytest.raises(UsageError, match=r"--pruner is 'mean': expected one of none, median, halving"):
        Sampler(pruner="mean")
    bad = Sampler(storage="sqlite:////no/such/place/study.db")
    with pytest.raises(UsageError, match="expected sqlite:///FILE or journal:FILE"):
        Adaptive(PLAN.space, BASE, bad, tmp_path, study="s", trials=1).propose([])
    monkeypatch.chdir(tmp_path)
    arguments = ["--dataset", "cifar10-sample", "--train-size", "200", "--epochs", "1", "--quiet"]
    arguments += ["--random", "lr=log:1e-4:1e-2", "--trials", "2"]
    assert call(sweep, [*arguments, "--pruner", "median"]) == 2
    assert "--pruner goes with --sampler tpe" in capsys.readouterr().err
    assert call(sweep, [*arguments, "--sampler", "tpe", "--together", "2"]) == 0
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert call(sweep, [*arguments, "--sampler", "tpe", "--out", "other"]) == 2
    assert '-m pip install "optuna>=4.0"' in capsys.readouterr().err
