import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linclass.params import Params, by_model

SHAPES = {"W": (3, 4), "b": (3,)}


def filled(K: int) -> Params:
    params = Params(SHAPES, K)
    params.flat[:] = np.arange(len(params.flat))
    return params


@given(st.integers(1, 5))
def test_views_share_the_flat_buffer_name_by_name(K: int) -> None:
    params = filled(K)
    assert params.flat.shape == (K * 15,)
    assert params["W"].shape == (K, 3, 4)
    assert params["W"].reshape(K * 3, 4).base is not None
    params["b"][K - 1, 2] = -1.0
    assert params.flat[-1] == -1.0
    np.testing.assert_array_equal(params["W"].ravel(), params.flat[: K * 12])


def test_select_shares_memory_and_copy_does_not() -> None:
    params, copy = filled(3), filled(3).copy()
    params.select(1)["W"][0, 0, 0] = 99.0
    assert params["W"][1, 0, 0] == 99.0
    copy.flat[:] = 0
    assert params.flat.any()
    assert filled(1).select(0)["b"].shape == (1, 3)


def test_matrix_dot_norm_are_per_model() -> None:
    params = filled(2)
    matrix = params.matrix()
    assert matrix.shape == (2, 15)
    np.testing.assert_array_equal(matrix[1], np.concatenate([params["W"][1].ravel(), params["b"][1]]))
    np.testing.assert_allclose(params.norm(), np.linalg.norm(matrix, axis=1))
    np.testing.assert_allclose(params.dot(params), (matrix**2).sum(axis=1))


def test_set_model_copies_one_model() -> None:
    params = filled(2)
    params.set_model(0, params.select(1))
    np.testing.assert_array_equal(*params.matrix())


def test_a_wrong_buffer_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Params(SHAPES, 2, flat=np.zeros(29))


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
