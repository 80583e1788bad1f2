"""The order of an epoch: a pure function of (seed, epoch), so batch b of epoch e has a name.

    samples   batch b = permutation[b * size : (b + 1) * size]       rows change company every epoch
    batches   batch b = the contiguous rows of batch permutation[b]  the course's: membership is fixed
    none      batch b = the contiguous rows of batch b

No generator state exists, hence none is saved: an interrupted epoch continues at `first`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from linclass.errors import UsageError
from linclass.params import Array
from linclass.rng import permutation

Shuffle = Literal["samples", "batches", "none"]
SHUFFLES: tuple[str, ...] = get_args(Shuffle)


def count(n: int, size: int, drop_last: bool = False) -> int:
    """Batches in an epoch of n rows: ceil(n / size), or floor(n / size) with `drop_last`.

    Raises UsageError unless 1 <= size <= n.
    """
    if not 1 <= size <= n:
        raise UsageError(f"--batch-size is {size:,}: expected 1 to {n:,}, the number of training rows")
    return n // size if drop_last else -(-n // size)


def batches(
    n: int,
    size: int,
    *,
    seed: int,
    epoch: int,
    first: int = 0,
    shuffle: Shuffle = "samples",
    drop_last: bool = False,
) -> Iterator[slice | Array]:
    """The row selections of one epoch over n rows, from batch `first` on.

    Args:
        n, size: rows, and rows a batch; the last batch may be shorter.
        seed, epoch: name the order; both non-negative.
        first: batches of this epoch that are already done.
        shuffle: "samples" yields index arrays `(size,)`; "batches" and "none" yield slices.
        drop_last: leave out a short last batch.

    Raises UsageError for a size that does not fit n, ValueError for an unknown shuffle.
    """
    if shuffle not in SHUFFLES:
        raise ValueError(f"shuffle {shuffle!r}: expected one of {', '.join(SHUFFLES)}")
    total = count(n, size, drop_last)
    if shuffle == "samples":
        order = permutation(n, seed, "order", epoch)
        return (order[b * size : (b + 1) * size] for b in range(first, total))
    numbers = range(total) if shuffle == "none" else permutation(total, seed, "order", epoch).tolist()
    return (slice(b * size, min((b + 1) * size, n)) for b in numbers[first:])
