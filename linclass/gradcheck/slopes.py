"""Slopes: numerical derivatives along lines through the parameters, and how far off a gradient may be.

In float64, along a line theta + t v through the parameters, with f the cost:

    method       numerical slope                       h       tolerance   error of the method
    forward      (f(theta + h e) - f(theta)) / h       1e-6    1e-4        (h/2) f'': first order
    centred      (f(theta + h e) - f(theta - h e))/2h  1e-5    1e-5        (h^2/6) f''': second order
    directions   centred, along random unit v          1e-5    1e-5        the same

e is one entry; h is multiplied by max(1, |theta_i|). 1e-6 is the step of the course (KTH DD2424, assignment
1: ComputeGradsNum and ComputeGradsNumSlow); the centred step is near eps^(1/3), where its two errors meet.

An entry with analytic slope a and numerical slope n passes when

    |a - n| <= tolerance * max(1e-6, |a| + |n|) + noise,    noise = 8 * max(2.2e-16 * |f|, spread) / h:

the rounding of f is all that is left of a tiny slope. The spread of f, as its parameters change by their own
rounding, is larger than that of the number f where f is a difference of larger ones, as behind a batch
normalisation. To forward differences, |f(theta + h e) - 2 f(theta)
+ f(theta - h e)| / h is also allowed, twice their own first-order error. A fault of 0.1 % in an entry is a
relative error of 5e-4, five times the loosest tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from linclass import rng
from linclass.params import Array


class Method(NamedTuple):
    """Step and relative tolerance."""

    h: float
    tolerance: float


METHODS: Mapping[str, Method] = {
    "forward": Method(1e-6, 1e-4),
    "centred": Method(1e-5, 1e-5),
    "directions": Method(1e-5, 1e-5),
}
EPS = 1e-6
"""Slopes below this count as this in the relative error."""
ROUNDING = np.finfo(np.float64).eps
NOISE = 8 * ROUNDING


class Subject(NamedTuple):
    """K functions of named arrays, with their analytic gradients."""

    theta: Mapping[str, Array]
    """name -> `(K, ...)`: moved in place and put back bit for bit."""
    evaluate: Callable[[], tuple[Array, Mapping[str, Array]]]
    """Values `(K,)` and gradients where theta stands now; the next call may overwrite the gradients."""
    stacked: bool
    """Whether the model axis is the reader's to see."""
    l2: Array | None
    batch: int | None
    spread: Array | float = 0.0
    """How far f moves where theta is rounded otherwise, `(K,)`; see `spread_of`."""

    @property
    def K(self) -> int:
        return len(next(iter(self.theta.values())))

    def look(self) -> tuple[Array, dict[str, Array]]:
        """Copies of values and gradients."""
        value, gradients = self.evaluate()
        return np.array(value), {name: np.array(gradient) for name, gradient in gradients.items()}


Line = Callable[[float], Array]
"""Puts theta at theta + t v and returns the signed distance `(K,)` really gone; t = 0 restores every bit."""


def entry_line(theta: Array, index: tuple[int, ...]) -> Line:
    """Along one entry of every model, with t scaled by max(1, |theta_i|); index leaves the model axis out."""
    at: tuple[Any, ...] = (slice(None), *index)
    start = np.array(theta[at])
    scale = np.maximum(1, np.abs(start))

    def move(t: float) -> Array:
        theta[at] = start + t * scale if t else start
        return np.asarray(theta[at] - start)

    return move


def direction_line(theta: Mapping[str, Array], v: Mapping[str, Array]) -> Line:
    """Along v in the tensors it names; the others stand still."""
    start = {name: np.array(theta[name]) for name in v}

    def move(t: float) -> Array:
        for name in v:
            theta[name][...] = start[name] + t * v[name] if t else start[name]
        return np.full(len(theta[name]), t)

    return move


def random_direction(subject: Subject, names: Sequence[str], seed: int, number: int) -> dict[str, Array]:
    """Normal numbers in the named tensors, of Euclidean norm 1 for each model."""
    generator = rng.generator(seed, "gradcheck direction " + " ".join(names), number)
    v = {name: generator.standard_normal(subject.theta[name].shape) for name in names}
    norm = np.sqrt(dot(v, v))
    return {name: part / norm.reshape(-1, *(1,) * (part.ndim - 1)) for name, part in v.items()}


def dot(a: Mapping[str, Array], v: Mapping[str, Array]) -> Array:
    """`(K,)`: a . v over the tensors of v."""
    products = [(a[name] * part).reshape(len(part), -1).sum(axis=1) for name, part in v.items()]
    return np.asarray(np.sum(products, axis=0))


class Slopes(NamedTuple):
    """Differences along m lines, each `(m, K)`: from the right, from the left, centred; and their noise."""

    right: Array
    left: Array
    centred: Array
    noise: Array

    @property
    def jump(self) -> Array:
        """How far the slopes from the right and from the left are apart."""
        return np.asarray(np.abs(self.right - self.left))

    def numeric(self, method: str) -> Array:
        return self.right if method == "forward" else self.centred

    def allowed(self, method: str, a: Array) -> Array:
        """What |a - n| may be; see the module's docstring."""
        n = self.numeric(method)
        relative = METHODS[method].tolerance * np.maximum(EPS, np.abs(a) + np.abs(n))
        # an infinite slope would allow itself any difference
        return np.where(np.isfinite(a) & np.isfinite(n), relative + self.absolute(method), 0.0)

    def absolute(self, method: str) -> Array:
        """The part of it that does not depend on a and n: noise, and for forward differences their bend."""
        return self.noise + self.jump if method == "forward" else self.noise


def slopes_along(subject: Subject, lines: Sequence[Line], h: float) -> Slopes:
    """Three values of f a line, at 0, h and -h; theta is put back after each."""
    slopes = Slopes(*np.empty((4, len(lines), subject.K)))
    f = np.array(subject.evaluate()[0])
    for i, line in enumerate(lines):
        up = line(h)
        f_up = np.array(subject.evaluate()[0])
        down = line(-h)
        f_down = np.array(subject.evaluate()[0])
        line(0.0)
        slopes.right[i] = (f_up - f) / up
        slopes.left[i] = (f_down - f) / down
        slopes.centred[i] = (f_up - f_down) / (up - down)
        size = np.maximum(np.abs(f_up), np.abs(f_down))
        slopes.noise[i] = np.maximum(NOISE * size, 8 * subject.spread) / h
    return slopes


def spread_of(subject: Subject, value: Array, seed: int) -> Array:
    """`(K,)`: the largest |f(theta (1 + u)) - f(theta)| of a few u of the size of rounding; 0 if not finite.

    value: f(theta). theta is left at the last theta (1 + u).
    """
    start = {name: np.array(theta) for name, theta in subject.theta.items()}
    generator = rng.generator(seed, "gradcheck rounding")
    spread = np.zeros(subject.K)
    for _ in range(8):
        for name, theta in subject.theta.items():
            theta[...] = start[name] * (1 + ROUNDING * generator.integers(-1, 2, theta.shape))
        spread = np.fmax(spread, np.abs(np.array(subject.evaluate()[0]) - value))
    return np.where(np.isfinite(spread), spread, 0.0)
