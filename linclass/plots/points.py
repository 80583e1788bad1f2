"""Series over many epochs and seeds -> the points that are drawn, and what to say about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from linclass.errors import UsageError
from linclass.params import Array

_ALL_DRAWN = 300  # up to so many epochs each is a point of its own
_GROUPS = 200
_MARKERS = 11
_HUGE = 1e100  # as good as infinite: no axis can be drawn to it


def starts_of(position: Array) -> Array:
    """Index of the first epoch of each group: equal stretches of the axis, so a long run stays legible.

    The first ten epochs, where the most happens, are never grouped. The last one always is: alone beside
    means of many it would look like a turn of the curve.
    """
    if len(position) <= _ALL_DRAWN:
        return np.arange(len(position))
    fraction = (position - position[0]) / (position[-1] - position[0])
    stretch = np.floor(fraction * _GROUPS).clip(max=_GROUPS - 1)
    return np.union1d(np.flatnonzero(np.diff(stretch, prepend=-1)), range(11))


class Points(NamedTuple):
    """What is drawn of one series: `(groups,)` each."""

    epoch: Array
    mean: Array
    low: Array
    high: Array


def summary(epochs: Array, values: Array, starts: Array) -> Points:
    """Per group the mean epoch and the mean, least and greatest of the finite values `(E, K)`."""
    finite = np.abs(values) < _HUGE
    count = np.add.reduceat(finite.sum(axis=1), starts)
    total = np.add.reduceat(np.where(finite, values, 0).sum(axis=1), starts)
    low = np.minimum.reduceat(np.where(finite, values, np.inf).min(axis=1), starts)
    high = np.maximum.reduceat(np.where(finite, values, -np.inf).max(axis=1), starts)
    epoch = np.add.reduceat(epochs, starts) / np.diff(starts, append=len(epochs))
    drawn = count > 0
    return Points(epoch[drawn], total[drawn] / count[drawn], low[drawn], high[drawn])


def marked_points(position: Array, shift: float) -> list[int]:
    """Indices of a few points at equal distances along the axis; `shift` keeps two lines' markers apart."""
    if len(position) <= _MARKERS + 1:
        return list(range(len(position)))
    wanted = position[0] + (position[-1] - position[0]) * (np.arange(_MARKERS) + shift) / _MARKERS
    nearest = np.abs(position[:, None] - wanted).argmin(axis=0)
    return [int(i) for i in np.unique(nearest)]


def checked_series(
    epochs: Array, series: Mapping[str, Sequence[float] | Array], factor: float
) -> dict[str, Array]:
    """Every series as `(E, K)` float64, multiplied by `factor`."""
    if epochs.ndim != 1 or epochs.size == 0 or not np.isfinite(epochs).all() or np.any(np.diff(epochs) <= 0):
        raise UsageError("cannot draw curves: the epochs must be a rising list of at least one number")
    if not series:
        raise UsageError("cannot draw curves: no series given; name at least one, such as {'train': values}")
    with np.errstate(over="ignore"):
        arrays = {label: np.asarray(values, np.float64) * factor for label, values in series.items()}
    for label, values in arrays.items():
        if values.ndim not in (1, 2) or len(values) != len(epochs) or values.size == 0:
            raise UsageError(
                f"cannot draw {label!r}: its shape is {values.shape}; "
                f"expected ({len(epochs)},) or ({len(epochs)}, K), one row an epoch"
            )
    return {label: values.reshape(len(epochs), -1) for label, values in arrays.items()}


def note_on(arrays: Sequence[Array], grouped: bool) -> str:
    """What the lines and bands are, where they are not simply the values."""
    K = max(values.shape[1] for values in arrays)
    means = ([f"{K} seeds"] if K > 1 else []) + (["neighbouring epochs"] if grouped else [])
    note = f"mean of {' and '.join(means)}, band: min to max" if means else ""
    # NaN in a whole epoch is a number nobody asked for; inf, or NaN in some seeds only, is a failure.
    # NaN to the end is a seed that stopped.
    stopped = [np.logical_and.accumulate(np.isnan(values)[::-1])[::-1] for values in arrays]
    failed = [
        ~(np.abs(values) < _HUGE) & ~np.isnan(values).all(axis=1, keepdims=True) & ~ended
        for values, ended in zip(arrays, stopped, strict=True)
    ]
    lost = "infinite values left out" if any(mask.any() for mask in failed) else ""
    some = any((ended.any(axis=1) & ~ended.all(axis=1)).any() for ended in stopped)
    left = "a seed that ended is left out from there on" if some else ""
    return "; ".join(part for part in (note, left, lost) if part)
