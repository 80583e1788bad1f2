"""Labels: integers in [0, C), one for each row."""

from __future__ import annotations

import numpy as np

from linclass.errors import DataError
from linclass.params import Array


def check_labels(y: Array, C: int, label: str) -> None:
    """Raise DataError naming the first row of y `(n,)` whose label is outside [0, C)."""
    outside = (y < 0) | (y >= C)
    if outside.any():
        row = int(np.argmax(outside))
        raise DataError(f"{label}: the label of row {row:,} is {int(y[row])}; expected 0 to {C - 1}")
