"""One training in numpy and in PyTorch, by SGD and Adam, on averaged and summed gradients: where they part.

All trainings begin with the same weights and see the same batches. With n rows a batch, a sum over the rows
is n times their mean, L the mean loss and lambda sum(W^2) the penalty:

    SGD    theta - eta (n dL + 2 lambda W) = theta - (n eta) (dL + 2 (lambda / n) W)
    Adam   n m / (sqrt(n^2 v) + eps) = m / (sqrt(v) + eps / n): but for eps, the factor n cancels

so the sum does what the mean does with eta / n (SGD), with n eps (Adam), and with n lambda (both).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from linclass import plots
from linclass.datasets import batches
from linclass.errors import UsageError
from linclass.models.architecture import Architecture
from linclass.models.base import Model
from linclass.models.mlp import MLP
from linclass.models.torch_net import TorchMLP
from linclass.params import Array
from linclass.training import optim
from linclass.training.optim import Optimizer
from linclass.training.torch_optim import torch_optimizer

ROUNDING, VISIBLE = 1e-10, 1e-4
"""Distances that are looked for: more than float64's rounding, and a difference that matters."""

EPS = 1e-8
"""Adam's, in both libraries."""


@dataclass(frozen=True)
class Variant:
    """One of the trainings: library numpy or torch, optimizer sgd or adam, reduction mean or sum."""

    library: str
    optimizer: str
    reduction: str
    lr: float
    l2: float = 0.0
    eps: float = EPS

    def as_sum(self, n: int) -> Variant:
        """What does on summed gradients what this one does on averaged ones; see the module's docstring."""
        if self.optimizer == "sgd":
            return replace(self, reduction="sum", lr=self.lr / n, l2=self.l2 * n)
        return replace(self, reduction="sum", eps=self.eps * n, l2=self.l2 * n)

    def as_mean(self, n: int) -> Variant:
        """What does on averaged gradients what this one does on summed ones."""
        if self.optimizer == "sgd":
            return replace(self, reduction="mean", lr=self.lr * n, l2=self.l2 / n)
        return replace(self, reduction="mean", eps=self.eps / n, l2=self.l2 / n)

    @property
    def name(self) -> str:
        return f"{self.optimizer}, {self.reduction}"

    @property
    def rates(self) -> str:
        """What the optimiser multiplies with or adds."""
        numbers = [f"lr {self.lr:g}"]
        numbers += [f"eps {self.eps:g}"] if self.optimizer == "adam" else []
        numbers += [f"lambda {self.l2:g}"] if self.l2 else []
        return ", ".join(numbers)


@dataclass(frozen=True)
class Pair:
    """Two trainings, and the largest difference of any one parameter after each step, `(steps,)`."""

    kind: str
    label: str
    a: Variant
    b: Variant
    distance: Array

    def first_above(self, threshold: float) -> int | None:
        """The first step, from 1, after which the distance exceeds the threshold or is not a number."""
        above = np.flatnonzero(~(self.distance <= threshold))
        return int(above[0]) + 1 if len(above) else None


@dataclass(frozen=True)
class Parity:
    """What `compare` saw.

    Attributes:
        title: network, batch, precision, in a line.
        losses: `(steps,)` of each training: mean loss of the batch before its update, without the penalty.
        pairs: of the kinds LIBRARIES, SAME and EQUIVALENT.
    """

    title: str
    batch_size: int
    losses: dict[Variant, Array]
    pairs: tuple[Pair, ...]

    def of(self, kind: str) -> list[Pair]:
        """The pairs of one kind."""
        return [pair for pair in self.pairs if pair.kind == kind]

    def table(self) -> list[tuple[str, ...]]:
        """Where they part: heading and one row a pair, as text."""
        steps = f"step {len(self.pairs[0].distance)}"
        rows: list[tuple[str, ...]] = [
            ("compared", "", "step 1", steps, f"> {ROUNDING:g}", f"> {VISIBLE:g}", "last losses")
        ]
        for pair in self.pairs:
            first, last = pair.distance[0], pair.distance[-1]
            when = [_step(pair.first_above(threshold)) for threshold in (ROUNDING, VISIBLE)]
            losses = " | ".join(f"{self.losses[variant][-1]:.6g}" for variant in (pair.a, pair.b))
            rows.append((pair.kind, pair.label, f"{first:.1e}", f"{last:.1e}", *when, losses))
        return rows

    def equivalents(self) -> list[tuple[str, ...]]:
        """The equivalent rates: heading and a row for each summed training, and the mean that it is."""
        rows: list[tuple[str, ...]] = [("optimizer", "sum over the batch", "is the mean with")]
        for variant in (pair.a for pair in self.of(LIBRARIES) if pair.a.reduction == "sum"):
            rows.append((variant.optimizer, variant.rates, variant.as_mean(self.batch_size).rates))
        return rows


LIBRARIES = "numpy | torch"
SAME = "the same settings"
EQUIVALENT = "equivalent settings"


def compare(
    architecture: Architecture,
    x: Array,
    y: Array,
    *,
    steps: int = 100,
    batch_size: int = 100,
    lr: float = 0.01,
) -> Parity:
    """Train ten networks side by side on the same batches, and measure how they part.

    Args:
        architecture: of one seed, which also names the order; the reduction is tried both ways.
        x, y: `(n, d)` as they are stored, `(n,)` integers; batches are drawn from them as
            in training, but for a short last batch, which is left out.
        lr: of SGD and Adam, on means and on sums alike.

    Raises UsageError for values that cannot be used, and without PyTorch.
    """
    _check(architecture.sizes, x, y, steps, lr)
    n, l2, (seed,) = batch_size, float(architecture.l2), architecture.seeds
    variants = [
        Variant(library, optimizer, reduction, lr, l2)
        for optimizer, reduction, library in itertools.product(
            ("sgd", "adam"), ("mean", "sum"), ("numpy", "torch")
        )
    ]
    plan = _plan(variants, n)
    trainings = {
        variant: _Training(variant, _model(variant, architecture))
        for variant in dict.fromkeys([v for _, _, a, b in plan for v in (a, b)])
    }
    losses, distances = _train(trainings, plan, x, y, steps, n, seed)
    pairs = tuple(Pair(*entry, distance) for entry, distance in zip(plan, distances, strict=True))
    sizes = "-".join(map(str, architecture.sizes))
    title = f"{sizes} {architecture.activation}, λ = {l2:g}, η = {lr:g}, batch {n}, {architecture.dtype}"
    return Parity(title, n, losses, pairs)


def save_picture(parity: Parity, path: Path, *, title: str = "") -> None:
    """Write losses and distances over steps as PNG; title: `parity.title` if empty. Raises StorageError."""
    libraries = parity.of(LIBRARIES)
    figure = plots.parting(
        {pair.label: (parity.losses[pair.a], parity.losses[pair.b]) for pair in libraries},
        {
            "numpy against PyTorch": {pair.label: pair.distance for pair in libraries},
            "numpy against numpy: other settings": {
                pair.label: pair.distance for pair in parity.pairs if pair.kind != LIBRARIES
            },
        },
        title=title or parity.title,
        twins=("numpy", "torch"),
        thresholds=(ROUNDING, VISIBLE),
    )
    plots.save(figure, path)


_Plan = list[tuple[str, str, Variant, Variant]]


def _plan(variants: Sequence[Variant], n: int) -> _Plan:
    """Kind, label and the two variants of each comparison."""
    plan: _Plan = [(LIBRARIES, a.name, a, b) for a, b in zip(variants[::2], variants[1::2], strict=True)]
    sgd, sgd_sum, adam, adam_sum = (variant for variant in variants if variant.library == "numpy")
    plan += [
        (SAME, "sgd: mean | sum", sgd, sgd_sum),
        (SAME, "adam: mean | sum", adam, adam_sum),
        (SAME, "mean: sgd | adam", sgd, adam),
    ]
    for mean, changed in ((sgd, f"lr / {n}"), (adam, f"eps x {n}")):
        plan.append((EQUIVALENT, f"{mean.optimizer}: mean | sum, {changed}", mean, mean.as_sum(n)))
    return plan


def _train(
    trainings: Mapping[Variant, _Training], plan: _Plan, x: Array, y: Array, steps: int, n: int, seed: int
) -> tuple[dict[Variant, Array], Array]:
    """Each training's losses `(steps,)`, and the distances `(len(plan), steps)`."""
    losses = {variant: np.empty(steps) for variant in trainings}
    distances = np.empty((len(plan), steps))
    # some of the settings may diverge: the distances say so, warnings need not
    with np.errstate(over="ignore", invalid="ignore"):
        for step, rows in enumerate(itertools.islice(_rows(len(x), n, seed), steps)):
            for variant, training in trainings.items():
                losses[variant][step] = training.step(x[rows], y[rows], step)
            for i, (_, _, a, b) in enumerate(plan):
                distances[i, step] = np.abs(trainings[a].flat - trainings[b].flat).max()
    return losses, distances


class _Training:
    """A model with its optimiser, a step at a time."""

    def __init__(self, variant: Variant, model: Model) -> None:
        self.model, self.flat = model, model.params.flat
        self._optimizer, self._lr = _optimizer(variant), np.array([variant.lr])
        self._slots = self._optimizer.init(model.params)

    def step(self, x: Array, y: Array, step: int) -> float:
        """One update; returns the mean loss before it."""
        loss, _correct = self.model.backpropagate(x, y, step=step)
        self._optimizer.update(self.model.params, self.model.grads, self._slots, self._lr, step)
        return float(loss[0])


def _model(variant: Variant, architecture: Architecture) -> Model:
    kind = TorchMLP if variant.library == "torch" else MLP
    return kind(replace(architecture, reduction=variant.reduction, l2=variant.l2))


def _optimizer(variant: Variant) -> Optimizer:
    if variant.library == "torch":
        return torch_optimizer(variant.optimizer)
    return optim.adam(eps=variant.eps) if variant.optimizer == "adam" else optim.sgd()


def _rows(n: int, batch_size: int, seed: int) -> Iterator[slice | Array]:
    """Full batches without end, epoch after epoch."""
    for epoch in itertools.count(1):
        yield from batches.batches(n, batch_size, seed=seed, epoch=epoch, drop_last=True)


def _check(sizes: Sequence[int], x: Array, y: Array, steps: int, lr: float) -> None:
    if len(sizes) < 2 or min(sizes) < 1 or sizes[0] != x.shape[1]:
        raise UsageError(f"the layer sizes are {tuple(sizes)}: expected {x.shape[1]}, ..., number of classes")
    if not 0 <= y.min() <= y.max() < sizes[-1]:
        raise UsageError(f"labels are {y.min()} to {y.max()}: expected 0 to {sizes[-1] - 1}")
    if steps < 1:
        raise UsageError(f"--steps is {steps}: expected at least 1, such as 100")
    if not 0 < lr < math.inf:
        raise UsageError(f"--eta is {lr}: expected a number above 0, such as 0.01")


def _step(step: int | None) -> str:
    return "never" if step is None else f"step {step}"
