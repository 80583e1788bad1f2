"""`linclass sweep`, and what an assignment that searches takes: the options of a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linclass.cli.console import Console, print_table, say
from linclass.cli.help import Command
from linclass.cli.options import PATH, chosen, experiment_options, in_order, run_options
from linclass.errors import UsageError
from linclass.settings import Experiment, option_name

if TYPE_CHECKING:
    from linclass.search import Found, Plan, Sampler, Space

F = TypeVar("F", bound=Callable[..., Any])

TRAIN = Experiment()
SAMPLER = ("sampler", "pruner", "storage", "together")
OF_THE_RUN = ("out", "overwrite", "data_dir", "threads", "workers", "scheduler")


_SAMPLER_OPTIONS = in_order(
    click.option(
        "--sampler",
        default="random",
        show_default=True,
        type=click.Choice(["random", "tpe"]),
        help="sampler of the trials; tpe learns from the finished ones",
    ),
    click.option(
        "--pruner",
        type=click.Choice(["none", "median", "halving"]),
        help="pruner: rule by which trials of tpe that lag behind are given up [default: none]",
    ),
    click.option(
        "--storage",
        metavar="ADDRESS",
        help="storage of tpe's study: sqlite:///FILE or journal:FILE [default: in --out]",
    ),
    click.option(
        "--together", type=click.IntRange(1), help="number of trials tpe is asked for at a time [default: 4]"
    ),
)
_WORKER_OPTIONS = in_order(
    click.option(
        "--workers",
        default=1,
        show_default=True,
        type=click.IntRange(1),
        help="number of worker processes on this machine",
    ),
    click.option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="address of a Dask scheduler, whose workers train [default: none]",
    ),
)


def search_options(trials: int = 10, rounds: int = 1) -> Callable[[F], F]:
    """The options that every search takes, beside those of the experiment and of the run."""
    return in_order(
        click.option(
            "--trials",
            default=trials,
            show_default=True,
            type=click.IntRange(1),
            help="number of random draws per round",
        ),
        click.option(
            "--rounds",
            default=rounds,
            show_default=True,
            type=click.IntRange(1),
            help="number of rounds, each after the first in a quarter of the range, around the best so far",
        ),
        click.option(
            "--search-seed",
            default=0,
            show_default=True,
            type=click.IntRange(0),
            help="seed of the random draws",
        ),
        click.option(
            "--rank",
            default="loss",
            show_default=True,
            type=click.Choice(["loss", "accuracy"]),
            help="measure of the best trial: the lowest validation loss, or the highest accuracy",
        ),
        _SAMPLER_OPTIONS,
        _WORKER_OPTIONS,
    )


@click.command(cls=Command)
@click.option(
    "--random",
    "random_",
    multiple=True,
    metavar="NAME=SPACE",
    help="option to draw: lr=log:1e-5:1e-3, hidden=int:150:400, dropout=float:0:0.5, activation=relu,tanh",
)
@click.option(
    "--grid",
    multiple=True,
    metavar="NAME=VALUES",
    help="option to try all values of: activation=relu,tanh, hidden='256,128|64', lambda=log:1e-4:1:5",
)
@click.option("--space", "space_file", type=PATH, help="file with the space, .json or .toml [default: none]")
@search_options()
@experiment_options(TRAIN)
@run_options
def sweep(random_: Sequence[str], grid: Sequence[str], space_file: Path | None, **given: Any) -> None:
    """Search over any training option: grid and random search, in rounds, on one machine or many.

    The other options say what all trials have in common. The same command, given again, goes on where it was
    interrupted.
    """
    space = _space(random_, grid, space_file)
    run_search(space, TRAIN, "sweep", given)


def run_search(space: Space, defaults: Experiment, name: str, given: dict[str, Any]) -> Found:
    """Carry out the search that the options ask for, and print what it came to."""
    from linclass import search
    from linclass.search.sweep import executor_of

    places = {key: given.pop(key) for key in OF_THE_RUN}
    quiet = given.pop("quiet")
    plan = _plan(space, defaults, given)
    places["executor"] = executor_of(places.pop("workers"), places.pop("scheduler"), plan.sampler)
    places["threads"] = places["threads"] or 1
    found = search.search(plan, name=name, listener=Console(quiet=quiet), **places)
    print_found(found, places["data_dir"])
    return found


def print_found(found: Found, data_dir: Path | None) -> None:
    """The table, what it means, and where it is."""
    from linclass.search import report

    print_table(report.table(found))
    for remark in report.remarks(found, data_dir):
        say(remark)
    say(report.model_line(found))


def _plan(space: Space, defaults: Experiment, given: dict[str, Any]) -> Plan:
    from linclass.search import Plan

    for name in space.fields:
        if given.get(name) is not None:
            raise UsageError(f"{option_name(name)} is searched: leave it out, or out of the space")
    numbers = {key: given.pop(key) for key in ("trials", "rounds", "rank")}
    sampler = _sampler({key: given.pop(key) for key in SAMPLER})
    # what is searched needs a value in the common settings too: --model mlp wants some --hidden
    settings = chosen(defaults, {**given, **space.first_values()})
    return Plan(space, settings, seed=given.pop("search_seed"), sampler=sampler, **numbers)


def _sampler(given: dict[str, Any]) -> Sampler | None:
    from linclass.search import Sampler

    name = given.pop("sampler")
    if name != "random":
        return Sampler(name, **{key: value for key, value in given.items() if value is not None})
    for key, value in given.items():
        if value is not None:
            raise UsageError(f"--{key} goes with --sampler tpe")
    return None


def _space(random: Sequence[str], grid: Sequence[str], space_file: Path | None) -> Space:
    from linclass.search.space_file import read_space
    from linclass.search.spaces import Space, parse

    if space_file is None:
        return Space(tuple(parse(text) for text in random), tuple(parse(text, grid=True) for text in grid))
    from_file = read_space(space_file)
    return Space(
        (*from_file.random, *(parse(text) for text in random)),
        (*from_file.grid, *(parse(text, grid=True) for text in grid)),
    )
