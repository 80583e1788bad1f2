"""The few exception classes a user can meet, each with the exit code the command line ends with.

A message finishes the user's sentence: the value, what was expected, the next move.
"""

from __future__ import annotations

import shlex
import sys

REQUIREMENTS = {"torch": "torch>=2.2", "dask": "distributed>=2024.5", "tune": "optuna>=4.0"}
"""Extra of linclass -> what it stands for in setup.cfg."""


_LARGE = 1e6
"""From here on a number is written with an exponent."""


def counted(n: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def decimal(number: float, digits: int = 5) -> str:
    """So many digits after the point, with an exponent where it is large: `2.30259`, `7.51257e+37`."""
    return f"{number:.{digits}{'f' if abs(number) < _LARGE else 'e'}}"


def quoted(text: str, most: int = 40) -> str:
    """Text from a file, fit for a message: no line breaks, no control characters, at most `most` in all."""
    escaped = ascii(text[: most + 1])  # one character of the text may become ten
    return escaped if len(escaped) <= most + 2 else f"{escaped[: most - 2]}...{escaped[0]}"


def one_line(error: BaseException, most: int = 160) -> str:
    """What another library says of a file, fit for a message."""
    text = " ".join(str(error)[: 4 * most].split())[:most]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class RunWarning(UserWarning):
    """What a Python program is told of a run: its numbers may not be what they seem."""


class LinclassError(Exception):
    """Base of all errors that are the user's to read; anything else is a bug (exit code 1)."""

    exit_code = 1


class UsageError(LinclassError):
    """An option or an argument that cannot be used."""

    exit_code = 2


class TooFewRowsError(UsageError):
    """More rows were asked for than the data set has."""


class DataError(LinclassError):
    """A data file that is missing, damaged, or not what it should be."""

    exit_code = 3


class DivergedError(LinclassError):
    """The cost or the parameters are no longer finite."""

    exit_code = 4


class RunTakenError(LinclassError):
    """The run directory is locked, or holds a run that must not be written over."""

    exit_code = 5


class StorageError(LinclassError):
    """The file system refused: no space, no permission, a broken disk."""

    exit_code = 6


class WorkerDiedError(LinclassError):
    """A worker process was ended by the system, again and again."""

    exit_code = 6


class SchedulerError(LinclassError):
    """The cluster's scheduler is not there, has no workers, or was lost."""

    exit_code = 6


class CheckFailedError(LinclassError):
    """A check that was asked for (gradients, a verification) did not pass."""

    exit_code = 7


class InterruptedRun(LinclassError):
    """A signal ended the run; its state is saved. Exit code 128 + signal number (130, 143)."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number


def missing(what: str, extra: str) -> UsageError:
    """What is raised where the library of an extra is not installed: a command for the Python that runs.

    It names the library, not linclass[extra]: that works from a checkout, a wheel and an index alike.
    """
    command = f'{shlex.quote(sys.executable)} -m pip install "{REQUIREMENTS[extra]}"'
    return UsageError(f"{what} not installed: {command} (the extra [{extra}] of linclass)")
