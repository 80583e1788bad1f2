"""Adaptive search: Optuna proposes the next trials from the finished ones (extra `[tune]`).

Trials are asked for a few at a time, trained (as one stack, where that is possible), and told. The study in
its storage and the packs in the sweep directory hold the same trials: after a crash, what was asked for but
not finished is trained again, and the search goes on.

Sources: Akiba et al., Optuna, 2019; Bergstra et al., Algorithms for hyper-parameter optimization, 2011 (TPE);
Jamieson and Talwalkar, Non-stochastic best arm identification, 2016 (successive halving).
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linclass.errors import UsageError, missing
from linclass.search.packs import Pack, PackResult, train_pack
from linclass.search.spaces import Dimension, Space, apply
from linclass.search.trials import RANKS, Result, Trial
from linclass.settings import Experiment

SAMPLERS = ("tpe",)
PRUNERS = ("none", "median", "halving")
JOURNAL = "study.journal"


@dataclass(frozen=True)
class Sampler:
    """How an adaptive search is set up.

    Attributes:
        name: of SAMPLERS. pruner: of PRUNERS; it judges by the validation loss after each epoch.
        together: how many trials are asked for at a time.
        storage: sqlite:///FILE, another of Optuna's addresses, or journal:FILE; empty: a journal in the
            sweep directory.
    """

    name: str = "tpe"
    pruner: str = "none"
    together: int = 4
    storage: str = ""

    def __post_init__(self) -> None:
        for option, value, allowed in (
            ("--sampler", self.name, SAMPLERS),
            ("--pruner", self.pruner, PRUNERS),
        ):
            if value not in allowed:
                raise UsageError(f"{option} is {value!r}: expected one of {', '.join(allowed)}")
        if self.together < 1:
            raise UsageError(f"--together is {self.together}: expected a whole number of at least 1")
        _optuna()


class Adaptive:
    """Proposes trials, and looks on while they are trained.

    Args:
        space, settings, rank, seed: as in `sweep.Plan`; all dimensions are Optuna's, a grid's as categories.
        trials: how many in all. place: the sweep directory. study: the name of its study, which no other
            sweep directory has.
    """

    def __init__(
        self,
        space: Space,
        settings: Experiment,
        sampler: Sampler,
        place: Path,
        *,
        study: str,
        trials: int,
        rank: str = "loss",
        seed: int = 0,
    ) -> None:
        self.dims = (*space.random, *space.grid)
        self.settings, self.sampler, self.trials = settings, sampler, trials
        self.storage = sampler.storage or f"journal:{place / JOURNAL}"
        self.rank, self.seed = RANKS[rank], seed
        self.name = study
        self._running: dict[int, Any] = {}

    def propose(self, results: Sequence[Result]) -> list[Trial]:
        """Tell the study what is finished, and ask for the next trials."""
        with _quietly():
            for result in results:
                self._tell(result)
            first = len(results)
            wanted = range(first, min(first + self.sampler.together, self.trials))
            # fresh for every batch, so that a search that was interrupted draws what it would have drawn
            self.study.sampler = _optuna().samplers.TPESampler(seed=self.seed + first, constant_liar=True)
            return [self._ask(number) for number in wanted]

    def forget(self) -> None:
        """Delete the study, where there is one."""
        optuna = _optuna()
        with contextlib.suppress(KeyError):
            optuna.delete_study(study_name=self.name, storage=self._open())

    def execute(self, packs: Mapping[int, Pack]) -> Iterator[tuple[int, PackResult]]:
        """Train packs in this process; the pruner looks on."""
        judge = None if self.sampler.pruner == "none" else self._judge
        for number, task in packs.items():
            yield number, train_pack(task, judge)

    @functools.cached_property
    def study(self) -> Any:
        """The study, made in its storage or found there."""
        optuna = _optuna()
        pruner = {
            "none": optuna.pruners.NopPruner,
            "median": optuna.pruners.MedianPruner,
            "halving": optuna.pruners.SuccessiveHalvingPruner,
        }[self.sampler.pruner]()
        with _quietly():
            return optuna.create_study(
                storage=self._open(), study_name=self.name, pruner=pruner, load_if_exists=True
            )

    def _open(self) -> Any:
        """The storage. UsageError where it cannot be opened."""
        optuna = _optuna()
        try:
            if self.storage.startswith("journal:"):
                path = Path(self.storage.removeprefix("journal:"))
                return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
            return optuna.storages.get_storage(self.storage)
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"--storage is {self.storage!r}: expected sqlite:///FILE or journal:FILE ({reason})"
            ) from error

    def _ask(self, number: int) -> Trial:
        """Trial `number`: as it was asked for before an interruption, or a new one."""
        optuna = _optuna()
        frozen = self.study.get_trials(deepcopy=False)
        if number < len(frozen):
            asked = optuna.trial.Trial(self.study, frozen[number]._trial_id)
        else:
            asked = self.study.ask()
        self._running[number] = asked
        values = {dim.field: _suggest(asked, dim) for dim in self.dims}
        return Trial(number, 0, values, apply(self.settings, values).resolved())

    def _tell(self, result: Result) -> None:
        optuna = _optuna()
        number, score = result.trial.number, result.score
        if self.study.get_trials(deepcopy=False)[number].state.is_finished():
            return
        if score.status == "pruned":
            self.study.tell(number, state=optuna.trial.TrialState.PRUNED)
        elif result.lost:
            self.study.tell(number, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(number, self.rank(score))

    def _judge(self, trial: Trial, epoch: int, loss: float) -> bool:
        asked = self._running[trial.number]
        with _quietly():  # a trial that is trained again has reported its first epochs already
            asked.report(loss, epoch)
            return bool(asked.should_prune())


def _suggest(asked: Any, dim: Dimension) -> Any:
    if dim.mode == "item":
        return asked.suggest_categorical(dim.field, list(dim.values))
    low, high = dim.values
    if dim.mode == "int":
        return dim.typed(asked.suggest_int(dim.field, low, high))
    return dim.rounded(asked.suggest_float(dim.field, low, high, log=dim.mode == "log"))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without Optuna's remarks on what is experimental in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise missing("--sampler needs Optuna, which is", "tune") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
