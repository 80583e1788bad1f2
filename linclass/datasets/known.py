"""The published data sets, by the name that `--dataset` has for them."""

from __future__ import annotations

from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.mnist_published import FASHION_MNIST, MNIST
from linclass.datasets.published import Published

KNOWN: dict[str, Published] = {dataset.name: dataset for dataset in (CIFAR10, MNIST, FASHION_MNIST)}
