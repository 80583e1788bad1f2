"""linclass and its peers. One short file each; the table says where each is and what it needs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple


class Entry(NamedTuple):
    """A contender: `module:Class`, the packages it needs, and what it is in a few words."""

    place: str
    needs: tuple[str, ...]
    title: str

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed here."""
        return [package for package in self.needs if find_spec(package) is None]


CONTENDERS: dict[str, Entry] = {
    "linclass": Entry("benchmarks.contenders.own:Own", (), "Trainer, as `linclass train` builds it"),
    "linclass-one": Entry(
        "benchmarks.contenders.own:OwnFirst", (), "the same, the first of the models alone"
    ),
    "textbook": Entry("benchmarks.contenders.textbook:Textbook", (), "numpy as a course writes it"),
    "torch": Entry(
        "benchmarks.contenders.torch_autograd:Autograd", ("torch",), "PyTorch, autograd, tensors in memory"
    ),
    "torch-manual": Entry(
        "benchmarks.contenders.torch_manual:Manual", ("torch",), "PyTorch, gradients written by hand"
    ),
    "torch-compile": Entry(
        "benchmarks.contenders.torch_compiled:Compiled", ("torch",), "PyTorch, autograd under torch.compile"
    ),
    "torch-loader": Entry(
        "benchmarks.contenders.torch_loader:Loader",
        ("torch",),
        "PyTorch, autograd, a DataLoader over the rows",
    ),
    "jax": Entry(
        "benchmarks.contenders.jax_scan:Scan", ("jax",), "JAX, jit of a scan over the epoch, vmap over models"
    ),
    "sklearn": Entry(
        "benchmarks.contenders.sklearn_mlp:Sklearn", ("sklearn",), "scikit-learn's MLPClassifier"
    ),
}
