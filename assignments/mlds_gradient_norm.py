"""Gradient norm and loss along a training, of functions of one number and of MNIST."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from linclass import plots
from linclass.courses.claims import (
    DEPENDS,
    Claim,
    Findings,
    Study,
    fit,
    is_above,
    is_below,
    prepared,
    verdict,
)
from linclass.landscape.hessian import gradient_norm
from linclass.metrics import Interval, mean_interval
from linclass.params import Array
from linclass.plots import Figure
from linclass.runs.progress import Listener
from linclass.settings import DEFAULT_BATCH_SIZE, Experiment
from linclass.training.trainer import Callback, Trainer

FUNCTIONS = ("square-wave", "saw-sine", "eight-sines")
FUNCTION_CHANGES = {
    "loss": "squared",
    "hidden": "16,18,17,18",
    "init": "uniform",
    "eta": 0.002,
    "train_size": 250,
    "val_size": 50,
    "batch_size": 250,
}
EPOCHS_OF_FUNCTIONS = 100
"""Times those of MNIST: an epoch of a function is one step."""


class GradientNorm(Callback):
    """Keeps ||dJ/d(theta)|| over all training rows after every epoch: `norms`, a row `(K,)` each."""

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y
        self.norms: list[Array] = []

    def on_epoch_end(self, trainer: Trainer) -> None:
        self.norms.append(gradient_norm(trainer.model, self.x, self.y))


class Track(NamedTuple):
    """Loss and gradient norm after each epoch, `(epochs, seeds)`."""

    loss: Array
    norm: Array


def find(settings: Experiment, *, data_dir: Path | None, listener: Listener) -> Findings:
    """Train on MNIST and on each function, and correlate the two curves."""
    runs = {settings.dataset: settings}
    epochs = settings.epochs * EPOCHS_OF_FUNCTIONS
    for name in FUNCTIONS:
        runs[name] = settings.replace(**FUNCTION_CHANGES, dataset=name, epochs=epochs)
    tracks = {name: _track(changed, data_dir, listener) for name, changed in runs.items()}
    pictures = {name: _picture(name, track, runs[name]) for name, track in tracks.items()}
    return Findings(_claims(settings.dataset, tracks), pictures, {"over the training": _table(tracks)})


def _track(settings: Experiment, data_dir: Path | None, listener: Listener) -> Track:
    job = prepared(settings, data_dir=data_dir, listener=listener)
    gradient = GradientNorm(job.dataset.train.x, job.dataset.train.y)
    fit(job, gradient, listener=listener)
    return Track(job.trainer.state.history.matrix("train_loss"), np.array(gradient.norms))


def _picture(name: str, track: Track, settings: Experiment) -> Figure:
    epochs = np.arange(1, len(track.loss) + 1)
    title = f"{name}: loss and gradient norm after every epoch\n"
    title += f"{settings.hidden.replace(',', '-')} {settings.activation}, {settings.optimizer}, "
    title += f"η = {settings.eta:g}, batch {settings.batch_size or DEFAULT_BATCH_SIZE}"
    series = {"training loss": track.loss, "gradient norm": track.norm}
    return plots.curves(epochs, series, title=title, ylabel="training loss, ||gradient||", log_y=True)


def _correlation(track: Track) -> Interval:
    """Spearman's rank correlation of loss and norm over the epochs, mean of the seeds."""
    pairs = zip(track.loss.T, track.norm.T, strict=True)
    return mean_interval(np.array([stats.spearmanr(loss, norm).statistic for loss, norm in pairs]))


def _fall(numbers: Array) -> Interval:
    """log10 of the last tenth of the epochs over the first epoch, mean of the seeds."""
    last = max(1, len(numbers) // 10)
    return mean_interval(np.log10(numbers[-last:]).mean(axis=0) - np.log10(numbers[0]))


def _claims(images: str, tracks: dict[str, Track]) -> list[Claim]:
    def falls(name: str) -> bool:
        return is_above(_correlation(tracks[name])) and is_below(_fall(tracks[name].norm))

    def numbers(names: Sequence[str]) -> str:
        texts = (
            f"{n}: rank correlation {_text(_correlation(tracks[n]))}, "
            f"log10 of the norm {_text(_fall(tracks[n].norm))} over the training"
            for n in names
        )
        return "; ".join(texts)

    not_falling = [not falls(name) for name in FUNCTIONS]
    word = verdict(all(not_falling)) if len(set(not_falling)) == 1 else DEPENDS
    return [
        Claim(f"norm and loss fall together on {images}", verdict(falls(images)), numbers([images])),
        Claim("they do not on a function of one number", word, numbers(FUNCTIONS)),
    ]


def _table(tracks: dict[str, Track]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("data", "log10 of the loss, last over first", "of the gradient norm", "rank correlation")
    ]
    for name, track in tracks.items():
        numbers = (_fall(track.loss), _fall(track.norm), _correlation(track))
        rows.append((name, *map(_text, numbers)))
    return rows


def _text(interval: Interval) -> str:
    return f"{interval.mean:+.2f} ± {interval.half_width:.2f}"


STUDY = Study(
    name="mlds_gradient_norm",
    title="Does the gradient norm fall with the loss? MNIST, and functions of one number.",
    source="NTU MLDS homework 1; networks, learning rate and batch are not stated: choices here",
    settings=Experiment(
        dataset="mnist",
        model="mlp",
        hidden="32",
        optimizer="adam",
        train_size=2000,
        epochs=15,
        overfit_action="ignore",
        seeds=5,
    ),
    find=find,
    varies=("loss",),
)

if __name__ == "__main__":
    STUDY.main()
