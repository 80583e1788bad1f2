"""Functions to be learnt: regression with one input and one output, on a grid over [0, 2].

    square-wave   f(x) = 1 while the phase 5x/2 mod 1 is below 1/2, else -1           five periods of 0.4
    saw-sine      f(x) = 2 (2x mod 1) - 1 + sin(2 pi x)                 a saw of period 1/2 on a sine of 1
    eight-sines   f(x) = sum over wavelengths l of sin(2 pi x / l),  l in .2 .3 .5 .7 1.1 1.3 1.7 1.9
    half-sine     f(x) = sin(pi x / 2)                                   half a period: it rises and falls

The source names the first two by their kind only: their periods and heights are choices made here. So is the
half sine's phase; this one is half a wave over [0, 2] whose best constant, 2/pi, has the mean squared error
1/2 - (2/pi)^2 = 0.0947, the upper of the two plateaus that the source shows.
Source: NTU MLDS 2018, homework 1, "simulate a function" and "gradient almost zero".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from linclass.datasets.dataset import Dataset, Split
from linclass.errors import UsageError
from linclass.params import Array
from linclass.settings import FUNCTION_NAMES

DOMAIN = (0.0, 2.0)
WAVELENGTHS = (0.2, 0.3, 0.5, 0.7, 1.1, 1.3, 1.7, 1.9)
TRAIN_ROWS, VALIDATION_ROWS, TEST_ROWS = 1000, 500, 500
_DECIMALS = 9  # sines differ in their last bit between libraries; what is learnt, and its digest, does not


def square_wave(x: Array) -> Array:
    """See the module's docstring; at a jump the value after it."""
    return np.where(2.5 * x % 1 < 0.5, 1.0, -1.0)


def saw_sine(x: Array) -> Array:
    """See the module's docstring; at a jump the value after it."""
    saw: Array = 2 * (2 * x % 1) - 1 + np.sin(2 * np.pi * x)
    return saw


def eight_sines(x: Array) -> Array:
    """See the module's docstring."""
    return np.asarray(sum(np.sin(2 * np.pi * x / wavelength) for wavelength in WAVELENGTHS))


def half_sine(x: Array) -> Array:
    """See the module's docstring."""
    return np.asarray(np.sin(np.pi * x / 2))


FUNCTIONS: dict[str, Callable[[Array], Array]] = dict(
    zip(FUNCTION_NAMES, (square_wave, saw_sine, eight_sines, half_sine), strict=True)
)


def grid(rows: int, shift: float = 0.5) -> Array:
    """`(rows,)`: the points lo + (hi - lo) (i + shift) / rows, one in each of `rows` equal cells."""
    lo, hi = DOMAIN
    return lo + (hi - lo) * (np.arange(rows) + shift) / rows


def load(name: str, *, train_size: int = 0, val_size: int = 0) -> Dataset:
    """The function `name` on three grids: x `(n, 1)`, y `(n, 1)` float64.

    Args:
        train_size, val_size: grid points; 0 for TRAIN_ROWS and VALIDATION_ROWS.

    The points are in the middle of their cells, at an eighth, at five eighths: at these sizes all differ.
    """
    if name not in FUNCTIONS:
        raise UsageError(f"{name!r} is not a function: expected one of {', '.join(FUNCTIONS)}")

    def on_grid(rows: int, shift: float) -> Split:
        x = grid(rows, shift)
        return Split(x[:, None], np.round(FUNCTIONS[name](x), _DECIMALS)[:, None])

    return Dataset(
        name=name,
        train=on_grid(train_size or TRAIN_ROWS, 0.5),
        validation=on_grid(val_size or VALIDATION_ROWS, 0.125),
        test=on_grid(TEST_ROWS, 0.625),
        classes=("f(x)",),
        image_shape=None,
        source="computed on [0, 2]",
    )
