"""Architecture: what a network is, beside the numbers that training changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from linclass.datasets.scale import IDENTITY, Scaler
from linclass.errors import UsageError
from linclass.models.kernels import ACTIVATIONS
from linclass.models.losses import Loss, make_loss
from linclass.params import Array, as_slice


@dataclass(frozen=True, eq=False)
class Architecture:
    """K networks of the same layers, each with its seed and its lambda.

    Attributes:
        sizes: features, hidden widths, scores.
        seeds: one a model; they name its first numbers and its dropout masks.
        activation: a name in `kernels.ACTIVATIONS`. batch_norm: whether one stands before each activation.
        dropout: the probability that a hidden unit is dropped.
        loss: a name in `losses.LOSSES`, with its label_smoothing, class_weights and reduction; or the
            loss itself.
        l2: lambda, one number or `(K,)`; it penalises all W, nothing else.
        init, init_std: how the first numbers are drawn, see `init`.
        dtype: float32 or float64.
        scaler: the first step, on rows as they are stored; without one they are taken as they are.
        batch_size: rows of the batches that it is trained on, 0 if it is not; see `linear.ScaledAffine`.

    Raises UsageError for an activation or a dropout that there is not.
    """

    sizes: tuple[int, ...]
    seeds: Sequence[int] = (0,)
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0
    loss: str | Loss = "softmax"
    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    reduction: str = "mean"
    l2: Array | float = 0.0
    init: str = "he"
    init_std: float = 0.01
    dtype: Any = np.float64
    scaler: Scaler = IDENTITY
    batch_size: int = 0

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise UsageError(f"--activation is {self.activation!r}: expected one of {', '.join(ACTIVATIONS)}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout is {self.dropout}: expected a number of at least 0 and below 1")

    @property
    def K(self) -> int:
        """Models side by side."""
        return len(self.seeds)

    def select(self, models: int | slice) -> Architecture:
        """That of model k alone, or of a slice of the models."""
        which = as_slice(models)
        return replace(self, seeds=self.seeds[which], l2=np.broadcast_to(self.l2, (self.K,))[which])

    def make_loss(self) -> Loss:
        """The loss, ready to be called."""
        if not isinstance(self.loss, str):
            return self.loss
        return make_loss(
            self.loss,
            label_smoothing=self.label_smoothing,
            class_weights=self.class_weights,
            reduction=self.reduction,
        )
