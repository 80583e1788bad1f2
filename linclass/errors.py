"""The few exception classes a user can meet, each with the exit code the command line ends with.

A message finishes the user's sentence: the value, what was expected, the next move.
"""

from __future__ import annotations


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
