"""From settings to a model and its optimiser: the one place that knows every kind by name."""

from __future__ import annotations

from collections.abc import Sequence

from linclass.datasets.scale import IDENTITY, Scaler
from linclass.models.architecture import Architecture
from linclass.models.base import Model
from linclass.models.linear import Linear
from linclass.models.mlp import MLP
from linclass.models.torch_net import TorchMLP
from linclass.params import Array
from linclass.settings import Experiment
from linclass.training.optim import Optimizer, make
from linclass.training.torch_optim import torch_optimizer

MODELS: dict[str, type[Linear] | type[MLP] | type[TorchMLP]] = {
    "linear": Linear,
    "mlp": MLP,
    "torch-mlp": TorchMLP,
}


def build_model(
    settings: Experiment,
    features: int,
    classes: int,
    *,
    scaler: Scaler = IDENTITY,
    seeds: Sequence[int] | None = None,
    l2: Array | float | None = None,
) -> Model:
    """The model of `settings`, freshly initialised; see `architecture_of`."""
    return MODELS[settings.model](
        architecture_of(settings, features, classes, scaler=scaler, seeds=seeds, l2=l2)
    )


def architecture_of(
    settings: Experiment,
    features: int,
    classes: int,
    *,
    scaler: Scaler = IDENTITY,
    seeds: Sequence[int] | None = None,
    l2: Array | float | None = None,
) -> Architecture:
    """What the model of `settings` is: a replica for each of `replica_seeds`.

    settings: with class weights that are numbers; see `Experiment.decided`.

    seeds, l2: others than the settings', as the gradient check needs them; l2 one number or `(K,)`.
    """
    settings = settings.resolved()
    hidden = () if settings.model == "linear" else settings.hidden_sizes
    return Architecture(
        (features, *hidden, classes),
        seeds=replica_seeds(settings) if seeds is None else seeds,
        activation=settings.activation,
        batch_norm=settings.batch_norm,
        dropout=settings.dropout,
        loss=settings.loss,
        label_smoothing=settings.label_smoothing,
        class_weights=settings.weights_of_classes or None,
        reduction=settings.reduction,
        l2=settings.l2 if l2 is None else l2,
        init=settings.init,
        init_std=settings.init_std,
        dtype=settings.dtype,
        scaler=scaler,
    )


def build_optimizer(settings: Experiment) -> Optimizer:
    """The optimiser of `settings`: ours, or that of torch.optim."""
    function = torch_optimizer if settings.torch_optim else make
    return function(
        settings.optimizer,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
    )


def replica_seeds(settings: Experiment) -> list[int]:
    """Replica k of a run is the single run with seed + k."""
    return [settings.seed + k for k in range(settings.seeds)]
