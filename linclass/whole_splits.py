"""Loss and accuracy on whole splits, on one core or two."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from linclass.datasets.inputs import Buffer, Inputs
from linclass.models.base import Classifier
from linclass.params import Array
from linclass.second_core import Worker

# Fixed, because a product of a subset of rows may differ in the last bit from the product of all
EVALUATION_ROWS = 500


class Evaluation(NamedTuple):
    """Of K models on one split: mean loss without the penalty `(K,)`, fraction correct `(K,)`."""

    loss: Array
    accuracy: Array


class Helper(NamedTuple):
    """Who evaluates every other chunk: a worker, and the model's twin to do it with."""

    worker: Worker
    twin: Classifier


def evaluate(model: Classifier, data: Inputs, helper: Helper | None = None) -> Evaluation:
    """Loss and accuracy over all rows of `data`, in evaluation mode; the accuracy of a regression is NaN.

    The chunks' sums are added up in the order of the rows: a helper changes no bit.
    """
    chunks = data.slices(EVALUATION_ROWS)
    sums: list[tuple[Array, Array]] = [(np.empty(0), np.empty(0))] * len(chunks)
    if helper is None:
        sums[:] = _sums(model, data, chunks)
    else:
        odd = helper.worker.start(functools.partial(_sums, helper.twin, data, chunks[1::2]))
        sums[::2] = _sums(model, data, chunks[::2])
        sums[1::2] = odd.result()
    loss, correct = np.zeros(model.K), np.zeros(model.K, np.int64)
    for chunk_loss, chunk_correct in sums:
        loss += chunk_loss
        correct += chunk_correct
    return Evaluation(loss / len(data), fraction(correct, len(data), data))


def fraction(correct: Array, rows: int | Array, data: Inputs) -> Array:
    """`correct / rows`; NaN for a regression, where there is no right or wrong."""
    return np.full(len(correct), np.nan) if data.is_regression else correct / rows


def _sums(model: Classifier, data: Inputs, chunks: Sequence[slice]) -> list[tuple[Array, Array]]:
    """Summed loss and correct predictions of each chunk."""
    buffer = Buffer()
    return [model.loss_sums(*data.rows(chunk, buffer=buffer)) for chunk in chunks]


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


def evaluate_all(model: Classifier, splits: Splits, helper: Helper | None = None) -> Evaluations:
    """`evaluate` of each split."""
    on_test = None if splits.test is None else evaluate(model, splits.test, helper)
    return Evaluations(evaluate(model, splits.train, helper), evaluate(model, splits.valid, helper), on_test)
