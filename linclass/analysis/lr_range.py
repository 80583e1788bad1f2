"""The learning-rate range test: train briefly while the rate grows, and see where learning begins and ends.

    eta_i = low * (high / low)^(i / (steps - 1)),  one batch and one update each

Sources: Smith, Cyclical learning rates for training neural networks, 2015, section 3.3 (there the rate grows
linearly, over a few epochs); Gugger, How do you find a good learning rate, 2018, and fastai's lr_find, for
the exponential growth, the end of the test, and the readings "steepest" and "a tenth of the lowest".
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import savgol_filter

from linclass import plots
from linclass.datasets import batches
from linclass.datasets.augment import Augmentation
from linclass.datasets.inputs import Inputs, Selection
from linclass.errors import DivergedError, UsageError
from linclass.models.base import Model
from linclass.params import Array
from linclass.training.optim import Optimizer

TOO_HIGH = 4.0
"""The test ends when the loss, averaged over a window, is so many times the lowest such average."""

FEWEST_STEPS = 20


@dataclass(frozen=True)
class RangeTest:
    """What a range test saw; arrays `(n,)`, one entry an update.

    Attributes:
        learning_rates: rising. losses: mean training loss of each batch before its update, no penalty.
        smoothed: `losses` averaged over neighbours.
        steepest: the rate at which the smoothed loss falls fastest, per factor of the rate.
        lowest: the rate at which the smoothed loss is lowest; learning breaks down not far above it.
        remark: what makes the suggestion doubtful; empty if nothing does.
    """

    learning_rates: Array
    losses: Array
    smoothed: Array
    steepest: float
    lowest: float
    remark: str

    @property
    def suggestion(self) -> tuple[float, float]:
        """(low, high) for a cyclic rate: a tenth of `lowest`, and `lowest` itself.

        high is Smith's upper bound, where the loss ceases to fall; low is also a careful constant rate
        (Gugger's). `lowest` moves by a factor of two or so with the seed, `steepest`, a slope among noise, by
        up to ten: orders of magnitude, not optima. The test sees the first updates from one initialisation.
        """
        return self.lowest / 10, self.lowest


def lr_range_test(
    model: Model,
    optimizer: Optimizer,
    train: Inputs,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 200,
    batch_size: int = 100,
    seed: int = 0,
    shuffle: batches.Shuffle = "samples",
    drop_last: bool = False,
    augmentation: Augmentation | None = None,
) -> RangeTest:
    """Train with a rate that grows from `low` to `high`; parameters and buffers are then as they were.

    Args:
        model: one model (K = 1) with its own buffer of parameters.
        steps: updates, at most; the test ends early where the loss exceeds TOO_HIGH times its lowest, or is
            not finite.
        seed: of the order of the rows, and of the augmentation. shuffle, drop_last: see `datasets.batches`.
        augmentation: changes the batches as training does.

    Raises UsageError for values that cannot be used, DivergedError where even the first rates are too high.
    """
    check_range(low, high, steps)
    _check_model(model)
    window = _window(steps)
    rates = np.geomspace(low, high, steps)
    order = functools.partial(
        batches.batches, len(train), batch_size, seed=seed, shuffle=shuffle, drop_last=drop_last
    )
    losses = _train(model, optimizer, _rows(train, order, seed, augmentation), rates, window)
    n = len(losses)
    if n < window:
        raise DivergedError(
            f"the loss blew up after {n} updates, at a learning rate of {rates[max(n - 1, 0)]:g}: "
            f"try a lower start, such as --low {low / 1000:g}"
        )
    # straight lines fitted to `window` neighbours: their height, and their slope a step
    smoothed = savgol_filter(losses, window, polyorder=1)
    slope = savgol_filter(losses, window, polyorder=1, deriv=1)
    lowest = int(smoothed.argmin())
    # the steepest descent is looked for on the way to the lowest loss, not in the noise of a breakdown
    steepest = int(slope[: lowest + 1].argmin())
    remark = ""
    if lowest < window:
        remark = f"the loss did not fall: begin the test at a lower rate, such as --low {low / 1000:g}"
    elif lowest >= steps - window:
        remark = f"the loss was still falling at the highest rate: raise it, such as --high {100 * high:g}"
    return RangeTest(rates[:n], losses, smoothed, float(rates[steepest]), float(rates[lowest]), remark)


def save_picture(test: RangeTest, path: Path, *, title: str) -> None:
    """Write losses over learning rates, with the suggested bounds, as PNG. Raises StorageError."""
    figure = plots.learning_rate_range(
        test.learning_rates,
        test.losses,
        test.smoothed,
        test.suggestion,
        steepest=test.steepest,
        title=title,
    )
    plots.save(figure, path)


def _check_model(model: Model) -> None:
    if model.K != 1:
        raise UsageError(f"the range test takes one model, not a stack (K = {model.K}): use --seeds 1")


def check_range(low: float, high: float, steps: int) -> None:
    """UsageError unless there is such a range, and steps enough to read it."""
    if not 0 < low < high < np.inf:
        raise UsageError(
            f"--low is {low:g} and --high is {high:g}: expected 0 < low < high, such as 1e-6 and 10"
        )
    if steps < FEWEST_STEPS:
        raise UsageError(f"--steps is {steps}: expected at least {FEWEST_STEPS}, such as 200")


def _window(steps: int) -> int:
    """A tenth of the steps, and odd: wide enough to quiet the batches' noise, narrow beside the curve."""
    return max(5, steps // 20 * 2 + 1)


def _train(
    model: Model, optimizer: Optimizer, rows: Iterable[tuple[Array, Array]], rates: Array, window: int
) -> Array:
    """The losses of the updates that were made; `model` is left as it was found."""
    saved = {name: array.copy() for name, array in (*model.params.items(), *model.buffers.items())}
    slots = optimizer.init(model.params)
    losses: list[float] = []
    means: list[float] = []
    try:
        # the growing rate ends in overflow; it is recognised by the loss, not by warnings
        with np.errstate(over="ignore", invalid="ignore"):
            for step, (rate, (x, y)) in enumerate(zip(rates, rows, strict=False)):
                loss, _correct = model.backpropagate(x, y, step=step)
                if not np.isfinite(loss + model.penalty()).all():
                    break
                losses.append(float(loss[0]))
                means.append(float(np.mean(losses[-window:])))
                if means[-1] > TOO_HIGH * min(means):
                    break
                optimizer.update(model.params, model.grads, slots, np.array([rate]), step)
    finally:
        for name, array in (*model.params.items(), *model.buffers.items()):
            array[...] = saved[name]
    return np.array(losses)


def _rows(
    train: Inputs, order: Callable[..., Iterable[Selection]], seed: int, augmentation: Augmentation | None
) -> Iterator[tuple[Array, Array]]:
    """Batches without end, epoch after epoch."""
    for epoch in itertools.count(1):
        for batch, rows in enumerate(order(epoch=epoch), start=1):
            change = None
            if augmentation is not None:
                change = functools.partial(augmentation, seed=seed, epoch=epoch, batch=batch)
            yield train.rows(rows, change)
