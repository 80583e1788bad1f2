"""A label's colour, line style and marker.

Colours are Okabe and Ito's (2008), which the colour-blind can tell apart; line styles and markers say the
same again, for a picture printed in grey.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set
from typing import Any, NamedTuple


class Look(NamedTuple):
    color: str
    linestyle: Any
    marker: str


ROLES = {
    "train": Look("#0072B2", "-", "o"),
    "val": Look("#D55E00", (0, (5, 2)), "s"),
    "test": Look("#009E73", (0, (1, 1.4)), "^"),
}
_OTHERS = (
    Look("#000000", "-", "D"),
    Look("#CC79A7", "-.", "v"),
    Look("#E69F00", (0, (8, 2, 1, 2, 1, 2)), "<"),
    Look("#56B4E9", (0, (3, 1)), ">"),
    Look("#777777", (0, (1, 1)), "P"),
)


def looks_of(labels: Sequence[str]) -> list[Look]:
    """One look a label: train, val, test fix the line style; a second train keeps it, in another colour.

    No two labels look the same.
    """
    roles = [_role(label) for label in labels]
    others = _others(taken={role for role in roles if role is not None})
    looks: list[Look] = []
    for role in roles:
        if role is None:
            look = next(others)
        elif role in looks:
            look = next(others)._replace(linestyle=role.linestyle)
        else:
            look = role
        looks.append(look)
    return looks


def _role(label: str) -> Look | None:
    return next((look for name, look in ROLES.items() if label.lower().startswith(name)), None)


def _others(taken: Set[Look]) -> Iterator[Look]:
    """Looks without end: colours of their own while there are any, then each with another marker and line."""
    free = [*_OTHERS, *(look for look in ROLES.values() if look not in taken)]
    yield from free
    for shift in itertools.count(1):
        for i, look in enumerate(free):
            other = free[(i + shift) % len(free)]
            yield Look(look.color, other.linestyle, other.marker)
