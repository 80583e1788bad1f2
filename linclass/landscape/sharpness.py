"""Sharpness: how far the loss can rise in a small box around a model.

    phi = 100 (max over z in the box of f(theta + z) - f(theta)) / (1 + f(theta))
    box: |z_i| <= epsilon (|theta_i| + 1)

Keskar et al. (arXiv:1609.04836, metric 2.1) let L-BFGS-B look for the maximum; here it is looked for by
chance (the highest of random points) and by projected gradient ascent. Both are lower bounds of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from linclass import rng
from linclass.errors import UsageError
from linclass.landscape.surface import CHUNK, Rows, set_points
from linclass.models.base import Model
from linclass.params import Array


class Sharpness(NamedTuple):
    """f(theta) `(K,)`, and phi `(K,)` by random points and by gradient ascent."""

    loss: Array
    random: Array
    ascent: Array


def sharpness(
    model: Model, rows: Rows, *, epsilon: float = 1e-3, points: int = 20, steps: int = 10, seed: int = 0
) -> Sharpness:
    """The sharpness of each of K models on `rows`.

    Args:
        model: without a penalty and without dropout; its parameters are put back afterwards.
        epsilon: the box's half width relative to |theta_i| + 1. points: random ones. steps: of the ascent.

    Raises UsageError for a box without a size, and for a model with batch normalisation, whose loss in
    training mode is another function.
    """
    if not (0 < epsilon < np.inf) or points < 1 or steps < 1:
        raise UsageError(f"epsilon {epsilon}, {points} points, {steps} steps: expected positive numbers")
    if len(model.buffers):
        raise UsageError("the sharpness is defined here for models without --batch-norm")
    theta = model.params.flat.copy()
    half = epsilon * (np.abs(theta) + 1)
    try:
        f, gradient = _loss_and_gradient(model, rows)
        highest = np.array([_random_losses(model, rows, theta, half, seed, i) for i in range(points)]).max(
            axis=0
        )
        ascent = _ascent(model, rows, theta, half, gradient, steps)
    finally:
        set_points(model, theta)
    # theta itself is in the box: no maximum is below f
    return Sharpness(f, *(100 * np.maximum(top - f, 0) / (1 + f) for top in (highest, ascent)))


def _random_losses(model: Model, rows: Rows, theta: Array, half: Array, seed: int, number: int) -> Array:
    z = rng.generator(seed, "sharpness", number).uniform(-1, 1, theta.shape)
    set_points(model, theta + half * z)
    return _loss(model, rows)


def _ascent(model: Model, rows: Rows, theta: Array, half: Array, gradient: Array, steps: int) -> Array:
    """The highest loss `(K,)` on the way: z <- clip(z + 2/steps half sign(gradient), -half, half).

    Steps of the sign are the steepest ascent in a box (Madry et al., arXiv:1706.06083); so many of them
    reach any corner from the middle, and back from half way.
    """
    z, best = np.zeros_like(theta), np.full(len(theta), -np.inf)
    for _ in range(steps):
        z = np.clip(z + 2 / steps * half * np.sign(gradient), -half, half)
        set_points(model, theta + z)
        f, gradient = _loss_and_gradient(model, rows)
        best = np.maximum(best, f)
    return best


def _loss(model: Model, rows: Rows) -> Array:
    total, weight = np.zeros(model.K), 0.0
    for x, y in rows.chunks(CHUNK):
        total += model.loss_sums(x, y)[0]
        weight += model.total_weight(y)
    return total / weight


def _loss_and_gradient(model: Model, rows: Rows) -> tuple[Array, Array]:
    """`(K,)` and `(K, P)` over all rows: the means of those of the chunks, by their weight."""
    loss, gradient, total = np.zeros(model.K), np.zeros((model.K, model.grads.size)), 0.0
    for x, y in rows.chunks(CHUNK):
        weight = model.total_weight(y)
        loss += weight * (model.backpropagate(x, y).loss + model.penalty())
        gradient += weight * model.grads.flat
        total += weight
    return loss / total, gradient / total
