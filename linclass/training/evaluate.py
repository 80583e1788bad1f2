"""Loss and accuracy on whole splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from linclass.datasets.inputs import Inputs
from linclass.models.base import Classifier
from linclass.params import Array

# Fixed, because a product of a subset of rows may differ in the last bit from the product of all
EVALUATION_ROWS = 500


class Evaluation(NamedTuple):
    """Of K models on one split: mean loss without the penalty `(K,)`, fraction correct `(K,)`."""

    loss: Array
    accuracy: Array


def evaluate(model: Classifier, data: Inputs) -> Evaluation:
    """Loss and accuracy over all rows of `data`, in evaluation mode; the accuracy of a regression is NaN."""
    loss, weight, correct = np.zeros(model.K), 0.0, np.zeros(model.K, np.int64)
    for x, y in data.chunks(EVALUATION_ROWS):
        sums = model.loss_sums(x, y)
        loss += sums[0]
        weight += model.total_weight(y)
        correct += sums[1]
    return Evaluation(loss / weight, fraction(correct, len(data), data))


def evaluate_each(models: Sequence[Classifier], data: Inputs) -> Evaluation:
    """`evaluate` of several models, each to the bits of it alone."""
    return Evaluation(*map(np.concatenate, zip(*(evaluate(model, data) for model in models), strict=True)))


def fraction(correct: Array, rows: Array | int, data: Inputs) -> Array:
    """`correct / rows`; NaN for a regression, where there is no right or wrong."""
    return np.full(len(correct), np.nan) if data.is_regression else correct / rows


class Splits(NamedTuple):
    """What is evaluated after an epoch."""

    train: Inputs
    valid: Inputs
    test: Inputs | None


class Evaluations(NamedTuple):
    """Of each of `Splits`."""

    train: Evaluation
    valid: Evaluation
    test: Evaluation | None


def evaluate_all(models: Sequence[Classifier], splits: Splits) -> Evaluations:
    """`evaluate_each` on each split."""
    on_test = None if splits.test is None else evaluate_each(models, splits.test)
    return Evaluations(evaluate_each(models, splits.train), evaluate_each(models, splits.valid), on_test)
