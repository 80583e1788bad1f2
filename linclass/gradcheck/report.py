"""Report: what a gradient check found, and its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from linclass.params import Array


@dataclass(frozen=True)
class Row:
    """One tensor by one method. Tensor "all" stands for directions through all parameters at once."""

    tensor: str
    method: str
    entries: int
    max_abs: float
    """max |a - n|"""
    max_rel: float
    """max |a - n| / max(1e-6, |a| + |n|)"""
    of_allowed: float
    """max |a - n| / (what `slopes.py` allows); at most 1 where the check passes."""
    passed: bool
    worst: tuple[int, ...]
    """Where `of_allowed` is largest: an index into the tensor (model first), or (model, direction)."""
    analytic: float
    numeric: float


@dataclass(frozen=True)
class Report:
    """Rows of numbers; findings, each a sentence on what is wrong; notes on what is not."""

    rows: Sequence[Row]
    findings: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        return not self.findings and all(row.passed for row in self.rows)

    def text(self) -> str:
        """An aligned table, then findings, notes and the verdict."""
        head = (
            "tensor",
            "method",
            "entries",
            "max abs",
            "max rel",
            "of allowed",
            "",
            "worst: analytic, numerical",
        )
        table = [head, *map(_cells, self.rows)] if self.rows else []
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        right = (False, False, True, True, True, True, False, False)
        lines = [
            "  ".join(
                c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)
            ).rstrip()
            for cells in table
        ]
        lines += [f"wrong: {sentence}" for sentence in self.findings]
        lines += [f"note: {sentence}" for sentence in self.notes]
        lines.append("gradient check passed" if self.passed else "gradient check FAILED")
        return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    where = f"direction {row.worst}" if row.method == "directions" else f"{row.tensor}{list(row.worst)}"
    return (
        row.tensor,
        row.method,
        str(row.entries),
        f"{row.max_abs:.1e}",
        f"{row.max_rel:.1e}",
        f"{row.of_allowed:.1%}" if row.of_allowed < 10 else f"{row.of_allowed:.1e}x",
        "ok" if row.passed else "FAILED",
        f"{where}: {row.analytic:.9g}, {row.numeric:.9g}",
    )


def full_precision(values: Array) -> str:
    """Costs for a sentence, every digit that tells one float64 from the next."""
    return ", ".join(f"{value:.17g}" for value in values)
