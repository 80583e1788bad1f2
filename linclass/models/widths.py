"""Hidden widths for a budget of parameters: networks of different depths that are equally large."""

from __future__ import annotations

from itertools import pairwise

from linclass.errors import UsageError

Way = tuple[int, tuple[int, ...]]
"""How uneven widths are, and the widths."""


def parameters(hidden: tuple[int, ...], features: int = 1, outputs: int = 1) -> int:
    """The parameters of an MLP: sum over the layers of (in + 1) out."""
    sizes = (features, *hidden, outputs)
    return sum((d + 1) * units for d, units in pairwise(sizes))


def widths(budget: int, layers: int, *, features: int = 1, outputs: int = 1) -> tuple[int, ...]:
    """The most even widths of `layers` hidden layers that have exactly `budget` parameters.

    Most even: the smallest sum of (w_i - d)^2, d the width of the largest network of equal layers within the
    budget; of several such the first in lexicographic order.

    Raises UsageError where no widths have exactly so many.
    """
    if layers < 1:
        raise UsageError(f"{layers} hidden layers: expected at least one")
    d = 1
    while parameters((d + 1,) * layers, features, outputs) <= budget:
        d += 1
    reach = 1
    while reach <= 2 * budget:
        best = _most_even(budget, layers, features, outputs, d, range(max(1, d - reach), d + reach + 1))
        # what lies outside of the range is at least (reach + 1)^2 uneven
        if best is not None and best[0] < (reach + 1) ** 2:
            return best[1]
        reach *= 2
    raise UsageError(f"no {layers} hidden layers have exactly {budget:,} parameters; try another number")


def _most_even(budget: int, layers: int, features: int, outputs: int, d: int, allowed: range) -> Way | None:
    """The best of these widths, by dynamic programming over (last width, parameters so far)."""
    ways: dict[tuple[int, int], Way] = {(features, 0): (0, ())}
    for _ in range(layers):
        longer: dict[tuple[int, int], Way] = {}
        for (last, used), (uneven, path) in ways.items():
            for w in allowed:
                key, way = (w, used + (last + 1) * w), (uneven + (w - d) ** 2, (*path, w))
                if key[1] > budget:
                    break
                longer[key] = min(longer.get(key, way), way)
        ways = longer
    ends = [way for (last, used), way in ways.items() if used + (last + 1) * outputs == budget]
    return min(ends, default=None)
