"""The process that one contender lives in: waits for a line of JSON, does it, answers with one.

{"do": "check", "to": FILE}   train the check's few batches, write weights and scores to FILE
{"do": "prepare"}             load all rows, compile, try each number of threads, keep the fastest
{"do": "round"}               an epoch or a few: {"seconds": ... of one}
{"do": "quit"}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.agreement import EPOCHS
from benchmarks.contenders.contender import Contender
from benchmarks.problem import Problem
from benchmarks.workloads import WORKLOADS
from linclass import npz

TRIES = 3
"""Measured rounds of each number of threads, before the fastest is kept."""


class Worker:
    """One contender on one workload. place: `module:Class`."""

    def __init__(self, place: str, workload: str, threads: int, quick: bool) -> None:
        module, name = place.split(":")
        self._class = getattr(importlib.import_module(module), name)
        self._workload, self._threads, self._quick = WORKLOADS[workload], threads, quick
        self._contender: Contender | None = None
        self._epoch = 0

    def check(self, to: str) -> dict[str, Any]:
        """Train the check's problem, for `agreement` to judge."""
        contender: Contender = self._class(
            Problem(self._workload, quick=self._quick, check=True), self._threads
        )
        contender.use_threads(self._threads)
        contender.epochs(1, EPOCHS)
        arrays = {f"weights {name}": array for name, array in contender.weights().items()}
        for split, scores in contender.scores().items():
            arrays[f"scores {split}"] = np.stack(scores)
        Path(to).write_bytes(npz.pack(arrays))
        return {"models": contender.models}

    def prepare(self) -> dict[str, Any]:
        """Ready for rounds: everything that happens only once has happened."""
        self._contender = contender = self._class(Problem(self._workload, quick=self._quick), self._threads)
        tries: dict[int, list[float]] = {threads: [] for threads in contender.thread_choices}
        for _ in range(TRIES if len(tries) > 1 else 1):  # in turn: a slow moment of the machine falls on each
            for threads, seconds in tries.items():
                contender.use_threads(threads)
                self.round()
                seconds.append(self.round()["seconds"])
        best = min(tries, key=lambda threads: min(tries[threads]))
        contender.use_threads(best)
        return {"threads": best, "models": contender.models}

    def round(self) -> dict[str, Any]:
        """The seconds of an epoch, the mean over those of a round."""
        assert self._contender is not None, "prepare comes first"
        count = self._workload.epochs_a_round
        seconds = self._contender.epochs(self._epoch + 1, count)
        self._epoch += count
        return {"seconds": seconds / count}

    def serve(self, orders: TextIO, answers: TextIO) -> None:
        """Until told to quit, or nobody is there any more."""
        for line in orders:
            order = json.loads(line)
            what = order.pop("do")
            if what == "quit":
                return
            try:
                answer = getattr(self, what)(**order)
            except Exception as error:  # a peer may fail in any way; it is left out with its reason
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """`python -m benchmarks.worker PLACE WORKLOAD THREADS QUICK`."""
    place, workload, threads, quick = sys.argv[1:]
    # what libraries print must not come between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        worker = Worker(place, workload, int(threads), quick == "True")
    except ImportError as error:
        print(json.dumps({"error": f"ImportError: {error}"}), file=answers, flush=True)
        return
    print(json.dumps({"ready": True}), file=answers, flush=True)
    worker.serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
