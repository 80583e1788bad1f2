"""Every random stream has a name: (seed, purpose, numbers). Nothing is drawn from a shared generator.

The order of epoch 17 is `permutation(n, seed, "order", 17)` whether or not epochs 0 to 16 were run, on
which machine, and after how many interruptions: no generator state needs to be saved.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def stream(seed: int, purpose: str, *numbers: int) -> np.random.PCG64:
    """The bit generator named (seed, purpose, numbers); all numbers are non-negative."""
    return np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *numbers]))


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """A numpy Generator over `stream`, for drawing normals and the like."""
    return np.random.Generator(stream(seed, purpose, *numbers))


def permutation(n: int, seed: int, purpose: str, *numbers: int) -> NDArray[np.intp]:
    """A permutation of range(n).

    It sorts raw 64-bit outputs, because those are fixed by the definition of PCG64 while the algorithm
    behind `Generator.permutation` may change between numpy versions.
    """
    raw: NDArray[Any] = stream(seed, purpose, *numbers).random_raw(n)
    order = np.argsort(raw)
    in_order = raw[order]
    if (in_order[1:] == in_order[:-1]).any():
        # of equal numbers, which hardly ever occur, the first comes first; the sort that promises it takes
        # 2.5 times as long
        return np.argsort(raw, kind="stable")
    return order
