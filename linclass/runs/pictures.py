"""The pictures of a run: which figures there are, what they are called, what they say.

<epoch>_loss.png  <epoch>_accuracy.png  <epoch>_difference.png  <epoch>_weights.png  weights.gif
of a regression  <epoch>_function.png in place of the accuracy
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linclass.datasets.functions import FUNCTIONS, grid
from linclass.errors import UsageError
from linclass.metrics import total_variation
from linclass.params import Array
from linclass.settings import Experiment
from linclass.training.history import History

if TYPE_CHECKING:
    from linclass.datasets.augment import Augmentation
    from linclass.datasets.dataset import Dataset
    from linclass.plots.images import Scale

DRAWN_POINTS = 1000
"""Of a function's picture."""
UNITS_SHOWN = 20
"""Of an MLP's first hidden layer."""
LOG_EPOCHS_FROM = 200
"""From here on the epoch axis is logarithmic: almost everything happens in the first epochs."""


@dataclass(frozen=True)
class Subject:
    """What the pictures are of: the data set's title, its classes, and the experiment."""

    title: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
    settings: Experiment

    def heading(self, what: str) -> str:
        """The title of a figure: what it shows, and below it of which experiment."""
        s = self.settings
        model = f", {s.hidden.replace(',', '-')} {s.activation}" if s.model != "linear" else ""
        steps = "" if s.optimizer == "sgd" else f", {s.optimizer}"
        return f"{what}\n{self.title}{model}{steps}, λ = {s.l2:g}, η = {s.eta:g}, batch {s.batch_size}"

    def units(self, weights: Array) -> tuple[Array, tuple[str, ...]]:
        """The rows of the first layer that are drawn, and their names: all classes, or the first units."""
        if self.settings.model == "linear":
            return weights, self.classes
        shown = weights[:UNITS_SHOWN]
        return shown, tuple(f"unit {i + 1}" for i in range(len(shown)))


def draw_curves(folder: Path, subject: Subject, history: History) -> None:
    """The loss, accuracy (of classes only) and difference pictures up to the history's last epoch."""
    from linclass import plots

    epochs = np.arange(1, history.epochs + 1)
    log_epochs = history.epochs >= LOG_EPOCHS_FROM
    loss = {"train cost": history.matrix("train_cost"), "validation cost": history.matrix("val_cost")}
    if subject.settings.l2 > 0:
        loss |= {"train loss": history.matrix("train_loss"), "validation loss": history.matrix("val_loss")}
    accuracy = {"train": history.matrix("train_accuracy"), "validation": history.matrix("val_accuracy")}
    if "test_accuracy" in history.columns:
        accuracy["test"] = history.matrix("test_accuracy")
    difference = {"|train cost - validation cost|": history.matrix("difference")}
    watching = subject.settings.overfit_action != "ignore"
    figures = {
        "loss": plots.curves(
            epochs, loss, title=subject.heading("Cost J and loss"), ylabel="cost, loss", log_epochs=log_epochs
        ),
        "accuracy": plots.curves(
            epochs,
            accuracy,
            title=subject.heading("Accuracy"),
            ylabel="accuracy",
            percent=True,
            log_epochs=log_epochs,
        ),
        "difference": plots.curves(
            epochs,
            difference,
            title=subject.heading("Overfitting"),
            ylabel="|train cost - validation cost|",
            threshold=subject.settings.overfit_threshold if watching else None,
            log_epochs=log_epochs,
        ),
    }
    if subject.settings.is_regression:
        del figures["accuracy"]
    for kind, figure in figures.items():
        plots.save(figure, folder / f"{history.epochs}_{kind}.png")


def draw_function(path: Path, subject: Subject, predict: Callable[[Array], Array], epoch: int) -> None:
    """The function that was to be learnt and what the models make of it; nothing for other data.

    predict: x `(n, 1)` -> scores `(K, n, 1)`.
    """
    function = FUNCTIONS.get(subject.settings.dataset)
    if function is None:
        return
    from linclass import plots

    x = grid(DRAWN_POINTS)
    title = subject.heading(f"The function and what is learnt after epoch {epoch}")
    figure = plots.fits(x, function(x), {"": predict(x[:, None])[:, :, 0].T}, title=title)
    plots.save(figure, path)


def draw_weights(
    path: Path, subject: Subject, weights: Array, epoch: int, scale: Scale = "class", k: int = 0
) -> None:
    """The first layer's weights `(units, d)` of model k as pictures; nothing where rows are not images."""
    if subject.image_shape is None:
        return
    from linclass import plots

    roughness = float(total_variation(weights.reshape(-1, *subject.image_shape)).mean())
    s = subject.settings
    whose = f" of seed {s.seed + k}" if s.seeds > 1 else ""
    title = subject.heading(f"Weights{whose} after epoch {epoch} (roughness {roughness:.2f}, noise has 1.13)")
    rows, names = subject.units(weights)
    figure = plots.templates(rows, names, image_shape=subject.image_shape, scale=scale, title=title)
    plots.save(figure, path)


def draw_animation(
    path: Path, subject: Subject, frames: Sequence[tuple[int, Array]], scale: Scale = "class"
) -> None:
    """A GIF of the templates of (epoch, W) one after the other; needs at least two."""
    if subject.image_shape is None or len(frames) < 2:
        return
    from linclass import plots

    _, names = subject.units(frames[0][1])
    plots.animation(
        [(epoch, weights[: len(names)]) for epoch, weights in frames],
        names,
        path,
        title=subject.heading("Weights"),
        image_shape=subject.image_shape,
        scale=scale,
    )


SAMPLE_COLUMNS = 8


def draw_samples(
    path: Path, dataset: Dataset, augmentation: Augmentation | None, text: str, seed: int
) -> None:
    """The first training images of every class; with an augmentation the first one and its changes.

    text: the augmentation in words. seed: of the changes, as in training. Raises UsageError without images.
    """
    from linclass import plots

    if dataset.image_shape is None or dataset.train.x.dtype != np.uint8:
        raise UsageError(f"--dataset is {dataset.name}: its rows are not images, so there is nothing to show")
    train = dataset.train
    first = [np.flatnonzero(train.y == c)[:SAMPLE_COLUMNS] for c in range(len(dataset.classes))]
    first = [np.resize(rows, SAMPLE_COLUMNS) for rows in first if len(rows)]
    present = [name for c, name in enumerate(dataset.classes) if (train.y == c).any()]
    images, columns = train.x[np.stack(first)], [f"image {j}" for j in range(1, SAMPLE_COLUMNS + 1)]
    if augmentation is not None:
        originals = images[:, 0]
        epochs = range(1, SAMPLE_COLUMNS)
        changed = [augmentation(originals, seed=seed, epoch=epoch, batch=1) for epoch in epochs]
        images = np.stack([originals, *changed], axis=1)
        columns = ["original", *(f"epoch {epoch}" for epoch in epochs)]
    title = f"{dataset.title}: training images" + (f"\n{text.replace(',', ', ')}" if text else "")
    figure = plots.samples(images, present, columns, image_shape=dataset.image_shape, title=title)
    plots.save(figure, path)
