"""Whatever takes a run takes all of its settings: commands x settings, against formulas written down here."""

from __future__ import annotations

import csv
import functools
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logsumexp, softmax

from linclass import plots
from linclass.analysis import checks
from linclass.datasets.dataset import Dataset
from linclass.errors import UsageError
from linclass.evaluation import of_run
from linclass.landscape import of_runs
from linclass.landscape.sharpness import Sharpness, sharpness
from linclass.params import Array
from linclass.runs import data as run_data
from linclass.runs import experiment
from linclass.runs.data import load_data
from linclass.runs.directory import Run
from linclass.settings import Experiment

BASE = Experiment(
    dataset="mnist-sample", train_size=200, model="mlp", hidden="5", eta=0.1, epochs=2, snapshot_every=1,
    overfit_action="ignore", test=True,
)  # fmt: skip
OWN: dict[str, Any] = {"dataset": "own", "train_size": None, "batch_size": 20}
LINEAR: dict[str, Any] = OWN | {"model": "linear", "hidden": "", "l2": 0.01}
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "seed": {"seed": 5},
    "label smoothing": {"label_smoothing": 0.2},
    "class weights": {"class_weights": "1,2,0.5,1,3,1,0.1,1,1,4", "label_smoothing": 0.1},
    "balanced bce": {"loss": "bce", "class_weights": "balanced"},
    "weighted svm": {"loss": "svm", "eta": 0.01, "class_weights": "1,2,0.5,1,3,1,0.1,1,1,4"},
    "activation": {"activation": "tanh"},
    "bce": {"loss": "bce"},
    "svm": {"loss": "svm", "eta": 0.01},
    "scaling": {"scaling": "per-pixel"},
    "global": {"scaling": "global"},
    "penalty": {"l2": 0.02},
    "decay": {"optimizer": "adamw", "weight_decay": 0.5, "eta": 0.01},
    "sum": {"reduction": "sum", "eta": 0.001},
    "augmented": {"augment": "shift:2"},
    "dropout": {"dropout": 0.4},
    "float64": {"dtype": "float64"},
    "label noise": {"label_noise": 0.5},
    "fold": {"fold": "2/3"},
    "batch norm": {"batch_norm": True},
    "replicas": {"seeds": 2},
    "own classes": OWN,
    "function": {"dataset": "half-sine", "loss": "squared", "activation": "tanh"},
    "linear": LINEAR,
    "linear smoothed": LINEAR | {"label_smoothing": 0.2},
    "linear smoothed, no penalty": LINEAR | {"label_smoothing": 0.2, "l2": 0.0, "train_size": 20},
    "linear class weights": LINEAR | {"class_weights": "1,5,0.5"},
    "linear balanced": LINEAR | {"class_weights": "balanced", "train_size": 40, "label_noise": 0.5},
    "linear balanced, all rows a batch": LINEAR
    | {"class_weights": "balanced", "label_noise": 0.5, "batch_size": 135},
    "linear sum": LINEAR | {"reduction": "sum", "eta": 0.001},
    "linear scaling": LINEAR | {"scaling": "unit"},
    "linear noise": LINEAR | {"label_noise": 0.5, "seed": 3},
    "linear fold": LINEAR | {"fold": "2/3", "seed": 3},
    "linear replicas": LINEAR | {"seeds": 2},
    "linear float64": LINEAR | {"dtype": "float64"},
    "linear augmented": LINEAR | {"augment": "shift:2"},
    "linear decay": LINEAR | {"l2": 0.0, "optimizer": "adamw", "weight_decay": 0.5},
}
if importlib.util.find_spec("torch"):
    VARIANTS["torch"] = {"model": "torch-mlp", "label_smoothing": 0.2, "activation": "tanh"}
    VARIANTS["torch, class weights"] = VARIANTS["torch"] | {"class_weights": "1,2,0.5,1,3,1,0.1,1,1,4"}
MINIMA = [name for name in VARIANTS if name.startswith("linear")]
SURFACES = [name for name in VARIANTS if name != "batch norm"]
pytestmark = pytest.mark.usefixtures("only_numbers")
read_once = functools.cache(load_data)


class Trained(NamedTuple):
    """A run's directory, its data, and its settings."""

    name: str
    path: Path
    data: Dataset
    settings: Experiment

    @property
    def k(self) -> int:
        """The last of its models."""
        return self.settings.seeds - 1


@pytest.fixture
def only_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn, each data set is read once, and its rows come in several chunks."""
    for module, size in (("surface", 40), ("sharpness", 40), ("sensitivity", 1)):
        monkeypatch.setattr(f"linclass.landscape.{module}.CHUNK", size)
    monkeypatch.setattr(run_data, "load_data", lambda settings, *_: read_once(settings))
    monkeypatch.setattr(of_runs, "_found", lambda table, figure, out, path, kind: of_runs.Found(table, path))
    for figure in ("panels", "plane"):
        monkeypatch.setattr(plots, figure, lambda *_, **__: None)


def write_own(path: Path, seed: int, dtype: str = "uint8") -> None:
    """150 training and 75 test images of 4 x 4, in three classes."""
    generator = np.random.default_rng(seed)
    centres, y = generator.normal(size=(3, 4, 4)), np.arange(150) % 3
    x = (128 + 30 * (centres[y] + generator.normal(size=(150, 4, 4)))).clip(0, 255).astype(dtype)
    np.savez(path, x_train=x, y_train=y, x_test=x[::2, ::-1], y_test=y[::2])


@pytest.fixture(scope="module")
def trained(
    no_pictures_in_module: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Trained]:
    """The run of a variant; trained when first asked for."""
    folder = tmp_path_factory.mktemp("variants")
    write_own(folder / "own.npz", seed=0)

    @functools.cache
    def train(name: str) -> Trained:
        settings = BASE.replace(**VARIANTS[name])
        if settings.dataset == "own":
            settings = settings.replace(dataset=str(folder / "own.npz"))
        if settings.is_regression:
            settings = settings.replace(test=False)
        path = folder / name.replace(" ", "_")
        experiment.run(settings, out=path)
        settings = Run(path).settings
        return Trained(name, path, load_data(settings), settings)

    return train


# ---- the formulas ------------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}


def scaled(x: Array, of: Trained) -> Array:
    """x as the model sees it, from the definitions of the scalings."""
    train = of.data.train.x
    level = 255.0 if train.dtype == np.uint8 else 1.0
    v, u = train / level, x / level
    if of.settings.scaling in ("raw", "unit"):
        return x.astype(float) if of.settings.scaling == "raw" else u
    axis = None if of.settings.scaling == "global" else 0
    std = np.where(np.ptp(v, axis=axis) == 0, 1.0, v.std(axis=axis))
    return np.asarray((u - v.mean(axis=axis)) / std)


def scores(x: Array, of: Trained, weights: Mapping[str, Array], statistics: Mapping[str, Array]) -> Array:
    """`(n, C)` of scaled rows, in float64."""
    if "W" in weights:
        return np.asarray(x @ weights["W"].T + weights["b"])
    z = x @ weights["W1"].T + weights["b1"]
    if "gamma1" in weights:
        z = weights["gamma1"] * (z - statistics["mean1"]) / np.sqrt(statistics["variance1"] + 1e-5)
        z = z + weights["beta1"]
    return np.asarray(ACTIVATIONS[of.settings.activation](z) @ weights["W2"].T + weights["b2"])


def losses(S: Array, y: Array, settings: Experiment) -> Array:
    """`(n,)`."""
    rows, C = np.arange(len(y)), S.shape[1]
    if settings.loss == "squared":
        return np.asarray(np.square(S - y).sum(axis=1))
    Y = np.eye(C)[y]
    if settings.loss == "softmax":
        Y = (1 - settings.label_smoothing) * Y + settings.label_smoothing / C
        return np.asarray(-(Y * log_softmax(S, axis=1)).sum(axis=1))
    if settings.loss == "bce":
        return np.asarray(-(Y * np.log(expit(S)) + (1 - Y) * np.log(expit(-S))).mean(axis=1))
    margins = np.maximum(0, S - S[rows, y][:, None] + 1)
    return np.asarray(margins.sum(axis=1) - 1)


def weights_of(of: Trained, y: Array) -> Array | None:
    """w `(n,)`, from the settings that were asked for and the training labels."""
    asked = VARIANTS[of.name].get("class_weights", "")
    if not asked:
        return None
    counts = np.bincount(of.data.train.y)
    balanced = len(of.data.train.y) / (len(counts) * counts)
    weights: Array = (balanced if asked == "balanced" else np.array([float(w) for w in asked.split(",")]))[y]
    return weights


def mean_loss(S: Array, y: Array, of: Trained) -> float:
    """sum(w loss) / sum(w)."""
    return float(np.average(losses(S, y, of.settings), weights=weights_of(of, y)))


def of_model(of: Trained, k: int, weights: str | int = "last") -> tuple[dict[str, Array], dict[str, Array]]:
    """Parameters and running statistics of model k, float64."""
    model = Run(of.path).model(weights)
    both = (model.params, model.buffers)
    params, buffers = ({name: a[k].astype(np.float64) for name, a in arrays.items()} for arrays in both)
    return params, buffers


def loss_of(of: Trained, split: str, k: int, weights: str | int = "last", rows: int | None = None) -> float:
    x, y = (a[:rows] for a in of.data.splits()[split].__dict__.values())
    return mean_loss(scores(scaled(x, of), of, *of_model(of, k, weights)), y, of)


def penalty_of(of: Trained, k: int) -> float:
    weights, _ = of_model(of, k)
    return of.settings.l2 * sum(float(np.sum(W**2)) for name, W in weights.items() if name[0] == "W")


def logged(of: Trained, k: int) -> dict[str, float]:
    """The last row of values.csv of model k."""
    with (of.path / "values.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row.get("model") or 0) == k]
    return {name: float(value) for name, value in rows[-1].items() if value}


near = functools.partial(pytest.approx, rel=2e-5, abs=2e-5)

# ---- commands x settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_evaluate(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    for split, short in (("train", "train"), ("validation", "val"), ("test", "test")):
        reports = of_run.evaluate_run(of.path, split=split)
        for k, report in enumerate(reports):
            assert report.loss == near(loss_of(of, split, k))
            assert report.cost == near(loss_of(of, split, k) + penalty_of(of, k))
            numbers = {f"{short}_loss": report.loss, f"{short}_cost": report.cost}
            numbers[f"{short}_accuracy"] = getattr(report, "accuracy", np.nan)
            row = logged(of, k)
            for column in numbers.keys() & row.keys():
                assert numbers[column] == pytest.approx(row[column], rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "function"])
def test_predict(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    S = scores(scaled(of.data.splits()["test"].x, of), of, *of_model(of, of.k))
    assert np.mean(of_run.predict_run(of.path, k=of.k) == S.argmax(axis=1)) > 0.995


@pytest.mark.parametrize("name", VARIANTS)
def test_an_ensemble(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    if of.settings.loss != "softmax":
        with pytest.raises(UsageError, match=f"--loss {of.settings.loss}"):
            of_run.evaluate_run(of.path, weights="1,2")
        return
    x, y = of.data.splits()["test"].x, of.data.splits()["test"].y
    members = [scores(scaled(x, of), of, *of_model(of, of.k, epoch)) for epoch in (1, 2)]
    log_P = logsumexp([log_softmax(S, axis=1) for S in members], axis=0) - np.log(2)
    found = of_run.evaluate_run(of.path, weights="1,2")[of.k]
    assert found.loss == near(mean_loss(log_P, y, of))


@pytest.mark.parametrize("name", VARIANTS)
def test_layers(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    (layers,) = of_run.layers_of_run(of.path, k=of.k).values()
    assert len(layers) == len(of.settings.hidden_sizes)
    if layers:
        weights, running = of_model(of, of.k)
        z = scaled(of.data.train.x[:200], of) @ weights["W1"].T + weights["b1"]
        if of.settings.batch_norm:
            u = (z - running["mean1"]) / np.sqrt(running["variance1"] + 1e-5)
            z = weights["gamma1"] * u + weights["beta1"]
        assert layers[0].std == near(float(ACTIVATIONS[of.settings.activation](z).std()))


@pytest.mark.parametrize("name", SURFACES)
def test_a_plane(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    table = of_runs.random_plane(of.path, k=of.k, steps=3, rows=150).table
    assert float(table[1][1]) == near(loss_of(of, "train", of.k, rows=150))


@pytest.mark.parametrize("name", SURFACES)
def test_a_path_to_itself(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    table = of_runs.interpolate(of.path, of.path, start=0, stop=1, steps=2, k=of.k).table
    wanted = [loss_of(of, split, of.k) for split in ("train", "test")]
    assert "accuracy" in "".join(table[0]) or of.settings.is_regression
    for row in table[1:]:
        found = [float(cell) for cell, head in zip(row, table[0], strict=True) if head.endswith("loss")]
        assert found == [near(loss) for loss in wanted]


@pytest.mark.parametrize("name", SURFACES)
def test_a_trajectory(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    if of.settings.seeds == 1:
        table = of_runs.trajectory([of.path, of.path], steps=2, rows=150).table
    else:
        table = of_runs.trajectory([of.path], steps=2, rows=150).table
    last = [row for row in table if row[1] == "2"][-1]
    assert float(last[2]) == near(loss_of(of, "train", of.k, rows=150))
    if not of.settings.is_regression:
        x, y = of.data.train.x[:150], of.data.train.y[:150]
        right = scores(scaled(x, of), of, *of_model(of, of.k)).argmax(axis=1) == y
        assert last[3] == f"{100 * right.mean():.2f} %"


@pytest.mark.parametrize("name", SURFACES)
def test_sharpness(name: str, trained: Callable[[str], Trained], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is measured around the run's loss, up to losses of the same function."""
    of = trained(name)
    seen: list[Sharpness] = []

    def listening(*arguments: Any, **options: Any) -> Sharpness:
        seen.append(sharpness(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(of_runs, "sharpness", listening)
    monkeypatch.setattr(of_runs, "EPSILONS", of_runs.EPSILONS[:1])
    of_runs.measure_sharpness(of.path, rows=150)
    for found in seen:
        assert found.loss[of.k] == near(loss_of(of, "train", of.k, rows=150))
    # linear in a small box: phi(epsilon) = 100 epsilon sum_i |g_i| (|theta_i| + 1) / (1 + f)
    weights, statistics = of_model(of, of.k)
    x, y, total = scaled(of.data.train.x[:150], of), of.data.train.y[:150], 0.0
    last = [name for name in weights if name[0] == "b"][-1]
    for i in np.ndindex(weights[last].shape):
        h = 1e-4 * (np.eye(len(weights[last]))[i] if weights[last].ndim else 1.0)
        ends = [weights | {last: weights[last] + sign * h} for sign in (1, -1)]
        ahead, behind = (mean_loss(scores(x, of, w, statistics), y, of) for w in ends)
        total += abs(ahead - behind) / 2e-4 * (abs(weights[last][i]) + 1)
    assert abs(seen[0].random[of.k]) <= 1.1 * seen[0].ascent[of.k]
    assert seen[0].ascent[of.k] >= 0.9 * 100 * of_runs.EPSILONS[0] * total / (1 + seen[0].loss[of.k])


@pytest.mark.parametrize("name", VARIANTS)
def test_sensitivity(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    found = of_runs.measure_sensitivity(of.path, rows=2).table
    row = dict(zip(found[0], found[-1], strict=True))
    assert row["epoch"] == "2"
    norms = np.zeros((of.settings.seeds, 3))
    x, y = of.data.splits()["test"].x[:2], of.data.splits()["test"].y[:2]
    outputs = {"bce": lambda S: expit(S) / expit(S).sum(axis=1, keepdims=True)}
    probabilities = outputs.get(of.settings.loss, lambda S: softmax(S, axis=1))
    for k in range(of.settings.seeds):
        model = of_model(of, k)
        w = np.ones(2) if (given := weights_of(of, y)) is None else given
        for z, label, w_i in zip(scaled(x, of), y, w, strict=True):
            h = 1e-5
            moved = np.concatenate([z + h * np.eye(len(z)), z - h * np.eye(len(z))])
            S = scores(moved, of, *model)
            labels = np.repeat(np.asarray(label)[None], len(S), axis=0)
            of_loss = losses(S, labels, of.settings)[:, None]
            for j, values in enumerate((of_loss, probabilities(S), S)):
                ahead, behind = np.split(values, 2)
                share = w_i / w.sum() if j == 0 else 1 / 2
                norms[k, j] += share * np.linalg.norm((ahead - behind) / (2 * h))
    for head, number in zip(("loss", "probabilities", "scores"), norms.mean(axis=0), strict=True):
        if head == "probabilities" and of.settings.is_regression:
            assert f"d {head} / dx" not in row
        else:
            assert float(row[f"d {head} / dx"].split()[0]) == pytest.approx(number, rel=1e-3, abs=2e-5)


@pytest.mark.parametrize("name", MINIMA)
def test_optimum(name: str, trained: Callable[[str], Trained]) -> None:
    of = trained(name)
    rows = dict(checks.find_optimum(None, of.path, max_iterations=300))
    prefix = f"model {of.k}, " if of.k else ""
    assert float(rows[f"{prefix}cost of the run"]) == near(logged(of, of.k)["train_cost"])
    assert float(rows[f"{prefix}cost of the run"]) == near(loss_of(of, "train", of.k) + penalty_of(of, of.k))
    others = of.settings.augment or of.settings.weight_decay or of.settings.reduction == "sum"
    others = others or (of.settings.class_weights and of.settings.batch_size != len(of.data.train))
    assert ("the run descended" in rows) == bool(others)
    if of.settings.l2 or of.settings.label_smoothing:
        assert rows["L-BFGS"].startswith("converged")
        minimum = textbook_minimum(of)
        assert float(rows["cost"]) == pytest.approx(minimum, rel=1e-7)
        assert float(rows[f"{prefix}gap in cost"]) == pytest.approx(
            loss_of(of, "train", of.k) + penalty_of(of, of.k) - minimum, rel=2e-3
        )


@pytest.mark.parametrize("name", ["base", "bce", "svm", "function", "batch norm"])
def test_no_optimum_of_other_problems(name: str, trained: Callable[[str], Trained]) -> None:
    with pytest.raises(UsageError, match="expected --model linear and --loss softmax"):
        checks.find_optimum(None, trained(name).path)


def textbook_minimum(of: Trained) -> float:
    """min J by scipy on the formulas above: J, dJ/dW = (P - Y)^T x / n + 2 lambda W, dJ/db = mean(P - Y)."""
    from scipy.optimize import minimize

    x, y = scaled(of.data.train.x, of), of.data.train.y
    (n, d), C, s = x.shape, len(of.data.classes), of.settings.label_smoothing
    Y = (1 - s) * np.eye(C)[y] + s / C
    w = weights_of(of, y)
    share = 1 / n if w is None else (w / w.sum())[:, None]

    def J(theta: Array) -> tuple[float, Array]:
        W, b = theta[: C * d].reshape(C, d), theta[C * d :]
        S = x @ W.T + b
        R = (softmax(S, axis=1) - Y) * share
        cost = mean_loss(S, y, of) + of.settings.l2 * np.sum(W**2)
        return float(cost), np.concatenate([(R.T @ x + 2 * of.settings.l2 * W).ravel(), R.sum(axis=0)])

    options = {"maxiter": 2000, "ftol": 0.0, "gtol": 1e-8}
    return float(minimize(J, np.zeros(C * d + C), jac=True, method="L-BFGS-B", options=options).fun)


# ---- two runs ----------------------------------------------------------------------------------------------

REFUSED = {
    "label smoothing": "--label-smoothing 0.0 and 0.2",
    "class weights": "--label-smoothing 0.0 and 0.1",
    "balanced bce": "--loss softmax and bce",
    "weighted svm": "--loss softmax and svm",
    "torch, class weights": "--label-smoothing 0.0 and 0.2",
    "activation": "--activation relu and tanh",
    "bce": "--loss softmax and bce",
    "svm": "--loss softmax and svm",
    "scaling": "--scaling unit and per-pixel",
    "global": "--scaling unit and global",
    "label noise": "different data",
    "fold": "different data",
    "own classes": "different shapes",
    "batch norm": "different shapes",
    "function": "different shapes",
    "linear": "different shapes",
    "torch": "--label-smoothing 0.0 and 0.2",
}


@pytest.mark.parametrize("name", [name for name in VARIANTS if not name.startswith("linear ")])
def test_two_runs_have_a_loss_between_them_or_are_refused_by_name(
    name: str, trained: Callable[[str], Trained]
) -> None:
    first, second = trained("base"), trained(name)
    commands = (
        lambda: of_runs.interpolate(first.path, second.path, start=0, stop=1, steps=2),
        lambda: of_runs.trajectory([first.path, second.path], steps=2, rows=150),
    )
    for command in commands:
        if name in REFUSED:
            with pytest.raises(UsageError, match=REFUSED[name]):
                command()
            continue
        table = command().table
        if table[0][0] == "a":
            assert float(table[2][1]) == near(loss_of(second, "train", 0))
            assert float(table[2][3]) == near(loss_of(second, "test", 0))
        else:
            second_last = [row for row in table if row[1] == "2"][1]
            assert float(second_last[2]) == near(loss_of(second, "train", 0, rows=150))


def test_scalings_that_are_the_same_for_these_rows_go_together(tmp_path: Path) -> None:
    """raw and unit are one for rows of floats."""
    write_own(tmp_path / "floats.npz", 1, "float32")
    for scaling in ("raw", "unit"):
        settings = BASE.replace(**OWN, scaling=scaling, eta=1e-4).replace(
            dataset=str(tmp_path / "floats.npz")
        )
        experiment.run(settings, out=tmp_path / scaling)
    table = of_runs.interpolate(tmp_path / "raw", tmp_path / "unit", start=0, stop=1, steps=2).table
    assert float(table[1][1]) == near(float(table[2][1]))


def test_a_trajectory_names_each_runs_own_snapshots(
    trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    path = tmp_path / "longer"
    experiment.run(BASE.replace(epochs=4, snapshot_every=2), out=path)
    table = of_runs.trajectory([trained("base").path, path], steps=2).table
    assert [row[1] for row in table[1:]] == ["1", "2", "2", "4"]


def test_a_run_that_went_on_under_other_data_keeps_its_scaling(tmp_path: Path) -> None:
    data, path = tmp_path / "own.npz", tmp_path / "run"
    settings = BASE.replace(**LINEAR, scaling="per-pixel").replace(dataset=str(data))
    write_own(data, seed=0)
    experiment.run(settings, out=path)
    write_own(data, seed=1)
    experiment.resume(path, epochs=3, allow=["data"])
    of = Trained("base", path, load_data(Run(path).settings), Run(path).settings)
    rows = dict(checks.find_optimum(None, path))
    assert float(rows["cost of the run"]) == near(logged(of, 0)["train_cost"])
    (report,) = of_run.evaluate_run(path, split="train")
    assert report.cost == near(logged(of, 0)["train_cost"])
    assert float(of_runs.random_plane(path, steps=2).table[1][1]) == near(logged(of, 0)["train_loss"])
