"""Where do trainings go? Eight runs with Adam, their parameters every few epochs, on the plane of a PCA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial import procrustes

from linclass import plots
from linclass.courses.claims import (
    DEPENDS,
    SUPPORTED,
    WITHOUT,
    Claim,
    Findings,
    Study,
    is_above,
    trained,
    verdict,
)
from linclass.landscape import of_runs
from linclass.landscape.pca import Components
from linclass.landscape.surface import Surface
from linclass.metrics import mean_interval
from linclass.models.base import Model
from linclass.params import Array
from linclass.runs.model import build_model
from linclass.runs.progress import Listener
from linclass.settings import Experiment
from linclass.training.trainer import Callback, Trainer

ROWS = 1000
LOOKS_ALIKE = 0.05
"""Procrustes disparity: the share of a configuration's variance that the other one, moved, turned and scaled,
does not explain."""


class Recording(Callback):
    """Keeps the parameters `(K, P)` at the start and every `every` epochs."""

    def __init__(self, every: int) -> None:
        self.every, self.points = every, list[Array]()

    def on_fit_start(self, trainer: Trainer) -> None:
        self._keep(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if trainer.state.history.epochs % self.every == 0:
            self._keep(trainer)

    def _keep(self, trainer: Trainer) -> None:
        self.points.append(trainer.model.params.flat.astype(np.float64))


def find(settings: Experiment, *, data_dir: Path | None, listener: Listener) -> Findings:
    """Train, and look at the whole model, at layer 1 and at the last layer."""
    every = settings.snapshot_every or settings.epochs
    recording = Recording(every)
    job = trained(settings, recording, data_dir=data_dir, listener=listener)
    tracks = np.stack(recording.points, axis=1)  # (K, snapshots, P)
    K, snapshots, P = tracks.shape

    def create(K: int) -> Model:
        one = of_runs.surveyed(settings).replace(seeds=K)
        scaler = job.model.architecture.scaler
        return build_model(one, job.dataset.features, len(job.dataset.classes), scaler=scaler)

    rows = type(job.train)(job.dataset.train.first(ROWS))
    surface = Surface(create, rows)
    depth = sum(bool(row.tensors) for row in job.model.layers())
    parts = {"whole model": 0, "layer 1": 1, "last layer": depth}
    table: list[tuple[str, ...]] = [
        (
            "of",
            "parameters",
            "component 1",
            "component 2",
            "true loss",
            "loss on the plane",
            "their correlation",
        )
    ]
    seen, reliefs, drawn, labels = {}, {}, {}, {}
    for name, layer in parts.items():
        names = of_runs.names_of(job.model, layer)
        size = sum(job.model.params[n][0].size for n in names)
        seen[name], relief, true, on_plane = of_runs.over(surface, tracks, names)
        coordinates = seen[name].coordinates.reshape(K, snapshots, 2)
        accuracy = true.accuracy.reshape(K, snapshots)
        reliefs[name] = plots.Relief(relief.s, relief.t, relief.loss)
        drawn[name] = [
            plots.Track(points, {-1: f"{100 * a[-1]:.1f} %", 1: f"{100 * a[1]:.0f}"})
            for points, a in zip(coordinates, accuracy, strict=True)
        ]
        labels[name] = of_runs.axis_labels(seen[name])
        same = np.corrcoef(np.log(true.loss), np.log(on_plane.loss))[0, 1]
        shares = [f"{100 * e:.1f} %" for e in seen[name].explained]
        losses = [f"{np.median(values.loss):.4f}" for values in (true, on_plane)]
        table.append((name, f"{size:,} of {P:,}", *shares, *losses, f"{same:.2f}"))
    pictures = {
        "trajectories": plots.plane(
            {name: reliefs[name] for name in ("whole model", "layer 1")},
            drawn,
            title=f"{K} trainings with Adam every {every} epochs, in the plane of their PCA; "
            f"labels: training accuracy (%); {job.dataset.title}",
            labels=labels,
        )
    }
    heading = f"PCA of {K * snapshots} points (medians of the losses; the plane's keeps the other layers)"
    claims = [_outwards(tracks, seen["whole model"].coordinates), _alike(seen, table)]
    return Findings(claims, pictures, {heading: table})


def _outwards(tracks: Array, coordinates: Array) -> Claim:
    """Distances from the middle of the plane, and lengths of the parameters: last against first."""
    K, snapshots, _ = tracks.shape
    on_plane = np.linalg.norm(coordinates.reshape(K, snapshots, 2), axis=2)
    length = np.linalg.norm(tracks, axis=2)
    grown = [mean_interval(values[:, -1] / values[:, 0] - 1) for values in (on_plane, length)]
    holds = [is_above(interval) for interval in grown]
    rises = 100 * np.mean(np.diff(on_plane, axis=1) > 0)
    return Claim(
        "the paths move outwards",
        verdict(holds[0]) if holds[0] == holds[1] else DEPENDS,
        f"from start to end the distance from the plane's middle grows by {grown[0].text(percent=True)}, "
        f"the length of the parameters by {grown[1].text(percent=True)}; "
        f"{rises:.0f} % of the steps lead outwards",
    )


def _alike(seen: dict[str, Components], table: list[tuple[str, ...]]) -> Claim:
    """Procrustes' disparity of the configurations; that of the last layer shows what it is worth."""
    whole, first, last = (seen[name].coordinates for name in ("whole model", "layer 1", "last layer"))
    disparity, control = procrustes(whole, first)[2], procrustes(whole, last)[2]
    return Claim(
        "layer 1 looks like the whole model",
        SUPPORTED if disparity < LOOKS_ALIKE else verdict(False),
        f"disparity {disparity:.4f} (the last layer against the whole model: {control:.4f}); layer 1 holds "
        f"{table[2][1]} parameters",
    )


STUDY = Study(
    name="mlds_trajectories",
    title="Where eight trainings with Adam go: PCA of the parameters every five epochs.",
    source="NTU MLDS homework 1, visualise the optimisation",
    settings=Experiment(
        dataset="mnist", train_size=10_000, model="mlp", hidden="32,32", optimizer="adam", epochs=40, seeds=8,
        snapshot_every=5, overfit_action="ignore",
    ),
    find=find,
    without=[name for name in WITHOUT if name != "snapshot_every"],
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
