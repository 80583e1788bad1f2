"""Losses: scores and targets -> value, and d(loss)/d(scores) in place.

Each function of `LOSSES` makes a `Loss`. scores are `(K, n, C)` with any strides and are overwritten;
values come back summed over the rows, one a model, in float64, so that parts of a split can be added up
exactly. Of tied scores the lower class is the prediction.

reduction: "mean", the gradient of the mean over the batch; or "sum", that of the sum over the batch,
n times as large, while the value that is reported stays the mean's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from linclass.errors import UsageError
from linclass.kernels import sigmoid
from linclass.params import Array


class Sums(NamedTuple):
    """Over the rows: the loss `(K,)` float64 and the number of correct predictions `(K,)`."""

    loss: Array
    correct: Array


class Loss(Protocol):
    """What a factory makes."""

    def __call__(self, scores: Array, y: Array, *, gradient: bool) -> Sums:
        """Sums over the rows; scores `(K, n, C)` become the gradient if `gradient`, else anything.

        y `(n,)` classes, or `(n, C)` numbers of a regression: common to all models.
        """
        ...


def softmax_cross_entropy(*, label_smoothing: float = 0.0, reduction: str = "mean") -> Loss:
    """loss_i = -sum_c Y_c log P_c with P = softmax(scores), so d(mean loss)/d(scores) = (P - Y) / n.

    Y is 1 at y and 0 elsewhere; smoothed by s it is 1 - s + s/C and s/C.
    Source: KTH DD2424, lecture 3; smoothing: Szegedy et al., arXiv:1512.00567, section 7.
    """
    s = label_smoothing
    if not 0 <= s < 1:
        raise UsageError(f"--label-smoothing is {s}: expected a number of at least 0 and below 1")
    divisor = _divisor(reduction)

    def loss(scores: Array, y: Array, *, gradient: bool) -> Sums:
        n, C = scores.shape[1:]
        correct = _correct(scores, y)
        # (K, C, n): numpy takes maxima and sums of few long rows sooner than of many short ones; the whole
        # loss of 500 rows then takes 0.6 of the time
        z = np.ascontiguousarray(scores.transpose(0, 2, 1))
        z -= z.max(axis=1, keepdims=True)
        own = _own(y, z.shape)
        z_y, sum_z = z.take(own), z.sum(axis=1) if s else 0
        exp_z = np.exp(z, out=z)
        # Z = sum_c exp(z_c), in two parts, so that no small rest is lost beside the 1 of a certain prediction
        e_y = exp_z.take(own)
        entries = exp_z.reshape(-1)
        entries[own] = 0
        rest = exp_z.sum(axis=1)
        # -log P_c = log Z - z_c
        loss_i = np.log1p(rest + (e_y - 1))
        loss_i -= (1 - s) * z_y + s / C * sum_z if s else z_y
        if gradient:
            # (P - Y) / n = (exp(z) - Z Y) / (Z n)
            Z = rest + e_y
            entries[own] = s * e_y - (1 - s) * rest if s else -rest
            if s:
                exp_z -= (s / C) * Z[:, None]
            # copied after it is divided: dividing into the other order takes twice as long with 16 models
            dS = np.divide(exp_z, (Z * divisor(n))[:, None], out=exp_z)
            np.copyto(scores, dS.transpose(0, 2, 1))
        value = loss_i.sum(axis=1, dtype=np.float64)
        return Sums(value, correct)

    return loss


def binary_cross_entropy(*, reduction: str = "mean") -> Loss:
    """C independent sigmoids p: loss_i = -(1/C) (log p_y + sum over the others of log(1 - p_c)).

    With z = scores, and z_y = -s_y: loss_i = (1/C) sum_c log(1 + exp(z_c)), d(loss_i)/d(z) = sigmoid(z) / C.
    Source: KTH DD2424, assignment 1, bonus part ("multiple binary cross-entropy losses").
    """
    divisor = _divisor(reduction)

    def loss(scores: Array, y: Array, *, gradient: bool) -> Sums:
        K, n, C = scores.shape
        models, rows = np.ogrid[:K, :n]
        correct = _correct(scores, y)
        scores[models, rows, y] *= -1
        # in model k's own memory, so that its rows are added up in the same order beside any others
        losses = np.logaddexp(0, scores, dtype=scores.dtype, order="C").reshape(K, n * C)
        value = losses.sum(axis=1, dtype=np.float64) / C
        if gradient:
            dS = sigmoid(scores, out=scores)
            dS[models, rows, y] *= -1
            dS /= C * divisor(n)
        return Sums(value, correct)

    return loss


def multiclass_svm(*, reduction: str = "mean") -> Loss:
    """loss_i = sum over c != y of max(0, s_c - s_y + 1).

    Source: Weston and Watkins, ESANN 1999; Stanford CS231n, linear classification.
    """
    divisor = _divisor(reduction)

    def loss(scores: Array, y: Array, *, gradient: bool) -> Sums:
        K, n, _ = scores.shape
        models, rows = np.ogrid[:K, :n]
        correct = _correct(scores, y)
        # in this order: s_c + 1 would round the margin away where scores are large
        margins = np.subtract(scores, scores[models, rows, y][..., None], out=scores)
        margins += 1
        margins[models, rows, y] = 0
        np.maximum(margins, 0, out=margins)
        # as in the binary cross-entropy
        value = np.ascontiguousarray(margins).reshape(K, -1).sum(axis=1, dtype=np.float64)
        if gradient:
            # +1 for each class within the margin, and -1 for each of them at y
            dS = np.sign(margins, out=scores)
            dS[models, rows, y] = -dS.sum(axis=2)
            dS /= divisor(n)
        return Sums(value, correct)

    return loss


def squared_error(*, reduction: str = "mean") -> Loss:
    """Regression: loss_i = sum_c (s_c - y_c)^2, without 1/2; y is float, none is correct."""
    divisor = _divisor(reduction)

    def loss(scores: Array, y: Array, *, gradient: bool) -> Sums:
        K, n, C = scores.shape
        if y.shape != (n, C):
            raise UsageError(
                f"the squared error is for regression: expected targets of shape ({n}, {C}), "
                f"the data has {y.shape}; for classes use --loss softmax, bce or svm"
            )
        residual = np.subtract(scores, y, out=scores)
        # as in the binary cross-entropy
        squares = np.square(residual, dtype=np.float64, order="C").reshape(K, n * C)
        value = squares.sum(axis=1)
        if gradient:
            residual *= 2 / divisor(n)
        return Sums(value, np.zeros(K, np.int64))

    return loss


LOSSES: dict[str, Callable[..., Loss]] = {
    "softmax": softmax_cross_entropy,
    "bce": binary_cross_entropy,
    "svm": multiclass_svm,
    "squared": squared_error,
}


def make_loss(name: str = "softmax", *, label_smoothing: float = 0.0, reduction: str = "mean") -> Loss:
    """The loss of `LOSSES`; raises UsageError for an unknown one, and for a smoothing it does not know."""
    if name not in LOSSES:
        raise UsageError(f"--loss is {name!r}: expected one of {', '.join(LOSSES)}")
    if name == "softmax":
        return softmax_cross_entropy(label_smoothing=label_smoothing, reduction=reduction)
    if label_smoothing:
        raise UsageError(
            f"--label-smoothing is {label_smoothing}, which --loss {name} does not have; "
            "leave it out or use --loss softmax"
        )
    return LOSSES[name](reduction=reduction)


def _divisor(reduction: str) -> Callable[[int], int]:
    """By what the gradient of the sum over n rows is divided."""
    if reduction not in ("mean", "sum"):
        raise UsageError(f"--reduction is {reduction!r}: expected mean or sum")
    return (lambda n: n) if reduction == "mean" else (lambda n: 1)


def _own(y: Array, shape: tuple[int, int, int]) -> Array:
    """`(K, n)` positions of each row's own class in the memory of an array `(K, C, n)`.

    Raises IndexError for a label outside [0, C).
    """
    K, C, n = shape
    y = y.astype(np.intp, copy=False)
    if y.view(np.uintp).max(initial=0) >= C:  # a negative one is a large one there
        raise IndexError(f"labels are {y.min()} to {y.max()}: expected integers in [0, {C})")
    # one index array: numpy looks up (models, y, rows) in twice the time
    own: Array = y * n + _of_first_class(K, C, n)
    return own


@functools.lru_cache(maxsize=16)
def _of_first_class(K: int, C: int, n: int) -> Array:
    """`(K, n)` positions of class 0."""
    return np.arange(n) + np.arange(K)[:, None] * (C * n)


def _correct(scores: Array, y: Array) -> Array:
    """`(K,)`; ties go to the lower class, as at prediction time."""
    return np.asarray((scores.argmax(axis=2) == y).sum(axis=1))
