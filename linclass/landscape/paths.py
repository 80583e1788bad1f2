"""The straight path through two models: theta(a) = (1 - a) theta_1 + a theta_2.

Source: Goodfellow, Vinyals, Saxe, Qualitatively characterizing neural network optimization problems, ICLR
2015; between batch sizes: Keskar et al., arXiv:1609.04836, figure 3.
"""

from __future__ import annotations

import numpy as np

from linclass.errors import UsageError
from linclass.params import Array

FARTHEST = 1e300
"""How far from the models a loss is looked at: farther out there are no numbers to draw axes with."""


def alphas(first: float, last: float, steps: int) -> Array:
    """`(steps,)` even steps from `first` to `last`. Raises UsageError for what is no range."""
    if not -FARTHEST <= first < last <= FARTHEST:
        raise UsageError(
            f"the range goes from {first:g} to {last:g}: expected it to rise, within "
            f"{-FARTHEST:g} to {FARTHEST:g}, such as --from -1 --to 2"
        )
    if steps < 2:
        raise UsageError(f"--steps is {steps}: expected at least 2, such as 61")
    a = np.linspace(first, last, steps)
    # 0 and 1 are the models themselves: where a step is meant to fall there it does, to the bit
    rounding = min(1e-12, 1e-3 * (last - first) / (steps - 1))
    return np.where(np.abs(a - a.round()) < rounding, a.round(), a) + 0.0  # no -0


def between(theta_1: Array, theta_2: Array, a: Array) -> Array:
    """`(len(a), P)`: (1 - a) theta_1 + a theta_2, for theta_1 and theta_2 `(P,)`."""
    if theta_1.shape != theta_2.shape:
        raise UsageError(
            f"the models have {theta_1.size:,} and {theta_2.size:,} parameters: expected as many of each"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # far out, where the loss is infinite
        points: Array = np.outer(1 - a, theta_1) + np.outer(a, theta_2)
    return points
