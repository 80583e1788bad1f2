"""Ensembles of snapshots: the mean of probabilities, by epochs or by the schedule's cycles."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from linclass import load_run
from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.errors import UsageError
from linclass.evaluation import of_run
from linclass.models.ensemble import Ensemble
from linclass.models.linear import Linear
from linclass.runs import experiment
from linclass.runs.data import load_data
from linclass.settings import Experiment

CYCLIC = Experiment(  # 600 rows are 6 steps an epoch: a cycle is 12 steps, 2 epochs
    dataset="cifar10-sample",
    train_size=600,
    eta=0.01,
    schedule="triangular:1e-5:6",
    epochs=4,
    snapshot_every=2,
    seeds=2,
)


pytestmark = pytest.mark.usefixtures("no_pictures_in_module")


@pytest.fixture(scope="module")
def cyclic_run(no_pictures_in_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return experiment.run(CYCLIC, name="cyclic", out=tmp_path_factory.mktemp("runs") / "cyclic").path


def test_scores_are_the_log_of_the_mean_probability() -> None:
    x = np.random.default_rng(0).normal(size=(20, 5))
    y = np.arange(20) % 3
    members = [Linear.create(5, 3, seeds=(s, s + 1), init_std=2.0) for s in (0, 10, 20)]
    found = Ensemble(members)
    P = np.mean([softmax(member.scores(x).copy(), axis=2) for member in members], axis=0)
    np.testing.assert_allclose(found.scores(x), np.log(P), atol=1e-14)
    loss, correct = found.loss_sums(x, y)
    np.testing.assert_allclose(loss, -np.log(P[:, np.arange(20), y]).sum(axis=1))
    assert correct.tolist() == (P.argmax(axis=2) == y).sum(axis=1).tolist()
    assert np.isnan(found.penalty()).all()


def test_a_member_that_is_sure_and_wrong_stays_finite() -> None:
    member = Linear.create(1, 2)
    member.W[...] = np.array([[1000.0], [-1000.0]])
    member.b[...] = 0
    scores = Ensemble([member, member]).scores(np.ones((1, 1)))
    assert scores[0, 0].tolist() == [0, -2000]


def test_members_of_different_stacks_are_refused() -> None:
    with pytest.raises(ValueError, match="same K"):
        Ensemble([Linear.create(5, 3), Linear.create(5, 3, seeds=(0, 1))])
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([])


def test_the_ends_of_the_cycles_are_found(cyclic_run: Path) -> None:
    run = load_run(cyclic_run)
    by_cycle, by_epoch = of_run.classifier(run, "cycles"), of_run.classifier(run, "2,4")
    x = np.random.default_rng(0).normal(size=(7, 3072)).astype(np.float32)
    assert (by_cycle.scores(x) == by_epoch.scores(x)).all()
    two, four = (run.model(epoch).scores(x).astype(float) for epoch in (2, 4))
    log_P = [scores - logsumexp(scores, axis=2, keepdims=True) for scores in (two, four)]
    np.testing.assert_allclose(by_cycle.scores(x), np.logaddexp(*log_P) - np.log(2), atol=1e-5)


def test_it_is_evaluated_and_predicts(cyclic_run: Path) -> None:
    reports = of_run.evaluate_run(cyclic_run, weights="cycles")
    assert [report.model for report in reports] == [0, 1]
    assert list(reports[0].scores()) == ["loss", "accuracy", "95 % interval"], "it has no cost"
    predicted = of_run.predict_run(cyclic_run, weights="cycles", k=1)
    y = load_data(CYCLIC.resolved()).test
    assert y is not None
    assert (predicted == y.y).mean() == pytest.approx(reports[1].accuracy)


@pytest.mark.parametrize(
    ("changes", "weights", "message"),
    [
        ({"schedule": "constant"}, "cycles", "no complete cycle"),
        ({"schedule": "triangular:1e-5:4"}, "cycles", "does not end with an epoch"),
        ({"snapshot_every": 3}, "cycles", "--snapshot-every 2"),
        ({"loss": "svm"}, "cycles", "--loss svm"),
        ({}, "2,3", "no weights '3'"),
        ({}, "2,,4", "no weights ''"),
    ],
)
def test_what_makes_no_ensemble_is_said(
    tmp_path: Path, changes: dict[str, object], weights: str, message: str
) -> None:
    settings = CYCLIC.replace(train_size=600, seeds=1, **changes)
    path = experiment.run(settings, name="x", out=tmp_path / "x").path
    with pytest.raises(UsageError, match=message):
        of_run.classifier(load_run(path), weights)


def test_an_ensemble_of_one_has_its_members_loss_with_label_smoothing_too(tmp_path: Path) -> None:
    settings = CYCLIC.replace(train_size=600, seeds=1, label_smoothing=0.3)
    path = experiment.run(settings, name="x", out=tmp_path / "x").path
    (alone,), (together,) = (of_run.evaluate_run(path, weights=w) for w in ("4", "4,4"))
    assert together.loss == pytest.approx(alone.loss, rel=1e-5)


def test_layers_of_every_member_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = CYCLIC.replace(train_size=600, seeds=1, model="mlp", hidden="6")
    path = experiment.run(settings, name="x", out=tmp_path / "x").path
    arguments = ["evaluate", str(path), "--no-details", "--layers", "--weights"]
    tables = {}
    for weights in ("2", "4", "2,4", "cycles"):
        assert call(cli, [*arguments, weights], prog_name="linclass") == 0
        tables[weights] = capsys.readouterr().out.split("\nhidden layers")[1:]
    for together in (tables["2,4"], tables["cycles"]):
        assert [text.split(",")[0] for text in together] == [" of epoch 2", " of epoch 4"]
        rows = [text.splitlines()[2] for text in together]
        assert rows == [tables[weights][0].splitlines()[2] for weights in ("2", "4")]
