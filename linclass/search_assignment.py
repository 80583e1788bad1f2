"""A published search that runs again with one command: what was searched, and what the report chose."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linclass.console import call, say
from linclass.help import Command
from linclass.options import chosen, experiment_options, run_options
from linclass.settings import Experiment
from linclass.sweep_command import run_search, search_options

if TYPE_CHECKING:
    from linclass.search import Found


@dataclass(frozen=True)
class SearchAssignment:
    """A published search.

    Attributes:
        name: its file, and its directory under result_pics/.
        title: one line. source: the report.
        settings: what all trials have in common.
        random, grid: the space; see `search.spaces`.
        trials: random draws a round. rounds: the later ones narrow around the best.
        published_test: the test accuracy of what the report chose; the best trial's is printed beside it.
        chosen: what the report took from it, in words. remarks: what else is to be said.
    """

    name: str
    title: str
    source: str
    settings: Experiment
    random: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    trials: int = 1
    rounds: int = 1
    published_test: float | None = None
    chosen: str = ""
    remarks: str = ""

    def command(self) -> click.Command:
        """Its command line: the options of `linclass sweep`, but for the space."""

        @click.command(self.name, cls=Command, help=f"{self.title}\n\n{self.source}.")
        @search_options(self.trials, self.rounds)
        @experiment_options(self.settings)
        @run_options
        def command(**given: Any) -> None:
            self.run(given)

        return command

    def run(self, given: dict[str, Any]) -> None:
        """Search, print the table and what the report chose."""
        from linclass.run_data import fitting
        from linclass.search import space

        data_dir = given["data_dir"]
        settings = fitting(chosen(self.settings, given), given, data_dir)
        found = run_search(space(self.random, self.grid), settings, self.name, given)
        if self.published_test is not None:
            self._score(found, self.published_test, data_dir)
        if self.chosen:
            say(f"the report chose {self.chosen}")
        if self.remarks:
            say(self.remarks)
        if found.settings.dataset.endswith("-sample"):
            say(f"{self.name}: on the bundled sample; the report's search is on the full data")

    def _score(self, found: Found, published: float, data_dir: Path | None) -> None:
        """Print the best trial's test accuracy beside the published one."""
        from linclass import scoring
        from linclass.evaluation import Report

        (report,) = scoring.evaluate_run(found.path / "best", data_dir=data_dir)
        assert isinstance(report, Report)  # a search is over classifiers
        low, high = report.interval
        say(
            f"test accuracy of the best trial: {100 * report.accuracy:.2f} % "
            f"(95 % interval {100 * low:.2f} to {100 * high:.2f}); published: {100 * published:.0f} %"
        )

    def main(self) -> None:
        """Run from the command line: `python -m assignments.<name>`."""
        sys.exit(call(self.command(), prog_name=f"python -m assignments.{self.name}"))
