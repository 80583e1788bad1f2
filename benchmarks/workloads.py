"""What is trained: one row a workload. A round is an epoch of it, or a few."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

TORCH = ("torch", "torch-manual")
LAB = (784, 256, 128, 64, 10)


@dataclass(frozen=True)
class Workload:
    """K models of the same shape, trained for an epoch, and perhaps evaluated.

    Attributes:
        data: "cifar10" is 49,000 / 1000 / 10,000 rows, "cifar10-50000" all 50,000 training rows,
            "mnist" 50,000 / 10,000 / 10,000, "function" 2048 points of a function on [0, 2].
        sizes: features, hidden widths (ReLU), outputs. batch_size, shuffle: see `linclass.datasets.batches`.
        lr, l2: eta and lambda, K numbers each. seeds: of the first weights, K numbers.
        own_orders: each model has an order of its own, as `--seeds` gives; else batches are common.
        evaluates: after each epoch loss and accuracy on all three splits are computed.
        one_by_one: of K models, how many a peer that trains one after the other really trains in a round; its
            time is multiplied by K / one_by_one.
        contenders: those that can do it. targets: contender -> how many times linclass's time it should need.
    """

    name: str
    title: str
    data: Literal["cifar10", "cifar10-50000", "mnist", "function"]
    sizes: tuple[int, ...]
    batch_size: int = 100
    shuffle: Literal["samples", "batches"] = "samples"
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: tuple[float, ...] = (0.001,)
    l2: tuple[float, ...] = (0.0,)
    seeds: tuple[int, ...] = (0,)
    own_orders: bool = False
    evaluates: bool = False
    one_by_one: int = 1
    contenders: tuple[str, ...] = ("linclass", "textbook", *TORCH, "jax")
    targets: tuple[tuple[str, float], ...] = ()

    @property
    def epochs_a_round(self) -> int:
        """Several where they are evaluated: the mean is what counts."""
        return 4 if self.evaluates else 1

    @property
    def K(self) -> int:
        """Models side by side."""
        return len(self.seeds)

    @property
    def loss(self) -> Literal["softmax", "squared"]:
        """The name in `linclass.models.losses`."""
        return "squared" if self.data == "function" else "softmax"

    @property
    def layers(self) -> list[tuple[str, str]]:
        """The names of W and b, layer by layer, as linclass's models have them."""
        if len(self.sizes) == 2:
            return [("W", "b")]
        return [(f"W{number}", f"b{number}") for number in range(1, len(self.sizes))]

    def flops(self, train: int, evaluated: int) -> float:
        """Of the matrix products of an epoch: `train` rows trained on, `evaluated` rows evaluated.

        A layer of d x C weights takes 2 d C a row for x W^T, as many for dW, and as many for dx, which the
        first layer does not need.
        """
        products = [2 * d * C for d, C in pairwise(self.sizes)]
        forward = sum(products)
        return float(self.K * (train * (3 * forward - products[0]) + evaluated * forward))


def _lab(name: str, title: str, batch_size: int, targets: tuple[tuple[str, float], ...]) -> Workload:
    """784-256-128-64-10 on MNIST."""
    adam = name.startswith("mlp-adam")
    peers = (("linclass", "textbook", "torch"), ("linclass", "textbook", *TORCH))[not adam]
    compiled = ("torch-compile",) if batch_size == 100 else ()
    return Workload(
        name,
        title,
        "mnist",
        LAB,
        batch_size=batch_size,
        optimizer="adam" if adam else "sgd",
        lr=(0.001 if adam else 0.01,),
        contenders=(*peers, *compiled, "jax", *(() if adam else ("sklearn",))),
        targets=targets,
    )


def _function(depth: int, hidden: tuple[int, ...], target: float) -> Workload:
    """About 1000 parameters, 100 first weights on common batches."""
    return Workload(
        f"function-{depth}",
        f"1-D regression, {depth} hidden, 100 models, batch 128, Adam",
        "function",
        (1, *hidden, 1),
        batch_size=128,
        optimizer="adam",
        lr=(0.001,) * 100,
        l2=(0.0,) * 100,
        seeds=tuple(range(100)),
        one_by_one=5,
        contenders=("linclass", "textbook", "torch", "jax"),
        targets=(("torch", target), ("jax", 1.0)),
    )


# a sweep's grid: all starts are the same, so that only lambda and eta differ
_GRID = [(l2, lr) for l2 in (0.0, 0.01, 0.1, 1.0) for lr in (0.0003, 0.001, 0.003, 0.01)]

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(
            "linear",
            "linear, 50,000 images, samples shuffled: train one epoch",
            "cifar10-50000",
            (3072, 10),
            l2=(1.0,),
            contenders=("linclass", "textbook", *TORCH, "torch-compile", "torch-loader", "jax", "sklearn"),
            targets=(("torch", 3.2), ("jax", 1.25)),
        ),
        Workload(
            "linear-evaluated",
            "linear, samples shuffled: train, evaluate on train, validation, test",
            "cifar10",
            (3072, 10),
            l2=(1.0,),
            evaluates=True,
            targets=(("torch", 3.5), ("jax", 1.8)),
        ),
        Workload(
            "linear-batches",
            "linear, batch order shuffled: train, evaluate on all splits",
            "cifar10",
            (3072, 10),
            shuffle="batches",
            l2=(1.0,),
            evaluates=True,
            targets=(("torch", 3.5), ("jax", 1.5)),
        ),
        Workload(
            "sweep-16",
            "16 (lambda, eta) settings of the linear model: train one epoch",
            "cifar10-50000",
            (3072, 10),
            l2=tuple(l2 for l2, _ in _GRID),
            lr=tuple(lr for _, lr in _GRID),
            seeds=(0,) * len(_GRID),
            targets=(("torch", 7.0), ("jax", 1.5)),
        ),
        Workload(
            "seeds-10",
            "linear with evaluation: ten independent seeds against one",
            "cifar10",
            (3072, 10),
            lr=(0.001,) * 10,
            l2=(1.0,) * 10,
            seeds=tuple(range(10)),
            own_orders=True,
            evaluates=True,
            contenders=("linclass", "linclass-one"),
            targets=(("linclass-one", 1 / 6),),
        ),
        _lab("mlp-25", "MLP 784-256-128-64-10, SGD, batch 25", 25, (("torch", 2.0), ("jax", 1.0))),
        _lab("mlp-100", "the same, batch 100", 100, (("torch", 1.5), ("jax", 1.0))),
        _lab("mlp-500", "the same, batch 500", 500, (("torch", 1.1), ("jax", 1.0))),
        _lab("mlp-adam", "the same, Adam, batch 100", 100, (("torch", 1.6), ("jax", 1.1))),
        _function(1, (335,), 3.0),
        _function(4, (18, 17, 18, 16), 10.0),
        _function(10, (9, 9, 9, 10, 10, 10, 10, 11, 10, 11), 12.0),
    )
}
