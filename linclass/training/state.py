"""TrainState: all that a resumed run needs, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from linclass.datasets.scale import Scaler
from linclass.models.base import Model
from linclass.params import Array, Params
from linclass.training.history import History
from linclass.training.optim import Optimizer, Slots


@dataclass
class TrainState:
    """See the module's docstring.

    Attributes:
        step: updates made, over all epochs. epoch: epochs finished, that is, evaluated.
        active: `(K,)`; False for a model that has stopped (it is masked, not removed).
        diverged: `(K,)`; True for one that stopped because its cost was not finite. Its weights are the best.
        running_loss, running_correct, running_rows: `(K,)` sums over the current epoch's batches so far.
        best, best_buffers, best_epoch: the weights with the lowest validation loss, the running statistics
            that go with them, and the epoch they are from.
        scaler: the first step of the models, which training does not change.
    """

    step: int
    epoch: int
    params: Params
    buffers: Params
    slots: Slots
    history: History
    active: Array
    diverged: Array
    running_loss: Array
    running_correct: Array
    running_rows: Array
    best: Params
    best_buffers: Params
    best_epoch: Array
    scaler: Scaler

    @classmethod
    def initial(cls, model: Model, optimizer: Optimizer, *, test: bool = False) -> TrainState:
        """The state before the first step; `params` and `buffers` are the model's own memory."""
        K = model.K
        return cls(
            step=0,
            epoch=0,
            params=model.params,
            buffers=model.buffers,
            slots=optimizer.init(model.params),
            history=History(K, test=test),
            active=np.ones(K, bool),
            diverged=np.zeros(K, bool),
            running_loss=np.zeros(K),
            running_correct=np.zeros(K, np.int64),
            running_rows=np.zeros(K, np.int64),
            best=model.params.copy(),
            best_buffers=model.buffers.copy(),
            best_epoch=np.zeros(K, np.int64),
            scaler=model.architecture.scaler,
        )

    def keep_best(self, k: int, epoch: int) -> None:
        """Model k is at its best after `epoch`."""
        self.best.flat[k] = self.params.flat[k]
        self.best_buffers.flat[k] = self.buffers.flat[k]
        self.best_epoch[k] = epoch

    def restore_best(self, k: int) -> None:
        """Put model k back to where it was best."""
        self.params.flat[k] = self.best.flat[k]
        self.buffers.flat[k] = self.best_buffers.flat[k]

    def models(self, ks: Iterable[int]) -> list[tuple[Array, int, Array]]:
        """(flat buffer, k, copy of row k) of all that training changes in the models `ks`."""
        owners = (self.params, self.buffers, *self.slots.values())
        return [(owner.flat, int(k), owner.flat[k].copy()) for k in ks for owner in owners]

    def clear_running(self) -> None:
        """Forget the epoch's sums."""
        for sums in (self.running_loss, self.running_correct, self.running_rows):
            sums[:] = 0
