"""A sweep: trials are proposed, packed, trained and kept, until nothing more is proposed."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from linclass import __version__
from linclass.datasets import augment
from linclass.datasets.batches import count
from linclass.errors import InterruptedRun, UsageError, counted, decimal
from linclass.runs import experiment, legacy
from linclass.runs.data import named, note_data
from linclass.runs.directory import RESULTS
from linclass.runs.model import build_optimizer
from linclass.runs.progress import PYTHON, Listener
from linclass.search import packs, report, store, trials
from linclass.search.adaptive import Adaptive, Sampler
from linclass.search.executors import Executor, here, processes
from linclass.search.found import Found, rows_of
from linclass.search.packs import Pack, PackResult
from linclass.search.spaces import Space
from linclass.search.trials import Result, Trial
from linclass.settings import Experiment
from linclass.training import schedules

Propose = Callable[[Sequence[Result]], Sequence[Trial]]
"""The finished results in the order of their trials -> the next trials; none when the search is over."""


@dataclass(frozen=True)
class Plan:
    """What is searched, and how; together with the data it fixes every pack.

    Attributes:
        space, settings: what varies, and what does not.
        trials: random draws a round. rounds: after the first, each around the best so far.
        seed: of the draws; the models' own is in `settings`.
        rank: a key of `trials.RANKS`.
        sampler: of an adaptive search, in which `trials` are all the trials and a grid's values are tried
            as the sampler likes; None: `seed` alone decides.
    """

    space: Space
    settings: Experiment
    trials: int = 10
    rounds: int = 1
    seed: int = 0
    rank: str = "loss"
    sampler: Sampler | None = None

    def __post_init__(self) -> None:
        for name, value in (("--trials", self.trials), ("--rounds", self.rounds)):
            if value < 1:
                raise UsageError(f"{name} is {value}: expected a whole number of at least 1")
        if self.rank not in trials.RANKS:
            raise UsageError(f"--rank is {self.rank!r}: expected one of {', '.join(trials.RANKS)}")
        if self.rounds > 1 and not self.space.random:
            raise UsageError("--rounds narrows random dimensions, and there are none: leave it out")
        if self.rounds > 1 and self.sampler:
            raise UsageError("--sampler narrows the search by itself: leave out --rounds")

    def propose(self, results: Sequence[Result]) -> list[Trial]:
        """The next round's trials: a function of the plan and the earlier rounds' results."""
        round = results[-1].trial.round + 1 if results else 0
        if round >= self.rounds:
            return []
        space = self.space
        for earlier in range(round):
            so_far = [result for result in results if result.trial.round <= earlier]
            space = space.narrowed(trials.best(so_far, self.rank).trial.values, self.space)
        return trials.draw(
            space, self.settings, trials=self.trials, seed=self.seed, round=round, first=len(results)
        )

    def to_json(self, digest: str, classes: Sequence[str]) -> dict[str, Any]:
        """What sweep.json holds."""
        return {
            "format": legacy.FORMAT,
            "linclass": __version__,
            "space": self.space.to_json(),
            "trials": self.trials,
            "rounds": self.rounds,
            "seed": self.seed,
            "rank": self.rank,
            "sampler": asdict(self.sampler) if self.sampler else None,
            "data": digest,
            "classes": [*classes],
            "settings": self.settings.to_dict(),
        }


def search(
    plan: Plan,
    *,
    name: str = "sweep",
    out: Path | None = None,
    overwrite: bool = False,
    data_dir: Path | None = None,
    threads: int = 1,
    executor: Executor = here,
    listener: Listener = PYTHON,
) -> Found:
    """Carry out a plan in a sweep directory; what is finished there already is not trained again.

    Args:
        name: the directory is result_pics/<name> unless `out` gives it.
        overwrite: forget a sweep that is there already.
        data_dir, threads: as in `experiment.run`.
        executor: who trains the packs.

    Raises UsageError for a space that does not fit, before anything is trained; RunTakenError where another
    sweep is in the directory; InterruptedRun after Ctrl-C, with all finished packs kept.
    """
    if plan.settings.is_regression:
        raise UsageError(
            f"a search compares classifiers, and --dataset {plan.settings.dataset} is a regression; "
            "expected classes, such as --dataset mnist"
        )
    packs.forget_data()
    dataset = packs.load(plan.settings, data_dir)
    note_data(plan.settings, dataset, listener, plan.space.fields)
    # what is `auto` is resolved trial by trial: the initialisation depends on the activation
    settings = named(plan.settings, dataset)
    if not set(plan.space.fields) & {*packs.OF_THE_DATA, "fold"}:  # all trials have these rows
        settings = settings.replace(batch_size=settings.batch_size_for(len(dataset.train)))
    plan = replace(plan, settings=settings)
    place = Path(out) if out is not None else RESULTS / name
    classes = None if overwrite else store.classes_of(place, settings, dataset.classes)
    digest = packs.digest_of(settings, data_dir, classes)
    check(plan.propose([]), data_dir, classes)
    with store.claim(place, plan.to_json(digest, classes or dataset.classes), overwrite=overwrite) as kept:
        listener.note(f"searching into {place}")
        propose: Propose = plan.propose
        if plan.sampler is not None:
            adaptive = Adaptive(
                plan.space,
                settings,
                plan.sampler,
                place,
                study=kept.study,
                trials=plan.trials,
                rank=plan.rank,
                seed=plan.seed,
            )
            if overwrite:
                adaptive.forget()
            propose = adaptive.propose
            executor = adaptive.execute if plan.sampler.pruner != "none" else executor
        driver = _Driver(plan, kept, executor, data_dir, classes, threads, listener)
        with _interrupted_in_words(driver):
            driver.run(propose)
        found = driver.finish()
        report.draw(found)
        return found


class _Driver:
    """The loop over proposals, and what is known so far."""

    def __init__(
        self,
        plan: Plan,
        kept: store.Store,
        executor: Executor,
        data_dir: Path | None,
        classes: packs.Classes,
        threads: int,
        listener: Listener,
    ) -> None:
        self.plan, self.kept, self.executor = plan, kept, executor
        self.data_dir, self.classes, self.threads, self.listener = data_dir, classes, threads, listener
        self.packs: dict[int, PackResult] = {}

    def run(self, propose: Propose) -> None:
        """Until nothing more is proposed."""
        while asked := propose(self.results()):
            check(asked, self.data_dir, self.classes)
            self._train(dict(enumerate(map(self._task, packs.pack(asked)), start=len(self.packs))))

    def results(self) -> list[Result]:
        """All finished trials, in their order."""
        found = [result for pack in self.packs.values() for result in pack.results]
        return sorted(found, key=lambda result: result.trial.number)

    def _task(self, members: tuple[Trial, ...]) -> Pack:
        return Pack(
            members,
            self.plan.rank,
            packs.digest_of(members[0].settings, self.data_dir, self.classes),
            self.data_dir,
            self.threads,
            self.classes,
        )

    def _train(self, tasks: Mapping[int, Pack]) -> None:
        found = {number: self.kept.load(number, task.trials) for number, task in tasks.items()}
        done = {number: result for number, result in found.items() if result is not None}
        if done:
            self.listener.note(f"{len(done)} of {counted(len(tasks), 'pack')} finished already")
        missing = {number: task for number, task in tasks.items() if number not in done}
        for number, result in self.executor(missing):
            self.kept.save(number, result)
            done[number] = result
            self.listener.note(_told(result, len(done), len(tasks)))
            self._write_table([*self.packs.values(), *done.values()])
        self.packs |= {number: done[number] for number in sorted(done)}
        self._write_table(self.packs.values())

    def _write_table(self, finished: Any) -> None:
        results = sorted(
            (result for pack in finished for result in pack.results), key=lambda r: r.trial.number
        )
        self.kept.write_table(rows_of(results, self.plan.rank))

    def finish(self) -> Found:
        """The best trial as a run directory, and everything in hand."""
        results = self.results()
        best = trials.best(results, self.plan.rank)
        pack = next(p for p in self.packs.values() if p.results[p.best].trial.number == best.trial.number)
        settings = best.trial.settings.replace(seeds=1, seed=best.trial.settings.seed + pack.replica)
        dataset = packs.load(settings, self.data_dir, self.classes)
        if best.lost == len(best.histories):
            raise UsageError(
                f"every trial diverged in its first epoch: search smaller learning rates ({self.kept.path})"
            )
        own = best.histories[pack.replica]
        model = experiment.keep_trained(
            settings,
            dataset,
            pack.weights.params,
            pack.weights.buffers,
            packs.history_of(own),
            trials.best_row(own)["epoch"],
            self.kept.path / "best",
            note=f"trial {best.trial.number} of the sweep in {self.kept.path}",
        )
        return Found(self.kept.path, best, model, results, self.plan.rank, pack.replica)


def check(asked: Sequence[Trial], data_dir: Path | None, classes: packs.Classes = None) -> None:
    """UsageError for trials that could not be trained, before any is."""
    for trial in asked:
        dataset = packs.load(trial.settings, data_dir, classes)
        rows = len(dataset.train)
        settings = trial.settings.decided(rows, dataset.rows_of_classes)
        steps = count(rows, settings.batch_size_for(rows), settings.drop_last)
        schedules.parse(
            settings.schedule, settings.eta, steps_per_epoch=steps, total_steps=steps * settings.epochs
        )
        build_optimizer(settings)
        augment.parse(settings.augment, dataset)


def _told(result: PackResult, done: int, total: int) -> str:
    best = result.results[result.best]
    numbers = [one.trial.number for one in result.results]
    who = f"trial {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} trials, best {best.trial.number}"
    values = ", ".join(f"{name} {value}" for name, value in best.trial.values.items())
    score = best.score
    return (
        f"pack {done}/{total}, {who}: {values}: validation loss {decimal(score.val_loss, 4)}, "
        f"accuracy {100 * score.val_accuracy:.2f} %, epoch {score.best_epoch} of {score.epochs}"
        + (f", {score.status}" if score.status != "finished" else "")
    )


@contextlib.contextmanager
def _interrupted_in_words(driver: _Driver) -> Any:
    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRun(
            f"interrupted; the finished packs are kept in {driver.kept.path}: the same command goes on there",
            signal.SIGINT,
        ) from None


def random_search(
    space: Mapping[str, Any], settings: Experiment | None = None, *, trials: int = 10, **options: Any
) -> Found:
    """Random search.

    Args:
        space: name -> (values, mode) or a list of items: `{"eta": ([1e-5, 1e-3], "log"), "hidden": ([150,
            400], "int"), "activation": ["relu", "leaky-relu"]}`; see `search.spaces`.
        settings: everything else; the baseline if None.
        trials: how many are drawn, in each of `rounds` rounds.
        options: rounds, seed, rank, sampler, and grid (as for `grid_search`); workers, scheduler; those of
            `search`.
    """
    return _search(space, options.pop("grid", None), settings, trials=trials, **options)


def grid_search(
    grid: Mapping[str, Sequence[Any]], settings: Experiment | None = None, **options: Any
) -> Found:
    """Grid search: every combination of the values, `{"eta": [1e-3, 1e-4], "l2": [0, 1e-4]}`.

    settings, options: as for `random_search`.
    """
    return _search(None, grid, settings, **options)


def _search(
    random: Mapping[str, Any] | None,
    grid: Mapping[str, Sequence[Any]] | None,
    settings: Experiment | None,
    *,
    trials: int = 1,
    rounds: int = 1,
    seed: int = 0,
    rank: str = "loss",
    sampler: Sampler | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    **options: Any,
) -> Found:
    from linclass.search.spaces import space

    plan = Plan(space(random, grid), settings or Experiment(), trials, rounds, seed, rank, sampler)
    return search(plan, executor=executor_of(workers, scheduler, sampler), **options)


def executor_of(workers: int = 1, scheduler: str | None = None, sampler: Sampler | None = None) -> Executor:
    """This process, `workers` processes of this machine, or the cluster of a Dask scheduler."""
    if sampler is not None and sampler.pruner != "none" and (workers > 1 or scheduler):
        raise UsageError(
            f"--pruner {sampler.pruner} compares trials while they are trained, in this process: "
            "leave it out, or --workers and --scheduler"
        )
    if scheduler is not None:
        if workers > 1:
            raise UsageError("--workers are processes of this machine: leave it out with --scheduler")
        from linclass.search.cluster import cluster

        return cluster(scheduler)
    return here if workers == 1 else processes(workers)
