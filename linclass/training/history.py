"""History: one row an epoch (and model), the only place metrics go.

Printing, plotting and stopping read it; `values.csv` is its text, and numbers read back exactly.
With K > 1 models a leading column `model` tells them apart (long format). A regression has no accuracies:
these columns are NaN, `nan` in the text.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from linclass.errors import DataError, one_line, quoted
from linclass.params import Array

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "epoch",
    "train_loss",
    "train_cost",
    "train_accuracy",
    "val_loss",
    "val_cost",
    "val_accuracy",
    "difference",
    "running_loss",
    "running_accuracy",
    "learning_rate",
    "seconds",
)
_INTEGERS = frozenset({"model", "epoch"})
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|inf|nan)")  # as repr writes it

Row = Mapping[str, Any]


class History:
    """Rows in the order of their epochs.

    Args:
        K: number of models. test: whether there is a column `test_accuracy`.
    """

    def __init__(self, K: int = 1, *, test: bool = False) -> None:
        self.K = K
        self.columns = (("model",) if K > 1 else ()) + COLUMNS + (("test_accuracy",) if test else ())
        self.rows: list[Row] = []
        self._models: list[list[Row]] = [[] for _ in range(K)]
        self._numbers = array("d")  # of all rows, for `table`: a state is saved after every epoch

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, row: Row) -> None:
        """Add a row; its keys are exactly `columns` (a row of K = 1 needs no `model`)."""
        if set(row) - {"model"} != set(self.columns) - {"model"}:
            raise ValueError(f"row has {sorted(row)}; expected {sorted(self.columns)}")
        kept = {name: row[name] for name in self.columns}
        self.rows.append(kept)
        self._numbers.extend(float(value) for value in kept.values())
        self._models[kept.get("model", 0)].append(kept)

    @property
    def epochs(self) -> int:
        """The last epoch there is a row for; 0 if none."""
        return int(self.rows[-1]["epoch"]) if self.rows else 0

    def of_model(self, k: int = 0) -> list[Row]:
        """The rows of model k."""
        return self._models[k]

    def latest(self) -> list[Row]:
        """The rows of the last epoch, one for each model that was still training."""
        return [rows[-1] for rows in self._models if rows and rows[-1]["epoch"] == self.epochs]

    def column(self, name: str, k: int = 0) -> Array:
        """Column `name` of model k, one number an epoch, `(E_k,)`."""
        return np.array([row[name] for row in self.of_model(k)])

    def matrix(self, name: str) -> Array:
        """Column `name` as `(E, K)`; NaN where a model had stopped."""
        table = np.full((self.epochs, self.K), np.nan)
        for row in self.rows:
            table[row["epoch"] - 1, row.get("model", 0)] = row[name]
        return table

    def at(self, name: str, epoch: int) -> Array:
        """Column `name` of each model after `epoch`, `(K,)`: of one that stopped before its last value, NaN
        of one without rows."""
        return np.array([rows[min(epoch, len(rows)) - 1][name] if rows else np.nan for rows in self._models])

    def last(self, name: str) -> Array:
        """The last value of column `name` of each model, `(K,)`; NaN for a model without rows."""
        return np.array([rows[-1][name] if rows else np.nan for rows in self._models])

    def table(self) -> Array:
        """All rows as numbers, `(rows, columns)` float64: the same that the text of `to_csv` has."""
        return np.array(self._numbers).reshape(-1, len(self.columns))

    @classmethod
    def from_table(cls, table: Array, K: int = 1, *, test: bool = False, label: str) -> History:
        """Read what `table` gave back. Raises DataError where it is no such table; `label` names it."""
        history = cls(K, test=test)
        if table.dtype != np.float64 or table.shape[1:] != (len(history.columns),):
            raise DataError(
                f"{label} is {table.dtype} {table.shape}; expected float64 (rows, {len(history.columns)})"
            )
        integers = [name in _INTEGERS for name in history.columns]
        for number, values in enumerate(table.tolist(), start=1):
            try:
                cells = (_whole(v) if whole else v for v, whole in zip(values, integers, strict=True))
                row = dict(zip(history.columns, cells, strict=True))
                history._check_place(row)
            except ValueError as error:
                raise DataError(f"{label}: row {number} is not a row of the run ({error})") from error
            history.append(row)
        return history

    def header(self) -> str:
        """The first line of the CSV text."""
        return ",".join(self.columns) + "\n"

    def lines(self, rows: Iterable[Row]) -> str:
        """Rows as CSV text; `repr` writes the shortest text that reads back as the same float64."""
        return "".join(",".join(_text(row[name]) for name in self.columns) + "\n" for row in rows)

    def to_csv(self) -> str:
        """The whole text of `values.csv`."""
        return self.header() + self.lines(self.rows)

    @classmethod
    def from_csv(cls, text: str, K: int = 1, *, label: str = "values.csv") -> History:
        """Read the text of `to_csv` back. Raises DataError naming the line that does not fit."""
        lines = text.splitlines()
        header = tuple(lines[0].split(",")) if lines else ()
        history = cls(K, test="test_accuracy" in header)
        if header != history.columns:
            raise DataError(f"{label}: its header is not that of a run of {K} model(s)")
        for number, line in enumerate(lines[1:], start=2):
            cells = line.split(",")
            try:
                row = {name: _number(name, cell) for name, cell in zip(history.columns, cells, strict=True)}
                history._check_place(row)
                history.append(row)
            except ValueError as error:
                raise DataError(
                    f"{label}: line {number} is not a row of numbers ({one_line(error)})"
                ) from error
        return history

    def _check_place(self, row: Row) -> None:
        """The epochs of a model count up from 1: another number would be as many rows of `matrix`."""
        k = row.get("model", 0)
        if not 0 <= k < self.K:
            raise ValueError(f"model {k}; expected 0 to {self.K - 1}")
        if row["epoch"] != len(self._models[k]) + 1:
            raise ValueError(f"epoch {row['epoch']}; expected {len(self._models[k]) + 1}")

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with the same columns."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(self.columns))


def _number(name: str, cell: str) -> int | float:
    if not _NUMBER.fullmatch(cell):
        raise ValueError(f"{name} is {quoted(cell)}")
    return int(cell) if name in _INTEGERS else float(cell)


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError(f"{value}; expected a whole number")
    return int(value)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
