"""Losses: scores and labels -> value, and d(loss)/d(scores) in place.

scores are `(n, K, C)`; values come back summed over the rows, one a model, in float64, so that parts of
a split can be added up exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from linclass.kernels import log_softmax
from linclass.params import Array


class Sums(NamedTuple):
    """Over the rows: the loss `(K,)` float64 and the number of correct predictions `(K,)`."""

    loss: Array
    correct: Array


def softmax_cross_entropy(scores: Array, y: Array, *, gradient: bool) -> Sums:
    """loss_i = -log P[i, y_i] with P = softmax(scores), so d(mean loss)/d(scores) = (P - Y) / n.

    scores `(n, K, C)` is overwritten: by that gradient if `gradient`, else by log P.
    Source: KTH DD2424, lecture 3; Bishop, Pattern Recognition and Machine Learning, section 4.3.4.
    """
    n = len(scores)
    rows = np.arange(n)
    # argmax first: ties go to the lower class, as they do at prediction time
    correct = np.count_nonzero(scores.argmax(axis=2) == y[:, None], axis=0)
    log_P = log_softmax(scores, out=scores)
    loss = -log_P[rows, :, y].sum(axis=0, dtype=np.float64)
    if gradient:
        dS = np.exp(log_P, out=scores)
        dS[rows, :, y] -= 1
        dS /= n
    return Sums(loss, correct)
