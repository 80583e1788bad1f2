"""The Hessian of K models at once, by central differences of their gradients, and what it says of a point.

    H_ij = (g_j(theta + h e_i) - g_j(theta - h e_i)) / 2h,   made symmetric: (H + H^T) / 2

The *minimal ratio* says how much of a point is a minimum, in two ways that need not agree: the share of
positive eigenvalues of H, and the share of sampled neighbours whose cost is higher.
Source: NTU MLDS 2018, homework 1, "What happened when the gradient is almost zero".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from linclass import rng
from linclass.errors import UsageError
from linclass.models.base import Model
from linclass.params import Array, Params
from linclass.training import optim

STEP = 1e-6
"""h, in units of max(1, |theta_i|). Smaller than a smooth function would want: the gradient of a ReLU network
jumps where a kink passes a data point, and differences across a jump are no curvature."""
POSITIVE = 1e-6
"""An eigenvalue counts as positive above this share of the largest magnitude; below it is rounding."""


def gradient_norm(model: Model, x: Array, y: Array) -> Array:
    """`(K,)`: ||dJ/d(theta)|| over the rows x `(n, d)`, y; running statistics stay as they are."""
    return _gradients(model, x, y).norm()


def hessian(model: Model, x: Array, y: Array, names: Sequence[str] | None = None) -> Array:
    """`(K, p, p)` float64: d2J/d(theta)2 of each model over the rows x `(n, d)`, y.

    All K models are moved along the same coordinate at a time, so 2p gradients of the stack are needed
    however many models there are. Memory: 8 K p^2 bytes.

    Args:
        model: float64, without dropout; its parameters and running statistics are as before afterwards.
            With batch normalisation J is the cost in training, normalised by the statistics of x.
        names: the arrays whose block is wanted; all if None. The order is that of `Params.flat`.

    Raises UsageError for a model that is not float64.
    """
    params = _double(model)
    wanted = [name for name in params if names is None or name in names]
    rows = []
    for theta in _coordinates(params, wanted):
        at = theta.copy()
        h = STEP * np.maximum(1.0, np.abs(at))
        ahead, behind = at + h, at - h
        theta[:] = ahead
        row = _block(_gradients(model, x, y), wanted)
        theta[:] = behind
        row -= _block(_gradients(model, x, y), wanted)
        theta[:] = at
        # the distance that was really moved: at + h is rounded
        rows.append(row / (ahead - behind)[:, None])
    H = np.stack(rows, axis=1)
    return np.asarray((H + H.transpose(0, 2, 1)) / 2)


def eigenvalues(H: Array) -> Array:
    """`(K, p)`, rising, of symmetric H `(K, p, p)`."""
    return np.asarray(np.linalg.eigvalsh(H))


def ratio_of_eigenvalues(values: Array) -> Array:
    """`(K,)`: the share of values `(K, p)` above POSITIVE times the largest magnitude; 0 where all are 0."""
    bound = POSITIVE * np.abs(values).max(axis=1, keepdims=True)
    share: Array = np.mean(values > bound, axis=1)
    return share


def ratio_of_neighbours(
    model: Model, x: Array, y: Array, *, samples: int = 500, radius: float = 0.01, seed: int = 0
) -> Array:
    """`(K,)`: the share of `samples` neighbours theta + radius u, ||u|| = 1, whose cost is higher.

    u is uniform on the sphere, the same directions for each model. The cost is that of evaluation.
    """
    if samples < 1 or not radius > 0:
        raise UsageError(f"{samples} neighbours at a distance of {radius}: expected positive numbers")
    params = _double(model)
    at = params.flat.copy()
    here = model.loss(x, y) + model.penalty()
    u, higher = Params(params.shapes), np.zeros(params.K)
    for number in range(samples):
        generator = rng.generator(seed, "neighbour", number)
        u.flat[:] = generator.normal(size=u.size)
        u.flat *= radius / np.linalg.norm(u.flat)
        params.flat += u.flat
        higher += model.loss(x, y) + model.penalty() > here
        params.flat[:] = at
    return higher / samples


def descend_gradient_norm(model: Model, x: Array, y: Array, *, steps: int = 1000, eta: float = 1e-3) -> Array:
    """Minimise ||g||^2 / 2 by Adam from where the models are; they end where their norm was least, `(K,)`.

    Its gradient is H g, here the difference of two gradients along v = g / ||g||:
    H g = (g(theta + h v) - g(theta - h v)) ||g|| / 2h. A model whose gradient is zero stays where it is.
    """
    params = _double(model)
    adam = optim.adam()
    slots, best, least = adam.init(params), params.copy(), np.full(params.K, np.inf)
    for step in range(steps + 1):
        norm = gradient_norm(model, x, y)
        for k in np.flatnonzero(norm < least).tolist():
            best.flat[k] = params.flat[k]
        least = np.minimum(norm, least)
        if step < steps:
            Hg = _along(model, x, y, model.grads.copy(), norm)
            rate = eta * (1 + np.cos(np.pi * step / steps)) / 2
            adam.update(params, Hg, slots, np.full(params.K, rate), step)
    params.flat[:] = best.flat
    return least


def _along(model: Model, x: Array, y: Array, g: Params, norm: Array) -> Params:
    """H g of each model by a central difference along g; 0 where the norm `(K,)` is 0."""
    params = _double(model)
    at, v = params.flat.copy(), g.copy()
    v.flat /= np.maximum(norm, np.finfo(float).tiny)[:, None]
    params.flat += STEP * v.flat
    Hg = _gradients(model, x, y).copy()
    params.flat[:] = at - STEP * v.flat
    Hg.flat -= _gradients(model, x, y).flat
    params.flat[:] = at
    Hg.flat *= (norm / (2 * STEP))[:, None]
    return Hg


def _gradients(model: Model, x: Array, y: Array) -> Params:
    """`model.grads`, dJ/d(theta) over the rows; running statistics stay as they are."""
    grads, buffers = model.grads, model.buffers
    before = buffers.flat.copy()
    model.backpropagate(x, y, step=0)
    buffers.flat[:] = before
    return grads


def _double(model: Model) -> Params:
    """The model's own parameters, float64."""
    params = model.params
    if params.dtype != np.float64:
        raise UsageError(f"the model is {params.dtype}; differences of gradients need --dtype float64")
    return params


def _coordinates(params: Params, names: Sequence[str]) -> Iterator[Array]:
    """For each parameter of these arrays its numbers in all models, a view `(K,)`."""
    for name in names:
        flat = params[name].reshape(params.K, -1)
        yield from flat.T


def _block(grads: Mapping[str, Array], names: Sequence[str]) -> Array:
    """`(K, p)` copy of these arrays, side by side."""
    return np.concatenate([grads[name].reshape(len(grads[name]), -1) for name in names], axis=1)
