"""Samples: analytic and numerical slopes side by side, at sampled entries and along random directions.

An entry that fails is looked at again with h / 10. Where the slopes from the left and from the right still
disagree (ReLU at 0) and a lies between them, nothing is wrong with a: it is noted, not judged. Where a and n
now agree (a kink or a sharp bend inside the step), that counts.
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
    """Excused: the slope jumps at theta itself and a lies between its two values."""
    closer: Array
    """n is from a step ten times smaller, where it agrees with a."""

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


def _measure(
    subject: Subject,
    tensor: str,
    method: str,
    indices: list[tuple[int, ...]],
    lines: list[Line],
    a: Array,
    theta: Array,
) -> Sample:
    """The slopes along the lines, and a second look with h / 10 at those that are not as allowed."""
    h = METHODS[method].h
    slopes = slopes_along(subject, lines, h)
    n, allowed, absolute = slopes.numeric(method), slopes.allowed(method, a), slopes.absolute(method)
    no = np.zeros(a.shape, bool)
    sample = Sample(tensor, method, indices, a, theta, n, allowed, absolute, no, no.copy())
    (again,) = np.nonzero(sample.wrong.any(axis=1))
    if not len(again):
        return sample
    closer = slopes_along(subject, [lines[i] for i in again], h / 10)
    a, n, wrong = a[again], n[again], sample.wrong[again]
    allowed = closer.allowed(method, a)
    # h f'' shrinks with h, the jump at a kink does not
    jump, wider_jump = np.abs(closer.right - closer.left), np.abs(slopes.right - slopes.left)[again]
    low, high = (
        np.minimum(closer.left, closer.right) - allowed,
        np.maximum(closer.left, closer.right) + allowed,
    )
    jumps = (jump > wider_jump / 2) & (jump > 4 * closer.noise)
    sample.at_kink[again] = wrong & jumps & (low <= a) & (a <= high)
    left_over = np.abs(a - closer.numeric(method))
    sample.closer[again] = wrong & (left_over <= np.minimum(allowed, np.abs(a - n) / 2))
    sample.n[again] = np.where(sample.closer[again], closer.numeric(method), n)
    sample.allowed[again] = np.where(sample.closer[again], allowed, sample.allowed[again])
    return sample


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
            samples.append(_measure(subject, name, method, indices, lines, a, at))
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
                _measure(subject, tensor, "directions", [(i,) for i in range(len(vs))], lines, a, at)
            )
    return samples
