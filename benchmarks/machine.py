"""What this machine is, and the most its arithmetic gives: a large single-precision product."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from linclass import __version__, engine

SIZE = 2048
REPEATS = 5
PACKAGES = ("numpy", "scipy", "torch", "jax", "scikit-learn")


def describe(threads: int) -> dict[str, Any]:
    """Processor, cores, versions, BLAS kernels, and the SGEMM peaks in GFLOP/s by number of threads."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": platform.system(),
        "python": platform.python_version(),
        "linclass": __version__,
        "versions": {package: _version(package) for package in PACKAGES},
        "blas": engine.describe(),
        "sgemm_gflops": {str(count): sgemm_peak(count) for count in sorted({1, threads})},
    }


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sgemm_peak(threads: int) -> float:
    """GFLOP/s of A B, SIZE x SIZE float32, 2 SIZE^3 operations: the best of some repeats."""
    A, B = np.random.default_rng(0).random((2, SIZE, SIZE), dtype=np.float32)
    out, seconds = np.empty_like(A), []
    with engine.limited(threads):
        for _ in range(REPEATS):
            started = time.perf_counter()
            np.matmul(A, B, out=out)
            seconds.append(time.perf_counter() - started)
    return 2 * SIZE**3 / min(seconds) / 1e9


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
