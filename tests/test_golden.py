"""The golden table: checkouts that train alike agree in every number; a planted difference is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from linclass.errors import CheckFailedError
from reliability import golden

pytestmark = pytest.mark.bits

HERE = Path(__file__).parents[1]


def test_a_checkout_is_itself_to_the_bit(tmp_path: Path) -> None:
    (row,) = golden.compare(HERE, HERE, tmp_path, ("regression",))
    assert row.numbers > 2000
    assert (row.different, row.largest) == (0, 0.0)


def test_a_planted_difference_is_found_and_named() -> None:
    a = {"state.npz params.W": np.arange(6.0), "values.csv train_loss": np.array([1.0, np.nan])}
    b = {name: array.copy() for name, array in a.items()}
    assert golden.difference("same", a, b) == ("same", 8, 0, 0.0, "")
    b["state.npz params.W"][5] += 1e-9
    found = golden.difference("planted", a, b)
    assert (found.different, found.where) == (1, "state.npz params.W")
    assert found.largest == pytest.approx(2e-10)
    b["values.csv train_loss"][1] = 1.0
    assert golden.difference("NaN", a, b).largest == np.inf
    with pytest.raises(CheckFailedError, match=r"state\.npz params\.W"):
        golden.difference("shapes", a, {**b, "state.npz params.W": np.zeros(5)})
    with pytest.raises(CheckFailedError, match=r"best\.npz b"):
        golden.difference("names", a, {**b, "best.npz b": np.zeros(1)})
