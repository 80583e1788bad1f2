"""Stratified draws: some of the rows at random, of each class its share.

    n_c = n N_c / N of the N_c rows of class c, rounded by the largest remainders; at least one row of each
    class where n >= C

Source: W. G. Cochran, Sampling Techniques (3rd edition, 1977), chapter 5, proportional allocation.
"""

from __future__ import annotations

import numpy as np

from linclass.params import Array
from linclass.rng import permutation


def draw(y: Array, n: int, seed: int, purpose: str) -> Array:
    """n of the rows of y, in their order, as indices `(n,)`; the others are left.

    y: `(N,)` classes; or `(N, C)`, the targets of a regression, all of whose rows are alike.
    """
    order = permutation(len(y), seed, purpose)
    if y.ndim > 1:
        return np.sort(order[:n])
    counts = np.bincount(y)
    rows = by_class(y, order)
    place = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its class
    return np.sort(rows[place < np.repeat(shares(counts, n), counts)])


def by_class(y: Array, order: Array) -> Array:
    """The rows in `order`, class by class."""
    return order[np.argsort(y[order], kind="stable")]


def shares(counts: Array, n: int) -> Array:
    """n_c `(C,)`: how many of a class's N_c = counts[c] rows are among n."""
    taken, free = np.zeros_like(counts), counts > 0
    if n >= free.sum():
        # a class with a share below one row has one, and the others share the rest
        while (small := free & (counts * n < counts[free].sum())).any():
            taken[small] = 1
            free &= ~small
            n -= int(small.sum())
    N = counts[free].sum()
    whole, remainder = np.divmod(counts[free] * n, N)
    first = np.argsort(-remainder, kind="stable")[: n - whole.sum()]
    whole[first] += 1
    taken[free] = whole
    return taken
