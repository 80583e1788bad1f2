"""Batches: the stream is the rows that were asked for, in their order."""

from __future__ import annotations

import numpy as np
import pytest

from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs, Order
from linclass.params import Array

N, D = 60, 4
RNG = np.random.default_rng(0)
SPLIT = Split(RNG.integers(0, 256, (N, D), dtype=np.uint8), RNG.integers(0, 3, N))


def inverted(x: Array) -> Array:
    return 255 - x


ORDERS: dict[str, list[Order]] = {
    "scattered": [(RNG.permutation(N)[:7], None) for _ in range(9)] + [(np.array([3]), None)],
    "contiguous": [(slice(start, start + 7), None) for start in range(0, 49, 7)],
    "changed": [(RNG.permutation(N)[:7], inverted) for _ in range(9)],
    "contiguous and changed": [(slice(start, start + 7), inverted) for start in range(0, 49, 7)],
    "a short one first": [
        (slice(0, 1), None),
        *((slice(start, start + 7), None) for start in range(1, 50, 7)),
    ],
    "of both kinds": [(slice(0, 7), None), (RNG.permutation(N)[:7], None), (slice(7, 14), inverted)],
    "none": [],
}


@pytest.mark.parametrize("orders", ORDERS.values(), ids=ORDERS.keys())
def test_a_stream_is_the_rows_of_its_orders(orders: list[Order]) -> None:
    found = [(x.copy(), y.copy()) for x, y in Inputs(SPLIT).stream(iter(orders))]
    assert len(found) == len(orders)
    for (x, y), (selection, change) in zip(found, orders, strict=True):
        np.testing.assert_array_equal(x, SPLIT.x[selection] if change is None else change(SPLIT.x[selection]))
        assert x.dtype == np.uint8
        np.testing.assert_array_equal(y, SPLIT.y[selection])
