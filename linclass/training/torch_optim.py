"""The optimisers of torch.optim, on the memory of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linclass.errors import UsageError
from linclass.models.torch_net import owned, torch_module
from linclass.params import Array, Params
from linclass.settings import DEFAULT_MOMENTUM
from linclass.training import optim
from linclass.training.optim import Optimizer, Slots

Tensor = Any


def torch_optimizer(
    name: str, *, momentum: float | None = None, weight_decay: float = 0.0, clip: float = 0.0
) -> Optimizer:
    """`optim.make` with the arithmetic of torch.optim, for one model; the slots are those of `optim`.

    The torch.optim object is made for each update, on the memory of parameters and slots, and thrown away:
    nothing survives that the slots do not hold, so a run resumes exactly.

    Raises UsageError as `optim.make` does, for more than one model, and where torch is not installed.
    """
    checked = optim.make(name, momentum=momentum, weight_decay=weight_decay)
    torch = torch_module()
    mu = DEFAULT_MOMENTUM if momentum is None else momentum

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        if len(lr) != 1:
            raise UsageError(
                f"torch.optim has one learning rate, for one model, not {len(lr)}: use --seeds 1"
            )
        tensors = {key: torch.from_numpy(theta) for key, theta in params.items()}
        for key, tensor in tensors.items():
            tensor.grad = torch.from_numpy(owned(grads[key]))
        optimizer = _torch_optim(torch, name, tensors, float(lr[0]), mu, weight_decay)
        for key, tensor in tensors.items():
            state = {theirs: torch.from_numpy(slots[ours][key]) for ours, theirs in _STATE[name].items()}
            optimizer.state[tensor] = {**state, "step": torch.tensor(float(step))}
        optimizer.step()

    own = Optimizer(checked.init, update)
    # our convention of clipping, not clip_grad_norm_'s: see optim.clipped
    return optim.clipped(own, clip) if clip else own


_STATE: Mapping[str, Mapping[str, str]] = {
    "sgd": {},
    "momentum": {"velocity": "momentum_buffer"},
    "nesterov": {"velocity": "momentum_buffer"},
    "rmsprop": {"square": "square_avg"},
    "adam": {"mean": "exp_avg", "square": "exp_avg_sq"},
    "adamw": {"mean": "exp_avg", "square": "exp_avg_sq"},
}
"""Optimiser -> slot -> what torch.optim calls it."""


def _torch_optim(
    torch: Any, name: str, tensors: Mapping[str, Tensor], lr: float, momentum: float, weight_decay: float
) -> Any:
    """The torch.optim object; the weights are a group of their own because only they decay."""
    weights = [tensor for key, tensor in tensors.items() if key.startswith("W")]
    others = [tensor for key, tensor in tensors.items() if not key.startswith("W")]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others}]
    # one array after the other: grouping them (foreach) is for graphics cards
    common = {"lr": lr, "foreach": False}
    if name in ("sgd", "momentum", "nesterov"):
        mu = 0.0 if name == "sgd" else momentum
        # torch refuses nesterov at momentum 0, where it is plain gradient descent
        return torch.optim.SGD(groups, momentum=mu, nesterov=name == "nesterov" and mu > 0, **common)
    if name == "rmsprop":
        return torch.optim.RMSprop(groups, **common)
    if name == "adam":
        return torch.optim.Adam(groups, **common)
    for group, decay in zip(groups, (weight_decay, 0.0), strict=True):
        group["weight_decay"] = decay
    return torch.optim.AdamW(groups, **common)
