"""Profile: where the time of a training went, by what was done.

Methods of one trainer are replaced by timed ones; without a profile nothing is measured or slowed down.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

from linclass.datasets.inputs import Inputs
from linclass.training.trainer import Trainer

PARTS = {
    "data": "waiting for batches: gathered, converted, scaled",
    "forward": "scores and loss, with the penalty",
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

    def watch(self, trainer: Trainer, train: Inputs) -> None:
        """Time what `trainer` does with `train`."""
        for owner, method, part in (
            (trainer, "fit", "rest"),
            (trainer, "_evaluate", "evaluation"),
            (trainer, "_each", "output"),
        ):
            setattr(owner, method, self._timed(part, getattr(owner, method)))
        models: set[Any] = {one.model for one in trainer.replicas}
        for model in models:
            for method, part in (("backpropagate", "forward"), ("_backward", "backward")):
                if hasattr(model, method):
                    setattr(model, method, self._timed(part, getattr(model, method)))
        for one in trainer.replicas:
            one.optimizer = one.optimizer._replace(update=self._timed("update", one.optimizer.update))
        vars(train)["stream"] = self._timed_items(train.stream)

    def table(self) -> Rows:
        """Part, seconds, share of all, what it is; the first row is the heading."""
        total = sum(self.seconds.values())
        rows: Rows = [("part", "seconds", "share", "")]
        for part, seconds in self.seconds.items():
            rows.append((part, f"{seconds:8.3f}", f"{100 * seconds / (total or 1):5.1f} %", PARTS[part]))
        return [*rows, ("all", f"{total:8.3f}", "100.0 %", "")]

    def _timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def timed(*args: Any, **options: Any) -> Any:
            self._enter(part)
            try:
                return call(*args, **options)
            finally:
                self._leave()

        return timed

    def _timed_items(self, stream: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def timed(*args: Any) -> Iterator[Any]:
            following = self._timed("data", functools.partial(next, stream(*args), None))
            return iter(following, None)

        return timed

    def _enter(self, part: str) -> None:
        self._count()
        self._running.append(part)

    def _leave(self) -> None:
        self._count()
        self._running.pop()

    def _count(self) -> None:
        """Give the time since the last change to the innermost part."""
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
