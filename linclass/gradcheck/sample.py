"""Samples: analytic and numerical slopes side by side, at sampled entries and along random directions.

A line along which a and n differ is looked at again with h / 10, h / 100 and so on, each time with the noise
of the smaller step:

    they agree, at half the difference or less  it passes: a kink or a sharp bend was inside the first step
    n has settled, and no kink is left          a is wrong
    the slopes from left and right differ,
    however small the step                      theta itself is at a kink (ReLU at 0): there is no slope

At a kink an entry is excused where a lies between the slopes from left and right. A direction is not judged
there at all: it crosses the kinks of many units at once, and the sum of what each of them may add need not
lie between two sums. Whether there is a kink is read from the cost alone, so no fault in a makes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from linclass import rng
from linclass.errors import UsageError
from linclass.gradcheck.report import Row
from linclass.gradcheck.slopes import (
    EPS,
    METHODS,
    Line,
    Slopes,
    Subject,
    direction_line,
    dot,
    entry_line,
    random_direction,
    slopes_along,
)
from linclass.params import Array


class Plan(NamedTuple):
    """What to measure: methods, entries and directions a tensor, and the seed that names them."""

    methods: tuple[str, ...]
    entries: int | None
    directions: int
    seed: int

    @classmethod
    def checked(cls, methods: Iterable[str], entries: int | None, directions: int, seed: int) -> Plan:
        """A plan, or UsageError for an unknown method and for counts below one."""
        methods = (methods,) if isinstance(methods, str) else tuple(methods)
        for method in methods:
            if method not in METHODS:
                raise UsageError(f'unknown method "{method}"; choose from {", ".join(METHODS)}')
        if not methods or directions < 1 or (entries is not None and entries < 1):
            raise UsageError(
                f"methods {methods}, entries {entries}, directions {directions}: at least one of each, please"
            )
        return cls(methods, entries, directions, seed)


@dataclass
class Sample:
    """One tensor by one method: a, n, what |a - n| may be, theta along the lines; each `(m, K)`."""

    tensor: str
    method: str
    indices: list[tuple[int, ...]]
    a: Array
    theta: Array
    n: Array
    allowed: Array
    absolute: Array
    """What is allowed however small a and n are: an n below this is zero as far as one can see."""
    at_kink: Array
    """Not judged: the slope jumps at theta itself, and a lies between its two values or is a direction's."""
    closer: Array
    """n is from a smaller step, where it agrees with a."""

    @property
    def wrong(self) -> Array:
        """Where the check fails, `(m, K)`."""
        # not "greater than": nan must count as wrong
        return np.asarray(~(np.abs(self.a - self.n) <= self.allowed) & ~self.at_kink)

    def row(self, stacked: bool) -> Row:
        """The report's line; the worst entry's index names its model where `stacked`."""
        judged = ~self.at_kink
        difference = np.where(judged, np.abs(self.a - self.n), 0.0)
        share = difference / self.allowed
        relative = difference / np.maximum(EPS, np.abs(self.a) + np.abs(self.n))
        i, k = np.unravel_index(np.where(np.isnan(share), np.inf, share).argmax(), share.shape)
        worst = (int(k), *self.indices[i])
        return Row(
            tensor=self.tensor,
            method=self.method,
            entries=int(judged.sum()),
            max_abs=float(difference.max()),
            max_rel=float(relative.max()),
            of_allowed=float(share.max()),
            passed=not self.wrong.any(),
            worst=worst if stacked else worst[1:],
            analytic=float(self.a[i, k]),
            numeric=float(self.n[i, k]),
        )


SMALLER = 5
"""How many times the step may be divided by ten: down to what inputs of a million ask for."""


def measure(
    subject: Subject,
    tensor: str,
    method: str,
    indices: list[tuple[int, ...]],
    lines: list[Line],
    a: Array,
    theta: Array,
) -> Sample:
    """The slopes along the lines, and a closer look at those that are not as allowed."""
    slopes = slopes_along(subject, lines, METHODS[method].h)
    no = np.zeros(a.shape, bool)
    sample = Sample(
        tensor,
        method,
        indices,
        a,
        theta,
        slopes.numeric(method),
        slopes.allowed(method, a),
        slopes.absolute(method),
        at_kink=no,
        closer=no.copy(),
    )
    if sample.wrong.any():
        _look_closer(subject, sample, lines, slopes)
    return sample


def _look_closer(subject: Subject, sample: Sample, lines: list[Line], wider: Slopes) -> None:
    """Smaller and smaller steps along the lines that are wrong, until each is settled."""
    method, h = sample.method, METHODS[sample.method].h
    looking, left_over = sample.wrong, np.abs(sample.a - sample.n)
    left_over[np.isnan(left_over)] = np.inf
    for power in range(1, SMALLER + 1):
        (at,) = np.nonzero(looking.any(axis=1))
        if not len(at):
            return
        closer = slopes_along(subject, [lines[i] for i in at], h / 10**power)
        before = Slopes(*(values[at] for values in wider))
        a, n, allowed = sample.a[at], closer.numeric(method), closer.allowed(method, sample.a[at])
        agrees = looking[at] & (np.abs(a - n) <= np.minimum(allowed, left_over[at] / 2))
        # h f'' shrinks with h, the jump at a kink does not
        kink = closer.jump > np.maximum(before.jump / 2, 4 * closer.noise)
        seen = kink | (before.jump / 2 > 4 * closer.noise)
        excused = kink
        if method != "directions":
            low, high = np.minimum(closer.left, closer.right), np.maximum(closer.left, closer.right)
            excused = kink & (low - allowed <= a) & (a <= high + allowed)
        sample.at_kink[at] = np.where(looking[at] & seen & ~agrees, excused, sample.at_kink[at] & ~agrees)
        settled = looking[at] & ~kink & (np.abs(n - before.numeric(method)) <= allowed)
        sample.closer[at] |= agrees
        for values, new in (
            (sample.n, n),
            (sample.allowed, allowed),
            (sample.absolute, closer.absolute(method)),
        ):
            values[at] = np.where(agrees | settled, new, values[at])
        # not "less than": where n is nan, beyond the domain of the cost, a smaller step may be within it
        looking[at] &= ~agrees & ~settled & ~(closer.noise >= np.abs(a - n) / 4)
        for values, new in zip(wider, closer, strict=True):
            values[at] = new


def take_samples(subject: Subject, plan: Plan, gradients: Mapping[str, Array]) -> list[Sample]:
    """Every tensor by every method of the plan, then directions through all tensors at once."""
    samples = []
    by_entry = [method for method in plan.methods if method != "directions"]
    for number, (name, theta) in enumerate(subject.theta.items()):
        size = theta[0].size
        order = rng.permutation(size, plan.seed, "gradcheck entries", number)
        chosen = np.sort(order[: plan.entries])
        indices = [tuple(map(int, np.unravel_index(i, theta.shape[1:]))) for i in chosen]
        a = gradients[name].reshape(subject.K, size)[:, chosen].T
        at = theta.reshape(subject.K, size)[:, chosen].T
        for method in by_entry:
            lines = [entry_line(theta, index) for index in indices]
            samples.append(measure(subject, name, method, indices, lines, a, at))
    if "directions" in plan.methods:
        groups = {name: [name] for name in subject.theta}
        if len(groups) > 1:
            groups["all"] = list(subject.theta)
        for tensor, names in groups.items():
            vs = [random_direction(subject, names, plan.seed, i) for i in range(plan.directions)]
            a = np.array([dot(gradients, v) for v in vs])
            at = np.array([dot(subject.theta, v) for v in vs])
            lines = [direction_line(subject.theta, v) for v in vs]
            samples.append(
                measure(subject, tensor, "directions", [(i,) for i in range(len(vs))], lines, a, at)
            )
    return samples
