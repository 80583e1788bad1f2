"""The claims of a report, tested on seeds: each with a verdict and the numbers behind it.

A file in `assignments/` says what was claimed and holds the function that trains, measures and judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from linclass.cli.console import Console, print_table, say
from linclass.cli.options import (
    PATH,
    data_dir_option,
    experiment_options,
    quiet_option,
    run_option,
    threads_option,
)
from linclass.courses.work import Decorator, Work
from linclass.runs.progress import PYTHON, Listener
from linclass.settings import Experiment, changes_told

if TYPE_CHECKING:
    from linclass.metrics import Interval
    from linclass.plots import Figure
    from linclass.runs.build import Job
    from linclass.training.trainer import Callback

SUPPORTED = "supported"
NOT_SUPPORTED = "not supported"
DEPENDS = "depends on the definition"
VERDICTS = (SUPPORTED, NOT_SUPPORTED, DEPENDS)


class Claim(NamedTuple):
    """What a report says, one of VERDICTS, and the numbers with their intervals that decide it."""

    text: str
    verdict: str
    numbers: str


@dataclass(frozen=True)
class Findings:
    """What a study came to.

    Attributes:
        pictures: file name without ".png" -> figure.
        tables: heading -> rows, the first of which is the table's own heading; printed above the claims.
    """

    claims: Sequence[Claim]
    pictures: Mapping[str, Figure]
    tables: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)


WITHOUT = ("snapshot_every", "overfit_threshold", "overfit_action", "patience", "test")
"""What is no option of a study: it trains to the end, in memory, and logs what it needs."""

Investigation = Callable[..., Findings]
"""(settings, *, data_dir, listener, and the study's own options) -> Findings."""


@dataclass(frozen=True, kw_only=True)
class Study(Work):
    """Claims of a report that are tested by one command.

    Attributes:
        find: trains, measures, judges.
        varies: the experiment fields that `find` sets itself, and which cannot be given.
        options: click decorators for options that only this study has.
        without: the experiment fields that have no effect on it, and are no options of it.
    """

    find: Investigation
    varies: Sequence[str] = ()
    options: Sequence[Decorator] = ()
    without: Sequence[str] = WITHOUT

    def command_options(self) -> Sequence[Decorator]:
        """Its own and those of a run, but for --overwrite: what an earlier study left is always replaced."""
        fields = [field for field in self.settings.to_dict() if field not in self.without]
        experiment = experiment_options(self.settings, only=fields)
        help = f"directory of the study [default: result_pics/{self.name}]"
        out = run_option("--out", type=PATH, help=help)
        return [*self.options, experiment, out, data_dir_option, threads_option, quiet_option]

    def varied(self) -> Iterable[tuple[str, str]]:
        """What `find` sets."""
        return [(name, "") for name in self.varies]

    def carry_out(self, given: Mapping[str, Any]) -> Sequence[str]:
        """Find out; write the pictures and `claims.json` into the directory, print tables and claims."""
        from linclass import engine, plots
        from linclass.files import make_directory, write_json
        from linclass.runs.directory import RESULTS

        not_own = {*self.settings.to_dict(), "out", "data_dir", "threads", "quiet"}
        own = {name: value for name, value in given.items() if name not in not_own and value is not None}
        settings = self.experiment(given).resolved()
        folder = given["out"] or RESULTS / self.name
        make_directory(folder)
        listener = Console(quiet=given["quiet"])
        with engine.limited(given["threads"] or engine.DEFAULT_THREADS):
            findings = self.find(settings, data_dir=given["data_dir"], listener=listener, **own)
        for name, figure in findings.pictures.items():
            plots.save(figure, folder / f"{name}.png")
        claims = [claim._asdict() for claim in findings.claims]
        report = {"study": self.name, "source": self.source, "settings": settings.to_dict(), "options": own}
        write_json(folder / "claims.json", {**report, "claims": claims})
        for heading, rows in findings.tables.items():
            say(f"{heading}:")
            print_table(rows)
            say("")
        for claim in findings.claims:
            say(f"{claim.verdict}: {claim.text}\n    {claim.numbers}")
        changed = changes_told(settings.differences(self.settings.resolved()))
        return [changed and f"not the study's settings: {changed}", f"in {folder}/"]


def prepared(settings: Experiment, *, data_dir: Path | None = None, listener: Listener = PYTHON) -> Job:
    """The job of an experiment, in memory, without a run directory; `fit` trains it.

    Where a batch is the whole split the seeds train as one stack: there is no order for them to differ in.
    """
    from linclass.runs.build import build
    from linclass.runs.data import load_data, note_data

    settings = settings.resolved()
    dataset = load_data(settings, data_dir)
    note_data(settings, dataset, listener)
    rows = len(dataset.train)
    return build(settings, dataset, common_order=settings.batch_size_for(rows) == rows)


def fit(job: Job, *watching: Callback, listener: Listener = PYTHON, label: str = "") -> Job:
    """Train a job to its end; its model and history are in it.

    Args:
        watching: callbacks. label: what the listener is told it is.
    """
    from linclass.training.callbacks import DivergenceNote, Progress

    job.trainer.callbacks += [*watching, DivergenceNote(listener.note), Progress(listener.epoch)]
    listener.start(f"memory: {label or job.settings.dataset}", 0, job.settings.epochs)
    try:
        job.fit()
    finally:
        listener.close()
    return job


def trained(
    settings: Experiment,
    *watching: Callback,
    data_dir: Path | None = None,
    listener: Listener = PYTHON,
    label: str = "",
) -> Job:
    """`prepared` and `fit` in one."""
    return fit(
        prepared(settings, data_dir=data_dir, listener=listener), *watching, listener=listener, label=label
    )


def verdict(holds: bool) -> str:
    """SUPPORTED or NOT_SUPPORTED."""
    return SUPPORTED if holds else NOT_SUPPORTED


def is_below(difference: Interval, bound: float = 0.0) -> bool:
    """Whether the whole 95 % interval lies below `bound`; False where there is no interval."""
    return difference.bounds()[1] < bound


def is_above(difference: Interval, bound: float = 0.0) -> bool:
    """Whether the whole 95 % interval lies above `bound`; False where there is no interval."""
    return difference.bounds()[0] > bound
