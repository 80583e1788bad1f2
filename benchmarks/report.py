"""What was measured, as tables for people and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.contenders import CONTENDERS
from benchmarks.problem import Problem
from benchmarks.rounds import Timing
from benchmarks.whole_runs import Figure
from benchmarks.workloads import Workload

FORMAT = 1
OURS = "linclass"


def machine_lines(machine: dict[str, Any]) -> list[str]:
    """The machine in a few lines."""
    versions = ", ".join(f"{package} {v or 'absent'}" for package, v in machine["versions"].items())
    kernels = ", ".join(
        sorted({f"{p['internal_api']} {p['version']} {p['architecture']}" for p in machine["blas"]})
    )
    peaks = ", ".join(f"{peak:.0f} on {count}" for count, peak in machine["sgemm_gflops"].items())
    return [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}",
        f"linclass {machine['linclass']}, {versions}; BLAS: {kernels}",
        f"largest single-precision product: GFLOP/s by threads: {peaks}",
    ]


def workload_record(
    workload: Workload, timings: Sequence[Timing], gflop: float, peak: float
) -> dict[str, Any]:
    """One workload for the JSON file. gflop: of its products in a round. peak: the machine's GFLOP/s."""
    ours = next((t.minimum for t in timings if t.contender == OURS and t.status == "ok"), None)
    return {
        "name": workload.name,
        "title": workload.title,
        "gflop": gflop,
        "contenders": [_contender_record(workload, timing, ours, gflop, peak) for timing in timings],
    }


def _contender_record(
    workload: Workload, timing: Timing, ours: float | None, gflop: float, peak: float
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": timing.contender,
        "title": CONTENDERS[timing.contender].title,
        "status": timing.status,
        "reason": timing.reason,
        "disagreement": timing.disagreement
        if timing.disagreement is not None and math.isfinite(timing.disagreement)
        else None,
    }
    if timing.status == "ok":
        record |= {
            "threads": timing.threads,
            "models_timed": timing.models,
            "models": workload.K,
            "seconds": timing.seconds,
            "median": timing.median,
            "minimum": timing.minimum,
            "spread": timing.spread,
            "times_linclass": timing.minimum / ours if ours else None,
            "target": dict(workload.targets).get(timing.contender),
            "share_of_peak": gflop / timing.minimum / peak if timing.contender != "linclass-one" else None,
        }
    return record


def gflop(workload: Workload, problem: Problem) -> float:
    """Of a round's matrix products, in 1e9 operations."""
    rows = {name: len(split) for name, split in problem.splits.items()}
    return workload.flops(rows["train"], sum(rows.values()) if workload.evaluates else 0) / 1e9


def workload_lines(record: dict[str, Any], rounds: int) -> list[str]:
    """A table: a line for each contender that was timed, and the others by name with the reason."""
    lines = [
        f"{record['name']}: {record['title']} ({record['gflop']:.2f} GFLOP an epoch, {rounds} rounds)",
        f"  {'contender':14s}{'median':>10s}{'minimum':>10s}{'spread':>8s}{'x linclass':>12s}"
        f"{'target':>8s}{'of peak':>9s}  threads",
    ]
    for c in record["contenders"]:
        if c["status"] != "ok":
            lines.append(f"  {c['name']:14s}{c['status']}: {c['reason']}")
            continue
        part = c["models_timed"]
        note = f"  ({part} of {c['models']} timed)" if part < c["models"] else ""
        lines.append(
            f"  {c['name']:14s}{_seconds(c['median']):>10s}{_seconds(c['minimum']):>10s}{c['spread']:>8.0%}"
            f"{_or_dash(c['times_linclass'], '.2f'):>12s}{_or_dash(c['target'], '.2f'):>8s}"
            f"{_or_dash(c['share_of_peak'], '.0%'):>9s}  {c['threads']}{note}"
        )
    return lines


def figure_record(figure: Figure) -> dict[str, Any]:
    """One number of whole runs for the JSON file."""
    return {
        "name": figure.name,
        "title": figure.title,
        "unit": figure.unit,
        "values": figure.values,
        "median": figure.median if figure.values else None,
        "at_most": figure.at_most,
    }


def figure_line(record: dict[str, Any]) -> str:
    """`start-up: 0.91 s (0.89 to 0.95, 7 times), at most 1 s: from the command ...`."""
    if not record["values"]:
        return f"{record['name']}: failed; {record['title']}"
    unit, values = record["unit"], record["values"]
    times = f" ({min(values):.2f} to {max(values):.2f}, {len(values)} times)" if len(values) > 1 else ""
    return (
        f"{record['name']}: {record['median']:.2f} {unit}{times}, "
        f"wanted at most {record['at_most']:g} {unit}: "
        f"{record['title']}"
    )


def _seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.3f} s"


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
