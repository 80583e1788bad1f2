"""Gradient checks of every model on every data set: no false alarm, and no planted fault passes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from linclass.analysis import checks
from linclass.models import kernels, layers, losses
from linclass.models.base import Batch
from linclass.models.network import Network
from linclass.models.penalty import Penalty
from linclass.params import Array
from linclass.settings import FUNCTION_NAMES, Experiment

Settings = dict[str, Any]


def _mlp(hidden: str, **settings: Any) -> Settings:
    return {"model": "mlp", "hidden": hidden, **settings}


_UNEVEN = "1,2,0.5,1,1,3,1,0.1,1,5"
MODELS: dict[str, Settings] = {
    "linear": {},
    "linear, smoothed": {"label_smoothing": 0.1},
    "linear, class weights": {"class_weights": _UNEVEN},
    "linear, bce, raw": {"loss": "bce", "scaling": "raw"},
    "linear, svm": {"loss": "svm"},
    "relu": _mlp("12"),
    "relu, svm, raw": _mlp("6,5", loss="svm", scaling="raw"),
    "relu, one unit a layer": _mlp("1,1"),
    "relu, dropout, one row": _mlp("6,5", dropout=0.5, train_size=1),
    "relu, weights of 0": _mlp("8", init="normal", init_std=0.0),
    "relu, six layers": _mlp("4,4,4,4,4"),
    "leaky": _mlp("6,5", activation="leaky-relu", scaling="global"),
    "leaky, batch norm, dropout": _mlp("5,4,3", activation="leaky-relu", batch_norm=True, dropout=0.5),
    "relu, batch norm, a fold": _mlp("6,5", batch_norm=True, fold="2/5"),
    "sigmoid, batch norm, raw": _mlp("6,5", activation="sigmoid", batch_norm=True, scaling="raw"),
    "tanh, bce": _mlp("6,5", activation="tanh", loss="bce"),
    "tanh, svm, class weights": _mlp("6,5", activation="tanh", loss="svm", class_weights=_UNEVEN),
    "identity, smoothed": _mlp("8", activation="identity", label_smoothing=0.2),
}
DATASETS = ("cifar10-sample", "mnist-sample", *FUNCTION_NAMES)


def experiment(model: Settings, dataset: str, seed: int) -> Experiment:
    """The settings of `model` on `dataset`; a function has one loss and no folds."""
    if dataset in FUNCTION_NAMES:
        model = {**model, "loss": "squared", "label_smoothing": 0.0, "class_weights": "", "fold": ""}
    return Experiment(dataset=dataset, seed=seed, **model).resolved()


# ---- planted faults ----------------------------------------------------------------------------------------


class Fault(NamedTuple):
    """A model that shows it, on data with classes; and what plants it."""

    model: Settings
    plant: Callable[[], AbstractContextManager[Any]]


def _of(place: Any, name: str, faulty: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(place, name, faulty)


def _derivative(name: str, backward: Callable[[Array, Array, Array], Array]) -> Fault:
    row = {name: kernels.ACTIVATIONS[name]._replace(backward=backward)}
    return Fault(_mlp("6,5", activation=name), lambda: patch.dict(kernels.ACTIVATIONS, row))


_affine_backward, _batch_norm_backward = kernels.affine_backward, kernels.batch_norm_backward
_add_gradient, _backpropagate = Penalty.add_gradient, Network.backpropagate
_softmax, _weighted = losses.softmax_cross_entropy, losses.Loss.__call__


def _last_row_forgotten(x: Array, dS: Array, dW: Array, db: Array) -> None:
    _affine_backward(x[:-1], dS[:-1], dW, db)


def _first_weight_only(self: Penalty, grads: Sequence[Array]) -> None:
    _add_gradient(self, [grads[0], *map(np.zeros_like, grads[1:])])


def _without_factor_two(self: Penalty, grads: Sequence[Array]) -> None:
    before = [dW.copy() for dW in grads]
    _add_gradient(self, grads)
    for dW, loss in zip(grads, before, strict=True):
        dW[...] = (loss + dW) / 2


def _batch_norm_without(term: str) -> Callable[..., Array]:
    """The true backward pass but for one of its two means."""

    def backward(
        dy: Array, u: Array, variance: Array, gamma: Array, dgamma: Array, dbeta: Array, out: Array
    ) -> Array:
        normalised = u.copy()
        dz = _batch_norm_backward(dy.copy(), u, variance, gamma, dgamma, dbeta, np.empty_like(dy))
        missing = {"mean(dy)": dbeta.ravel() / len(dy), "u mean(dy u)": normalised * dgamma.ravel() / len(dy)}
        out[...] = dz + missing[term] * gamma.ravel() / np.sqrt(variance + kernels.BATCH_NORM_EPS)
        return out

    return backward


def _not_smoothed(
    scores: Array, y: Array, w: Array | None, divisor: Array | None, *, label_smoothing: float
) -> Array:
    value = _softmax(scores.copy(), y, w, None, label_smoothing=label_smoothing)
    _softmax(scores, y, w, divisor)
    return value


def _value_not_weighted(self: losses.Loss, scores: Array, y: Array, *, gradient: bool) -> losses.Sums:
    value = self.formula(scores.copy(), y, None, None)
    sums = _weighted(self, scores, y, gradient=gradient)
    return sums._replace(loss=value * self.total_weight(y) / len(y))


def _one_entry(self: Network, x: Array, y: Array, *, step: int = 0) -> Batch:
    batch = _backpropagate(self, x, y, step=step)
    dW = self._weight_grads[-1][0]
    dW[np.unravel_index(np.abs(dW).argmax(), dW.shape)] *= 1.001
    return batch


def _one_tensor(self: Network, x: Array, y: Array, *, step: int = 0) -> Batch:
    batch = _backpropagate(self, x, y, step=step)
    next(array for name, array in self.grads.items() if name.startswith("b"))[...] *= 1.001
    return batch


FAULTS: dict[str, Fault] = {
    "0.1 % in one entry": Fault({}, _of(Network, "backpropagate", _one_entry)),
    "0.1 % in one entry of an MLP": Fault(_mlp("6,5"), _of(Network, "backpropagate", _one_entry)),
    "0.1 % in the first biases": Fault(_mlp("6,5"), _of(Network, "backpropagate", _one_tensor)),
    "a row forgotten": Fault(_mlp("6,5"), _of(kernels, "affine_backward", _last_row_forgotten)),
    "the penalty of W1 only": Fault(_mlp("6,5"), _of(Penalty, "add_gradient", _first_weight_only)),
    "the penalty's factor 2": Fault({}, _of(Penalty, "add_gradient", _without_factor_two)),
    "the smoothing forgotten": Fault(
        {"label_smoothing": 0.2}, lambda: patch.dict(losses.LOSSES, softmax=_not_smoothed)
    ),
    "class weights of the gradient only": Fault(
        {"class_weights": _UNEVEN}, _of(losses.Loss, "__call__", _value_not_weighted)
    ),
    "batch norm without mean(dy)": Fault(
        _mlp("6,5", batch_norm=True), _of(kernels, "batch_norm_backward", _batch_norm_without("mean(dy)"))
    ),
    "batch norm without mean(dy u)": Fault(
        _mlp("6,5", batch_norm=True),
        _of(kernels, "batch_norm_backward", _batch_norm_without("u mean(dy u)")),
    ),
    "dropout's mask forgotten": Fault(
        _mlp("6,5", dropout=0.3), _of(layers.Dropout, "backward", lambda self, dy: dy)
    ),
    "relu' = 1": _derivative("relu", lambda da, a, out: da),
    "leaky slope 0.02": _derivative(
        "leaky-relu", lambda da, a, out: np.multiply(da, np.where(a > 0, 1, 0.02), out=out)
    ),
    "sigmoid' = a": _derivative("sigmoid", lambda da, a, out: np.multiply(da, a, out=out)),
    "tanh' = 1 - a": _derivative("tanh", lambda da, a, out: np.multiply(da, 1 - a, out=out)),
}


# ---- the table ---------------------------------------------------------------------------------------------


class Count(NamedTuple):
    """Of a model, or of a fault: checks made, and (data set, seed) where one failed and where none did."""

    name: str
    checks: int
    failed: list[tuple[str, int]]
    passed: list[tuple[str, int]]


def count_models(datasets: Sequence[str], seeds: Sequence[int]) -> Iterator[Count]:
    """Right gradients: what failed is a false alarm."""
    for name, model in MODELS.items():
        yield _count(name, model, datasets, seeds)


def count_faults(datasets: Sequence[str], seeds: Sequence[int]) -> Iterator[Count]:
    """Wrong gradients, on data with classes: what passed was missed."""
    datasets = [dataset for dataset in datasets if dataset not in FUNCTION_NAMES]
    for name, fault in FAULTS.items():
        with fault.plant():
            yield _count(name, fault.model, datasets, seeds)


def _count(name: str, model: Settings, datasets: Sequence[str], seeds: Sequence[int]) -> Count:
    count = Count(name, 0, [], [])
    for dataset, seed in itertools.product(datasets, seeds):
        reports = checks.gradients_of_experiment(experiment(model, dataset, seed))
        count = count._replace(checks=count.checks + len(reports))
        (count.passed if all(r.passed for _, r in reports) else count.failed).append((dataset, seed))
    return count
