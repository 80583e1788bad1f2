"""The true minimum of a convex cost, by scipy's L-BFGS-B on the same gradients that training uses.

The linear softmax classifier's cost is convex, and for lambda > 0 its weights at the minimum are unique; the
biases are unique up to one number added to all of them, which no probability notices. At lambda = 0 there may
be no finite minimum at all: on separable data the cost goes on falling as the weights grow. Label smoothing
sets a bound to that: then there is always one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.optimize import minimize

from linclass.errors import DivergedError, UsageError, counted
from linclass.models.base import Model
from linclass.params import Array, Params

HISTORY = 20
"""Pairs of steps and gradient changes that L-BFGS keeps; more memory than its usual 10 saves full passes."""


class Rows(Protocol):
    """A split as it is stored, in pieces that fit in memory."""

    def __len__(self) -> int:
        """The number of rows."""
        ...

    def chunks(self, size: int) -> Iterator[tuple[Array, Array]]:
        """x `(n, d)` and y `(n,)`, `size` rows at a time; buffers may be used again by the next."""
        ...


@dataclass(frozen=True)
class Optimum:
    """Where L-BFGS ended.

    `converged` says whether that is a minimum: gradient_norm is within the tolerance, and it is not the case
    that lambda = 0, without label smoothing, and every row predicted correctly. Then scaling the weights up
    lowers the cost for ever.
    """

    cost: float
    loss: float
    """The cost without the penalty."""
    gradient_norm: float
    """Euclidean norm over all parameters."""
    iterations: int
    evaluations: int
    """Passes over all the rows."""
    converged: bool
    message: str
    params: Params


class Gap(NamedTuple):
    """How far parameters are from the minimum: in cost, and as a Euclidean distance."""

    cost: float
    distance: float


Progress = Callable[[int, float, float], None]
"""Called after each iteration with its number, the cost and the gradient norm."""


def minimise(
    model: Model,
    rows: Rows,
    *,
    max_iterations: int = 2000,
    gradient_tolerance: float = 1e-7,
    chunk_size: int = 1000,
    smoothed: bool = False,
    progress: Progress | None = None,
) -> Optimum:
    """Minimise J over all rows, starting from and ending in `model.params`.

    Args:
        model: one float64 model (K = 1) that has its own buffer of parameters.
        gradient_tolerance: converged when the Euclidean norm of the gradient is at most this. Rounding of
            the cost (about 4e-16) ends the descent a little below 1e-7.
        chunk_size: rows a product; changes the result by rounding only.
        smoothed: whether the model's loss has label smoothing, so that there is a minimum at lambda = 0 too.

    Raises UsageError for another kind of model or no rows, DivergedError where the cost is not finite.
    Source: Byrd, Lu, Nocedal, Zhu, A limited memory algorithm for bound constrained optimization, 1995.
    """
    if max_iterations < 1 or chunk_size < 1 or not gradient_tolerance > 0:
        raise UsageError(
            f"max_iterations {max_iterations}, gradient_tolerance {gradient_tolerance}, "
            f"chunk_size {chunk_size}: expected positive numbers"
        )
    cost = _Cost(model, rows, chunk_size)
    theta, norm, iterations = cost.theta(), np.inf, 0

    def after_iteration(_: Array) -> None:
        nonlocal iterations
        iterations += 1
        if progress is not None:
            progress(iterations, cost.value, cost.gradient_norm)

    while True:
        result = minimize(
            cost,
            theta,
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration,
            options={
                "maxiter": max_iterations - iterations,
                "maxfun": 100 * max_iterations,
                "maxcor": HISTORY,
                "ftol": 0.0,  # a small gradient is the only reason to stop before rounding does
                "gtol": gradient_tolerance / np.sqrt(theta.size),  # scipy's is a bound on each component
            },
        )
        theta, before = result.x, norm
        value, gradient = cost(theta)
        norm = float(np.linalg.norm(gradient))
        # rounding ended the descent early: start once more with an empty memory, as long as that helps
        if norm <= gradient_tolerance or iterations >= max_iterations or norm > before / 2:
            break
    penalty = float(model.penalty()[0])
    bounded = smoothed or penalty > 0
    separated = not bounded and cost.correct == len(rows)
    converged = norm <= gradient_tolerance and not separated
    message = f"converged: gradient norm {norm:.1e} after {counted(iterations, 'iteration')}"
    if not converged:
        message = f"not {message}, {gradient_tolerance:.1e} wanted; "
        if separated:
            message += "with lambda = 0 and all rows predicted correctly the cost has no finite minimum"
        elif not bounded:
            message += "with lambda = 0 the cost may have no finite minimum"
        elif iterations >= max_iterations:
            message += "allow more iterations"
        else:
            message += "rounding of the cost ended the descent: use a larger tolerance"
    return Optimum(
        cost=value,
        loss=value - penalty,
        gradient_norm=norm,
        iterations=iterations,
        evaluations=cost.evaluations,
        converged=converged,
        message=message,
        params=cost.params.copy(),
    )


def gap(cost: float, params: Mapping[str, Array], optimum: Optimum) -> Gap:
    """`cost - optimum.cost` and ||theta - theta*|| for one model's parameters `(1, ...)` of the same names.

    A number added to all biases changes no probability: the mean of b - b* is taken out of the distance.
    """
    square = 0.0
    for name, best in optimum.params.items():
        difference = params[name].astype(np.float64) - best
        if name == "b":
            difference -= difference.mean()
        square += float(np.sum(difference**2))
    return Gap(cost - optimum.cost, square**0.5)


class _Cost:
    """theta `(P,)` -> J and its gradient over all rows; remembers the last value."""

    def __init__(self, model: Model, rows: Rows, chunk_size: int) -> None:
        if model.K != 1:
            raise UsageError(
                f"the minimum is found for one model, not for a stack (K = {model.K}): "
                "create a model with one seed"
            )
        if model.params.dtype != np.float64:
            raise UsageError(
                f"the model is {model.params.dtype}; the minimum needs float64: use --dtype float64"
            )
        if len(rows) == 0:
            raise UsageError("there are no rows to minimise the cost over; expected at least one")
        self.model, self.rows, self.chunk_size = model, rows, chunk_size
        self.params, self.grads = model.params, model.grads
        self.evaluations, self.correct = 0, 0
        self.value, self.gradient_norm = np.nan, np.nan

    def theta(self) -> Array:
        return np.array(self.params.flat[0])

    def __call__(self, theta: Array) -> tuple[float, Array]:
        # J = sum_i w_i J_i / sum_i w_i over chunks i with total weights w_i: the penalty counts once
        self.params.flat[0] = theta
        value, gradient, total, self.correct = 0.0, np.zeros_like(theta), 0.0, 0
        for x, y in self.rows.chunks(self.chunk_size):
            weight = self.model.total_weight(y)
            (loss,), (correct,) = self.model.backpropagate(x, y)
            value += weight * float(loss + self.model.penalty()[0])
            gradient += weight * self.grads.flat[0]
            total += weight
            self.correct += int(correct)
        value, gradient = value / total, gradient / total
        self.evaluations += 1
        if not np.isfinite(value):
            raise DivergedError(f"the cost is {value} on the way to the minimum; check the data's scaling")
        self.grads.flat[0] = gradient
        self.value, self.gradient_norm = value, float(np.linalg.norm(gradient))
        return value, gradient
