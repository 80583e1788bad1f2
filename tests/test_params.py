import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linclass.params import Params, by_model, finite, surely_finite

SHAPES = {"W": (3, 4), "b": (3,)}


def filled(K: int) -> Params:
    params = Params(SHAPES, K)
    params.flat[...] = np.arange(params.flat.size).reshape(params.flat.shape)
    return params


@given(st.integers(1, 5))
def test_row_k_of_the_buffer_is_model_k_name_by_name(K: int) -> None:
    params = filled(K)
    assert params.flat.shape == (K, 15)
    assert params["W"].shape == (K, 3, 4)
    assert all(np.shares_memory(array, params.flat) for array in params.values())
    params["b"][K - 1, 2] = -1.0
    assert params.flat[K - 1, 14] == -1.0
    for k in range(K):
        model = np.concatenate([params["W"][k].ravel(), params["b"][k]])
        np.testing.assert_array_equal(model, params.flat[k])


def test_select_shares_memory_and_copy_does_not() -> None:
    params, copy = filled(3), filled(3).copy()
    one = params.select(1)
    one["W"][0, 0, 0] = 99.0
    assert params["W"][1, 0, 0] == 99.0
    assert one.flat.flags.c_contiguous
    assert one["W"].flags.c_contiguous
    copy.flat[:] = 0
    assert params.flat.any()
    assert filled(1).select(0)["b"].shape == (1, 3)
    np.testing.assert_array_equal(params.select(slice(1, 3)).flat, params.flat[1:])


def test_norms_are_per_model() -> None:
    params = filled(2)
    np.testing.assert_allclose(params.norm(), np.linalg.norm(params.flat, axis=1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_models_that_are_not_finite_are_told_apart(bad: float) -> None:
    params = filled(3)
    assert surely_finite(params)
    params["b"][1, 0] = bad
    assert not surely_finite(params)
    assert finite(params).tolist() == [True, False, True]


def test_a_wrong_buffer_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Params(SHAPES, 2, flat=np.zeros((2, 14)))


@pytest.mark.parametrize("large", [1, 10**6])
def test_by_model_gives_each_models_own_value_to_its_own_part(
    large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linclass.params.LARGE", large)
    params = filled(3)
    for array in params.values():
        whole, values = array.astype(np.float32), np.array([1.0, 2.0, 3.0])
        expected = [value * part for value, part in zip(values, whole, strict=True)]
        for value, part in by_model(values, whole):
            assert value.dtype == np.float32
            part *= value
        np.testing.assert_array_equal(whole, expected)
