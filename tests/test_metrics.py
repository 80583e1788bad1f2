import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from linclass.metrics import confusion_matrix, mean_interval, total_variation, wilson_interval


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
