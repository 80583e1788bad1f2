"""Ensemble: several classifiers that decide together, such as the snapshots at the ends of the cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linclass.models.base import Classifier
from linclass.models.kernels import log_softmax
from linclass.models.losses import make_loss
from linclass.params import Array


class Ensemble:
    """The mean of the members' probabilities: P = (1/M) sum_m softmax(scores_m); its scores are log P.

    Members are stacks of the same K: model k of the ensemble is made of model k of each. label_smoothing,
    class_weights: of the cross-entropy by which it is judged, like the members by theirs.
    Source: Huang et al., Snapshot ensembles: train 1, get M for free, 2017.
    """

    def __init__(
        self,
        members: Sequence[Classifier],
        *,
        label_smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        if len({member.K for member in members}) != 1:
            raise ValueError("expected at least one member, and members of the same K")
        self.members = list(members)
        self._loss = make_loss(label_smoothing=label_smoothing, class_weights=class_weights)

    @property
    def K(self) -> int:
        return self.members[0].K

    def scores(self, x: Array) -> Array:
        """log P `(K, n, C)` float64: of a mean of probabilities float32 would lose the smallest."""
        log_P = [np.array(member.scores(x), np.float64) for member in self.members]
        mean = np.logaddexp.reduce([log_softmax(scores, out=scores) for scores in log_P])
        return np.asarray(mean - np.log(len(self.members)))

    def loss_sums(self, x: Array, y: Array) -> tuple[Array, Array]:
        """`(K,)` summed cross-entropy and `(K,)` correct predictions."""
        return self._loss(self.scores(x), y, gradient=False)

    def total_weight(self, y: Array) -> float:
        """The number of the rows, or the sum of their class weights."""
        return self._loss.total_weight(y)

    def penalty(self) -> Array:
        """`(K,)` NaN: the members were penalised, the mean of their probabilities has no weights, and so no
        cost."""
        return np.full(self.K, np.nan)
