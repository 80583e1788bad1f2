import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from linclass.errors import decimal
from linclass.metrics import (
    confusion_matrix,
    mcnemar,
    mean_interval,
    reliability,
    total_variation,
    wilson_interval,
)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20))
def test_mean_interval_is_students(values: list[float]) -> None:
    interval = mean_interval(np.array(values))
    n = len(values)
    expected = stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    assert interval.mean == pytest.approx(np.mean(values))
    assert interval.half_width == pytest.approx(expected)


def test_a_single_value_has_no_interval() -> None:
    assert mean_interval(np.array([0.25, np.nan])).text(percent=True) == "25.00 %"
    assert mean_interval(np.array([1.0, 2.0])).text() == "1.50000 ± 6.35310"


def test_large_numbers_have_exponents() -> None:
    assert mean_interval(np.array([75125731258620689305363573374976.0])).text() == "7.51257e+31"
    assert mean_interval(np.array([2e6, 4e6])).text() == "3.00000e+06 ± 1.27062e+07"
    assert decimal(999999.0) == "999999.00000"
    assert decimal(-1e6, 4) == "-1.0000e+06"
    assert decimal(float("nan")) == "nan"


@given(st.integers(1, 500), st.data())
def test_wilson_against_scipy(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, n))
    expected = stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(correct, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_confusion_by_brute_force() -> None:
    generator = np.random.default_rng(0)
    y, predicted = generator.integers(0, 4, 100), generator.integers(0, 4, 100)
    expected = [[np.sum((y == i) & (predicted == j)) for j in range(4)] for i in range(4)]
    np.testing.assert_array_equal(confusion_matrix(y, predicted, 4), expected)


def test_total_variation_tells_noise_from_patterns() -> None:
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 5, (4, 3, 32, 32))
    ramp = np.broadcast_to(np.linspace(0, 1, 32), (1, 3, 32, 32))
    assert total_variation(noise) == pytest.approx(2 / np.sqrt(np.pi), abs=0.03)
    assert total_variation(ramp)[0] < 0.06
    assert total_variation(np.ones((1, 1, 8, 8)))[0] == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_against_scipy(pairs: list[tuple[bool, bool]]) -> None:
    a, b = np.array(pairs).T
    only_a, only_b = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
    found = mcnemar(a, b)
    assert found[:2] == (only_a, only_b)
    n = only_a + only_b
    expected = stats.binomtest(only_a, n, 0.5).pvalue if n else 1.0
    assert found.p == pytest.approx(expected, abs=1e-12)
    assert mcnemar(b, a) == (found.c, found.b, found.p)


def test_mcnemar_needs_the_same_rows() -> None:
    with pytest.raises(ValueError, match="the same rows twice"):
        mcnemar(np.ones(3, bool), np.ones(4, bool))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([1, 10, 15]),
)
def test_reliability_by_brute_force(rows: list[tuple[float, bool]], bins: int) -> None:
    table = reliability(np.array([p for p, _ in rows]), np.array([right for _, right in rows]), bins)
    error = 0.0
    for m, (low, high) in enumerate(itertools.pairwise(np.linspace(0, 1, bins + 1))):
        inside = [(p, right) for p, right in rows if low < p <= high or (m == 0 and p == 0)]
        assert (table.rows[m], table.correct[m]) == (len(inside), sum(right for _, right in inside))
        if inside:
            gap = np.mean([right for _, right in inside]) - np.mean([p for p, _ in inside])
            error += abs(gap) * len(inside) / len(rows)
    assert table.error == pytest.approx(error, abs=1e-12)


def test_calibration_error_of_calibrated_and_of_overconfident_probabilities() -> None:
    rng = np.random.default_rng(0)
    stated = rng.random(100_000)
    calibrated = rng.random(100_000) < stated
    assert reliability(stated, calibrated).error < 0.01
    assert reliability(np.ones(1000), np.arange(1000) < 700).error == pytest.approx(0.3)
    edges = reliability(np.array([0, 0.5, 1]), np.array([True, True, False]), 2)
    assert (list(edges.rows), list(edges.correct)) == ([2, 1], [2, 0]), "bins are closed on the right"
    with pytest.raises(ValueError, match="probability"):
        reliability(np.array([1.5]), np.array([True]))


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 3e38), (np.float64, 1.7e308), (np.float64, 1e-300)])
def test_total_variation_has_no_scale(dtype: Any, size: float) -> None:
    images = np.random.default_rng(5).uniform(-1, 1, (3, 1, 8, 8))
    assert total_variation((size * images).astype(dtype)) == pytest.approx(total_variation(images), rel=1e-5)
