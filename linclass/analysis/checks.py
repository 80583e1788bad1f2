"""The gradient check and the optimum, of an experiment on its data: what the command line calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from linclass import engine, gradcheck
from linclass.analysis import optimum, parity
from linclass.datasets.inputs import Inputs
from linclass.datasets.scale import Scaler
from linclass.errors import UsageError, counted, decimal
from linclass.gradcheck import Report
from linclass.models.base import Model
from linclass.params import Array
from linclass.runs.data import data_of, load_data, note_data
from linclass.runs.directory import Run
from linclass.runs.model import architecture_of, build_model
from linclass.runs.progress import PYTHON, Listener
from linclass.settings import Experiment
from linclass.training.evaluate import evaluate

CHECKED_ROWS = 100


def gradients_of_function(spec: str, seed: int = 0) -> list[tuple[str, Report]]:
    """Check a user's own function, named `FILE.py:NAME`; see `gradcheck.load_function`."""
    with engine.limited(engine.DEFAULT_THREADS):
        function, theta = gradcheck.load_function(spec)
        return [(spec, gradcheck.check_function(function, theta, seed=seed))]


def gradients_of_experiment(
    settings: Experiment, data_dir: Path | None = None, listener: Listener = PYTHON
) -> list[tuple[str, Report]]:
    """Check the experiment's model in float64, on the first training rows of its data."""
    dataset = load_data(settings, data_dir)
    note_data(settings, dataset, listener)
    scaler = Scaler.fit(dataset.train.x, settings.scaling)
    checked = dataset.train.first(CHECKED_ROWS)

    # in means: sums are larger by the batch's size, and so is their rounding
    double = settings.replace(dtype="float64", reduction="mean")
    double = double.decided(len(dataset.train), dataset.rows_of_classes)

    def create(features: Array, *, l2: Array | float, seeds: Sequence[int]) -> Model:
        d, C = len(features), len(dataset.classes)
        return build_model(double, d, C, scaler=scaler.select(features), seeds=seeds, l2=l2)

    with engine.limited(engine.DEFAULT_THREADS):
        return gradcheck.standard_checks(
            create, checked.x, checked.y, seed=settings.seed, stacks=settings.model != "torch-mlp"
        )


def compare_with_torch(
    settings: Experiment, steps: int, data_dir: Path | None = None, listener: Listener = PYTHON
) -> parity.Parity:
    """The network of `settings` trained in numpy and PyTorch, by SGD and Adam, on means and sums."""
    dataset = load_data(settings, data_dir)
    note_data(settings, dataset, listener)
    scaler = Scaler.fit(dataset.train.x, settings.scaling)
    batch_size = settings.batch_size_for(len(dataset.train))
    n = min(len(dataset.train), steps * batch_size)
    train = dataset.train.first(n)
    with engine.limited(engine.DEFAULT_THREADS):
        return parity.compare(
            architecture_of(settings, dataset.features, len(dataset.classes), scaler=scaler),
            train.x,
            train.y,
            steps=steps,
            batch_size=batch_size,
            lr=settings.eta,
        )


def find_optimum(
    settings: Experiment | None,
    directory: Path | None = None,
    *,
    max_iterations: int = 2000,
    dataset: str | None = None,
    data_dir: Path | None = None,
    threads: int | None = None,
    listener: Listener = PYTHON,
) -> list[tuple[str, str]]:
    """Minimise the cost of `settings`, or of the run in `directory`, over its training split.

    dataset, data_dir: where the run's data are now; see `runs.data.find_data`.

    Returns (number, value) texts: the minimum, and for a run the gap of its last weights to it.
    """
    run = None if directory is None else Run(directory)
    if run is not None:
        settings = run.settings
    assert settings is not None, "give settings or a directory"
    if (settings.model, settings.loss) != ("linear", "softmax"):
        raise UsageError(
            f"the minimum is that of a convex problem: expected --model linear and --loss softmax, "
            f"not {settings.model} and {settings.loss}"
        )
    with engine.limited(threads or engine.DEFAULT_THREADS):
        if run is not None:
            data = data_of(run, dataset=dataset, data_dir=data_dir)
        else:
            data = load_data(settings, data_dir)
        note_data(settings, data, listener)
        settings = settings.decided(len(data.train), data.rows_of_classes)
        # the cost that values.csv logs, in float64, from W = 0 and b = 0
        problem = settings.replace(
            seeds=1, dtype="float64", reduction="mean", weight_decay=0.0, init="normal", init_std=0.0
        )
        if run is None:
            scaler = Scaler.fit(data.train.x, settings.scaling)
            model = build_model(problem, data.features, len(data.classes), scaler=scaler)
        else:
            model = run.blank_model(problem).remade(scaler=run.load_state()[0].scaler)
        train = Inputs(data.train)

        def progress(iteration: int, cost: float, gradient_norm: float) -> None:
            if iteration % 10 == 0:
                listener.note(f"iteration {iteration}: cost {cost:.8f}, gradient norm {gradient_norm:.1e}")

        found = optimum.minimise(
            model,
            train,
            max_iterations=max_iterations,
            smoothed=settings.label_smoothing > 0,
            progress=progress,
        )
        loss = f", label smoothing {settings.label_smoothing:g}" if settings.label_smoothing else ""
        if settings.class_weights:
            loss += f", class weights {', '.join(f'{w:g}' for w in settings.weights_of_classes)}"
        rows = [
            (
                "minimum of",
                f"{data.title}, {counted(len(train), 'row')}, lambda = {settings.l2:g}{loss}",
            ),
            ("cost", decimal(found.cost, 10)),
            ("loss", decimal(found.loss, 10)),
            ("gradient norm", f"{found.gradient_norm:.2e}"),
            ("L-BFGS", f"{found.message} ({found.evaluations} passes over the data)"),
        ]
        if run is None:
            return rows
        return [*rows, *_gaps(run, model, found, train), *_other_descents(settings, len(train))]


def _gaps(run: Run, model: Model, found: optimum.Optimum, train: Inputs) -> list[tuple[str, str]]:
    """How far the last weights of each of the run's models are from the minimum, which `model` found."""
    rows = []
    trained = run.model()
    for k in range(trained.K):
        # in float64, so that the gap is the weights' and not the arithmetic's
        model.params.flat[0] = trained.params.flat[k]
        cost = float((evaluate(model, train).loss + model.penalty())[0])
        gap = optimum.gap(cost, model.params, found)
        name = f"model {k}, " if trained.K > 1 else ""
        rows += [
            (f"{name}cost of the run", decimal(cost, 10)),
            (f"{name}gap in cost", f"{gap.cost:.3e}"),
            (f"{name}distance of the weights", f"{gap.distance:.3e}"),
        ]
    return rows


def _other_descents(settings: Experiment, n: int) -> list[tuple[str, str]]:
    """What a training on n rows descended that is not the cost it logs: its gap need not become 0."""
    others = []
    if settings.augment:
        others.append(f"--augment {settings.augment} (other rows)")
    if settings.reduction == "sum" and settings.l2:
        others.append("--reduction sum (the penalty weighs less beside a sum)")
    if settings.class_weights and settings.reduction == "mean" and settings.batch_size_for(n) < n:
        others.append("--class-weights in batches (each is divided by the weights of its own rows)")
    if settings.weight_decay:
        others.append(f"--weight-decay {settings.weight_decay:g} (a pull that the cost does not have)")
    return [("the run descended", f"not this cost alone: {', '.join(others)}")] if others else []
