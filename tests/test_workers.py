"""Tasks in worker processes: order, errors, deaths, threads, and the end of the parent."""

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from linclass.errors import DataError, InterruptedRun, RunTakenError, WorkerDiedError
from linclass.files import locked
from linclass.search import workers


def square(x: int) -> int:
    return x * x


def refuse(reason: str) -> None:
    raise DataError(reason)


def interrupted(number: int) -> None:
    raise InterruptedRun("stopped", number)  # its pickle cannot be read back: two arguments, one kept


def die_until(marker: Path) -> str:
    """Ends its own process the first time."""
    if not marker.exists():
        marker.write_text("once")
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def die(_: object) -> None:
    os._exit(3)


def blas_threads(_: object) -> list[int]:
    from threadpoolctl import threadpool_info

    for library in ("numpy", "scipy.linalg"):  # each with its own BLAS
        importlib.import_module(library)

    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def own_process(_: object) -> int:
    return os.getpid()


def test_results_come_in_the_order_of_the_tasks() -> None:
    assert workers.run([(square, n) for n in range(5)], 2) == [0, 1, 4, 9, 16]
    assert workers.run([], 2) == []


def test_a_process_serves_many_tasks_with_its_threads_limited() -> None:
    before = dict(os.environ)
    found = workers.run([(own_process, 0), (own_process, 0), (blas_threads, 0)], 1)
    assert found[0] == found[1] != os.getpid()
    assert set(found[2]) <= {1}
    assert dict(os.environ) == before


def test_an_error_arrives_as_it_is() -> None:
    with pytest.raises(DataError, match="no such rows") as caught:
        workers.run([(square, 1), (refuse, "no such rows")], 2)
    assert "in refuse" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="InterruptedRun: stopped"):
        workers.run([(interrupted, 15)], 1)


def test_a_dead_workers_task_is_tried_once_more(tmp_path: Path) -> None:
    tasks = [(square, 3), (die_until, tmp_path / "marker"), (square, 4)]
    assert workers.run(tasks, 2) == [9, "survived", 16]


def test_a_task_that_ends_its_worker_twice_is_said() -> None:
    with pytest.raises(WorkerDiedError, match=r"task 1 ended its worker process 2 times \(exit code 3\)"):
        workers.run([(square, 3), (die, None)], 2)


UNGUARDED = """
from linclass import Experiment
from linclass.search import random_search
settings = Experiment(dataset="mnist-sample", epochs=1)
random_search({"eta": ([1e-4, 1e-1], "log")}, settings, trials=2, workers=2, out="sweep")
"""


def test_a_script_without_a_guard_is_told_the_cause(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1  # the script's own, none of a worker
    assert 'under `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
    assert "memory" not in done.stderr


PARENT = """
import sys
sys.path.insert(0, {folder!r})
from test_workers import hold
from linclass.search import workers
if __name__ == "__main__":
    workers.run([(hold, {lock!r})], 1)
"""


def hold(lock: str) -> None:
    """Hold the lock, which only the end of this process releases, until it is told that it may end."""
    with locked(Path(lock)):
        Path(lock).with_name("held").touch()
        while not Path(lock).with_name("enough").exists():
            time.sleep(0.02)


def is_free(lock: Path) -> bool:
    try:
        with locked(lock):
            return True
    except RunTakenError:
        return False


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    script, lock = tmp_path / "parent.py", tmp_path / "lock"
    script.write_text(PARENT.format(folder=str(Path(__file__).parent), lock=str(lock)))
    with subprocess.Popen([sys.executable, str(script)]) as parent:
        while not (tmp_path / "held").exists():
            assert parent.poll() is None
            time.sleep(0.02)
        assert not is_free(lock)
        parent.kill()
    for _ in range(500):
        if is_free(lock):
            return
        time.sleep(0.02)
    (tmp_path / "enough").touch()
    pytest.fail("the worker outlived its parent")
