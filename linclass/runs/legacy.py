"""The settings of runs that earlier versions made: what was not recorded, or recorded with another meaning.

Each format has its own table, which never changes with today's defaults. run.json, state.npz, sweep.json and
the packs of a sweep hold settings, and say in which format.

    format 1   linclass 0.1.0. Momentum 0 stood for 0.9, --train-size 0 for all rows, --val-size 0 for the
               data set's own. Folds and label noise were drawn from `seed`. Labels of a user's own data were
               numbers from 0 to C - 1 as they are stored, and those between that no row has were classes too;
               the validation rows were the last ones.
    format 2   today's
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from linclass.settings import Experiment

_OWN_FILES = (".npz", ".csv")
FORMAT = 2
"""Raised when an older linclass would misread the settings or the files around them."""

_DEFAULTS_1: Mapping[str, Any] = {
    "dataset": "cifar10",
    "label": "",
    "split": "auto",
    "train_size": 0,
    "val_size": 0,
    "fold": "",
    "model": "linear",
    "hidden": "",
    "activation": "relu",
    "init": "auto",
    "init_std": 0.01,
    "scaling": "auto",
    "eta": 0.001,
    "l2": 0.0,
    "loss": "softmax",
    "label_smoothing": 0.0,
    "class_weights": "",
    "label_noise": 0.0,
    "reduction": "mean",
    "dropout": 0.0,
    "batch_norm": False,
    "optimizer": "sgd",
    "torch_optim": False,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "clip": 0.0,
    "schedule": "constant",
    "batch_size": 100,
    "epochs": 40,
    "shuffle": "samples",
    "drop_last": False,
    "augment": "",
    "dtype": "float32",
    "seed": 0,
    "seeds": 1,
    "snapshot_every": 0,
    "overfit_threshold": 0.5,
    "overfit_action": "warn",
    "patience": 0,
    "test": False,
}


def translated(settings: Mapping[str, Any], format: Any) -> dict[str, Any]:
    """Settings as a file of `format` holds them, by the fields and with the meanings of today.

    Raises ValueError for a format that this linclass does not know.
    """
    if type(format) is not int or not 1 <= format <= FORMAT:
        raise ValueError(f"format {format!r}, where 1 to {FORMAT} are known")
    return _from_1(settings) if format == 1 else dict(settings)


def experiment(settings: Mapping[str, Any], format: Any) -> Experiment:
    """`translated` as an Experiment. Raises UsageError for values that cannot be used."""
    return Experiment.from_dict(translated(settings, format))


def classes(found: Sequence[str]) -> tuple[str, ...]:
    """The classes of a user's own data in format 1, by the labels that occur in them."""
    return tuple(str(label) for label in range(max(map(int, found)) + 1))


def _from_1(settings: Mapping[str, Any]) -> dict[str, Any]:
    own = {**_DEFAULTS_1, **settings}
    if own["momentum"] == 0:
        own["momentum"] = 0.9 if own["optimizer"] in ("momentum", "nesterov") else None
    for name in ("train_size", "val_size"):
        own[name] = own[name] or None
    if own["split"] == "auto" and str(own["dataset"]).lower().endswith(_OWN_FILES):
        own["split"] = "all"
    own["split_seed"] = own["seed"] if own["fold"] or own["label_noise"] else 0
    return own
