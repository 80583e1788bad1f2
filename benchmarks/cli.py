"""The command line: choose, measure, print, write."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from benchmarks import machine, report
from benchmarks.contenders import CONTENDERS
from benchmarks.problem import Problem
from benchmarks.rounds import measure
from benchmarks.whole_runs import WHOLE_RUNS
from benchmarks.workloads import WORKLOADS
from linclass.errors import CheckFailedError, LinclassError

NAMES = (*WORKLOADS, *WHOLE_RUNS)


@click.command()
@click.option("--only", "only", multiple=True, type=click.Choice(NAMES), help="one workload; may be repeated")
@click.option(
    "--contender",
    "chosen",
    multiple=True,
    type=click.Choice(list(CONTENDERS)),
    help="one contender; may be repeated",
)
@click.option(
    "--rounds", default=7, show_default=True, type=click.IntRange(1), help="how often each is timed"
)
@click.option("--threads", type=click.IntRange(1), help="cores each contender may use [default: all]")
@click.option(
    "--quick", is_flag=True, help="on the bundled sample: shows that all works, says nothing of speed"
)
@click.option(
    "--json", "to", type=click.Path(path_type=Path, dir_okay=False), help="also write all numbers here"
)
@click.option(
    "--list", "only_list", is_flag=True, help="the workloads and the contenders, and what is absent"
)
def main(
    only: tuple[str, ...],
    chosen: tuple[str, ...],
    rounds: int,
    threads: int | None,
    quick: bool,
    to: Path | None,
    only_list: bool,
) -> None:
    """Measure linclass beside its peers, interleaved, and print the ratios of the minimum times."""
    if only_list:
        return _list()
    threads = threads or machine.cores()
    try:
        found = _run(only or NAMES, chosen, rounds, threads, quick)
        if to is not None:
            to.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        wrong = [
            f"{c['name']} on {w['name']}"
            for w in found["workloads"]
            for c in w["contenders"]
            if c["status"] == "wrong"
        ]
        if wrong:
            raise CheckFailedError(f"not the float64 reference's result, so not timed: {', '.join(wrong)}")
    except LinclassError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None


def _run(
    names: tuple[str, ...], chosen: tuple[str, ...], rounds: int, threads: int, quick: bool
) -> dict[str, Any]:
    """Measure everything in `names`, printing each as it is done; all of it for the JSON file."""
    described = machine.describe(threads)
    click.echo("\n".join(report.machine_lines(described)))
    if quick:
        click.echo("--quick: on the bundled sample; these times say nothing of the speed on the full data")
    peak = described["sgemm_gflops"][str(threads)]
    found: dict[str, Any] = {
        "format": report.FORMAT,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": described,
        "options": {"rounds": rounds, "threads": threads, "quick": quick},
        "workloads": [],
        "whole_runs": [],
    }
    for name in names:
        if name in WORKLOADS:
            workload = WORKLOADS[name]
            contenders = [c for c in workload.contenders if not chosen or c in chosen]
            timings = measure(workload, contenders, rounds=rounds, threads=threads, quick=quick)
            gflop = report.gflop(workload, Problem(workload, quick=quick))
            record = report.workload_record(workload, timings, gflop, peak)
            found["workloads"].append(record)
            click.echo("\n" + "\n".join(report.workload_lines(record, rounds)))
        else:
            for figure in WHOLE_RUNS[name](repeats=rounds, threads=threads, quick=quick):
                found["whole_runs"].append(report.figure_record(figure))
                click.echo("\n" + report.figure_line(found["whole_runs"][-1]))
    return found


def _list() -> None:
    for name, workload in WORKLOADS.items():
        click.echo(f"{name:18s}{workload.title}\n{'':18s}{', '.join(workload.contenders)}")
    for name, function in WHOLE_RUNS.items():
        click.echo(f"{name:18s}{(function.__doc__ or '').splitlines()[0]}")
    click.echo("")
    for name, entry in CONTENDERS.items():
        absent = f" (absent: {', '.join(entry.missing)} not installed)" if entry.missing else ""
        click.echo(f"{name:18s}{entry.title}{absent}")
