"""Listener: what a run tells while it goes. This one is silent; see `progress` and `console`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linclass.history import Row


class Listener:
    """Override what you want to hear."""

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
