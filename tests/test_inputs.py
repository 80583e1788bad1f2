"""Batches: the stream is the rows that were asked for, in their order, wherever they are gathered."""

from __future__ import annotations

import numpy as np
import pytest

from linclass.datasets import inputs
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs, Order
from linclass.datasets.scale import Scaler
from linclass.params import Array
from linclass.second_core import working

N, D = 60, 4
RNG = np.random.default_rng(0)
SPLIT = Split(RNG.integers(0, 256, (N, D), dtype=np.uint8), RNG.integers(0, 3, N))


def inverted(x: Array) -> Array:
    return 255 - x


ORDERS: dict[str, list[Order]] = {
    "scattered": [(RNG.permutation(N)[:7], None) for _ in range(9)] + [(np.array([3]), None)],
    "to each of two models its own": [(RNG.integers(0, N, (5, 2)), None) for _ in range(6)],
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
@pytest.mark.parametrize("group_bytes", [1, 3 * 7 * D, 2**22])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("scaling", ["per-pixel", ""])
def test_a_stream_is_the_rows_of_its_orders(
    orders: list[Order], group_bytes: int, threads: int, scaling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "GROUP_BYTES", group_bytes)
    scaler = Scaler.fit(SPLIT.x, scaling) if scaling else None
    data = Inputs(SPLIT, scaler, "float32")
    with working(threads) as worker:
        found = [(x.copy(), y.copy()) for x, y in data.stream(iter(orders), worker)]
    assert len(found) == len(orders)
    for (x, y), (selection, change) in zip(found, orders, strict=True):
        raw, targets = SPLIT.x[selection], SPLIT.y[selection]
        if raw.ndim == 3:
            targets = targets.T
        raw = raw if change is None else change(raw)
        scaled = raw.reshape(-1, D)
        expected = scaled if scaler is None else scaler.transform(scaled, np.dtype("float32"))
        np.testing.assert_array_equal(x, expected.reshape(len(raw), -1))
        assert x.dtype == np.float32
        np.testing.assert_array_equal(y, targets)


def test_what_fails_while_gathering_is_raised_where_the_batch_is_asked_for() -> None:
    def broken(x: Array) -> Array:
        raise ZeroDivisionError

    with working(2) as worker, pytest.raises(ZeroDivisionError):
        list(Inputs(SPLIT, None, "float32").stream([(slice(0, 2), broken)], worker))
