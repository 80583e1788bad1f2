"""PyTorch as the tutorials have it: a DataLoader collates the rows of each batch one by one."""

from __future__ import annotations

from typing import Any

from torch.utils.data import DataLoader, TensorDataset

from benchmarks.contenders.torch_autograd import Autograd


class Loader(Autograd):
    """As `Autograd`, with the given order as the DataLoader's sampler."""

    def batches(self, order: Any) -> Any:
        rows = TensorDataset(*self.rows["train"])
        return DataLoader(rows, batch_size=self.workload.batch_size, sampler=order.flatten().tolist())
