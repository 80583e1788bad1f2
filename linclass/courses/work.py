"""Work: what a course or a report published, as a record that runs again with one command.

A file in `assignments/` holds such a record: what differs from the baseline, and what was published. This
module gives it a command line that takes every experiment option; what is run and printed is the kind's.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from linclass.cli.console import call, say
from linclass.cli.help import Command
from linclass.cli.options import chosen, experiment_options, in_order, run_options
from linclass.errors import UsageError
from linclass.settings import Experiment, option_name

Decorator = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Work(ABC):
    """Published work: an experiment, a search, or claims.

    Attributes:
        name: its file, and its directory under result_pics/.
        title: one line. source: the report. figures: what the report drew from it.
        settings: what it trains; the command line's options come on top.
        remarks: what else is to be said beside the numbers.
    """

    name: str
    title: str
    source: str
    settings: Experiment
    figures: str = ""
    remarks: str = ""

    def command_options(self) -> Sequence[Decorator]:
        """The options of its command line, in the order of the help."""
        return [experiment_options(self.settings), run_options]

    def varied(self) -> Iterable[tuple[str, str]]:
        """The experiment fields that the work sets itself, each with what is to be said of it."""
        return ()

    @abstractmethod
    def carry_out(self, given: Mapping[str, Any]) -> Sequence[str]:
        """Train, and print the numbers beside the published ones.

        Returns: lines on where they are and how the work differs from the published one; they come last.
        """

    def experiment(self, given: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Experiment:
        """The settings with `changes`, and the given options on top.

        All of the bundled sample, where it stands in for more rows, unless their number is given or changed.
        """
        from linclass.runs.data import fitting

        changes = changes or {}
        settings = chosen(self.settings.replace(**changes), given)
        return fitting(settings, {**given, **changes}, given["data_dir"])

    def run(self, given: Mapping[str, Any]) -> None:
        """Carry it out and print what it came to.

        given: every option of the command line by its name; None stands for "not given".
        """
        for name, told in self.varied():
            if given.get(name) is not None:
                raise UsageError(f"{option_name(name)} is what {self.name} varies{told}: leave it out")
        last = self.carry_out(given)
        for text in (self.remarks, *last):
            if text:
                say(text)

    def command(self) -> click.Command:
        """Its command line."""

        @click.command(self.name, cls=Command, help=f"{self.title}\n\n{self.source}. {self.figures}")
        @in_order(*self.command_options())
        def command(**given: Any) -> None:
            self.run(given)

        return command

    def main(self) -> None:
        """Run from the command line: `python -m assignments.<name>`."""
        sys.exit(call(self.command(), prog_name=f"python -m assignments.{self.name}"))
