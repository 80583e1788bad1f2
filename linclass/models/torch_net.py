"""The multi-layer perceptron in PyTorch: the parameters of `mlp.MLP`, differentiated by autograd.

The only file that imports torch, and not before a model or an optimiser (`training.torch_optim`) is made: all
else works without.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from linclass import engine, rng
from linclass.errors import UsageError, missing
from linclass.models import kernels
from linclass.models.architecture import Architecture
from linclass.models.base import Batch, LayerRow, Timer, untimed
from linclass.models.layers import BatchNorm
from linclass.models.mlp import MLP
from linclass.params import Array, Params

Tensor = Any
LOSSES = ("softmax", "bce", "svm")


def torch_module() -> Any:
    """torch, set up so that the same numbers give the same bits in every process.

    One thread, as `engine.limited` has it and for its reasons; torch's pool is its own, out of the reach of
    that function. It also makes sums independent of how many processors there are. The limit holds for the
    whole process.

    Raises UsageError where torch is not installed.
    """
    # The products of torch's MKL differ in the last bit with the address of the same numbers, and a resumed
    # run has other addresses. This mode, read at MKL's first call, ends that, at no cost that was seen.
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing("PyTorch is", "torch") from error
    torch.set_num_threads(engine.DEFAULT_THREADS)
    return torch


class TorchMLP:
    """One network (K = 1); implements `base.Model`.

    Args:
        architecture: of one seed, with a loss of LOSSES; its dropout masks are those of `MLP`.
        params, grads, buffers: as for `MLP`; it begins with the same numbers.

    Raises UsageError for what it cannot do, and where torch is not installed.
    """

    K = 1
    timer: Timer

    def __init__(
        self,
        architecture: Architecture,
        params: Params | None = None,
        grads: Params | None = None,
        buffers: Params | None = None,
    ) -> None:
        self._torch, self.timer = torch_module(), untimed
        _check(architecture)
        # the same network in numpy, on the same memory: it checks the options and knows layers and penalty
        self._numpy = MLP(architecture, params, grads, buffers)
        self.architecture, self.l2 = architecture, self._numpy.l2
        self.params, self.grads, self.buffers = self._numpy.params, self._numpy.grads, self._numpy.buffers
        self._tensors = self._shared(self.params)
        for tensor in self._tensors.values():
            tensor.requires_grad_()
        self._running = self._shared(self.buffers)
        self._activate = _activations(self._torch)[architecture.activation]

    def _shared(self, arrays: Params) -> dict[str, Tensor]:
        """Model 0 of the arrays as tensors on their memory."""
        return {name: self._torch.from_numpy(array[0]) for name, array in arrays.items()}

    @classmethod
    def create(cls, sizes: Sequence[int], **options: Any) -> TorchMLP:
        """As `MLP.create`."""
        return cls(Architecture(tuple(sizes), **options))

    def select(self, models: int | slice) -> TorchMLP:
        """Itself: there is only one."""
        return self

    def remade(self, **changes: Any) -> TorchMLP:
        """The same model on the same memory, with another scaler or batch_size of its architecture."""
        return TorchMLP(replace(self.architecture, **changes), self.params, self.grads, self.buffers)

    def layers(self) -> list[LayerRow]:
        """The input, then one row a layer."""
        return self._numpy.layers()

    def penalty(self) -> Array:
        """`(1,)`: lambda * sum(W^2)."""
        return self._numpy.penalty()

    def hidden(self, x: Array) -> list[Array]:
        """The hidden layers' activations `(1, n, units)`, evaluation mode, computed by numpy."""
        return self._numpy.hidden(x)

    def scores(self, x: Array) -> Array:
        """`(1, n, C)`."""
        with self._torch.no_grad():
            scores: Array = self._forward(x, None).numpy()[None]
        return scores

    def loss_sums(self, x: Array, y: Array) -> tuple[Array, Array]:
        """`(1,)` summed loss and `(1,)` correct predictions."""
        with self._torch.no_grad():
            scores = self._forward(x, None)
            return _sums(self._losses(scores, y), scores, y)

    def total_weight(self, y: Array) -> float:
        """The number of the rows, or the sum of their class weights."""
        return self._numpy.total_weight(y)

    def loss(self, x: Array, y: Array) -> Array:
        """`(1,)` mean loss, without the penalty."""
        return self.loss_sums(x, y)[0] / self.total_weight(y)

    def backpropagate(self, x: Array, y: Array, *, step: int = 0) -> Batch:
        """Fills `grads`, updates `buffers`; returns mean loss and correct predictions, `(1,)` each."""
        scores = self._forward(x, step)
        losses = self._losses(scores, y)
        loss, correct = _sums(losses.detach(), scores.detach(), y)
        # what is differentiated: the loss, mean or sum over the batch, + lambda sum(W^2)
        objective = losses.sum() / (self.total_weight(y) if self.architecture.reduction == "mean" else 1)
        if self.l2[0]:
            weights = [tensor for name, tensor in self._tensors.items() if name.startswith("W")]
            objective = objective + float(self.l2[0]) * sum(W.square().sum() for W in weights)
        gradients = self._torch.autograd.grad(objective, list(self._tensors.values()))
        for name, gradient in zip(self._tensors, gradients, strict=True):
            self.grads[name][0] = gradient.numpy()
        return Batch(loss / self.total_weight(y), correct)

    def _forward(self, x: Array, step: int | None) -> Tensor:
        """Scores `(n, C)`; step None is evaluation mode."""
        tensors, number = self._tensors, 1
        a = self._torch.from_numpy(owned(self._numpy.scaled(x)))
        while True:
            a = self._torch.nn.functional.linear(a, tensors[f"W{number}"], tensors[f"b{number}"])
            if f"W{number + 1}" not in tensors:
                return a
            if f"gamma{number}" in tensors:
                a = self._normalised(a, number, training=step is not None)
            a = self._activate(a)
            if self.architecture.dropout and step is not None:
                a = a * self._mask(a, step, number)
            number += 1

    def _normalised(self, z: Tensor, number: int, *, training: bool) -> Tensor:
        """Batch normalisation; when training it updates the running statistics, which are `buffers`."""
        if training and len(z) == 1:
            raise UsageError(
                "--batch-norm: PyTorch does not normalise a batch of one row; "
                "use another --batch-size, or --drop-last to leave out the short last batch"
            )
        return self._torch.nn.functional.batch_norm(
            z,
            self._running[f"mean{number}"],
            self._running[f"variance{number}"],
            self._tensors[f"gamma{number}"],
            self._tensors[f"beta{number}"],
            training=training,
            momentum=BatchNorm.MOMENTUM,
            eps=kernels.BATCH_NORM_EPS,
        )

    def _mask(self, a: Tensor, step: int, number: int) -> Tensor:
        """The dropout mask of `layers.Dropout`, so that both libraries drop the same units."""
        generator = rng.generator(self.architecture.seeds[0], "dropout", step, number)
        mask = np.empty(tuple(a.shape), self.params.dtype)
        return self._torch.from_numpy(kernels.dropout_mask(generator, self.architecture.dropout, out=mask))

    def _losses(self, scores: Tensor, y: Array) -> Tensor:
        """Each row's loss `(n,)` times the weight of its class; the formulas are in `losses`."""
        labels = self._torch.from_numpy(owned(y, np.int64))
        losses = self._unweighted(scores, labels)
        class_weights = self.architecture.class_weights
        if class_weights is None:
            return losses
        # not torch's own `weight`, which with label smoothing weighs each class's term
        return losses * self._torch.tensor(class_weights, dtype=losses.dtype)[labels]

    def _unweighted(self, scores: Tensor, labels: Tensor) -> Tensor:
        functional, C = self._torch.nn.functional, scores.shape[1]
        if self.architecture.loss == "bce":
            Y = functional.one_hot(labels, C).to(scores.dtype)
            return functional.binary_cross_entropy_with_logits(scores, Y, reduction="none").mean(dim=1)
        if self.architecture.loss == "svm":
            # torch's margin loss is a mean over the classes, not a sum
            return C * functional.multi_margin_loss(scores, labels, reduction="none")
        return functional.cross_entropy(
            scores, labels, reduction="none", label_smoothing=self.architecture.label_smoothing
        )


def _activations(torch: Any) -> dict[str, Any]:
    """The functions of `kernels.ACTIVATIONS`."""
    return {
        "relu": torch.relu,
        "leaky-relu": lambda z: torch.nn.functional.leaky_relu(z, kernels.LEAKY_SLOPE),
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "identity": lambda z: z,
    }


def _check(architecture: Architecture) -> None:
    if architecture.K != 1:
        raise UsageError(
            f"--model torch-mlp trains one model at a time, not {architecture.K}: use --seeds 1, "
            "or --model mlp"
        )
    if architecture.loss not in LOSSES:
        raise UsageError(
            f"--loss is {architecture.loss!r}: --model torch-mlp has {', '.join(LOSSES)}; use one of them, "
            "or --model mlp"
        )


def _sums(losses: Tensor, scores: Tensor, y: Array) -> tuple[Array, Array]:
    """`(1,)` summed loss in float64, `(1,)` correct predictions; of tied scores the lower class counts."""
    correct = scores.numpy().argmax(axis=1) == y
    return np.array([float(losses.double().sum())]), np.array([correct.sum()])


def owned(array: Array, dtype: Any = None) -> Array:
    """The array, or a copy where torch could not take its memory: read-only, or not contiguous."""
    return np.require(array, dtype, ["C", "W"])
