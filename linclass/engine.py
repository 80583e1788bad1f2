"""BLAS threads, and what can be said about this machine's arithmetic.

numpy's and scipy's wheels each carry an OpenBLAS with a thread pool of its own; both are limited together.

While a model trains, `--threads 2` gives BLAS two threads where products are wide
(`runs.build.has_wide_products`), else one: OpenBLAS's threads wait for each other spinning, which costs more
than they save where products are short. One is the default, because beside a busy process two take several
times as long, and because BLAS's bits depend on their number. Where nothing is trained (`evaluate`, ...),
`--threads` is BLAS's.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

DEFAULT_THREADS = 1
"""Of BLAS around a training, and of `--threads` where it is not given."""


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """BLAS uses `threads` threads inside the block."""
    with threadpool_limits(limits=threads, user_api="blas"):
        yield


def limit(threads: int) -> None:
    """BLAS uses `threads` threads from now on, in all of this process."""
    threadpool_limits(limits=threads, user_api="blas")


def describe() -> list[dict[str, Any]]:
    """The BLAS libraries that are loaded: name, version, kernel family."""
    keys = ("internal_api", "version", "architecture")
    return [{key: pool.get(key) for key in keys} for pool in threadpool_info() if pool["user_api"] == "blas"]


def fingerprint() -> str:
    """A digest of a few fixed products and functions: two machines that agree on it agree on bits.

    It depends on the processor's kernels, numpy's build and the number of BLAS threads in force.
    """
    sha = hashlib.sha256()
    for dtype in (np.float32, np.float64):
        a = (np.arange(100 * 3072) % 251 / 251 - 0.5).astype(dtype).reshape(100, 3072)
        w = (np.arange(10 * 3072) % 241 / 241 - 0.5).astype(dtype).reshape(10, 3072)
        scores = a @ w.T
        for array in (scores, scores.T @ a, np.exp(scores / 100), np.log(np.abs(scores) + 1)):
            sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]
