"""Worker processes: a list of tasks (function, argument) is worked through by a few processes.

Each process is started afresh ("spawn", the same on every system) with BLAS limited by its environment,
that is before numpy is imported there. Functions and arguments travel pickled: a function is one at the
top of a module, and a script that uses workers needs `if __name__ == "__main__":`.

A worker ends with its parent, however that ends. One that dies (killed, out of memory) costs the task it
was at, which is given to a new worker once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from linclass.errors import UsageError, WorkerDiedError

Task = tuple[Callable[[Any], Any], Any]

ATTEMPTS = 2
_IMPORTED = 97  # the exit code of `end_if_only_imported`
_GUARD = 'the calls of a script that uses workers belong under `if __name__ == "__main__":`'
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_SPAWN = multiprocessing.get_context("spawn")


def end_if_only_imported() -> None:
    """End this process if it is a worker that still imports the main script, which asks for workers itself.

    Every worker would ask for more; the parent says why they ended.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_IMPORTED)


def run(tasks: Sequence[Task], processes: int, *, threads: int = 1) -> list[Any]:
    """The results of `tasks`, in their order; see `results`."""
    done = dict(results(tasks, processes, threads=threads))
    return [done[number] for number in range(len(tasks))]


def results(tasks: Sequence[Task], processes: int, *, threads: int = 1) -> Iterator[tuple[int, Any]]:
    """(number of the task, result) as each is finished, in whatever order that is.

    Args:
        processes: at most so many work at a time. threads: BLAS threads of each.

    Raises what a task raised, as it is, with the worker's traceback as its cause; UsageError where the main
    script has no `if __name__ == "__main__":`; WorkerDiedError where a task's worker died twice. The other
    workers are then ended.
    """
    end_if_only_imported()
    waiting, died = deque(range(len(tasks))), Counter[int]()
    idle: list[_Worker] = []
    busy: dict[Any, tuple[_Worker, int]] = {}  # by connection
    try:
        while waiting or busy:
            while waiting and len(busy) < processes:
                number = waiting.popleft()
                worker = idle.pop() if idle else _Worker(threads)
                busy[worker.connection] = worker, number
                worker.send(tasks[number])
            for connection in wait(list(busy)):
                worker, number = busy.pop(connection)
                try:
                    answer = worker.connection.recv()
                except (EOFError, OSError):
                    died[number] += 1
                    _check_death(worker, number, died[number])
                    waiting.appendleft(number)
                    continue
                idle.append(worker)
                yield number, _unwrap(*answer)
    finally:
        for worker in [*idle, *(worker for worker, _ in busy.values())]:
            worker.end()


class _Worker:
    """A process and this end of the pipe to it."""

    def __init__(self, threads: int) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment(dict.fromkeys(_THREAD_VARIABLES, str(threads))):
            self.process.start()
        theirs.close()

    def send(self, task: Task) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died already, which the waiting side will see
            self.connection.send(task)

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """The variables hold inside the block, for processes started there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _check_death(worker: _Worker, number: int, deaths: int) -> None:
    worker.end()
    code = worker.process.exitcode or 0
    if code == _IMPORTED:
        raise UsageError(
            f"each worker process runs this script anew, up to where it asks for workers itself: {_GUARD}"
        ) from None
    if deaths < ATTEMPTS:
        return
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    cause = "out of memory? try fewer worker processes" if code < 0 else f"its last words are above; {_GUARD}"
    raise WorkerDiedError(
        f"task {number} ended its worker process {deaths} times ({how}): expected a result; {cause}"
    ) from None


def _serve(connection: Connection) -> None:
    """What a worker does: one task after another, until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends the workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_answer(task))


def _answer(task: bytes) -> bytes:
    """(succeeded, result or error, traceback), pickled."""
    try:
        function, argument = pickle.loads(task)
        return pickle.dumps((True, function(argument), ""))
    except Exception as error:
        text = traceback.format_exc()
        try:
            pickle.loads(answer := pickle.dumps((False, error, text)))
            return answer
        except Exception:  # an error that cannot travel is told in words
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}"), text))


def _unwrap(succeeded: bool, value: Any, text: str) -> Any:
    if succeeded:
        return value
    value.__cause__ = WorkerTraceback(text)
    raise value


class WorkerTraceback(Exception):
    """Where in the worker an error was raised; the cause of the error in the caller."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
