"""Optimisers: constants plus a pair (init, update). Their memory is visible and owned by TrainState.

`init(params)` makes the slots: name -> Params, laid out like `params`. `update(params, grads, slots, lr,
step)` changes params and slots in place and leaves the gradients as they are. lr is `(K,)`: each model of a
stack has its own. `step` counts the updates already made, from 0.

    eta the learning rate, g the gradient, mu the momentum, t = step + 1; all operations are elementwise

    sgd        theta <- theta - eta g
    momentum   v <- mu v + g;  theta <- theta - eta v
    nesterov   v <- mu v + g;  theta <- theta - eta (g + mu v)
    rmsprop    v <- alpha v + (1 - alpha) g^2;  theta <- theta - eta g / (sqrt(v) + eps)
    adam       m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
               theta <- theta - eta [m / (1 - beta1^t)] / (sqrt(v / (1 - beta2^t)) + eps)
    adamw      theta <- theta - eta w theta on weight matrices, then adam

All constants and conventions are PyTorch's, so that its results can be compared with these to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from linclass.errors import UsageError
from linclass.params import LARGE, Array, Params, by_model, per_model
from linclass.settings import DEFAULT_MOMENTUM

Slots = Mapping[str, Params]


class Optimizer(NamedTuple):
    """See the module's docstring."""

    init: Callable[[Params], Slots]
    update: Callable[[Params, Params, Slots, Array, int], None]


def sgd() -> Optimizer:
    """Gradient descent; no slots."""

    def init(params: Params) -> Slots:
        return {}

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        for eta, theta, g in _aligned(lr, params, grads):
            theta -= eta * g

    return Optimizer(init, update)


def momentum(momentum: float = DEFAULT_MOMENTUM) -> Optimizer:
    """Gradient descent with momentum; slot `velocity`.

    Sutskever et al. (On the importance of initialization and momentum in deep learning, 2013) keep
    v <- mu v - eta g and add it to theta: the same steps while eta is constant. Here, as in PyTorch, a new
    eta acts on the whole velocity at once.
    Source: Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
    """
    mu = momentum

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        for eta, theta, g, v in _aligned(lr, params, grads, slots["velocity"]):
            v *= mu
            v += g
            theta -= eta * v

    return Optimizer(_slots("velocity"), update)


def nesterov(momentum: float = DEFAULT_MOMENTUM) -> Optimizer:
    """Nesterov's accelerated gradient; slot `velocity`.

    As in PyTorch, theta is the point that looks ahead: the gradient is taken where the parameters are.
    Sutskever et al. (2013) keep theta behind and take the gradient at theta + mu v: with a constant eta the
    same path, in other variables.
    Source: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k^2), 1983.
    """
    mu = momentum

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        for eta, theta, g, v in _aligned(lr, params, grads, slots["velocity"]):
            v *= mu
            v += g
            theta -= eta * (g + mu * v)

    return Optimizer(_slots("velocity"), update)


def rmsprop(alpha: float = 0.99, eps: float = 1e-8) -> Optimizer:
    """Steps divided by a running root mean square of the gradient; slot `square`.

    eps is outside the root, as in PyTorch; TensorFlow's is inside.
    Source: Tieleman and Hinton, Lecture 6.5 of Neural Networks for Machine Learning, 2012 (alpha 0.9 there).
    """

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        for eta, theta, g, v in _aligned(lr, params, grads, slots["square"]):
            # one temporary array for all: see adam
            work = np.multiply(g, g)
            work *= 1 - alpha
            v *= alpha
            v += work
            np.sqrt(v, out=work)
            work += eps
            np.divide(g, work, out=work)
            work *= eta
            theta -= work

    return Optimizer(_slots("square"), update)


def adam(beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Adam with bias correction; slots `mean` and `square`.

    eps is added after the root of the corrected v: algorithm 1 of the paper, and PyTorch. The paper's
    shortened form (section 2) adds it before the correction, which TensorFlow calls epsilon hat.
    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2015.
    """

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        t = step + 1
        # eta m_hat / (sqrt(v_hat) + eps) = eta_t m / (sqrt(v) + eps c) with c = sqrt(1 - beta2^t)
        c = math.sqrt(1 - beta2**t)
        corrected = lr * c / (1 - beta1**t)
        for eta_t, theta, g, m, v in _aligned(corrected, params, grads, slots["mean"], slots["square"]):
            # one temporary array for all, which stays in the cache
            work = np.multiply(g, 1 - beta1)
            m *= beta1
            m += work
            np.multiply(g, g, out=work)
            work *= 1 - beta2
            v *= beta2
            v += work
            np.sqrt(v, out=work)
            work += eps * c
            np.divide(m, work, out=work)
            work *= eta_t
            theta -= work

    return Optimizer(_slots("mean", "square"), update)


def adamw(weight_decay: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Optimizer:
    """Adam with decoupled weight decay w, on weight matrices (names that begin with "W") only.

    The decay is eta w theta, as in PyTorch: the paper's lambda is PyTorch's eta w at the top of the schedule.
    It is no penalty, is not part of the cost, and has no equivalent lambda.
    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """
    plain = adam(beta1, beta2, eps)

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        for name, theta in params.items():
            if name.startswith("W"):
                for eta_w, theta_k in by_model(lr * weight_decay, theta):
                    theta_k -= eta_w * theta_k
        plain.update(params, grads, slots, lr, step)

    return Optimizer(plain.init, update)


def clipped(optimizer: Optimizer, max_norm: float) -> Optimizer:
    """`optimizer` on g * min(1, max_norm / ||g||), the norm being over all of one model's parameters.

    The penalty's gradient is in g and is clipped with it. PyTorch's clip_grad_norm_ divides by
    ||g|| + 1e-6 instead.
    Source: Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013.
    """

    def update(params: Params, grads: Params, slots: Slots, lr: Array, step: int) -> None:
        # min(1, max_norm / ||g||), exactly 1 where nothing is to be clipped, and no 0 / 0
        factor = max_norm / np.maximum(grads.norm(), max_norm)
        if (factor != 1).any():
            grads = grads.with_flat(per_model(factor, grads.flat) * grads.flat)
        optimizer.update(params, grads, slots, lr, step)

    return Optimizer(optimizer.init, update)


def _slots(*names: str) -> Callable[[Params], Slots]:
    """The init of an optimiser whose slots begin at zero."""
    return lambda params: {name: params.zeros_like() for name in names}


def _aligned(lr: Array, *owners: Params) -> Iterator[tuple[Any, ...]]:
    """(eta, the flat buffer of each owner): of all models at once, or, where they are large, one by one.

    All owners are laid out like the parameters.
    """
    flat = [owner.flat for owner in owners]
    if len(lr) == 1 or (flat[0][0].size < LARGE and (lr == lr[0]).all()):
        yield lr[0].astype(flat[0].dtype), *flat
    else:
        yield from by_model(lr, *flat)


OPTIMIZERS: Mapping[str, tuple[Callable[..., Optimizer], tuple[str, ...]]] = {
    "sgd": (sgd, ()),
    "momentum": (momentum, ("momentum",)),
    "nesterov": (nesterov, ("momentum",)),
    "rmsprop": (rmsprop, ()),
    "adam": (adam, ()),
    "adamw": (adamw, ("weight_decay",)),
}
"""Name -> the function that makes it, and which of the options `momentum` and `weight_decay` it takes."""


def make(
    name: str, *, momentum: float | None = None, weight_decay: float = 0.0, clip: float = 0.0
) -> Optimizer:
    """The optimiser of these options.

    Args:
        name: one of OPTIMIZERS.
        momentum: mu, in [0, 1); DEFAULT_MOMENTUM if None and the optimiser has one.
        weight_decay: w of adamw.
        clip: the largest norm a model's gradient may have; 0 for any.

    Raises UsageError for a value that cannot be used, and for one that `name` has no use for.
    """
    if name not in OPTIMIZERS:
        raise UsageError(f"--optimizer is {name!r}: expected one of {', '.join(OPTIMIZERS)}")
    function, takes = OPTIMIZERS[name]
    if momentum is not None and not 0 <= momentum < 1:
        raise UsageError(
            f"--momentum is {momentum}: expected a number of at least 0 and below 1, such as 0.9"
        )
    for option, value in (("--weight-decay", weight_decay), ("--clip", clip)):
        if not 0 <= value < math.inf:
            raise UsageError(f"{option} is {value}: expected a finite number of at least 0")
    if momentum and "momentum" not in takes:
        raise UsageError(
            f"--momentum is {momentum}, but --optimizer {name} has none: "
            "leave it out, or use --optimizer momentum or nesterov"
        )
    if weight_decay and "weight_decay" not in takes:
        raise UsageError(
            f"--weight-decay is {weight_decay}, but --optimizer {name} has none: use --optimizer adamw, or "
            f"--lambda {weight_decay / 2:g}, whose gradient 2 lambda W is the same coupled decay"
        )
    mu = DEFAULT_MOMENTUM if momentum is None else momentum
    options = {"momentum": mu, "weight_decay": weight_decay}
    optimizer = function(**{option: options[option] for option in takes})
    return clipped(optimizer, clip) if clip else optimizer
