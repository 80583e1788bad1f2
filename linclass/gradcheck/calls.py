"""Calls: what is wrong with a gradient from one call to the next, before any slope is judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from linclass.errors import UsageError
from linclass.gradcheck.report import full_precision
from linclass.gradcheck.sample import measure
from linclass.gradcheck.slopes import NOISE, Subject, direction_line, dot, random_direction
from linclass.params import Array

RANDOM_COST = "the cost is not deterministic (fix its random numbers)"


def faults_between_calls(subject: Subject, value: Array, gradients: Mapping[str, Array]) -> list[str]:
    """Faults from call to call at the same parameters: added up instead of overwritten, or random."""
    again, second = subject.look()
    if (np.abs(again - value) > NOISE * np.abs(value)).any():
        return [
            f"{RANDOM_COST}: {full_precision(value)}, then {full_precision(again)} at the same parameters"
        ]
    findings = []
    for name, first in gradients.items():
        change = np.abs(second[name] - first).max()
        if not change > 1e-9 * np.abs(first).max():
            continue
        if np.allclose(second[name], 2 * first, rtol=1e-9, atol=0):
            findings.append(
                f"{name}: a second call doubles the gradient: it is added to the buffer, not written over it"
            )
        else:
            findings.append(
                f"{name}: two calls at the same parameters give gradients that differ by up to {change:.1e}"
            )
    return findings


def stale_gradients(subject: Subject, gradients: Mapping[str, Array], seed: int) -> list[str]:
    """Tensors whose gradient is the same to the bit a small step away, where the cost's slope is not."""
    vs = {name: random_direction(subject, [name], seed, 0) for name in subject.theta}

    def right(name: str) -> bool:
        v = vs[name]
        a, at, line = dot(gradients, v)[None], dot(subject.theta, v)[None], direction_line(subject.theta, v)
        return not measure(subject, name, "directions", [(0,)], [line], a, at).wrong.any()

    suspects = [name for name, gradient in gradients.items() if gradient.any() and right(name)]
    for name, theta in subject.theta.items():
        theta += 0.01 * vs[name][name]
    try:
        value, moved = subject.look()
        return [
            f"{name}: the gradient is stale: not a bit of it changes when the parameters move"
            for name in suspects
            if np.isfinite(value).all() and (moved[name] == gradients[name]).all() and not right(name)
        ]
    except UsageError:
        # a user's function may be undefined a step away from where it is to be checked
        return []
