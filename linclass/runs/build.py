"""Settings and data -> the model, the inputs and the trainer of an experiment, ready to train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linclass import engine
from linclass.datasets import augment, batches
from linclass.datasets.dataset import Dataset
from linclass.datasets.inputs import Inputs
from linclass.datasets.scale import Scaler, check_fits
from linclass.errors import UsageError
from linclass.models.base import Model
from linclass.runs.model import build_model, build_optimizer, replica_seeds
from linclass.settings import Experiment
from linclass.training import callbacks, schedules
from linclass.training.state import TrainState
from linclass.training.trainer import Callback, Trainer


@dataclass
class Job:
    """Everything an experiment trains with.

    blas_threads: that share each product.
    """

    settings: Experiment
    dataset: Dataset
    model: Model
    trainer: Trainer
    train: Inputs
    valid: Inputs
    test: Inputs | None
    blas_threads: int = 1

    def fit(self) -> TrainState:
        """Train until the epochs are done; see `Trainer.fit`."""
        with engine.limited(self.blas_threads):
            return self.trainer.fit(self.train, epochs=self.settings.epochs, valid=self.valid, test=self.test)


STACKED = ("eta", "l2")
"""The fields in which the models of one stack may differ: constants of each model, `(K,)`."""


def build(
    settings: Experiment | Sequence[Experiment],
    dataset: Dataset,
    *,
    model: Model | None = None,
    state: TrainState | None = None,
    threads: int = 1,
    common_order: bool = False,
) -> Job:
    """Model, inputs and trainer of an experiment; continues from `state` where it is given.

    Several settings, which differ in STACKED only, make a stack: one model each, from the same first
    weights and on common batches. Their comparison is paired; their spread is no interval.

    threads: that share each product where products are wide (`has_wide_products`); else there is one.
    common_order: so do the replicas of one setting. They are independent only where a batch is the whole
        split, so that there is no order.
    """
    stack = [settings] if isinstance(settings, Experiment) else list(settings)
    stack = [one.decided(len(dataset.train), dataset.rows_of_classes) for one in stack]
    settings, batch_size = stack[0], stack[0].batch_size_for(len(dataset.train))
    if any(set(settings.differences(other)) - set(STACKED) for other in stack):
        raise ValueError(f"the settings of a stack may differ in {' and '.join(STACKED)} only")
    if len(stack) > 1 and settings.seeds > 1:
        raise ValueError("a stack of several settings has one seed; train replicas one setting at a time")
    seeds = replica_seeds(settings) if len(stack) == 1 else [settings.seed] * len(stack)
    check_fits(dataset.train.x, settings.scaling, settings.dtype)
    if model is None:
        l2 = np.array([one.l2 for one in stack])
        scaler = Scaler.fit(dataset.train.x, settings.scaling)
        model = build_model(
            settings, dataset.features, len(dataset.classes), scaler=scaler, seeds=seeds, l2=l2
        )
    model = model.remade(batch_size=batch_size)
    if settings.test and dataset.test is None:
        raise UsageError(f"--test: {dataset.name} has no test split; leave the option out, or give --no-test")
    per_epoch = batches.count(len(dataset.train), batch_size, settings.drop_last)
    rates = schedules.parse(
        settings.schedule,
        np.array([one.eta for one in stack]),
        steps_per_epoch=per_epoch,
        total_steps=per_epoch * settings.epochs,
    )
    common = common_order or len(stack) > 1
    # PyTorch has threads of its own
    wide = settings.model != "torch-mlp" and has_wide_products(model, batch_size, common=common)
    trainer = Trainer(
        model,
        build_optimizer(settings),
        rates,
        batch_size=batch_size,
        seed=settings.seed if common else seeds,
        shuffle=settings.shuffle,
        drop_last=settings.drop_last,
        state=state,
        test=settings.test,
        augmentation=augment.parse(settings.augment, dataset),
    )
    test = Inputs(dataset.test) if settings.test and dataset.test is not None else None
    return Job(
        settings,
        dataset,
        model,
        trainer,
        Inputs(dataset.train),
        Inputs(dataset.validation),
        test,
        blas_threads=threads if wide else 1,
    )


WIDE = 2e7
"""Rows of a batch times weights in the widest product, from which two threads of BLAS share each product
(`benchmarks/README.md` has what was measured)."""


def has_wide_products(model: Model, batch_size: int, *, common: bool = False) -> bool:
    """Whether BLAS has the better use for a second core; common: all models of the stack share their rows."""
    first, *rest = model.params.values()
    widest = max([first.size if common else first[0].size, *(array[0].size for array in rest)])
    return bool(batch_size * widest >= WIDE)


def stoppers(settings: Experiment, note: callbacks.Note, since: int = 1) -> list[Callback]:
    """What may end a model's training before its last epoch.

    since: the first epoch that the overfit threshold and its action are meant for.
    """
    return [
        callbacks.OverfitMonitor(settings.overfit_threshold, settings.overfit_action, note, since),
        callbacks.EarlyStop(settings.patience, note),
    ]
