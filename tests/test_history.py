import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linclass.errors import DataError
from linclass.training.history import COLUMNS, History


def row(epoch: int, value: float = 0.5, **more: float) -> dict:
    return {**dict.fromkeys(COLUMNS, value), "epoch": epoch, **more}


@given(st.lists(st.floats(), min_size=1, max_size=20))
def test_numbers_read_back_exactly(values: list[float]) -> None:
    history = History()
    for epoch, value in enumerate(values, start=1):
        history.append(row(epoch, value))
    for again in (History.from_csv(history.to_csv()), History.from_table(history.table(), label="it")):
        assert again.to_csv() == history.to_csv()
        for name in COLUMNS[1:]:
            np.testing.assert_array_equal(again.column(name), history.column(name))


def test_several_models_are_in_long_format() -> None:
    history = History(3, test=True)
    history.append(row(1, model=0, test_accuracy=0.1))
    history.append(row(1, model=2, test_accuracy=0.3))
    history.append(row(2, model=2, test_accuracy=0.4))
    assert history.to_csv().startswith("model,epoch,train_loss,")
    assert history.to_csv().splitlines()[0].endswith(",seconds,test_accuracy")
    assert history.latest() == [history.rows[-1]]
    np.testing.assert_array_equal(history.last("test_accuracy"), [0.1, math.nan, 0.4])
    np.testing.assert_array_equal(history.matrix("epoch"), [[1, math.nan, 1], [math.nan, math.nan, 2]])
    assert History.from_table(history.table(), 3, test=True, label="it").rows == history.rows
    frame = history.to_pandas()
    assert list(frame["model"]) == [0, 2, 2]
    assert list(frame.columns) == list(history.columns)


def test_float32_and_numpy_integers_are_written_as_numbers() -> None:
    history = History()
    history.append(row(1, np.float32(0.1)))
    assert "np." not in history.to_csv()
    assert History.from_csv(history.to_csv()).column("val_loss")[0] == np.float32(0.1)


@pytest.mark.parametrize("damage", ["1,2,3\n", "x" * 10 + "\n", "1" + ",oops" * (len(COLUMNS) - 1) + "\n"])
def test_a_damaged_line_is_named(damage: str) -> None:
    history = History()
    history.append(row(1))
    with pytest.raises(DataError, match="line 3"):
        History.from_csv(history.to_csv() + damage)


def test_a_table_that_is_no_history_is_refused() -> None:
    history = History()
    history.append(row(1))
    good = history.table()
    for table in (
        good[:, :-1],
        good[0],
        good.astype(np.float32),
        good + 0.5,
        good * np.nan,
        good + np.inf,
        good + 1,
    ):
        with pytest.raises(DataError, match="it"):
            History.from_table(table, label="it")


def test_a_foreign_header_is_refused() -> None:
    with pytest.raises(DataError, match="header"):
        History.from_csv("a,b\n1,2\n")


def test_a_row_must_have_exactly_the_columns() -> None:
    with pytest.raises(ValueError, match="expected"):
        History().append({"epoch": 1})
