"""The packs on many machines: a Dask scheduler hands them to its workers (extra `[dask]`).

    dask scheduler                                        on one machine
    LINCLASS_DATA=... dask worker tcp://HOST:8786         on each machine that helps
    linclass sweep ... --scheduler tcp://HOST:8786        the search itself

Workers read the data where they are; the threads of a worker process share one copy. What a worker that
died was training, the scheduler gives to another one. Finished packs are kept by the search, not by the
cluster: after a crash of either, the same command goes on with what is missing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from linclass import __version__, engine
from linclass.errors import LinclassError, SchedulerError, UsageError, WorkerDiedError, missing
from linclass.search.executors import Executor
from linclass.search.packs import Pack, PackResult, data_of, train_pack

CONNECT_SECONDS = 10


def cluster(address: str) -> Executor:
    """The workers of the scheduler at `address`, such as tcp://192.168.0.5:8786.

    Raises UsageError without Dask or for what is no address. The executor raises SchedulerError where the
    scheduler is not reached or has no workers, DataError where a worker has not the data: before anything
    is trained.
    """
    _distributed()
    if not address.startswith(("tcp://", "tls://", "ucx://")):
        raise UsageError(f"--scheduler is {address!r}: expected an address such as tcp://192.168.0.5:8786")

    def execute(packs: Mapping[int, Pack]) -> Iterator[tuple[int, PackResult]]:
        if not packs:
            return
        distributed = _distributed()
        with _connected(address) as client:
            _check_workers(client, address, next(iter(packs.values())))
            futures = {client.submit(_train, task, pure=False): number for number, task in packs.items()}
            for future in distributed.as_completed(list(futures), loop=client.loop):
                yield futures[future], _result(future, packs[futures[future]])
                future.release()

    return execute


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise missing("--scheduler needs Dask, which is", "dask") from None
    return distributed


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client; its library's own messages about a lost connection would come on top of ours."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = _distributed().Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerError(
            f"no scheduler answers at {address}: start one with `dask scheduler`, or correct --scheduler"
        ) from error
    with client:
        yield client


def _check_workers(client: Any, address: str, task: Pack) -> None:
    """An error unless there are workers, with this linclass and the data."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise SchedulerError(
            f"the scheduler at {address} has no workers: start some with `dask worker {address}`"
        ) from error
    for worker, answer in client.run(_look, task, on_error="return").items():
        if isinstance(answer, OSError):  # it went away in the meantime; the others do its work
            continue
        if isinstance(answer, LinclassError):
            raise type(answer)(f"worker {worker}: {answer}")
        if isinstance(answer, Exception):
            raise SchedulerError(
                f"worker {worker} cannot train ({answer}): install linclass {__version__} there"
            )
        if answer != __version__:
            raise SchedulerError(f"worker {worker} has linclass {answer}: install {__version__} there too")


def _look(task: Pack) -> str:
    """On a worker: this linclass's version. Raises DataError without the data."""
    data_of(task)
    return __version__


def _train(task: Pack) -> PackResult:
    """On a worker. The limit stays: with a limit for each pack, one thread's end would lift another's."""
    engine.limit(task.threads)
    return train_pack(task)


def _result(future: Any, task: Pack) -> PackResult:
    try:
        result: PackResult = future.result()
    except LinclassError:
        raise
    except Exception as error:
        numbers = ", ".join(str(trial.number) for trial in task.trials)
        if type(error).__name__ == "KilledWorker":
            raise WorkerDiedError(
                f"the pack of trial {numbers} ended every worker it was given to; out of memory? try larger "
                "machines, or smaller models"
            ) from error
        if type(error).__name__ in ("CancelledError", "FutureCancelledError", "CommClosedError"):
            raise SchedulerError(
                "the connection to the scheduler was lost; what is finished is kept: the same command goes on"
            ) from error
        raise
    return result
