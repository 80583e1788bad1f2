"""Why a network does not learn: dead units, vanished gradients, an exploded start; layer by layer.

A softmax classifier that guesses pays ln C (2.303 for ten classes). One that still pays that after some
epochs, and no less from epoch to epoch, is stuck; one whose average during an epoch is far above it was
thrown out and may never come back, although every number is finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from linclass.models.base import Model
from linclass.params import Array, Params

STUCK_SHARE = 0.99
"""Of ln C: a loss above this has learnt nothing yet."""
FALLING_SHARE = 1e-3
"""Of ln C: a loss that falls by more than this in each epoch is on its way."""
EXPLODED_FACTOR = 20.0
"""Times ln C: an epoch's average loss above this is called exploded."""
VANISHED_RATIO = 1e-4
"""A layer whose gradient is smaller than this share of the last layer's receives next to nothing."""


class LayerHealth(NamedTuple):
    """Of one hidden layer of one model on some rows: spread of its activations, share of units that are
    the same for every row (dead, for ReLU), and of the gradient norm of its weights in the last layer's."""

    layer: int
    std: float
    dead: float
    gradient_share: float


def layers_of(model: Model, x: Array, k: int = 0) -> list[LayerHealth]:
    """The health of each hidden layer of model k on rows x `(n, d)`; [] for a model without any.

    The gradients are those of the last `backpropagate`.
    """
    hidden = getattr(model, "hidden", None)
    if hidden is None:
        return []
    norms = _gradient_norms(model.grads, k)
    found = []
    for number, activations in enumerate(hidden(x), start=1):
        a = activations[k]
        dead = float(np.mean(np.ptp(a, axis=0) == 0))
        share = norms[number - 1] / norms[-1] if norms[-1] > 0 else 0.0
        found.append(LayerHealth(number, float(a.std()), dead, share))
    return found


def _gradient_norms(grads: Params, k: int) -> list[float]:
    weights = sorted((name for name in grads if name.startswith("W")), key=lambda name: int(name[1:] or 0))
    return [float(np.linalg.norm(grads[name][k])) for name in weights]


def verdict(losses: Sequence[float], accuracy: float, classes: int) -> str:
    """What the epochs' averages say: "stuck", "exploded", or "" where there is nothing to say.

    losses: of the epochs so far. accuracy: of the last one.
    """
    chance = np.log(classes)
    if losses[-1] > EXPLODED_FACTOR * chance:
        return "exploded"
    is_at_chance = losses[-1] > STUCK_SHARE * chance and accuracy < 1.5 / classes
    falls = len(losses) > 1 and bool((-np.diff(losses) > FALLING_SHARE * chance).all())
    return "stuck" if is_at_chance and not falls else ""


def reason(layers: Sequence[LayerHealth]) -> str:
    """The likeliest cause, from the first layer that shows one, and the next move."""
    for layer in layers:
        if layer.dead > 0.9:
            return (
                f"{100 * layer.dead:.0f} % of the units of hidden layer {layer.layer} are dead (the same for "
                "every row): try a smaller --eta, --scaling unit or --init he"
            )
    for layer in layers:
        if layer.gradient_share < VANISHED_RATIO:
            return (
                f"the gradient of hidden layer {layer.layer} is {layer.gradient_share:.0e} of the last "
                "layer's (vanished): try --activation relu, --init he or --batch-norm"
            )
    return "no layer is dead and no gradient has vanished: try another --eta, or more epochs"


def table(layers: Sequence[LayerHealth]) -> list[tuple[str, ...]]:
    """One row a hidden layer, after a heading."""
    rows: list[tuple[str, ...]] = [
        ("hidden layer", "std of activations", "dead units", "gradient, of the last layer's")
    ]
    for layer in layers:
        rows.append(
            (str(layer.layer), f"{layer.std:.3g}", f"{100 * layer.dead:.1f} %", f"{layer.gradient_share:.2g}")
        )
    return rows
