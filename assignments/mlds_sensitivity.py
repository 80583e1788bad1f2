"""Does the batch size decide how sensitive and how sharp a model is? Batch 5 to 50,000 on MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from linclass.courses.claims import DEPENDS, Claim, Findings, Study, is_above, is_below, trained, verdict
from linclass.datasets.inputs import Inputs
from linclass.errors import UsageError
from linclass.landscape.of_runs import filled, surveyed
from linclass.landscape.sensitivity import sensitivity
from linclass.landscape.sharpness import sharpness
from linclass.metrics import Interval, mean_interval
from linclass.models.network import Network
from linclass.params import Array
from linclass.plots import Figure
from linclass.runs.model import build_model
from linclass.runs.progress import Listener
from linclass.settings import Experiment

BATCHES = (5, 50, 500, 5_000, 50_000)
CLAIMED_BEST = 500
ROWS = 2_000
EPSILON = 1e-3
MEASURES = ("d loss / dx", "d probabilities / dx", "d scores / dx", "sharpness, random", "sharpness, ascent")


def find(settings: Experiment, *, data_dir: Path | None, listener: Listener) -> Findings:
    """Train at each batch size; sensitivity on test rows, sharpness on training rows."""
    rows, measured = 0, dict[int, dict[str, Array]]()
    for n in BATCHES:
        if rows and n > rows:
            listener.note(f"batch {n}: left out, there are only {rows} training rows")
            continue
        job = trained(
            settings.replace(batch_size=n), data_dir=data_dir, listener=listener, label=f"batch {n}"
        )
        rows, test = len(job.train), job.dataset.test
        if test is None:
            raise UsageError(f"mlds_sensitivity needs a test split, which {job.dataset.name} does not have")
        history = job.trainer.state.history
        blank = build_model(surveyed(settings), job.dataset.features, len(job.dataset.classes))
        model = filled(blank.remade(scaler=job.model.architecture.scaler), job.model)
        assert isinstance(model, Network)
        s = sensitivity(model, Inputs(test.first(ROWS)), loss=settings.loss)
        train = Inputs(job.dataset.train.first(ROWS))
        sharp = sharpness(model, train, epsilon=EPSILON, seed=settings.seed)
        values = [s.loss, s.probabilities, s.scores, sharp.random, sharp.ascent]
        columns = {name: history.last(name) for name in ("train_loss", "val_loss", "test_accuracy")}
        measured[n] = columns | dict(zip(MEASURES, values, strict=True))
    if len(measured) < 2:
        raise UsageError(
            f"mlds_sensitivity compares batches of {BATCHES[0]}, {BATCHES[1]}, ... rows: expected at least "
            f"{BATCHES[1]} training rows, not {rows}"
        )
    table: list[tuple[str, ...]] = [("batch", "steps", "train loss", "val loss", "test accuracy", *MEASURES)]
    for n, numbers in measured.items():
        texts = (_text(numbers[name], "accuracy" in name) for name in numbers)
        table.append((f"{n:,}", f"{settings.epochs * -(-rows // n):,}", *texts))
    return Findings(
        _claims(measured),
        _pictures(measured, settings),
        {f"{settings.epochs} epochs, {settings.seeds} seeds, epsilon {EPSILON:g}": table},
    )


def _text(values: Array, percent: bool) -> str:
    interval = mean_interval(values)
    return interval.text(percent) if percent else f"{interval.mean:.3g} ± {interval.half_width:.2g}"


def _pictures(measured: dict[int, dict[str, Array]], settings: Experiment) -> dict[str, Figure]:
    from linclass import plots

    def over(names: tuple[str, ...]) -> dict[str, Array]:
        return {
            name.replace("_", " "): np.stack([numbers[name] for numbers in measured.values()])
            for name in names
        }

    figure = plots.panels(
        list(measured),
        [
            plots.Panel("loss", over(("train_loss", "val_loss")), log_y=True),
            plots.Panel("accuracy", over(("test_accuracy",)), percent=True),
            plots.Panel("sensitivity (test rows)", over(MEASURES[:3]), log_y=True),
            plots.Panel("sharpness φ (training rows)", over(MEASURES[3:]), log_y=True),
        ],
        title=f"MNIST, {settings.epochs} epochs at each batch size",
        xlabel="batch size",
        log_x=True,
    )
    return {"sensitivity": figure}


def _claims(measured: dict[int, dict[str, Array]]) -> list[Claim]:
    correct = {n: numbers["test_accuracy"] for n, numbers in measured.items()}
    trend = {name: _trend(measured, name) for name in MEASURES}
    sensitive = [is_below(trend[name]) for name in MEASURES[:3]]
    sharp = [is_above(trend[name]) for name in MEASURES[3:]]
    told = {name: f"{name}: {interval.text()}" for name, interval in trend.items()}
    return [
        *_best(correct),
        Claim(
            "the larger the batch, the lower the sensitivity",
            verdict(all(sensitive)) if all(sensitive) or not any(sensitive) else DEPENDS,
            "change of log10 for ten times the batch: " + "; ".join(told[name] for name in MEASURES[:3]),
        ),
        Claim(
            "the larger the batch, the sharper the minimum",
            verdict(all(sharp)) if all(sharp) or not any(sharp) else DEPENDS,
            "change of log10 for ten times the batch: " + "; ".join(told[name] for name in MEASURES[3:]),
        ),
    ]


def _best(correct: dict[int, Array]) -> list[Claim]:
    """None where there are too few rows for that batch."""
    if CLAIMED_BEST not in correct:
        return []
    best = max(correct, key=lambda n: float(correct[n].mean()))
    own = correct[CLAIMED_BEST]
    rivals = {n: mean_interval(own - other) for n, other in correct.items() if n != CLAIMED_BEST}
    lines = [f"{CLAIMED_BEST} - {n:,}: {interval.text(percent=True)}" for n, interval in rivals.items()]
    return [
        Claim(
            f"batch {CLAIMED_BEST} is best",
            verdict(all(is_above(interval) for interval in rivals.values())),
            f"highest mean test accuracy at batch {best:,}; test accuracy in points, {'; '.join(lines)}",
        )
    ]


def _trend(measured: dict[int, dict[str, Array]], name: str) -> Interval:
    """The slope of log10(measure) over log10(batch), fitted for each seed."""
    y = np.log10(np.stack([numbers[name] for numbers in measured.values()]) + 1e-12)
    x = np.log10(np.array(list(measured), np.float64))
    return mean_interval(np.polyfit(x, y, 1)[0])


STUDY = Study(
    name="mlds_sensitivity",
    title="Sensitivity, by three definitions, and sharpness against the batch size.",
    source="NTU MLDS homework 1, flatness against generalisation, part 2",
    settings=Experiment(
        dataset="mnist", model="mlp", hidden="32", optimizer="adam", epochs=10, seeds=3, test=True,
        overfit_action="ignore",
    ),
    find=find,
    varies=("batch_size",),
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
