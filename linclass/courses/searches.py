"""A published search that runs again: what was searched, and what the report chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from linclass.cli.console import say
from linclass.cli.sweep import run_search, search_options
from linclass.courses.work import Decorator, Work


@dataclass(frozen=True, kw_only=True)
class SearchAssignment(Work):
    """A published search; its settings are what all trials have in common.

    Attributes:
        random, grid: the space; see `search.spaces`.
        trials: random draws a round. rounds: the later ones narrow around the best.
        published_test: the test accuracy of what the report chose; the best trial's is printed beside it.
        chosen: what the report took from it, in words.
    """

    random: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    trials: int = 1
    rounds: int = 1
    published_test: float | None = None
    chosen: str = ""

    def command_options(self) -> Sequence[Decorator]:
        """The options of `linclass sweep`, but for the space."""
        return [search_options(self.trials, self.rounds), *super().command_options()]

    def carry_out(self, given: Mapping[str, Any]) -> Sequence[str]:
        """Search, print the table and what the report chose."""
        from linclass.search import space

        settings = self.experiment(given)
        found = run_search(space(self.random, self.grid), settings, self.name, dict(given))
        if self.published_test is not None:
            from linclass.evaluation import of_run
            from linclass.evaluation.report import Report

            (report,) = of_run.evaluate_run(found.path / "best", data_dir=given["data_dir"])
            assert isinstance(report, Report)  # a search is over classifiers
            low, high = report.interval
            say(
                f"test accuracy of the best trial: {100 * report.accuracy:.2f} % "
                f"(95 % interval {100 * low:.2f} to {100 * high:.2f}); "
                f"published: {100 * self.published_test:.0f} %"
            )
        if self.chosen:
            say(f"the report chose {self.chosen}")
        if found.settings.dataset.endswith("-sample"):
            return [f"{self.name}: on the bundled sample; the report's search is on the full data"]
        return []
