"""Scaler against numpy's mean and standard deviation in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from linclass.datasets.scale import KINDS, Scaler, check_fits
from linclass.errors import DataError

BYTES = np.random.default_rng(0).integers(0, 256, (2300, 17), dtype=np.uint8)
FLOATS = np.random.default_rng(1).normal(3, 5, (150, 17))
MANY_BYTES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 6)))


def oracle(train: np.ndarray, x: np.ndarray, kind: str) -> np.ndarray:
    """The definition, in float64."""
    level = 255 if train.dtype == np.uint8 else 1
    v, u = train / level, x / level
    if kind == "raw":
        return x.astype(float)
    if kind == "unit":
        return u
    axis = None if kind == "global" else 0
    # numpy's own std of a constant column is rounding error, not 0
    constant = (train == train[0]).all(axis=axis)
    return (u - v.mean(axis=axis)) / np.where(constant, 1, v.std(axis=axis))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("train", [BYTES, FLOATS, FLOATS.astype(np.float32)], ids=["uint8", "f8", "f4"])
def test_against_numpy(kind, train):
    scaler = Scaler.fit(train, kind)
    other = train[::-2]
    assert scaler.gain.dtype == scaler.offset.dtype == np.float64
    assert scaler.gain.shape == scaler.offset.shape == (17,)
    tolerance = 1e-5 if train.dtype == np.float32 else 1e-12
    wanted = oracle(train.astype(np.float64) if train.dtype.kind == "f" else train, other, kind)
    assert np.allclose(scaler.transform(other, np.float64), wanted, rtol=tolerance, atol=tolerance)
    assert np.allclose(scaler.transform(other, np.float32), wanted, rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(MANY_BYTES)
def test_per_pixel_bytes_of_any_kind(x):
    scaled = Scaler.fit(x, "per-pixel").transform(x, np.float64)
    assert np.allclose(scaled, oracle(x, x, "per-pixel"), atol=1e-9)
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-9)
    constant = (x == x[0]).all(axis=0)
    assert np.allclose(scaled.std(axis=0), np.where(constant, 0, 1), atol=1e-9)


def test_constant_columns_are_centred_only():
    for column in (np.full((9, 1), 200, np.uint8), np.full((9, 1), 0.1), np.full((9, 1), 1e6 + 0.1)):
        scaled = Scaler.fit(column, "per-pixel").transform(column, np.float64)
        assert np.allclose(scaled, 0, atol=1e-9)


@pytest.mark.parametrize("kind", ["global", "per-pixel"])
def test_fitted_on_the_training_rows_only(kind):
    train, held_out = BYTES[:100], BYTES[100:] // 2
    scaler = Scaler.fit(train, kind)
    assert abs(scaler.transform(train, np.float64).mean()) < 1e-12
    # the held-out rows are darker: with their own mean they would come out centred too
    assert scaler.transform(held_out, np.float64).mean() < -0.5
    assert np.allclose(scaler.transform(held_out, np.float64), oracle(train, held_out, kind))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("x", [BYTES, FLOATS], ids=["uint8", "f8"])
def test_out_is_filled_and_a_batch_equals_its_rows_of_the_whole(dtype, x):
    scaler = Scaler.fit(x, "per-pixel")
    out = np.empty((50, 17), dtype)
    got = scaler.transform(x[30:80], dtype, out=out)
    assert got is out
    assert np.array_equal(out, scaler.transform(x, dtype)[30:80])


def test_moments_do_not_depend_on_the_order_of_rows():
    shuffled = BYTES[np.random.default_rng(2).permutation(len(BYTES))]
    one, two = Scaler.fit(BYTES, "per-pixel"), Scaler.fit(shuffled, "per-pixel")
    assert np.array_equal(one.gain, two.gain)
    assert np.array_equal(one.offset, two.offset)


def test_unknown_kind():
    with pytest.raises(ValueError, match="expected one of raw, unit, global, per-pixel"):
        Scaler.fit(BYTES, "robust")


@pytest.mark.parametrize("kind", ["global", "per-pixel"])
@pytest.mark.parametrize("exponent", [-1000, -700, -200, 0, 200, 700, 1021])
def test_numbers_of_any_size_are_scaled_alike(kind, exponent):
    x = np.random.default_rng(2).uniform(-3.9, 3.9, (40, 5))
    huge = np.ldexp(x, exponent)
    wanted = Scaler.fit(x, kind).transform(x, np.float64)
    assert np.allclose(Scaler.fit(huge, kind).transform(huge, np.float64), wanted, rtol=1e-12, atol=1e-12)


def test_columns_of_very_different_sizes_are_scaled_each_by_itself():
    sizes = np.array([1e-300, 1e-150, 1.0, 1e150, 1.7e308])
    x = np.random.default_rng(3).uniform(-1, 1, (40, 5))
    scaled = Scaler.fit(x * sizes, "per-pixel").transform(x * sizes, np.float64)
    assert np.allclose(scaled, oracle(x, x, "per-pixel"), atol=1e-9)


@pytest.mark.parametrize("kind", ["global", "per-pixel"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e6 + 0.1, 1e300, 1e-300, -1.7e308])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_data_become_exactly_zero(kind, value, dtype):
    with np.errstate(over="ignore"):
        x = np.full((60, 7), value).astype(dtype)
    if np.isinf(x).any():
        return
    scaler = Scaler.fit(x, kind)
    assert np.array_equal(scaler.gain, np.ones(7))
    assert np.array_equal(scaler.transform(x, np.float64), np.zeros((60, 7)))


def test_float16_and_float32_up_to_their_largest_number():
    for dtype in (np.float16, np.float32):
        x = np.array([[-1.0], [1.0]]) * float(np.finfo(dtype).max)
        assert np.allclose(Scaler.fit(x.astype(dtype), "per-pixel").transform(x, np.float64), [[-1], [1]])


def test_a_spread_that_cannot_be_divided_by_is_named():
    with pytest.raises(DataError, match=r"differ by 1e-310 only.*multiply the data"):
        Scaler.fit(np.array([[-1e-310], [1e-310]]), "per-pixel")


def test_rows_that_the_precision_cannot_hold_are_refused_before_training():
    x = np.random.default_rng(4).normal(size=(20, 3))
    for size, what in ((1e200, "infinite"), (1e-200, "zero")):
        with pytest.raises(DataError, match=rf"float32 makes {what}: use --scaling per-pixel"):
            check_fits(size * x, "raw", "float32")
        check_fits(size * x, "raw", "float64")
        check_fits(size * x, "per-pixel", "float32")
    check_fits(np.zeros((20, 3)), "unit", "float32")
