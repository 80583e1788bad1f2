"""Extras: libraries that linclass can do without, and how a missing one is installed."""

from __future__ import annotations

import shlex
import sys

from linclass.errors import UsageError

REQUIREMENTS = {"torch": "torch>=2.2", "dask": "distributed>=2024.5", "tune": "optuna>=4.0"}
"""Extra of linclass -> what it stands for in setup.cfg."""


def missing(what: str, extra: str) -> UsageError:
    """What is raised where the library of an extra is not installed: a command for the Python that runs.

    It names the library, not linclass[extra]: that works from a checkout, a wheel and an index alike.
    """
    command = f'{shlex.quote(sys.executable)} -m pip install "{REQUIREMENTS[extra]}"'
    return UsageError(f"{what} not installed: {command} (the extra [{extra}] of linclass)")
