"""The summary of a model: its layers, their arrays, and how many numbers are in them."""

from __future__ import annotations

import math

from linclass.models.base import LayerRow, Model


def summary(model: Model) -> str:
    """A table of layers, outputs, arrays with their shapes `(out, in)` and parameter counts, of one model."""
    rows = [("layer", "units", "arrays", "parameters")]
    rows += [(row.name, f"{row.units:,}", _arrays(model, row), _count(model, row)) for row in model.layers()]
    total = sum(math.prod(theta.shape[1:]) for theta in model.params.values())
    rows.append(("total", "", "", f"{total:,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    running = sum(math.prod(array.shape[1:]) for array in model.buffers.values())
    if running:
        lines.append(f"and {running:,} running statistics, which are not trained")
    if model.K > 1:
        lines.append(f"{model.K} models side by side: {model.K * total:,} parameters in all")
    return "\n".join(lines)


def _arrays(model: Model, row: LayerRow) -> str:
    shapes = {name: model.params[name].shape[1:] for name in row.tensors}
    return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in shapes.items())


def _count(model: Model, row: LayerRow) -> str:
    count = sum(math.prod(model.params[name].shape[1:]) for name in row.tensors)
    return f"{count:,}" if row.tensors else ""


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    name, units, arrays, count = row
    cells = (name.ljust(widths[0]), units.rjust(widths[1]), arrays.ljust(widths[2]), count.rjust(widths[3]))
    return "  ".join(cells).rstrip()
