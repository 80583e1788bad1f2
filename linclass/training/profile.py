"""Profile: where the time of a training went, by what was done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

PARTS = {
    "data": "waiting for batches: gathered, augmented",
    "forward": "scaling, scores and loss, with the penalty",
    "backward": "gradients",
    "update": "the optimiser",
    "evaluation": "loss and accuracy on the whole splits",
    "output": "monitors, CSV, state, pictures, progress",
    "rest": "the loop itself",
}
Rows = list[tuple[str, ...]]


class Profile:
    """Seconds a part; a part that runs inside another one is counted for itself only."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def timer(self, part: str) -> Iterator[None]:
        """Counts the time within for `part`; see `Trainer.time_with`."""
        self._count()
        self._running.append(part)
        try:
            yield
        finally:
            self._count()
            self._running.pop()

    def table(self) -> Rows:
        """Part, seconds, share of all, what it is; the first row is the heading."""
        total = sum(self.seconds.values())
        rows: Rows = [("part", "seconds", "share", "")]
        for part, seconds in self.seconds.items():
            rows.append((part, f"{seconds:8.3f}", f"{100 * seconds / (total or 1):5.1f} %", PARTS[part]))
        return [*rows, ("all", f"{total:8.3f}", "100.0 %", "")]

    def _count(self) -> None:
        """Give the time since the last change to the innermost part."""
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
