"""Is the minimum found with large batches a sharp one? The straight path from batch 100 to batch 1000."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.courses.claims import DEPENDS, Claim, Findings, Study, is_above, trained, verdict
from linclass.datasets.inputs import Inputs
from linclass.landscape.of_runs import surveyed
from linclass.landscape.paths import alphas, between
from linclass.landscape.surface import Surface, Values
from linclass.metrics import mean_interval
from linclass.models.base import Model
from linclass.params import Array
from linclass.runs.build import Job
from linclass.runs.model import build_model
from linclass.runs.progress import Listener
from linclass.settings import Experiment

BATCHES = (100, 1000)
ROWS = 10_000


class Sides(NamedTuple):
    """How steep log10(loss) is on either side, `(K,)` each: towards batch 100 (a < .5) and batch 1000."""

    small: Array
    large: Array


def find(settings: Experiment, *, data_dir: Path | None, listener: Listener) -> Findings:
    """Train at both batch sizes; the loss between and beyond them, seed by seed."""
    jobs = [
        trained(settings.replace(batch_size=n), data_dir=data_dir, listener=listener, label=f"batch {n}")
        for n in BATCHES
    ]
    a = alphas(-1, 2, 31)
    values = {name: _along(jobs, name, a) for name in ("train", "test")}
    from linclass import plots

    measures = [
        plots.Panel("loss", {name: v.loss for name, v in values.items()}, log_y=True),
        plots.Panel("accuracy", {name: v.accuracy for name, v in values.items()}, percent=True),
    ]
    pictures = {
        "interpolation": plots.panels(
            a,
            measures,
            title=f"(1 − a) θ(batch 100) + a θ(batch 1000), {jobs[0].dataset.title}",
            xlabel="a",
            marks={0.0: "batch 100", 1.0: "batch 1000"},
        )
    }
    table: list[tuple[str, ...]] = [("a", "train loss", "train accuracy", "test loss", "test accuracy")]
    for i in np.flatnonzero(np.isin(a.round(6), (-1, -0.5, 0, 0.5, 1, 1.5, 2))):
        cells = (mean_interval(n[i]).text(n is v.accuracy) for v in values.values() for n in v)
        table.append((f"{a[i]:g}", *cells))
    return Findings([_claim(a, values)], pictures, {f"mean ± 95 % interval of {settings.seeds} seeds": table})


def _along(jobs: list[Job], split: str, a: Array) -> Values:
    """Loss and accuracy `(len(a), K)` on the first rows of a split."""
    job = jobs[0]

    def create(K: int) -> Model:
        return build_model(
            surveyed(job.settings).replace(seeds=K),
            job.dataset.features,
            len(job.dataset.classes),
            scaler=job.model.architecture.scaler,
        )

    rows = job.dataset.splits()[split].first(ROWS)
    surface = Surface(create, Inputs(rows))
    ends = []
    for one in jobs:
        ends.append(one.model.params.flat.astype(np.float64))
    parts = [surface(between(small, large, a)) for small, large in zip(*ends, strict=True)]
    return Values(np.stack([p.loss for p in parts], axis=1), np.stack([p.accuracy for p in parts], axis=1))


def _claim(a: Array, values: dict[str, Values]) -> Claim:
    """Beyond the models: the rise of log10(loss) from the model to a distance of 1. Between them: the rise
    from the model to the top of the ridge, over the way there."""
    numbers, holds = [], []
    for split, v in values.items():
        log = np.log10(v.loss)
        zero, one = (int(np.argmin(np.abs(a - end))) for end in (0, 1))
        beyond = Sides(log[0] - log[zero], log[-1] - log[one])
        inside = slice(zero, one + 1)
        top = log[inside].argmax(axis=0)
        height = log[inside].max(axis=0)
        way = np.clip(a[inside][top], a[1] - a[0], 1 - (a[1] - a[0]))
        ridge = Sides((height - log[zero]) / way, (height - log[one]) / (1 - way))
        for where, sides in (("beyond the models", beyond), ("between them", ridge)):
            difference = mean_interval(sides.large - sides.small)
            holds.append(is_above(difference))
            numbers.append(f"{split}, {where}: {difference.text()}")
    outcome = verdict(all(holds)) if all(holds) or not any(holds) else DEPENDS
    what = "slope of log10(loss), batch 1000's side - batch 100's: "
    return Claim("the loss is steeper on batch 1000's side (a > .5)", outcome, what + "; ".join(numbers))


STUDY = Study(
    name="mlds_interpolation",
    title="The straight path from a model trained with batch 100 to one trained with batch 1000.",
    source="NTU MLDS homework 1, flatness against generalisation, part 1",
    settings=Experiment(
        dataset="mnist",
        model="mlp",
        hidden="128",
        optimizer="adam",
        epochs=10,
        seeds=3,
        overfit_action="ignore",
    ),
    find=find,
    varies=("batch_size",),
)

if __name__ == "__main__":
    STUDY.main()
