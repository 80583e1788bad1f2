"""Schedules: step -> learning rate.

A schedule is a function of the number of updates already made; it has no memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from linclass.params import Array

Schedule = Callable[[int], Array]


def constant(lr: Array | float) -> Schedule:
    """eta_t = lr. `lr`: one number, or `(K,)` numbers for K models."""
    rates = np.atleast_1d(np.asarray(lr, dtype=np.float64))
    return lambda step: rates
