"""From settings to a model: the one place that knows every kind by name."""

from __future__ import annotations

from linclass.models.linear import Linear
from linclass.settings import Experiment


def build_model(settings: Experiment, features: int, classes: int) -> Linear:
    """The model of `settings`, freshly initialised: `settings.seeds` replicas with a seed each."""
    return Linear.create(
        features,
        classes,
        seeds=replica_seeds(settings),
        init_std=settings.init_std,
        l2=settings.l2,
        dtype=settings.dtype,
    )


def replica_seeds(settings: Experiment) -> list[int]:
    """Replica k of a run is the single run with seed + k."""
    return [settings.seed + k for k in range(settings.seeds)]
