"""Losses: scores and targets -> value, and d(loss)/d(scores) in place.

A loss is a function of `LOSSES`, its formulas one after the other; `Loss` adds up its rows. scores are
`(K, n, C)` with any strides and are overwritten; values come back summed over the rows, one a model, in
float64, so that parts of a split can be added up exactly. Of tied scores the lower class is the prediction.

class weights: the mean loss of any rows, a batch or a split, is sum_i w_i loss_i / sum_i w_i with w_i the
weight of row i's class: of PyTorch's `weight`, of scikit-learn's `class_weight`. A factor common to all
weights changes nothing. With label smoothing w_i weighs all of loss_i, as a sample weight does; PyTorch
weighs each class's term in it.

reduction: "mean", the gradient of the mean over the batch; or "sum", that of sum_i w_i loss_i, n times as
large where all weights are 1, while the value that is reported stays the mean's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from linclass.errors import UsageError
from linclass.models.kernels import sigmoid
from linclass.params import Array


class Sums(NamedTuple):
    """Over the rows: the weighted loss `(K,)` float64 and the number of correct predictions `(K,)`."""

    loss: Array
    correct: Array


class Formula(Protocol):
    """A loss row by row."""

    def __call__(self, scores: Array, y: Array, w: Array | None, divisor: Array | None) -> Array:
        """`(K,)` float64: sum_i w_i loss_i; scores `(K, n, C)` become d(loss_i)/d(scores) / divisor_i.

        y `(n,)` classes, or `(n, C)` numbers of a regression: common to all models. w `(n,)`; None: all 1.
        divisor `()` or `(n, 1)`, which has the weights in it. Without one no gradient is wanted, and the
        scores become anything.
        """
        ...


class Loss:
    """A loss over the rows of a batch or a split.

    Args:
        formula: one of `LOSSES`. class_weights: C positive numbers; None: all 1. reduction: see the module's
            docstring, which says what both do.
    """

    def __init__(
        self, formula: Formula, *, class_weights: Sequence[float] | None = None, reduction: str = "mean"
    ) -> None:
        if reduction not in ("mean", "sum"):
            raise UsageError(f"--reduction is {reduction!r}: expected mean or sum")
        self.formula, self.reduction = formula, reduction
        self.class_weights = None if class_weights is None else np.array(class_weights, np.float64)
        if class_weights is not None and not all(0 < weight < np.inf for weight in class_weights):
            raise UsageError(f"the class weights are {class_weights}: expected positive numbers")

    def __call__(self, scores: Array, y: Array, *, gradient: bool) -> Sums:
        """Sums over the rows; scores `(K, n, C)` become the gradient if `gradient`, else anything.

        Raises IndexError for a label outside [0, C), UsageError for other than C class weights.
        """
        K, n, C = scores.shape
        if y.ndim == 1:
            y = _checked(y, C)
            correct = np.asarray((scores.argmax(axis=2) == y).sum(axis=1))
        else:
            correct = np.zeros(K, np.int64)
        is_mean, w = self.reduction == "mean", None
        divisor = scores.dtype.type(n if is_mean else 1)
        if self.class_weights is not None:
            w = self._row_weights(y, C)
            # row i's share of the mean is w_i / sum_i w_i
            divisor = ((w.sum() if is_mean else 1) / w)[:, None].astype(scores.dtype)
        return Sums(self.formula(scores, y, w, divisor if gradient else None), correct)

    def total_weight(self, y: Array) -> float:
        """sum_i w_i, by which sums over these rows are divided; without class weights their number."""
        return len(y) if self.class_weights is None else float(self.class_weights[y].sum())

    def _row_weights(self, y: Array, C: int) -> Array:
        """w `(n,)`, the weight of each row's class."""
        assert self.class_weights is not None
        if len(self.class_weights) != C or y.ndim != 1:
            what = f"{C} classes" if y.ndim == 1 else "a regression"
            raise UsageError(f"there are {len(self.class_weights)} class weights for {what}")
        weights: Array = self.class_weights[y]
        return weights


def softmax_cross_entropy(
    scores: Array, y: Array, w: Array | None, divisor: Array | None, *, label_smoothing: float = 0.0
) -> Array:
    """loss_i = -sum_c Y_c log P_c with P = softmax(scores), so d(mean loss)/d(scores) = (P - Y) / n.

    Y is 1 at y and 0 elsewhere; smoothed by s it is 1 - s + s/C and s/C.
    Source: KTH DD2424, lecture 3; smoothing: Szegedy et al., arXiv:1512.00567, section 7.
    """
    (K, n, C), s = scores.shape, label_smoothing
    # (K, C, n): numpy takes maxima and sums of few long rows sooner than of many short ones
    z = np.ascontiguousarray(scores.transpose(0, 2, 1))
    flat, own = z.reshape(K, C * n), y * n + np.arange(n)  # flat[:, own] is z_c of each row's own class

    # z_c = s_c - max_c s_c: P stays the same, and no exp overflows
    z -= z.max(axis=1, keepdims=True)
    z_y = flat.take(own, axis=1)
    Y_z = (1 - s) * z_y + s / C * z.sum(axis=1) if s else z_y
    # P_c = e_c / Z with e_c = exp(z_c), Z = e_y + rest. A nearly certain prediction has a rest of 1e-20, say,
    # which e_y = 1 would swallow: then -log P_y and 1 - P_y, both 1e-20, would be 0. So it is kept apart:
    # log Z = log(1 + (rest + (e_y - 1))) and P_y - 1 = -rest / Z
    e, e_y = np.exp(z, out=z), np.exp(z_y)
    flat[:, own] = 0
    rest = e.sum(axis=1)
    # loss_i = -sum_c Y_c log P_c = log Z - sum_c Y_c z_c
    loss_i = np.log1p(rest + (e_y - 1)) - Y_z
    if divisor is not None:
        # dS = (P - Y) / n
        Z = rest + e_y
        flat[:, own] = s * Z - rest if s else -rest
        if s:
            e -= (s / C) * Z[:, None]
        e /= (Z * divisor.T)[:, None]
        np.copyto(scores, e.transpose(0, 2, 1))
    return _sum(loss_i, w)


def binary_cross_entropy(scores: Array, y: Array, w: Array | None, divisor: Array | None) -> Array:
    """C independent sigmoids p: loss_i = -(1/C) (log p_y + sum over the others of log(1 - p_c)).

    With z = scores, and z_y = -s_y: loss_i = (1/C) sum_c log(1 + exp(z_c)), d(loss_i)/d(z) = sigmoid(z) / C.
    Source: KTH DD2424, assignment 1, bonus part ("multiple binary cross-entropy losses").
    """
    n, C = scores.shape[1:]
    own = (slice(None), np.arange(n), y)
    z = scores
    z[own] *= -1
    value: Array = _sum(np.logaddexp(0, z, dtype=z.dtype, order="C"), w) / C
    if divisor is not None:
        dS = sigmoid(z, out=scores)
        dS[own] *= -1
        dS /= C * divisor
    return value


def multiclass_svm(scores: Array, y: Array, w: Array | None, divisor: Array | None) -> Array:
    """loss_i = sum over c != y of max(0, s_c - s_y + 1).

    Source: Weston and Watkins, ESANN 1999; Stanford CS231n, linear classification.
    """
    own = (slice(None), np.arange(scores.shape[1]), y)
    # in this order: s_c + 1 would round the margin away where scores are large
    margins = np.subtract(scores, scores[own][..., None], out=scores)
    margins += 1
    margins[own] = 0
    np.maximum(margins, 0, out=margins)
    value = _sum(margins, w)
    if divisor is not None:
        # +1 for each class within the margin, and -1 for each of them at y
        dS = np.sign(margins, out=scores)
        dS[own] = -dS.sum(axis=2)
        dS /= divisor
    return value


def squared_error(scores: Array, y: Array, w: Array | None, divisor: Array | None) -> Array:
    """Regression: loss_i = sum_c (s_c - y_c)^2, without 1/2; y is float, none is correct."""
    if y.shape != scores.shape[1:]:
        raise UsageError(
            f"the squared error is for regression: expected targets of shape {scores.shape[1:]}, "
            f"the data has {y.shape}; for classes use --loss softmax, bce or svm"
        )
    residual = np.subtract(scores, y, out=scores)
    value = _sum(np.square(residual, dtype=np.float64, order="C"), w)
    if divisor is not None:
        residual *= 2 / divisor
    return value


LOSSES: dict[str, Callable[..., Array]] = {
    "softmax": softmax_cross_entropy,
    "bce": binary_cross_entropy,
    "svm": multiclass_svm,
    "squared": squared_error,
}


def make_loss(
    name: str = "softmax",
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    reduction: str = "mean",
) -> Loss:
    """The loss of `LOSSES`; raises UsageError for an unknown one, and for what it does not have."""
    if name not in LOSSES:
        raise UsageError(f"--loss is {name!r}: expected one of {', '.join(LOSSES)}")
    if not 0 <= label_smoothing < 1:
        raise UsageError(
            f"--label-smoothing is {label_smoothing}: expected a number of at least 0 and below 1"
        )
    if label_smoothing and name != "softmax":
        raise UsageError(
            f"--label-smoothing is {label_smoothing}, which --loss {name} does not have; "
            "leave it out or use --loss softmax"
        )
    formula = LOSSES[name]
    if label_smoothing:
        formula = functools.partial(formula, label_smoothing=label_smoothing)
    return Loss(formula, class_weights=class_weights, reduction=reduction)


def _sum(losses: Array, w: Array | None) -> Array:
    """`(K,)` float64: sum_i w_i losses_i of losses `(K, n)` or `(K, n, C)`, each in model k's own memory, so
    that its rows are added up in the same order beside any others."""
    if w is not None:
        losses = losses * (w if losses.ndim == 2 else w[:, None])
    rows = np.ascontiguousarray(losses).reshape(len(losses), -1)
    return np.asarray(rows.sum(axis=1, dtype=np.float64))


def _checked(y: Array, C: int) -> Array:
    """The labels as indices. Raises IndexError for one outside [0, C)."""
    y = y.astype(np.intp, copy=False)
    if y.view(np.uintp).max(initial=0) >= C:  # a negative one is a large one there
        raise IndexError(f"labels are {y.min()} to {y.max()}: expected integers in [0, {C})")
    return y
