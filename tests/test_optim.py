"""Optimisers against PyTorch's and against the textbook's, one number at a time; their memory; clipping."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.errors import UsageError
from linclass.params import LARGE, Params
from linclass.training import optim
from linclass.training.optim import (
    OPTIMIZERS,
    Optimizer,
    adam,
    adamw,
    clipped,
    make,
    momentum,
    nesterov,
    rmsprop,
    sgd,
)

SHAPES = {"W1": (4, 3), "b1": (4,), "gamma1": (4,), "W2": (2, 4), "b2": (2,)}
STEPS, DECAY = 50, 0.1
KINDS: dict[str, Callable[[], Optimizer]] = {
    "sgd": sgd,
    "momentum": lambda: momentum(0.8),
    "nesterov": lambda: nesterov(0.8),
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": lambda: adamw(DECAY),
    "clipped adam": lambda: clipped(adam(), 0.7),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def random_params(K: int = 1, seed: int = 0, dtype: str = "float64") -> Params:
    params = Params(SHAPES, K, dtype)
    params.flat[:] = np.random.default_rng(seed).normal(size=params.flat.shape)
    return params


def gradients(step: int, params: Params) -> Params:
    """Of a bumpy function, different at every step: they depend on where the parameters are."""
    grads = params.zeros_like()
    noise = np.random.default_rng([7, step])
    for name, theta in params.items():
        # the same noise for every model of a stack
        grads[name][:] = 2 * np.sin(3 * theta) + noise.normal(size=theta.shape[1:])
    return grads


def rate(step: int) -> float:
    """Not constant, so that the conventions of momentum differ."""
    return 0.05 / (1 + 0.1 * step)


def train(optimizer: Optimizer, params: Params, steps: range, slots=None, lr=None):
    slots = optimizer.init(params) if slots is None else slots
    for step in steps:
        rates = np.array([rate(step)] * params.K) if lr is None else lr * rate(step)
        optimizer.update(params, gradients(step, params), slots, rates, step)
    return slots


# --- oracles


def torch_optimizer(torch, kind: str, tensors: dict):
    groups = [
        {"params": [t for n, t in tensors.items() if n.startswith("W")]},
        {"params": [t for n, t in tensors.items() if not n.startswith("W")], "weight_decay": 0.0},
    ]
    return {
        "sgd": lambda: torch.optim.SGD(groups, lr=1.0),
        "momentum": lambda: torch.optim.SGD(groups, lr=1.0, momentum=0.8),
        "nesterov": lambda: torch.optim.SGD(groups, lr=1.0, momentum=0.8, nesterov=True),
        "rmsprop": lambda: torch.optim.RMSprop(groups, lr=1.0),
        "adam": lambda: torch.optim.Adam(groups, lr=1.0),
        "adamw": lambda: torch.optim.AdamW(groups, lr=1.0, weight_decay=DECAY),
    }[kind]()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "clipped adam"])
def test_fifty_steps_are_pytorchs(kind: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here, and is not installed")
    params = random_params()
    tensors = {name: torch.from_numpy(theta.copy()) for name, theta in params.items()}
    theirs, ours = torch_optimizer(torch, kind, tensors), KINDS[kind]()
    slots = ours.init(params)
    for step in range(STEPS):
        # the gradients are of our parameters in both, so that only the rule is compared
        grads = gradients(step, params)
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(grads[name].copy())
        for group in theirs.param_groups:
            group["lr"] = rate(step)
        theirs.step()
        ours.update(params, grads, slots, np.array([rate(step)]), step)
        for name, tensor in tensors.items():
            np.testing.assert_allclose(params[name], tensor.numpy(), rtol=0, atol=1e-12, err_msg=name)


def textbook(kind: str, theta: float, grads: list[float], rates: list[float], is_weight: bool) -> list[float]:
    """The published algorithms for one number, step by step; m and v as in the papers."""
    m = v = 0.0
    path = []
    for i, (g, eta) in enumerate(zip(grads, rates, strict=True)):
        t = i + 1
        if kind == "sgd":
            theta = theta - eta * g
        elif kind == "momentum":
            v = 0.8 * v + g
            theta = theta - eta * v
        elif kind == "nesterov":
            v = 0.8 * v + g
            theta = theta - eta * (g + 0.8 * v)
        elif kind == "rmsprop":
            v = 0.99 * v + 0.01 * g**2
            theta = theta - eta * g / (math.sqrt(v) + 1e-8)
        else:
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g**2
            m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
            decay = DECAY * theta if kind == "adamw" and is_weight else 0.0
            theta = theta - eta * (m_hat / (math.sqrt(v_hat) + 1e-8) + decay)
        path.append(theta)
    return path


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "clipped adam"])
@pytest.mark.parametrize("name", ["W", "b"])
def test_one_number_goes_the_textbooks_way(kind: str, name: str) -> None:
    generator = np.random.default_rng(1)
    grads, rates = generator.normal(size=STEPS), [rate(step) for step in range(STEPS)]
    params = Params({name: ()})
    params[name][:] = 0.3
    optimizer, path = KINDS[kind](), []
    slots = optimizer.init(params)
    for step in range(STEPS):
        optimizer.update(
            params, params.with_flat(grads[None, step : step + 1]), slots, np.array([rates[step]]), step
        )
        path.append(params[name][0])
    np.testing.assert_allclose(path, textbook(kind, 0.3, list(grads), rates, name == "W"), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["momentum", "nesterov"])
def test_sutskevers_form_is_the_same_path_while_eta_is_constant(kind: str) -> None:
    """On f = theta^2 / 2: v <- mu v - eta g(theta [+ mu v]), theta <- theta + v."""
    mu, eta = 0.8, 0.1
    params = Params({"W": ()})
    params["W"][:] = 1.0
    ours = KINDS[kind]()
    slots = ours.init(params)
    theta, v = 1.0, 0.0
    for step in range(STEPS):
        ours.update(params, params.copy(), slots, np.array([eta]), step)
        g = theta + mu * v if kind == "nesterov" else theta
        v = mu * v - eta * g
        theta += v
        ahead = theta + mu * v if kind == "nesterov" else theta
        assert params["W"][0] == pytest.approx(ahead, abs=1e-13)


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_scaling_the_gradient_hardly_changes_the_step(kind: str) -> None:
    one, big = random_params(), random_params()
    for params, scale in ((one, 1.0), (big, 1000.0)):
        optimizer = KINDS[kind]()
        slots = optimizer.init(params)
        for step in range(5):
            grads = params.zeros_like()
            grads.flat[:] = scale * np.random.default_rng(step).normal(size=grads.flat.shape)
            optimizer.update(params, grads, slots, np.array([0.01]), step)
    np.testing.assert_allclose(one.flat, big.flat, atol=1e-6)


# --- the memory


@kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("large", [1, LARGE], ids=["one at a time", "together"])
def test_a_stack_with_its_own_rates_is_its_singles(
    kind: str, dtype: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linclass.params.LARGE", large)
    monkeypatch.setattr("linclass.training.optim.LARGE", large)
    K, lr = 3, np.array([0.5, 1.0, 2.0])
    stack = random_params(K, dtype=dtype)
    singles = [Params(SHAPES, 1, dtype) for _ in range(K)]
    for k, single in enumerate(singles):
        single.flat[0] = stack.flat[k]
    train(KINDS[kind](), stack, range(20), lr=lr)
    for k, single in enumerate(singles):
        train(KINDS[kind](), single, range(20), lr=lr[k : k + 1])
        # the clipping norm may be summed in another order
        atol = 0 if kind != "clipped adam" else {"float32": 1e-5, "float64": 1e-13}[dtype]
        np.testing.assert_allclose(stack.flat[k], single.flat[0], rtol=0, atol=atol)
    assert stack.dtype == dtype


@kinds
def test_one_replica_of_a_stack_is_trained_alone(kind: str) -> None:
    stack, single = random_params(3), Params(SHAPES)
    before = stack.flat.copy()
    single.flat[0] = stack.flat[1]
    optimizer = KINDS[kind]()
    slots = optimizer.init(stack)
    own = {name: slot.select(1) for name, slot in slots.items()}
    for step in range(5):
        grads = gradients(step, single)
        optimizer.update(stack.select(1), grads, own, np.array([0.01]), step)
        single.flat[0] = stack.flat[1]
    np.testing.assert_array_equal(stack.flat[[0, 2]], before[[0, 2]])
    assert (stack.flat[1] != before[1]).all()
    for slot in slots.values():
        assert not slot.flat[[0, 2]].any()
        assert slot.flat[1].all()


@kinds
def test_parameters_and_slots_are_all_there_is_to_continue_from(kind: str) -> None:
    whole, part = random_params(), random_params()
    train(KINDS[kind](), whole, range(40))
    slots = train(KINDS[kind](), part, range(20))
    # another optimizer, other memory: whatever was not in the slots is gone
    copies = {name: slot.copy() for name, slot in slots.items()}
    resumed = part.copy()
    train(KINDS[kind](), resumed, range(20, 40), copies)
    np.testing.assert_array_equal(resumed.flat, whole.flat)


@kinds
def test_the_memory_check_bites(kind: str) -> None:
    whole, part = random_params(), random_params()
    train(KINDS[kind](), whole, range(40))
    train(KINDS[kind](), part, range(20))
    resumed = part.copy()
    train(KINDS[kind](), resumed, range(20, 40))  # with new slots
    assert np.array_equal(resumed.flat, whole.flat) == (kind == "sgd")


@kinds
def test_update_works_in_place_and_leaves_gradients_and_rates_alone(kind: str) -> None:
    optimizer, params = clipped(KINDS[kind](), 0.5), random_params(2)
    slots = optimizer.init(params)
    places = [id(a) for arrays in (params, *slots.values()) for a in arrays.values()]
    flats = [arrays.flat for arrays in (params, *slots.values())]
    grads, lr = gradients(0, params), np.array([0.01, 0.02])
    kept, before = grads.flat.copy(), params.flat.copy()
    for step in range(3):
        optimizer.update(params, grads, slots, lr, step)
    np.testing.assert_array_equal(grads.flat, kept)
    np.testing.assert_array_equal(lr, [0.01, 0.02])
    assert (params.flat != before).all()
    assert all(slot.flat.all() for slot in slots.values())
    assert places == [id(a) for arrays in (params, *slots.values()) for a in arrays.values()]
    assert all(a is b.flat for a, b in zip(flats, (params, *slots.values()), strict=True))


@kinds
def test_a_zero_gradient_moves_nothing_but_adamws_weights(kind: str) -> None:
    params, optimizer = random_params(), KINDS[kind]()
    before = params.copy()
    optimizer.update(params, params.zeros_like(), optimizer.init(params), np.array([0.1]), 0)
    for name, theta in params.items():
        decayed = kind == "adamw" and name.startswith("W")
        np.testing.assert_allclose(theta, before[name] * (1 - 0.1 * DECAY if decayed else 1), rtol=1e-15)


# --- clipping


def seen_through(max_norm: float, grads: Params) -> np.ndarray:
    """The gradient that reaches the optimiser: sgd at rate 1 from 0 gives its negative."""
    params, optimizer = grads.zeros_like(), clipped(sgd(), max_norm)
    optimizer.update(params, grads, {}, np.ones(grads.K), 0)
    return -params.flat


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(0, 5))
def test_a_clipped_gradient_keeps_its_direction(max_norm: float, scale: float, seed: int) -> None:
    grads = random_params(3, seed)
    grads.flat[:] *= scale
    grads["W2"][1] *= 100
    found, given_ = seen_through(max_norm, grads), grads.flat
    for g, before in zip(found, given_, strict=True):
        norm = np.linalg.norm(before)
        np.testing.assert_allclose(np.linalg.norm(g), min(norm, max_norm), rtol=1e-12)
        np.testing.assert_allclose(g / np.linalg.norm(g), before / norm, atol=1e-12)


def test_a_short_gradient_passes_bit_for_bit_and_each_model_has_its_own_norm() -> None:
    grads = random_params(2)
    grads["W1"][1] *= 1000
    found = seen_through(100.0, grads)
    np.testing.assert_array_equal(found[0], grads.flat[0])
    assert np.linalg.norm(found[1]) == pytest.approx(100)
    grads.flat[:] = 0
    assert not seen_through(1.0, grads).any()


def test_clipping_is_pytorchs_but_for_its_millionth() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here, and is not installed")
    grads = random_params()
    tensors = [torch.zeros(theta.shape, dtype=torch.float64) for theta in grads.values()]
    for tensor, g in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.from_numpy(g.copy())
    norm = float(torch.nn.utils.clip_grad_norm_(tensors, 0.5))
    theirs = np.concatenate([tensor.grad.numpy().ravel() for tensor in tensors])
    np.testing.assert_allclose(seen_through(0.5, grads)[0], theirs * (norm + 1e-6) / norm, rtol=1e-12)


# --- by name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_makes_its_optimizer(name: str) -> None:
    decay = DECAY if name == "adamw" else 0.0
    mu = 0.8 if name in ("momentum", "nesterov") else 0.0
    ours, direct = random_params(), random_params()
    train(make(name, momentum=mu, weight_decay=decay), ours, range(5))
    train(KINDS[name](), direct, range(5))
    np.testing.assert_array_equal(ours.flat, direct.flat)
    clip, wrapped = random_params(), random_params()
    train(make(name, momentum=mu, weight_decay=decay, clip=0.7), clip, range(5))
    train(clipped(KINDS[name](), 0.7), wrapped, range(5))
    np.testing.assert_array_equal(clip.flat, wrapped.flat)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_the_momentum_is_nine_tenths_unless_given(name: str) -> None:
    ours, direct = random_params(), random_params()
    train(make(name), ours, range(5))
    train(getattr(optim, name)(0.9), direct, range(5))
    np.testing.assert_array_equal(ours.flat, direct.flat)


@pytest.mark.parametrize("name", ["momentum", "nesterov", "sgd"])
def test_momentum_zero_is_gradient_descent(name: str) -> None:
    ours, plain = random_params(), random_params()
    train(make(name, momentum=0.0), ours, range(5))
    train(sgd(), plain, range(5))
    np.testing.assert_array_equal(ours.flat, plain.flat)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sdg", {}, "--optimizer is 'sdg': expected one of sgd, momentum"),
        ("momentum", {"momentum": 1.0}, "--momentum is 1.0: expected .* below 1"),
        ("nesterov", {"momentum": -0.1}, "--momentum is -0.1"),
        ("momentum", {"momentum": math.nan}, "--momentum is nan"),
        ("sgd", {"momentum": 0.9}, "--optimizer sgd has none: .* --optimizer momentum"),
        ("adam", {"weight_decay": 0.01}, "use --optimizer adamw, or --lambda 0.005"),
        ("adamw", {"weight_decay": -1.0}, "--weight-decay is -1.0"),
        ("sgd", {"clip": -1.0}, "--clip is -1.0"),
        ("sgd", {"clip": math.inf}, "--clip is inf"),
    ],
)
def test_what_cannot_be_used_is_said(name: str, options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(name, **options)
