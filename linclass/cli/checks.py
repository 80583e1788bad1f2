"""`linclass gradcheck`, `optimum` and `parity`: whether gradients, minima and frameworks agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from linclass.cli.console import Console, print_table, say
from linclass.cli.help import Command
from linclass.cli.options import (
    PATH,
    chosen,
    data_dir_option,
    experiment_options,
    quiet_option,
    threads_option,
)
from linclass.errors import CheckFailedError, UsageError, counted
from linclass.settings import Experiment, option_name

GRADCHECK = Experiment()
# what matters to `gradcheck` and to `optimum`, which train nothing
GRADCHECK_FIELDS = (
    "dataset",
    "label",
    "split",
    "model",
    "hidden",
    "activation",
    "init",
    "init_std",
    "scaling",
    "loss",
    "label_smoothing",
    "class_weights",
    "dropout",
    "batch_norm",
    "seed",
)
OPTIMUM = Experiment(l2=1.0)
OPTIMUM_FIELDS = (
    "dataset",
    "label",
    "split",
    "train_size",
    "val_size",
    "model",
    "scaling",
    "l2",
    "label_smoothing",
    "class_weights",
)
PARITY = Experiment(dataset="mnist", model="mlp", hidden="256,128,64", eta=0.001, dtype="float64")
PARITY_FIELDS = (
    "dataset",
    "label",
    "split",
    "hidden",
    "activation",
    "init",
    "init_std",
    "scaling",
    "eta",
    "l2",
    "batch_size",
    "dtype",
    "seed",
)


@click.command(cls=Command)
@experiment_options(GRADCHECK, only=GRADCHECK_FIELDS)
@click.option(
    "--function",
    metavar="FILE.py:NAME",
    help="function of your own to check instead of a model [default: none]",
)
@data_dir_option
@quiet_option
def gradcheck(function: str | None, quiet: bool, data_dir: Path | None, **given: Any) -> None:
    """Compare analytic gradients with numerical ones, and say what is wrong where they differ.

    With --function only --seed is of use: it names the entries and directions that are checked.
    """
    extra = [name for name, value in given.items() if value is not None and name != "seed"]
    if function is not None and extra:
        raise UsageError(f"--function {function} is checked by itself: leave out {option_name(extra[0])}")
    settings = chosen(GRADCHECK, given).resolved()
    from linclass.analysis import checks

    if function is not None:
        reports = checks.gradients_of_function(function, settings.seed)
    else:
        reports = checks.gradients_of_experiment(settings, data_dir, Console(quiet=quiet))
    for title, report in reports:
        say(f"{title}\n{report.text()}\n")
    failed = [title for title, report in reports if not report.passed]
    if failed:
        total = counted(len(reports), "gradient check")
        raise CheckFailedError(f"{len(failed)} of {total} failed: {'; '.join(failed)}")
    passed = "the gradient check" if len(reports) == 1 else f"all {len(reports)} gradient checks"
    say(f"{passed} passed")


@click.command(cls=Command)
@click.argument("directory", type=PATH, required=False)
@experiment_options(OPTIMUM, only=OPTIMUM_FIELDS)
@click.option(
    "--max-iterations",
    default=2000,
    show_default=True,
    type=click.IntRange(1),
    help="largest number of iterations of L-BFGS",
)
@data_dir_option
@threads_option
@quiet_option
def optimum(directory: Path | None, max_iterations: int, quiet: bool, **given: Any) -> None:
    """Find the true minimum of the convex problem (L-BFGS), and the gap of the run in DIRECTORY to it.

    With DIRECTORY the run's own settings are used, and --dataset is the file that its own data are in now;
    otherwise the options say what to minimise.
    """
    from linclass.analysis import checks

    places = {key: given.pop(key) for key in ("data_dir", "threads")}
    if directory is not None:
        places["dataset"] = given.pop("dataset")
    extra = [name for name, value in given.items() if value is not None]
    if directory is not None and extra:
        raise UsageError(f"{directory} brings its own settings: leave out {option_name(extra[0])}")
    settings = None if directory is not None else chosen(OPTIMUM, given).resolved()
    listener = Console(quiet=quiet)
    rows = checks.find_optimum(
        settings, directory, max_iterations=max_iterations, listener=listener, **places
    )
    print_table(rows)


@click.command(cls=Command)
@experiment_options(PARITY, only=PARITY_FIELDS)
@click.option(
    "--steps", default=100, show_default=True, type=click.IntRange(1), help="number of mini-batches"
)
@click.option("--out", type=PATH, default="parity.png", show_default=True, help="picture to write")
@data_dir_option
@quiet_option
def parity(steps: int, out: Path, quiet: bool, data_dir: Path | None, **given: Any) -> None:
    """Train the same weights on the same batches in numpy and PyTorch, on means and sums: where they part."""
    settings = chosen(PARITY, given).resolved()
    from linclass.analysis import checks, parity

    found = checks.compare_with_torch(settings, steps, data_dir, Console(quiet=quiet))
    say(found.title)
    print_table(found.table())
    say("")
    print_table(found.equivalents())
    parity.save_picture(found, out)
    say(str(out))
