"""A workload's numbers: rows, first weights, orders. Every contender gets the same ones."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from benchmarks.workloads import Workload
from linclass import rng
from linclass.datasets import batches
from linclass.datasets.dataset import Split
from linclass.datasets.scale import IDENTITY, Scaler
from linclass.datasets.split import load_dataset
from linclass.errors import DataError
from linclass.models.init import initialise
from linclass.params import Array, Params

CHECK_STEPS = 20
POINTS = 2048


class Problem:
    """What is trained on, and from where.

    Args:
        quick: the bundled sample in place of the full data.
        check: only the first CHECK_STEPS batches' worth of training rows.

    Attributes:
        splits: "train", "validation", "test", as they are stored.
        scaler: the identity where rows are used as they are.
        lr, l2: `(K,)` float64.
    """

    def __init__(self, workload: Workload, *, quick: bool = False, check: bool = False) -> None:
        self.workload = workload
        self.splits: dict[str, Split]
        self.scaler: Scaler
        self.splits, self.scaler = (
            _function_splits() if workload.data == "function" else _images(workload, quick)
        )
        if check:
            rows = min(CHECK_STEPS * workload.batch_size, len(self.splits["train"]))
            self.splits["train"] = self.splits["train"].first(rows - rows % workload.batch_size)
        self.lr, self.l2 = np.array(workload.lr), np.array(workload.l2)

    @property
    def steps(self) -> int:
        """Batches in an epoch; all are full."""
        return len(self.splits["train"]) // self.workload.batch_size

    @cached_property
    def rows(self) -> dict[str, tuple[Array, Array]]:
        """x float32 `(n, d)` and y of every split: what a peer holds in memory before the clock starts."""
        return {name: self.numbers(name, np.float32) for name in self.splits}

    def numbers(self, split: str, dtype: type[np.floating]) -> tuple[Array, Array]:
        """x scaled, and y: `(n,)` int64, or `(n, C)` of `dtype` for regression."""
        x, y = self.splits[split].x, self.splits[split].y
        return self.scaler.transform(x, dtype), y.astype(np.int64 if y.ndim == 1 else dtype)

    def weights(self) -> dict[str, Array]:
        """Fresh first weights, float32, by linclass's names: W `(K, C, d)`, b `(K, C)` a layer."""
        sizes = self.workload.sizes
        shapes: dict[str, tuple[int, ...]] = {}
        for (W, b), d, C in zip(self.workload.layers, sizes[:-1], sizes[1:], strict=True):
            shapes |= {W: (C, d), b: (C,)}
        params = Params(shapes, self.workload.K, np.float32)
        initialise(params, self.workload.seeds, "normal" if len(sizes) == 2 else "he", 0.01)
        return dict(params)

    def order(self, epoch: int, k: int = 0) -> Array:
        """The rows of each batch `(steps, size)`; if whole batches are shuffled, their numbers `(steps,)`."""
        selections = batches.batches(
            len(self.splits["train"]),
            self.workload.batch_size,
            seed=self.order_seeds[k % len(self.order_seeds)],
            epoch=epoch,
            shuffle=self.workload.shuffle,
            drop_last=True,
        )
        if self.workload.shuffle == "samples":
            return np.stack([np.asarray(selection) for selection in selections])
        return np.array([s.start // self.workload.batch_size for s in selections if isinstance(s, slice)])

    @property
    def order_seeds(self) -> list[int]:
        """One a model, or a single one where batches are common."""
        return list(self.workload.seeds) if self.workload.own_orders else [0]


def _images(workload: Workload, quick: bool) -> tuple[dict[str, Split], Scaler]:
    name = "mnist" if workload.data == "mnist" else "cifar10"
    dataset = load_dataset(f"{name}-sample" if quick else name, split="all")
    if dataset.is_sample and not quick:
        raise DataError(f"no full {name} found: run `linclass data fetch {name}`, or use --quick")
    splits = dataset.splits()
    if workload.data == "cifar10-50000" and not dataset.is_sample:
        # the validation rows are the last of the training files, which is where they go back
        parts = (dataset.train, dataset.validation)
        splits["train"] = Split(np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]))
    train = splits["train"]
    splits["train"] = train.first(len(train) - len(train) % workload.batch_size)
    return splits, Scaler.fit(train.x, "unit" if name == "mnist" else "per-pixel")


def _function_splits() -> tuple[dict[str, Split], Scaler]:
    """y = x mod 1 - 1/2 + sin(2 pi x) / 2 on [0, 2]: a saw wave and a sine."""

    def split(name: str, n: int) -> Split:
        x = rng.generator(0, f"benchmark {name}").uniform(0, 2, (n, 1))
        y = x % 1 - 0.5 + np.sin(2 * np.pi * x) / 2
        return Split(x.astype(np.float32), y.astype(np.float32))

    return {
        name: split(name, n) for name, n in (("train", POINTS), ("validation", 256), ("test", 256))
    }, IDENTITY
