"""The second core: the same calls in the same order, with and without it, and what goes wrong is told."""

import threading

import numpy as np
import pytest

from linclass.second_core import ALONE, Worker, working


@pytest.mark.parametrize("threads", [1, 2])
def test_tasks_run_in_their_order_and_hand_back_what_they_returned(threads: int) -> None:
    seen: list[int] = []
    with working(threads) as worker:
        tasks = [worker.start(lambda i=i: seen.append(i) or 2 * i) for i in range(5)]
        assert [task.result() for task in tasks] == [0, 2, 4, 6, 8]
    assert seen == [0, 1, 2, 3, 4]


def test_the_second_core_is_another_thread_and_alone_is_not() -> None:
    with working(2) as worker:
        assert worker.start(threading.get_ident).result() != threading.get_ident()
    assert ALONE.start(threading.get_ident).result() == threading.get_ident()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failure_is_raised_where_the_result_is_asked_for_and_the_worker_goes_on(threads: int) -> None:
    with working(threads) as worker:
        task = worker.start(lambda: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            task.result()
        assert worker.start(lambda: 3).result() == 3


@pytest.mark.parametrize("threads", [1, 2])
def test_numpys_error_state_is_that_of_where_the_worker_was_made(threads: int) -> None:
    with np.errstate(over="raise"), working(threads) as worker, pytest.raises(FloatingPointError):
        worker.start(lambda: np.exp(np.full(3, 1e4))).result()


def test_closing_waits_for_what_was_begun() -> None:
    done: list[int] = []
    worker = Worker(2)
    for i in range(3):
        worker.start(lambda i=i: done.append(i))
    worker.close()
    assert done == [0, 1, 2]
    assert not worker._thread.is_alive()
