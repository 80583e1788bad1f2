"""Worker: the second core.

numpy releases the interpreter's lock in products and in ufuncs, so a thread of this process computes there
while the main one goes on. A handing over and back costs about 20 us, a quarter of what `concurrent.futures`
takes, and 50 us or more each way where the core had gone to sleep, as on a virtual machine. So what is handed
over takes long, or is not waited for: the two halves of the features of a 100 x 3072 batch, 65 us each,
took 1.5 times as long on two cores as on one; and two loops, each with its half of the rows from the
gathering to the gradient and one meeting a batch, 1.6 times, for both want the lock dozens of times a
batch. Without a second core a task is run when its result is asked for, to the same bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Task(Generic[T]):
    """A call and, once it was made, what came of it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._done = threading.Lock()
        self._done.acquire()
        self._failure: BaseException | None = None
        self._value: Any = None

    def run(self) -> None:
        """Make the call."""
        try:
            self._value = self._call()
        except BaseException as failure:  # raised where the result is asked for
            self._failure = failure
        finally:
            self._done.release()

    def is_done(self) -> bool:
        """Whether `result` would not wait; to be asked before it."""
        return not self._done.locked()

    def result(self) -> T:
        """What the call returned, once it has; raises what it raised. To be asked for once."""
        self._done.acquire()
        if self._failure is not None:
            raise self._failure
        value: T = self._value
        return value


class Later(Task[T]):
    """A call that is made when its result is asked for."""

    def result(self) -> T:
        """What the call returns."""
        return self._call()


class Worker:
    """Runs tasks one after the other, in the order given: in a thread of its own if `threads` is above 1."""

    def __init__(self, threads: int = 1) -> None:
        self.parallel = threads > 1
        self._tasks: SimpleQueue[Task[Any] | None] = SimpleQueue()
        if self.parallel:
            errors = np.geterr()  # each thread has its own
            self._thread = threading.Thread(
                target=self._serve, args=(errors,), name="second core", daemon=True
            )
            self._thread.start()

    def start(self, call: Callable[[], T]) -> Task[T]:
        """Begin the call, if there is a thread to make it in."""
        if not self.parallel:
            return Later(call)
        task = Task(call)
        self._tasks.put(task)
        return task

    def close(self) -> None:
        """Wait for what was begun."""
        if self.parallel:
            self._tasks.put(None)
            self._thread.join()

    def _serve(self, errors: dict[str, Any]) -> None:
        with np.errstate(**errors):
            while (task := self._tasks.get()) is not None:
                task.run()


ALONE = Worker()
"""Computes everything where it is asked for."""


@contextmanager
def working(threads: int) -> Iterator[Worker]:
    """A worker that is closed at the end of the block."""
    worker = Worker(threads)
    try:
        yield worker
    finally:
        worker.close()
