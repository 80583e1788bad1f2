"""PyTorch with autograd, forward and backward compiled by torch.compile (needs a C++ compiler)."""

from __future__ import annotations

import torch

from benchmarks.contenders.torch_autograd import Autograd
from benchmarks.problem import Problem


class Compiled(Autograd):
    """As `Autograd`; the compilation falls into the warm-up epoch."""

    def __init__(self, problem: Problem, threads: int) -> None:
        super().__init__(problem, threads)
        self.cost = torch.compile(self.cost)
