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

from linclass import blas
from linclass.datasets.inputs import Inputs
from linclass.errors import UsageError
from linclass.landscape.paths import alphas, between
from linclass.landscape.pca import Components, pca
from linclass.landscape.planes import Plane, plane, random_direction
from linclass.landscape.sensitivity import sensitivity
from linclass.landscape.sharpness import sharpness
from linclass.landscape.surface import Surface, Values, columns_of
from linclass.metrics import mean_interval
from linclass.models.base import Model
from linclass.models.build import build_model
from linclass.models.network import Network
from linclass.params import Array, Params
from linclass.run_data import check_same_data, load_data
from linclass.runs import Run, readable
from linclass.settings import Experiment
from linclass.words import counted

if TYPE_CHECKING:
    from linclass import plots

Table = list[tuple[str, ...]]
GRID = 25
"""Steps of a plane in each direction."""
MARGIN = 0.15
"""How much of a trajectory's extent is drawn around it."""


class Found(NamedTuple):
    """What a survey came to: its table, and the picture."""

    table: Table
    picture: Path


class Ground(NamedTuple):
    """A run, the rows it is surveyed on by split, and its settings without penalty and dropout."""

    run: Run
    data: dict[str, Inputs]
    settings: Experiment
    classes: int

    def create(self, K: int) -> Model:
        """A model of the run's shape with room for K of them."""
        settings = self.settings.replace(seeds=K)
        return build_model(settings, self.run.features, self.classes)

    def trained(self, weights: str | int = "last") -> Model:
        """The run's models with these weights."""
        source, model = self.run.model(weights), self.create(self.run.settings.seeds)
        for own, other in ((model.params, source.params), (model.buffers, source.buffers)):
            for name, array in own.items():
                array[...] = other[name]
        return model

    def theta(self, weights: str | int = "last") -> Array:
        """`(K, P)` float64."""
        params = self.trained(weights).params
        assert isinstance(params, Params)
        return params.matrix().astype(np.float64)


def ground(path: Path, rows: int, splits: Sequence[str] = ("train",), data_dir: Path | None = None) -> Ground:
    """The run in `path` with the first `rows` rows of `splits` (0: all). Raises DataError, UsageError."""
    run = Run(Path(path))
    if rows < 0:
        raise UsageError(f"--rows is {rows}: expected a number of rows, or 0 for all")
    dataset = load_data(run.settings, data_dir)
    check_same_data(run, dataset)
    settings = readable(run.settings).replace(l2=0.0, weight_decay=0.0, dropout=0.0, reduction="mean")
    data = {
        name: Inputs(split.first(rows or len(split)), run.loaded_scaler(), settings.dtype)
        for name, split in dataset.splits().items()
        if name in splits
    }
    return Ground(run, data, settings, len(dataset.classes))


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
    data_dir: Path | None = None,
) -> Found:
    """Loss and accuracy, train and test, at (1 - a) theta_1 + a theta_2 of two runs' models k."""
    a = alphas(start, stop, steps)
    one, two = (ground(path, rows, ("train", "test"), data_dir) for path in (first, second))
    if one.run.digest != two.run.digest:
        raise UsageError(f"{first} and {second} were trained on different data: expected the same")
    check_same_shape([one, two])
    theta = between(model_k(one, k), model_k(two, k), a)
    with blas.limited(blas.DEFAULT_THREADS):
        values = {name: Surface(one.create, data)(theta) for name, data in one.data.items()}
    table: Table = [("a", *(f"{name} {what}" for name in values for what in ("loss", "accuracy")))]
    for i, a_i in enumerate(a):
        cells = (
            text for v in values.values() for text in (f"{v.loss[i]:.5f}", f"{100 * v.accuracy[i]:.2f} %")
        )
        table.append((f"{a_i:.3f}", *cells))
    from linclass import plots

    figure = plots.panels(
        a,
        [
            plots.Panel("loss", {name: v.loss for name, v in values.items()}, log_y=True),
            plots.Panel("accuracy", {name: v.accuracy for name, v in values.items()}, percent=True),
        ],
        title=f"Between two models: (1 − a) {first.name} + a {second.name}\n{one.run.subject.title}",
        xlabel="a",
        marks={0.0: first.name, 1.0: second.name},
    )
    return Found(
        table, _save(figure, out, first, f"interpolation_{second.resolve().name}{_of_replica(one, k)}")
    )


def random_plane(
    path: Path,
    *,
    k: int = 0,
    extent: float = 1.0,
    steps: int = GRID,
    seed: int = 0,
    rows: int = 2000,
    out: Path | None = None,
    data_dir: Path | None = None,
) -> Found:
    """The training loss over two random, filter-normalised directions around a run's model k."""
    if not 0 < extent < np.inf or steps < 2:
        raise UsageError(f"--extent {extent:g} with --steps {steps}: expected above 0, and at least 2 steps")
    site = ground(path, rows, data_dir=data_dir)
    model = site.trained()
    theta, own = model_k(site, k), model.select(k).params
    u, v = (random_direction(own, seed, number) for number in (0, 1))
    grid = np.linspace(-extent, extent, steps)
    with blas.limited(blas.DEFAULT_THREADS):
        surface = Surface(site.create, site.data["train"])
        found = plane(surface, theta, u, v, grid, grid)
        at = float(surface(theta[None]).loss[0])
    from linclass import plots

    which = f"replica {k}" if site.run.settings.seeds > 1 else "the model"
    title = f"Training loss around {which} of {path.name}, filter-normalised random directions"
    relief = plots.Relief(found.s, found.t, found.loss)
    track = plots.Track(np.zeros((1, 2)), {0: f"{at:.4g}"})
    figure = plots.plane({"": relief}, {"": [track]}, title=f"{title}\n{site.run.subject.title}")
    table: Table = [("loss", ""), ("of the model", f"{at:.6f}"), *_of_plane(found)]
    return Found(table, _save(figure, out, path, f"plane{_of_replica(site, k)}"))


def trajectory(
    paths: Sequence[Path],
    *,
    layer: int = 0,
    steps: int = GRID,
    rows: int = 1000,
    out: Path | None = None,
    data_dir: Path | None = None,
) -> Found:
    """The snapshots of all models of runs of one shape on the plane in which they differ most.

    layer: PCA of this layer's weights and biases alone (the others at the mean); 0 is the whole model.
    """
    sites = [ground(path, rows, data_dir=data_dir) for path in paths]
    check_same_shape(sites)
    tracks = [track for site in sites for track in recorded(site)]
    lengths = sorted({len(track) for track in tracks})
    if len(lengths) > 1:
        raise UsageError(f"the trainings have {lengths} snapshots: expected as many of each")
    with blas.limited(blas.DEFAULT_THREADS):
        surface = Surface(sites[0].create, sites[0].data["train"])
        seen, relief, true, on_plane = over(
            surface, np.stack(tracks), names_of(sites[0].create(1), layer), steps
        )
    from linclass import plots

    shape = (len(tracks), len(tracks[0]))
    points = seen.coordinates.reshape(*shape, 2)
    accuracy = true.accuracy.reshape(shape)
    drawn = [plots.Track(p, {-1: f"{100 * a[-1]:.1f} %"}) for p, a in zip(points, accuracy, strict=True)]
    what = "the whole model" if layer == 0 else f"layer {layer}"
    share = ", ".join(f"{100 * e:.1f} %" for e in seen.explained)
    heading = f"{counted(len(tracks), 'training')}, {what}: {share} of the variance"
    figure = plots.plane(
        {"": plots.Relief(relief.s, relief.t, relief.loss)},
        {"": drawn},
        title=f"{heading}\n{sites[0].run.subject.title}",
        labels=axis_labels(seen),
    )
    table: Table = [("training", "snapshot", "true loss", "accuracy", "loss on the plane")]
    for i, (r, snapshot) in enumerate(np.ndindex(shape)):
        numbers = f"{true.loss[i]:.5f}", f"{100 * true.accuracy[i]:.2f} %", f"{on_plane.loss[i]:.5f}"
        table.append((str(r), str(sites[0].run.snapshots[snapshot]), *numbers))
    return Found(table, _save(figure, out, paths[0], f"trajectory_{layer}"))


def measure_sensitivity(
    path: Path,
    *,
    rows: int = 2000,
    on: str | None = None,
    out: Path | None = None,
    data_dir: Path | None = None,
) -> Found:
    """The three definitions of `landscape.sensitivity` over the snapshots of a run, and at its end."""
    on = on or Run(Path(path)).scored_split
    site = ground(path, rows, (on,), data_dir)
    epochs = site.run.snapshots
    if on not in site.data:
        raise UsageError(f"--on {on}: {path} has no such split")
    table: Table = [("epoch", "d loss / dx", "d probabilities / dx", "d scores / dx")]
    values = []
    with blas.limited(blas.DEFAULT_THREADS):
        for epoch in epochs:
            model = site.trained(epoch)
            assert isinstance(model, Network)
            found = sensitivity(model, site.data[on])
            values.append(found)
            table.append((str(epoch), *(mean_interval(column).text() for column in found)))
    from linclass import plots

    series = {
        name: np.stack([np.asarray(getattr(found, name)) for found in values])
        for name in ("loss", "probabilities", "scores")
    }
    figure = plots.panels(
        epochs,
        [plots.Panel("mean Frobenius norm", {f"d {name} / dx": v for name, v in series.items()}, log_y=True)],
        title=f"Sensitivity to the input, {on} rows\n{site.run.subject.title}, {path.name}",
        xlabel="epoch",
    )
    return Found(table, _save(figure, out, path, f"sensitivity_{on}"))


EPSILONS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3)


def measure_sharpness(
    path: Path, *, rows: int = 2000, out: Path | None = None, data_dir: Path | None = None
) -> Found:
    """Keskar's sharpness of a run's models, by chance and by ascent, for boxes of growing size."""
    site = ground(path, rows, data_dir=data_dir)
    table: Table = [("epsilon", "random points", "gradient ascent")]
    with blas.limited(blas.DEFAULT_THREADS):
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
    return Found(table, _save(figure, out, path, "sharpness"))


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
    margin = MARGIN * (high - low)
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


def check_same_shape(sites: Sequence[Ground]) -> None:
    """UsageError unless the runs hold models, and snapshots, of one shape."""
    first = sites[0]
    for site in sites[1:]:
        shapes = [{name: a.shape[1:] for name, a in s.create(1).params.items()} for s in (first, site)]
        if shapes[0] != shapes[1]:
            raise UsageError(
                f"{first.run.path} and {site.run.path} hold models of different shapes "
                f"({_shape(first)} and {_shape(site)}): expected the same"
            )


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


def _shape(site: Ground) -> str:
    return "-".join(
        str(row.units) for row in site.create(1).layers() if "affine" in row.name or row.name == "input"
    )


def _of_plane(found: Plane) -> Table:
    finite = found.loss[np.isfinite(found.loss)]
    return [
        ("lowest on the plane", f"{finite.min():.6f}"),
        ("median", f"{np.median(finite):.6f}"),
        ("highest", f"{finite.max():.6g}"),
    ]


def _of_replica(site: Ground, k: int) -> str:
    """In a picture's name: which replica it is of, where there are several."""
    return f"_replica{k}" if site.run.settings.seeds > 1 else ""


def _save(figure: plots.Figure, out: Path | None, path: Path, kind: str) -> Path:
    from linclass import plots

    picture = out or path / f"landscape_{kind}.png"
    plots.save(figure, picture)
    return picture
