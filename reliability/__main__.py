"""`python -m reliability`: the commands."""

from __future__ import annotations

import os

# before numpy is imported: a process with threads of its own is not one to fork from
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import sys
import tempfile
import time
from pathlib import Path

import click

from linclass.cli.console import call, print_table, say
from linclass.errors import CheckFailedError
from reliability.faults import PLANTS


@click.group()
def cli() -> None:
    """Try to break the promises of docs/reliability.md, and those of the gradient check."""


@cli.command()
@click.argument("number", type=click.IntRange(0), default=100)
@click.option("--points/--no-points", default=True, help="also once at every named fault point")
@click.option("--commands", type=click.IntRange(0), default=10, help="kills of the real command")
@click.option("--seed", default=0, help="of the random times")
@click.option("--plant", type=click.Choice(sorted(PLANTS)), default="none", help="a fault that must be found")
def kills(number: int, points: bool, commands: int, seed: int, plant: str) -> None:
    """Kill a run NUMBER times, resume it each time, and compare it with an uninterrupted one."""
    from reliability.kills import Harness

    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        harness = Harness(Path(folder), seed, plant)
        harness.kill_at_random(number)
        if points:
            harness.kill_at_points()
        harness.kill_commands(commands)
    say(harness.tally.text())
    say(f"{time.monotonic() - started:7.0f}  seconds")
    if any(harness.tally.failures.values()):
        raise CheckFailedError("a promise was broken")


@cli.command()
@click.option("--resume-every", default=100, help="of so many disks one is also resumed to the end")
@click.option("--forget", "forgets", multiple=True, help="a planted fault: fsync, fsync_directory")
def power(resume_every: int, forgets: tuple[str, ...]) -> None:
    """Lose power after every operation of a run, on a disk that keeps only what was synced."""
    from reliability.power import check

    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        tally = check(Path(folder), resume_every=resume_every, forgets=forgets)
    say(tally.text())
    if tally.failures:
        raise CheckFailedError("a promise was broken")


@cli.command()
@click.option("--folder", type=click.Path(path_type=Path), help="on the disk to measure [default: here]")
def cost(folder: Path | None) -> None:
    """Measure what the saves of a few runs cost, on the data that `linclass train` would use."""
    from reliability.cost import table

    with tempfile.TemporaryDirectory(dir=folder or Path()) as place:
        print_table(table(Path(place)))


@cli.command()
@click.option(
    "--seeds", default=10, show_default=True, type=click.IntRange(1), help="of each check: 0, 1, ..."
)
@click.option(
    "--dataset", "datasets", multiple=True, help="again for more  [default: the samples, the functions]"
)
def gradients(seeds: int, datasets: tuple[str, ...]) -> None:
    """Check the gradients of every model on every data set, right ones and planted faults."""
    from reliability.gradients import DATASETS, count_faults, count_models

    where = datasets or DATASETS
    checks, found, wrong = 0, 0, []
    for count in count_models(where, range(seeds)):
        checks += count.checks
        wrong += [f"false alarm: {count.name}, {name}, seed {seed}" for name, seed in count.failed]
        say(f"{count.name}: {count.checks} checks, {len(count.failed)} false alarms")
    for count in count_faults(where, range(seeds)):
        found += len(count.failed)
        wrong += [f"missed: {count.name}, {name}, seed {seed}" for name, seed in count.passed]
        say(f"planted: {count.name}: {len(count.failed)} found, {len(count.passed)} missed")
    say(f"{checks} checks of right gradients, {found} planted faults found; {len(wrong)} mistakes")
    if wrong:
        raise CheckFailedError("\n".join(wrong))


@cli.command()
@click.argument("other", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", "names", multiple=True, help="this setting only; may be given several times")
@click.option("--within", default=0.0, show_default=True, help="the largest difference that passes")
def golden(other: Path, names: tuple[str, ...], within: float) -> None:
    """Train a set of settings here and in the checkout OTHER, and compare every number."""
    from reliability.golden import RESUMED, SETTINGS, compare

    unknown = sorted(set(names) - {*SETTINGS, RESUMED})
    if unknown:
        raise click.UsageError(f"--only {unknown[0]!r}: expected one of {', '.join((*SETTINGS, RESUMED))}")
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        found = compare(Path.cwd(), other.resolve(), Path(folder), names)
    rows: list[tuple[str, ...]] = [("setting", "numbers", "with other bits", "largest difference", "in")]
    rows += [(d.name, f"{d.numbers:,}", f"{d.different:,}", f"{d.largest:.1e}", d.where) for d in found]
    print_table(rows)
    if any(one.largest > within for one in found):
        raise CheckFailedError(f"a number differs by more than {within:g}")


@cli.command()
@click.option("--names", is_flag=True, help="also name the functions of a step")
def house(names: bool) -> None:
    """Count what a reader must open: places, users, and what one step of the linear model runs."""
    from reliability.house import step, table

    print_table(table())
    if names:
        say("\n".join(step().names))


def _memory() -> Path | None:
    """A file system in memory, where there is one: what was written is the kernel's, synced or not."""
    return Path("/dev/shm") if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    sys.exit(call(cli, prog_name="python -m reliability"))
