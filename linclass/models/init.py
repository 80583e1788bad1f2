"""Initialisation: the first numbers of every named array, each from a stream of its own.

Weights are W, W1, W2, ... `(K, out, in)`, biases b, b1, ... of the same ending; gamma, beta belong to a
batch normalisation. With fan_in = in and fan_out = out:

    kind      W                                     b
    normal    N(0, std^2)                           N(0, std^2)
    xavier    N(0, 2 / (fan_in + fan_out))          0               Glorot and Bengio, AISTATS 2010
    he        N(0, 2 / fan_in)                      0               He et al., arXiv:1502.01852
    uniform   U(-1/sqrt(fan_in), 1/sqrt(fan_in))    the same        PyTorch's default
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from linclass import rng
from linclass.errors import UsageError
from linclass.params import Array

KINDS = ("normal", "xavier", "he", "uniform")


class Fans(NamedTuple):
    """How many inputs an output has, and how many outputs an input."""

    fan_in: int
    fan_out: int


def initialise(
    params: Mapping[str, Array], seeds: Sequence[int], kind: str = "normal", std: float = 0.01
) -> None:
    """Fill model k of `params` from the streams of `seeds[k]`, in float64 so that both dtypes start alike.

    Raises UsageError for an unknown kind, ValueError for an array that is none of W, b, gamma, beta.
    """
    if kind not in KINDS:
        raise UsageError(f"--init is {kind!r}: expected one of {', '.join(KINDS)}")
    for name, theta in params.items():
        letter = name.rstrip("0123456789")
        if letter in ("gamma", "beta"):
            theta[...] = 1 if letter == "gamma" else 0
            continue
        fans = fans_of(params, name)
        for k, seed in enumerate(seeds):
            generator = rng.generator(seed, f"init {name}")
            theta[k] = _draw(generator, theta.shape[1:], fans, letter, kind, std)


def fans_of(params: Mapping[str, Array], name: str) -> Fans:
    """Of a weight `(K, out, in)`, or of the weight that the bias `name` is added to."""
    letter = name.rstrip("0123456789")
    weight = "W" + name[len(letter) :]
    if letter not in ("W", "b") or weight not in params or params[weight].ndim != 3:
        raise ValueError(f"no initialisation for {name}: expected W or b of a layer, gamma or beta")
    _, fan_out, fan_in = params[weight].shape
    return Fans(fan_in, fan_out)


def _draw(
    generator: np.random.Generator, shape: tuple[int, ...], fans: Fans, letter: str, kind: str, std: float
) -> Array:
    """One model's W or b; see the module's docstring."""
    if kind == "normal":
        return generator.normal(0.0, std, shape)
    if kind == "uniform":
        bound = fans.fan_in**-0.5
        return generator.uniform(-bound, bound, shape)
    if letter == "b":
        return np.zeros(shape)
    variance = 2 / fans.fan_in if kind == "he" else 2 / (fans.fan_in + fans.fan_out)
    return generator.normal(0.0, variance**0.5, shape)
