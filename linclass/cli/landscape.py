"""`linclass landscape`: the loss around trained models, between two of them, and along their training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linclass.cli.console import print_table, say, without_pictures
from linclass.cli.help import Group
from linclass.cli.options import PATH, data_dir_option, in_order, moved_option, replica_option, split_option

if TYPE_CHECKING:
    from linclass.landscape.of_runs import Found

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Group)
def landscape() -> None:
    """Survey the loss around trained models, between two of them, and along their training."""


def landscape_options(rows: int) -> Callable[[F], F]:
    """--rows --out --dataset --data-dir, which all surveys have."""
    return in_order(
        click.option(
            "--rows", default=rows, show_default=True, help="number of rows, the first N (0: all of them)"
        ),
        click.option(
            "--out", type=PATH, help="picture to write [default: landscape_*.png in the first DIRECTORY]"
        ),
        moved_option,
        data_dir_option,
    )


@landscape.command("interpolate")
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option("--from", "start", default=-1.0, show_default=True, help="first value of a")
@click.option("--to", "stop", default=2.0, show_default=True, help="last value of a")
@click.option("--steps", default=61, show_default=True, help="number of values of a")
@replica_option
@landscape_options(rows=0)
def landscape_interpolate(first: Path, second: Path, **options: Any) -> None:
    """Draw loss and accuracy at (1 - a) FIRST + a SECOND, train and test."""
    from linclass.landscape import of_runs

    _print_found(of_runs.interpolate(first, second, **options), options["out"])


@landscape.command("plane")
@click.argument("directory", type=PATH)
@click.option(
    "--extent", default=1.0, show_default=True, help="extent in each direction, in lengths of the weights"
)
@click.option("--steps", default=25, show_default=True, help="number of steps in each direction")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="seed of the random directions"
)
@replica_option
@landscape_options(rows=2000)
def landscape_plane(directory: Path, **options: Any) -> None:
    """Draw the training loss over two random, filter-normalised directions around the run in DIRECTORY."""
    from linclass.landscape import of_runs

    _print_found(of_runs.random_plane(directory, **options), options["out"])


@landscape.command("trajectory")
@click.argument("directories", type=PATH, nargs=-1, required=True)
@click.option(
    "--layer", default=0, show_default=True, help="layer that the PCA is of, from 1 on (0: the whole model)"
)
@click.option(
    "--steps", default=25, show_default=True, type=click.IntRange(2), help="number of steps in each direction"
)
@landscape_options(rows=1000)
def landscape_trajectory(directories: tuple[Path, ...], **options: Any) -> None:
    """Draw the snapshots of the runs in DIRECTORIES on the plane in which they differ most, and its loss."""
    from linclass.landscape import of_runs

    _print_found(of_runs.trajectory(directories, **options), options["out"])


@landscape.command("sensitivity")
@click.argument("directory", type=PATH)
@split_option
@landscape_options(rows=2000)
def landscape_sensitivity(directory: Path, **options: Any) -> None:
    """Measure how much the answers of the run in DIRECTORY move with the input, snapshot by snapshot."""
    from linclass.landscape import of_runs

    _print_found(of_runs.measure_sensitivity(directory, **options), options["out"])


@landscape.command("sharpness")
@click.argument("directory", type=PATH)
@landscape_options(rows=2000)
def landscape_sharpness(directory: Path, **options: Any) -> None:
    """Measure how far the training loss can rise in a small box around the run in DIRECTORY."""
    from linclass.landscape import of_runs

    _print_found(of_runs.measure_sharpness(directory, **options), options["out"])


def _print_found(found: Found, out: Path | None) -> None:
    print_table(found.table)
    if found.problem is None:
        say(str(found.picture))
    else:
        without_pictures(found.problem, given=out)
