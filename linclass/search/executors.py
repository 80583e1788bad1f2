"""Executors: who trains the packs. Each yields (number of the pack, result) as packs are finished.

The results do not depend on the executor: a pack is a pure function of what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from linclass.search import workers
from linclass.search.packs import Pack, PackResult, train_pack

Executor = Callable[[Mapping[int, Pack]], Iterator[tuple[int, PackResult]]]


def here(packs: Mapping[int, Pack]) -> Iterator[tuple[int, PackResult]]:
    """One after another in this process."""
    for number, task in packs.items():
        yield number, train_pack(task)


def processes(count: int) -> Executor:
    """In `count` processes of this machine, each with its own copy of the data."""
    workers.end_if_only_imported()  # before the search claims its directory, which its parent holds

    def execute(packs: Mapping[int, Pack]) -> Iterator[tuple[int, PackResult]]:
        numbers = list(packs)
        threads = max((task.threads for task in packs.values()), default=1)
        tasks = [(train_pack, packs[number]) for number in numbers]
        for i, result in workers.results(tasks, count, threads=threads):
            yield numbers[i], result

    return execute
