"""A search on a real Dask scheduler and two workers, one of which is killed, and then the search itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import linclass
from linclass.errors import SchedulerError, UsageError
from linclass.search import Plan, search, space
from linclass.search.sweep import executor_of
from linclass.settings import Experiment

pytest.importorskip("distributed", reason="Dask is not installed")

EPOCHS = 12
BASE = Experiment(
    dataset="cifar10-sample", train_size=1000, model="mlp", hidden="10", epochs=EPOCHS, batch_size=50
)
PLAN = Plan(space({"hidden": ([20, 60], "int"), "lr": ([1e-3, 1e-1], "log")}), BASE, trials=8)
SWEEP = (
    f"--dataset cifar10-sample --train-size 1000 --model mlp --epochs {EPOCHS} --batch-size 50 "
    "--random hidden=int:20:60 --random lr=log:1e-3:1e-1 --trials 8"
).split()


@contextmanager
def started(*words: str, cwd: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m words` in an environment that knows of no data but the bundled sample."""
    env = {name: value for name, value in os.environ.items() if name != "LINCLASS_DATA"}
    env |= {"PYTHONPATH": str(Path(linclass.__file__).parent.parent), "XDG_CACHE_HOME": str(cwd / "cache")}
    log = (cwd / f"{words[0]}.log").open("ab")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", *words], cwd=cwd, env=env | variables, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def scheduler(cwd: Path) -> Iterator[str]:
    port = free_port()
    words = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with started(*words, cwd=cwd):
        until(lambda: is_open(port))
        yield f"tcp://127.0.0.1:{port}"


@contextmanager
def worker(address: str, cwd: Path, *words: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(cwd), *words)
    with started("distributed.cli.dask_worker", address, *options, cwd=cwd, **variables) as process:
        yield process


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def finished(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("packs/*.json")}


@pytest.mark.usefixtures("no_pictures")
def test_the_table_is_the_local_one_whoever_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "far"
    with scheduler(tmp_path) as address, worker(address, tmp_path) as first, worker(address, tmp_path):
        search(PLAN, out=tmp_path / "near")  # while the cluster starts
        driver = ("linclass", "sweep", *SWEEP, "--out", str(out), "--scheduler", address)
        with started(*driver, cwd=tmp_path) as process:
            until(lambda: finished(out) or process.poll() is not None)
            first.kill()
            until(lambda: len(finished(out)) >= 3 or process.poll() is not None)
            process.kill()
        before, packs = finished(out), finished(tmp_path / "near").keys()
        assert 3 <= len(before) < len(packs), (tmp_path / "linclass.log").read_text()
        with started(*driver, cwd=tmp_path) as process:
            assert process.wait(120) == 0, (tmp_path / "linclass.log").read_text()
    after = finished(out)
    assert after.keys() == packs
    assert before.items() <= after.items()  # not trained again
    assert (out / "trials.csv").read_bytes() == (tmp_path / "near/trials.csv").read_bytes()


def test_what_is_missing_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected an address such as tcp://"):
        executor_of(scheduler="localhost")
    with pytest.raises(UsageError, match="leave it out with --scheduler"):
        executor_of(2, "tcp://127.0.0.1:1")
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr("linclass.search.cluster.CONNECT_SECONDS", 0.2)
        address = f"tcp://127.0.0.1:{free_port()}"
        with pytest.raises(SchedulerError, match=f"no scheduler answers at {address}"):
            search(PLAN, out=tmp_path / "none", executor=executor_of(scheduler=address))
    assert not finished(tmp_path / "none")
