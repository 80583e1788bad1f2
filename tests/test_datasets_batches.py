"""The order of an epoch: a partition of the rows, and a pure function of (seed, epoch)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.datasets.batches import SHUFFLES, batches, count
from linclass.errors import UsageError
from linclass.rng import permutation

SIZES = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))
shuffles = pytest.mark.parametrize("shuffle", SHUFFLES)


def rows(n: int, size: int, **how) -> list[list[int]]:
    return [np.arange(n)[selection].tolist() for selection in batches(n, size, **how)]


@shuffles
@settings(deadline=None, max_examples=40)
@given(SIZES, st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_partition(shuffle, sizes, seed, epoch, drop_last):
    n, size = sizes
    epochs = rows(n, size, seed=seed, epoch=epoch, shuffle=shuffle, drop_last=drop_last)
    seen = [row for batch in epochs for row in batch]
    assert len(epochs) == count(n, size, drop_last)
    assert len(set(seen)) == len(seen)
    assert len(seen) == (n // size * size if drop_last else n)
    short = [len(batch) for batch in epochs if len(batch) != size]
    assert short == ([n % size] if n % size and not drop_last else [])


@shuffles
@settings(deadline=None, max_examples=40)
@given(SIZES, st.integers(0, 3), st.integers(0, 3), st.integers(0, 70))
def test_first_continues_where_an_interruption_left_off(shuffle, sizes, seed, epoch, first):
    n, size = sizes
    how = {"seed": seed, "epoch": epoch, "shuffle": shuffle}
    assert rows(n, size, first=first, **how) == rows(n, size, **how)[first:]


@shuffles
def test_pure_function_of_seed_and_epoch(shuffle):
    def of(seed, epoch):
        return rows(50, 7, seed=seed, epoch=epoch, shuffle=shuffle)

    np.random.default_rng(0).random()
    assert of(1, 2) == of(1, 2)
    orders = [of(1, 2), of(1, 3), of(2, 2), of(2, 1)]
    if shuffle == "none":
        assert all(order == orders[0] for order in orders)
    else:
        assert all(orders[i] != orders[j] for i in range(4) for j in range(i))


def test_samples_and_batches_follow_the_named_stream():
    order = permutation(10, 4, "order", 6)
    assert rows(10, 5, seed=4, epoch=6) == [order[:5].tolist(), order[5:].tolist()]
    order = permutation(5, 4, "order", 6)
    wanted = [[2 * b, 2 * b + 1] for b in order]
    assert rows(10, 2, seed=4, epoch=6, shuffle="batches") == wanted


def test_whole_batches_keep_their_members_and_are_views():
    selections = list(batches(25, 10, seed=0, epoch=1, shuffle="batches"))
    assert all(isinstance(selection, slice) for selection in selections)
    assert sorted((s.start, s.stop) for s in selections) == [(0, 10), (10, 20), (20, 25)]
    # the short last batch is a batch like any other: over epochs it comes first, in between, and last
    places = {
        [s.stop for s in batches(25, 10, seed=0, epoch=e, shuffle="batches")].index(25) for e in range(30)
    }
    assert places == {0, 1, 2}


@pytest.mark.parametrize("size", [0, -1, 11])
def test_size_must_fit_at_once(size):
    with pytest.raises(UsageError, match=f"--batch-size is {size}: expected 1 to 10"):
        batches(10, size, seed=0, epoch=0)  # before the first batch is asked for


def test_unknown_shuffle():
    with pytest.raises(ValueError, match="expected one of samples, batches, none"):
        batches(10, 5, seed=0, epoch=0, shuffle="rows")


def test_of_equal_numbers_the_first_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(0).integers(0, 50, 1000).astype(np.uint64)

    class Few:
        def random_raw(self, n: int) -> np.ndarray:
            return numbers[:n]

    monkeypatch.setattr("linclass.rng.stream", lambda *name: Few())
    expected = sorted(range(1000), key=numbers.__getitem__)
    assert permutation(1000, 0, "order").tolist() == expected
