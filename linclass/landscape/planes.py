"""Planes: the loss at origin + s u + t v, for two directions u and v in the space of the parameters.

Source: Li, Xu, Taylor, Studer, Goldstein, Visualizing the loss landscape of neural nets, NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from linclass import rng
from linclass.landscape.surface import Surface
from linclass.params import Array


class Plane(NamedTuple):
    """loss and accuracy `(len(t), len(s))` at origin + s u + t v."""

    s: Array
    t: Array
    loss: Array
    accuracy: Array


def plane(surface: Surface, origin: Array, u: Array, v: Array, s: Array, t: Array) -> Plane:
    """The values over a grid; origin, u, v `(P,)`, s and t `(steps,)` each."""
    loss, accuracy = np.empty((len(t), len(s))), np.empty((len(t), len(s)))
    for row, t_i in enumerate(t):
        # a row at a time: all points of a plane at once would not fit in memory
        with np.errstate(over="ignore", invalid="ignore"):
            points = origin + np.outer(s, u) + t_i * v
        loss[row], accuracy[row] = surface(points)
    return Plane(s, t, loss, accuracy)


def random_direction(params: Mapping[str, Array], seed: int, number: int) -> Array:
    """`(P,)` a standard normal direction, filter-normalised to model 0 of `params`.

    d_i <- d_i / ||d_i|| ||theta_i|| for every filter theta_i, here the weights of one unit: a row of W.
    Biases stay where they are. So a direction's length is that of the weights, and planes of two networks
    compare although a ReLU network may scale its layers against each other.
    """
    generator = rng.generator(seed, "direction", number)
    parts = []
    for name, theta in params.items():
        filters = theta[0].astype(np.float64)
        d = generator.standard_normal(filters.shape)
        if name.startswith("W"):
            d *= _norms(filters) / _norms(d)
        else:
            d[...] = 0
        parts.append(d.ravel())
    return np.concatenate(parts)


def _norms(rows: Array) -> Array:
    norms: Array = np.linalg.norm(rows, axis=1, keepdims=True)
    return norms
