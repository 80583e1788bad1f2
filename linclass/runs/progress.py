"""What a run tells while it goes; progress as one line that is redrawn, or as a notebook's bar (tqdm)."""

from __future__ import annotations

import functools
import math
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from linclass.errors import RunWarning

if TYPE_CHECKING:
    from linclass.training.history import Row

WIDTH = 80
"""Columns of a terminal that does not tell its width."""
_WITH_BAR = "{n_fmt}/{total_fmt} |{bar}| [<{remaining}] {text}"
_WITHOUT_BAR = "{n_fmt}/{total_fmt} [<{remaining}] {text}"


class Listener:
    """Silent as it is: override what you want to hear."""

    def start(self, directory: str, done: int, epochs: int) -> None:
        """Training into `directory` begins after `done` of `epochs` epochs."""

    def epoch(self, rows: Sequence[Row]) -> None:
        """The rows of a finished epoch, one a model."""

    def note(self, text: str) -> None:
        """A line about what is going on."""

    def warning(self, text: str) -> None:
        """A line that the user must see: the numbers may not be what they seem."""
        self.note(text)

    def close(self) -> None:
        """Training is over, however it ended."""


def is_seen() -> bool:
    """Whether a line that is redrawn can be seen: stderr is a terminal, or this is a notebook."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config


@functools.cache
def _tqdm() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without ipywidgets gets the line of a terminal
        from tqdm.auto import tqdm
    return tqdm


@functools.cache
def _line() -> Any:
    """tqdm's bar with the longest of `texts` that fits beside it: a number is left out, never cut."""

    # a base that the type checker cannot know: tqdm is imported when the first line is drawn
    class Line(_tqdm()):  # type: ignore[misc]
        texts: Sequence[str] = ("",)

        @property
        def format_dict(self) -> dict[str, Any]:
            parts: dict[str, Any] = super().format_dict
            if in_notebook():
                return {**parts, "ncols": None, "bar_format": _WITH_BAR, "text": self.texts[0]}
            width = parts["ncols"] or WIDTH
            for text in self.texts:
                for form in (_WITH_BAR, _WITHOUT_BAR):
                    parts |= {"ncols": None, "bar_format": form, "text": text}
                    if len(self.format_meter(**parts)) <= width:
                        return {**parts, "ncols": width}
            return {**parts, "ncols": width}

    return Line


class EpochBar:
    """The line of a training: epochs, the time left, the current numbers.

    done: epochs that an earlier process trained, which the time left does not count.
    """

    def __init__(self, done: int, epochs: int) -> None:
        self._bar = _line()(initial=done, total=epochs, file=sys.stderr, dynamic_ncols=True, miniters=1)

    def epoch(self, rows: Sequence[Row]) -> None:
        """The rows of a finished epoch, one a model."""
        self._bar.texts = texts(rows)
        self._bar.update(1)

    def write(self, text: str) -> None:
        """A line above it."""
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        self._bar.refresh()
        self._bar.close()


def texts(rows: Sequence[Row]) -> list[str]:
    """The numbers of an epoch, means over the models of `rows`: everything first, then always less."""

    def mean(name: str) -> float:
        return float(sum(row[name] for row in rows)) / len(rows)

    cost = f"cost: train {_number(mean('train_cost'))}, val {_number(mean('val_cost'))}"
    if math.isnan(mean("train_accuracy")):  # a regression
        return [cost, ""]
    train, val = (f"{100 * mean(f'{split}_accuracy'):.1f}" for split in ("train", "val"))
    return [f"{cost} | accuracy: train {train}, val {val} %", f"{cost} | accuracy: val {val} %", cost, ""]


def _number(value: float) -> str:
    """Four digits, with an exponent where there would be more or leading zeros."""
    return f"{value:#.4g}".rstrip(".")


def byte_bar(total: int) -> Any:
    """tqdm's bar over `total` bytes."""
    return _tqdm()(total=total, file=sys.stderr, dynamic_ncols=True, unit="B", unit_scale=True, miniters=1)


class PythonProgress(Listener):
    """What a Python program sees of a run when it asks for nothing: warnings, and a notebook's bar."""

    def __init__(self) -> None:
        self._bar: EpochBar | None = None

    def start(self, directory: str, done: int, epochs: int) -> None:
        if in_notebook():
            self._bar = EpochBar(done, epochs)

    def epoch(self, rows: Sequence[Row]) -> None:
        if self._bar is not None:
            self._bar.epoch(rows)

    def warning(self, text: str) -> None:
        frame: FrameType | None = sys._getframe()
        level = 1
        while frame is not None and frame.f_globals.get("__name__", "").startswith("linclass."):
            frame, level = frame.f_back, level + 1
        warnings.warn(text, RunWarning, stacklevel=level)  # the line that called linclass

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


PYTHON = PythonProgress()
