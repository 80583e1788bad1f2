"""The landscape of trained runs: what `linclass landscape` calls.

Each survey reads runs, measures, draws one picture, and returns the table of its numbers. Losses are means
over rows, without the penalty; the model is in evaluation mode but for the ascent of the sharpness, where
dropout is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from linclass import engine
from linclass.datasets.inputs import Inputs
from linclass.datasets.scale import Scaler
from linclass.errors import StorageError, UsageError, counted, decimal
from linclass.landscape.paths import FARTHEST, alphas, between
from linclass.landscape.pca import Components, pca
from linclass.landscape.planes import Plane, plane, random_direction
from linclass.landscape.sensitivity import Sensitivity, sensitivity
from linclass.landscape.sharpness import sharpness
from linclass.landscape.surface import Surface, Values, columns_of
from linclass.metrics import mean_interval
from linclass.models.base import Model
from linclass.models.network import Network
from linclass.params import Array
from linclass.runs.data import data_of
from linclass.runs.directory import Run, readable
from linclass.settings import Experiment, option_name, shown

if TYPE_CHECKING:
    from linclass import plots

Table = list[tuple[str, ...]]
GRID = 25
"""Steps of a plane in each direction."""
MARGIN = 0.15
"""How much of a trajectory's extent is drawn around it."""


class Found(NamedTuple):
    """What a survey came to: its table, and the picture; or the problem with the place of the picture."""

    table: Table
    picture: Path
    problem: StorageError | None = None


class Ground(NamedTuple):
    """A run, the rows it is surveyed on by split, its scaling, and what is surveyed (see `surveyed`)."""

    run: Run
    data: dict[str, Inputs]
    scaler: Scaler
    settings: Experiment

    def create(self, K: int) -> Model:
        """A model of the run's shape, and with its scaling, with room for K of them."""
        return self.run.blank_model(self.settings.replace(seeds=K)).remade(scaler=self.scaler)

    def trained(self, weights: str | int = "last") -> Model:
        """The run's models with these weights."""
        return filled(self.create(self.run.settings.seeds), self.run.model(weights))

    def theta(self, weights: str | int = "last") -> Array:
        """`(K, P)` float64."""
        return self.trained(weights).params.flat.astype(np.float64)


def surveyed(settings: Experiment) -> Experiment:
    """The settings of a run's loss as a function of its weights: a mean over rows, in evaluation mode."""
    return readable(settings).replace(l2=0.0, weight_decay=0.0, dropout=0.0, reduction="mean")


def filled(model: Model, source: Model) -> Model:
    """`model` with the parameters and running statistics of `source`."""
    for own, other in ((model.params, source.params), (model.buffers, source.buffers)):
        for name, array in own.items():
            array[...] = other[name]
    return model


def ground(
    path: Path,
    rows: int,
    splits: Sequence[str] = ("train",),
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Ground:
    """The run in `path` with the first `rows` rows of `splits` (0: all). Raises DataError, UsageError.

    dataset, data_dir: where the run's data are now; see `runs.data.find_data`.
    """
    return grounds([path], rows, splits, dataset=dataset, data_dir=data_dir)[0]


def grounds(
    paths: Sequence[Path],
    rows: int,
    splits: Sequence[str] = ("train",),
    *,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> list[Ground]:
    """`ground` of runs that are looked at together, in the highest precision of them.

    Raises UsageError unless their loss is one function of the weights, so that there is a loss between them.
    """
    if rows < 0:
        raise UsageError(f"--rows is {rows}: expected a number of rows, or 0 for all")
    runs = [Run(Path(path)) for path in paths]
    for other in runs[1:]:
        check_same_function(runs[0], other)
    dtype = max((run.settings.dtype for run in runs), key=lambda name: np.dtype(name).itemsize)
    sites = []
    for run in runs:
        found = data_of(run, dataset=dataset, data_dir=data_dir)
        data = {
            name: Inputs(split.first(rows or len(split)))
            for name, split in found.splits().items()
            if name in splits
        }
        scaler = run.load_state()[0].scaler
        sites.append(Ground(run, data, scaler, surveyed(run.settings).replace(dtype=dtype)))
    return sites


def check_same_function(first: Run, other: Run) -> None:
    """UsageError unless the two runs' models have one shape, and weights mean the same to both."""
    names = f"{first.path} and {other.path}"
    models = [run.blank_model(surveyed(run.settings).replace(seeds=1)) for run in (first, other)]
    shapes = [{name: array.shape for name, array in model.params.items()} for model in models]
    if shapes[0] != shapes[1]:
        of_each = " and ".join(map(_shape, models))
        raise UsageError(f"{names} hold models of different shapes ({of_each}): expected the same")
    if first.digest != other.digest:
        raise UsageError(f"{names} were trained on different data: expected the same")
    differences = first.settings.differences(other.settings)
    if first.load_state()[0].scaler.same_as(other.load_state()[0].scaler):
        differences.pop("scaling", None)
    elif "scaling" not in differences:
        raise UsageError(f"{names} scale their rows by different numbers: expected one scaling of one split")
    activation = ("activation",) if first.settings.hidden else ()
    for field in ("loss", "label_smoothing", "class_weights", "scaling", *activation):
        if field in differences:
            own, others = differences[field]
            raise UsageError(
                f"{names} were trained with {option_name(field)} {shown(own)} and {shown(others)}, so "
                "their weights are of different functions and there is no loss between them: "
                "expected the same"
            )


def interpolate(
    first: Path,
    second: Path,
    *,
    start: float = -1,
    stop: float = 2,
    steps: int = 61,
    k: int = 0,
    rows: int = 0,
    out: Path | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Found:
    """Loss and accuracy, train and test, at (1 - a) theta_1 + a theta_2 of two runs' models k."""
    a = alphas(start, stop, steps)
    one, two = grounds([first, second], rows, ("train", "test"), dataset=dataset, data_dir=data_dir)
    theta = between(model_k(one, k), model_k(two, k), a)
    with engine.limited(engine.DEFAULT_THREADS):
        values = {name: Surface(one.create, data)(theta) for name, data in one.data.items()}
    what = ("loss",) if one.run.settings.is_regression else ("loss", "accuracy")
    table: Table = [("a", *(f"{name} {kind}" for name in values for kind in what))]
    for i, a_i in enumerate(a):
        cells = (text for v in values.values() for text in _cells(v, i)[: len(what)])
        table.append((_place(a_i, (stop - start) / (steps - 1)), *cells))
    from linclass import plots

    measures = [
        plots.Panel("loss", {name: v.loss for name, v in values.items()}, log_y=True),
        plots.Panel("accuracy", {name: v.accuracy for name, v in values.items()}, percent=True),
    ]
    figure = plots.panels(
        a,
        measures[: len(what)],
        title=f"Between two models: (1 − a) {first.name} + a {second.name}\n{one.run.subject.title}",
        xlabel="a",
        marks={0.0: first.name, 1.0: second.name},
    )
    return _found(table, figure, out, first, f"interpolation_{second.resolve().name}{_of_replica(one, k)}")


def random_plane(
    path: Path,
    *,
    k: int = 0,
    extent: float = 1.0,
    steps: int = GRID,
    seed: int = 0,
    rows: int = 2000,
    out: Path | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Found:
    """The training loss over two random, filter-normalised directions around a run's model k."""
    if not 0 < extent <= FARTHEST or steps < 2:
        raise UsageError(
            f"--extent {extent:g} with --steps {steps}: expected above 0 and at most {FARTHEST:g}, "
            "and at least 2 steps"
        )
    site = ground(path, rows, dataset=dataset, data_dir=data_dir)
    model = site.trained()
    theta, own = model_k(site, k), model.select(k).params
    u, v = (random_direction(own, seed, number) for number in (0, 1))
    grid = np.linspace(-extent, extent, steps)
    with engine.limited(engine.DEFAULT_THREADS):
        surface = Surface(site.create, site.data["train"])
        found = plane(surface, theta, u, v, grid, grid)
        at = float(surface(theta[None]).loss[0])
    from linclass import plots

    which = f"replica {k}" if site.run.settings.seeds > 1 else "the model"
    title = f"Training loss around {which} of {path.name}, filter-normalised random directions"
    relief = plots.Relief(found.s, found.t, found.loss)
    track = plots.Track(np.zeros((1, 2)), {0: f"{at:.4g}"})
    figure = plots.plane({"": relief}, {"": [track]}, title=f"{title}\n{site.run.subject.title}")
    table: Table = [("loss", ""), ("of the model", decimal(at, 6)), *_of_plane(found)]
    return _found(table, figure, out, path, f"plane{_of_replica(site, k)}")


def trajectory(
    paths: Sequence[Path],
    *,
    layer: int = 0,
    steps: int = GRID,
    rows: int = 1000,
    out: Path | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Found:
    """The snapshots of all models of runs of one shape on the plane in which they differ most.

    layer: PCA of this layer's weights and biases alone (the others at the mean); 0 is the whole model.
    """
    sites = grounds(paths, rows, dataset=dataset, data_dir=data_dir)
    tracks = [track for site in sites for track in recorded(site)]
    lengths = sorted({len(track) for track in tracks})
    if len(lengths) > 1:
        raise UsageError(f"the trainings have {lengths} snapshots: expected as many of each")
    with engine.limited(engine.DEFAULT_THREADS):
        surface = Surface(sites[0].create, sites[0].data["train"])
        seen, relief, true, on_plane = over(
            surface, np.stack(tracks), names_of(sites[0].create(1), layer), steps
        )
    from linclass import plots

    shape = (len(tracks), len(tracks[0]))
    points = seen.coordinates.reshape(*shape, 2)
    accuracy = true.accuracy.reshape(shape)
    words = [{-1: f"{100 * a[-1]:.1f} %"} if np.isfinite(a[-1]) else {} for a in accuracy]
    drawn = [plots.Track(*of_training) for of_training in zip(points, words, strict=True)]
    what = "the whole model" if layer == 0 else f"layer {layer}"
    share = ", ".join(f"{100 * e:.1f} %" for e in seen.explained)
    heading = f"{counted(len(tracks), 'training')}, {what}: {share} of the variance"
    figure = plots.plane(
        {"": plots.Relief(relief.s, relief.t, relief.loss)},
        {"": drawn},
        title=f"{heading}\n{sites[0].run.subject.title}",
        labels=axis_labels(seen),
    )
    epochs = [epoch for site in sites for _ in range(site.run.settings.seeds) for epoch in site.run.snapshots]
    table: Table = [("training", "snapshot", "true loss", "accuracy", "loss on the plane")]
    for i, (r, _) in enumerate(np.ndindex(shape)):
        table.append((str(r), str(epochs[i]), *_cells(true, i), decimal(on_plane.loss[i])))
    return _found(table, figure, out, paths[0], f"trajectory_{layer}")


def measure_sensitivity(
    path: Path,
    *,
    rows: int = 2000,
    on: str | None = None,
    out: Path | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Found:
    """The three definitions of `landscape.sensitivity` over the snapshots of a run, and at its end."""
    on = on or Run(Path(path)).scored_split
    site = ground(path, rows, (on,), dataset=dataset, data_dir=data_dir)
    if on not in site.data:
        raise UsageError(f"--on {on}: {path} has no such split")
    moments = _moments(site.run)
    names = [
        name for name in Sensitivity._fields if name != "probabilities" or not site.settings.is_regression
    ]
    table: Table = [("epoch", *(f"d {name} / dx" for name in names))]
    values = []
    with engine.limited(engine.DEFAULT_THREADS):
        for weights, _ in moments:
            model = site.trained(weights)
            assert isinstance(model, Network)
            found = sensitivity(model, site.data[on], loss=site.settings.loss)._asdict()
            values.append(found)
            table.append((str(weights), *(mean_interval(found[name]).text() for name in names)))
    from linclass import plots

    series = {f"d {name} / dx": np.stack([found[name] for found in values]) for name in names}
    figure = plots.panels(
        [epoch for _, epoch in moments],
        [plots.Panel("mean Frobenius norm", series, log_y=True)],
        title=f"Sensitivity to the input, {on} rows\n{site.run.subject.title}, {path.name}",
        xlabel="epoch",
    )
    return _found(table, figure, out, path, f"sensitivity_{on}")


def _moments(run: Run) -> list[tuple[str | int, float]]:
    """The weights of a run in time, and their epochs: its snapshots, and where it stands if that is later."""
    state, _ = run.load_state()
    epoch = state.epoch + float(state.running_rows.max()) / run.manifest["data"]["rows"]["train"]
    moments: list[tuple[str | int, float]] = [(snapshot, float(snapshot)) for snapshot in run.snapshots]
    return moments if moments and moments[-1][1] >= epoch else [*moments, ("last", epoch)]


EPSILONS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)


def measure_sharpness(
    path: Path,
    *,
    rows: int = 2000,
    out: Path | None = None,
    dataset: str | None = None,
    data_dir: Path | None = None,
) -> Found:
    """Keskar's sharpness of a run's models, by chance and by ascent, for boxes of growing size."""
    site = ground(path, rows, dataset=dataset, data_dir=data_dir)
    table: Table = [("epsilon", "random points", "gradient ascent")]
    with engine.limited(engine.DEFAULT_THREADS):
        model = site.trained()
        values = [sharpness(model, site.data["train"], epsilon=epsilon) for epsilon in EPSILONS]
    for epsilon, found in zip(EPSILONS, values, strict=True):
        table.append((f"{epsilon:g}", mean_interval(found.random).text(), mean_interval(found.ascent).text()))
    from linclass import plots

    series = {
        "random points": np.stack([found.random for found in values]),
        "gradient ascent": np.stack([found.ascent for found in values]),
    }
    figure = plots.panels(
        EPSILONS,
        [plots.Panel("sharpness φ", series, log_y=True)],
        title=f"How far the training loss rises in a box around {path.name}\n{site.run.subject.title}",
        xlabel="ε",
        log_x=True,
    )
    return _found(table, figure, out, path, "sharpness")


# ---- trajectories ------------------------------------------------------------------------------------------


def over(
    surface: Surface, tracks: Array, names: tuple[str, ...], steps: int = GRID
) -> tuple[Components, Plane, Values, Values]:
    """PCA of `tracks` `(trainings, snapshots, P)`, of the arrays `names` alone.

    Returns the components, the loss over their plane (all else at the mean of the points), and the values at
    the points themselves and at their projections onto the plane (all else as it is there).
    """
    points = tracks.reshape(-1, tracks.shape[-1])
    part = columns_of(surface.create(1), names)
    seen = pca(points[:, part])
    projected = points.copy()
    projected[:, part] = seen.on_plane()
    origin = points.mean(axis=0)
    u, v = np.zeros((2, len(origin)))
    u[part], v[part] = seen.directions
    low, high = seen.coordinates.min(axis=0), seen.coordinates.max(axis=0)
    # points on a line, or all at one place, leave a direction without an extent: as much as the other has
    extent = np.maximum(high - low, 1e-3 * (high - low).max())
    margin = MARGIN * np.where(extent > 0, extent, 1.0)
    s, t = (np.linspace(low[i] - margin[i], high[i] + margin[i], steps) for i in (0, 1))
    return seen, plane(surface, origin, u, v, s, t), surface(points), surface(projected)


def recorded(site: Ground) -> list[Array]:
    """For each model of a run its snapshots `(snapshots, P)`. UsageError where there are too few."""
    epochs = site.run.snapshots
    if len(epochs) < 2:
        raise UsageError(
            f"{site.run.path} has {counted(len(epochs), 'snapshot')}: expected the "
            "recorded trajectory of a training, as --snapshot-every 5 leaves it"
        )
    matrices = np.stack([site.theta(epoch) for epoch in epochs], axis=1)
    return list(matrices)


def names_of(model: Model, layer: int) -> tuple[str, ...]:
    """The arrays of the layer with this number; of all layers for 0. UsageError where there is none."""
    layers = [row.tensors for row in model.layers() if row.tensors and row.name.startswith("affine")]
    if not 0 <= layer <= len(layers):
        raise UsageError(f"--layer is {layer}: expected 1 to {len(layers)}, or 0 for the whole model")
    return tuple(model.params) if layer == 0 else layers[layer - 1]


def model_k(site: Ground, k: int) -> Array:
    """`(P,)` the last weights of model k. UsageError where there is no such model."""
    if not 0 <= k < site.run.settings.seeds:
        last = site.run.settings.seeds - 1
        raise UsageError(f"--replica is {k}: {site.run.path} has the replicas 0 to {last}")
    theta: Array = site.theta()[k]
    return theta


def axis_labels(seen: Components) -> tuple[str, str]:
    """`component 1 (63.1 % of the variance)`, and the second."""
    first, second = (
        f"component {i} ({100 * e:.1f} % of the variance)" for i, e in enumerate(seen.explained, 1)
    )
    return first, second


def _shape(model: Model) -> str:
    return "-".join(str(row.units) for row in model.layers() if "affine" in row.name or row.name == "input")


def _of_plane(found: Plane) -> Table:
    rows: Table = [
        ("lowest on the plane", decimal(found.loss.min(), 6)),
        ("median", decimal(float(np.median(found.loss)), 6)),
        ("highest", f"{found.loss.max():.6g}"),
    ]
    infinite = int(np.isinf(found.loss).sum())
    return [*rows, ("overflows at", f"{infinite} of {found.loss.size} points")] if infinite else rows


def _cells(values: Values, i: int) -> tuple[str, str]:
    """Loss and accuracy at point i."""
    accuracy = values.accuracy[i]
    return decimal(values.loss[i]), "-" if np.isnan(accuracy) else f"{100 * accuracy:.2f} %"


def _place(a: float, step: float) -> str:
    """a, with as many digits as tell it from the next."""
    return f"{a:.3f}" if abs(a) < 1e9 and step >= 1e-3 else f"{a:.6g}"


def _of_replica(site: Ground, k: int) -> str:
    """In a picture's name: which replica it is of, where there are several."""
    return f"_replica{k}" if site.run.settings.seeds > 1 else ""


def _found(table: Table, figure: plots.Figure, out: Path | None, path: Path, kind: str) -> Found:
    """The table, and the picture saved: a place that cannot be written costs the picture, not the numbers."""
    from linclass import plots

    picture = out or path / f"landscape_{kind}.png"
    try:
        plots.save(figure, picture)
    except StorageError as problem:
        return Found(table, picture, problem)
    return Found(table, picture)
