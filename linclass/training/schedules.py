"""Schedules: step -> learning rates `(K,)`, one a model.

A schedule is a function of t, the number of updates already made; it has no memory. With n updates an epoch,
T updates in all, eta the learning rate given (the highest of the schedule) and eta_min the lowest:

    constant     eta
    step         eta * factor^floor(t / (n * epochs))
    exponential  eta * factor^(t / n)
    triangular   eta_min + (eta - eta_min) * x,  x rising from 0 to 1 and falling back, n_s updates each way
    cosine       eta_min + (eta - eta_min) * (1 + cos(pi t / T)) / 2
    one-cycle    eta/25 up to eta over 0.3 T, then down to eta/250,000, along cosines
    warm-up      for w updates (t + 1) / (w + 1) of another's first rate; then that other, from its beginning
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from linclass.errors import UsageError, counted
from linclass.params import Array

Schedule = Callable[[int], Array]


def constant(lr: Array | float) -> Schedule:
    """eta_t = lr. `lr`: one number, or `(K,)` numbers for K models; so in all schedules."""
    rates = _rates(lr)
    return lambda t: rates


def step_decay(lr: Array | float, *, every: int, factor: float) -> Schedule:
    """eta_t = lr * factor^floor(t / every): PyTorch's StepLR. `every`: updates."""
    rates = _rates(lr)
    return lambda t: rates * factor ** (t // every)


def exponential(lr: Array | float, *, factor: float, steps_per_epoch: int) -> Schedule:
    """eta_t = lr * factor^(t / n), smooth; PyTorch's ExponentialLR, stepped once an epoch, is its value at
    each epoch's first update. n: `steps_per_epoch`."""
    rates = _rates(lr)
    return lambda t: rates * factor ** (t / steps_per_epoch)


def triangular(lr: Array | float, *, low: float, half_cycle: int) -> Schedule:
    """Cyclic: up from `low` to `lr` in n_s = half_cycle updates, down in n_s, and again.

    Cycle l is 2 l n_s <= t < 2 (l + 1) n_s: eta_min + (eta_max - eta_min) * (1 - |(t - 2 l n_s) / n_s - 1|).
    Source: Smith, Cyclical learning rates for training neural networks, 2015; KTH DD2424, assignment 2.
    """
    rates = _rates(lr)
    return lambda t: low + (rates - low) * (1 - abs((t % (2 * half_cycle)) / half_cycle - 1))


def cosine(lr: Array | float, *, total_steps: int, low: float = 0.0) -> Schedule:
    """One half wave from `lr` to `low` in T = total_steps updates; `low` after that.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, without the
    restarts.
    """
    rates = _rates(lr)
    return lambda t: _half_wave(rates, low, min(t / total_steps, 1.0))


def one_cycle(lr: Array | float, *, total_steps: int) -> Schedule:
    """From lr/25 up to `lr` in the first 0.3 of the updates, down to lr/250,000 at the last one.

    Cosines and constants are those of PyTorch's OneCycleLR (and fastai); the paper's lines are straight. The
    momentum stays as it is, where the paper lowers it while the rate is high.
    Source: Smith and Topin, Super-convergence, 2018.
    """
    rates = _rates(lr)
    first, last = rates / 25, rates / 25 / 1e4
    # a very short run has no room for the way up, and begins at the top
    top = max(0.3 * total_steps - 1, 0.0)
    end = max(total_steps - 1, top + 1)

    def schedule(t: int) -> Array:
        if t < top:
            return _half_wave(first, rates, t / top)
        return _half_wave(rates, last, min((t - top) / (end - top), 1.0))

    return schedule


def warmup(schedule: Schedule, steps: int) -> Schedule:
    """A linear start before `schedule`: for t < w = steps, (t + 1) / (w + 1) of its first rate.

    It is PyTorch's LinearLR(start_factor=1 / (w + 1), total_iters=w) followed by `schedule`, whose own time
    begins after the warm-up.
    Source: Goyal et al., Accurate, large minibatch SGD, 2017, section 2.2.
    """
    return lambda t: schedule(0) * ((t + 1) / (steps + 1)) if t < steps else schedule(t - steps)


def _rates(lr: Array | float) -> Array:
    rates = np.array(lr, dtype=np.float64, ndmin=1)
    rates.setflags(write=False)  # some schedules hand out this very array
    return rates


def _half_wave(start: Array, end: Array | float, part: float) -> Array:
    """From `start` at part 0 to `end` at part 1 along half a cosine."""
    return end + (start - end) * ((1 + math.cos(math.pi * part)) / 2)


# --- the text form


class _Time(NamedTuple):
    steps_per_epoch: int
    total_steps: int


class _Number(NamedTuple):
    """What one number in a text must be."""

    name: str
    expected: str
    fits: Callable[[float], bool]


_EPOCHS = _Number("EPOCHS", "a whole number of at least 1", lambda v: v >= 1 and v == int(v))
_STEPS = _EPOCHS._replace(name="STEPS")
_FACTOR = _Number("FACTOR", "a number above 0 and at most 1", lambda v: 0 < v <= 1)
_LOW = _Number("ETA_MIN", "a number of at least 0", lambda v: v >= 0)


class _Form(NamedTuple):
    """One kind of schedule in words: its numbers (the last `optional` of them may be left out)."""

    numbers: Sequence[_Number]
    example: str
    build: Callable[[Array, _Time, Sequence[float]], Schedule]
    optional: int = 0


FORMS: Mapping[str, _Form] = {
    "constant": _Form((), "constant", lambda lr, time, _: constant(lr)),
    "step": _Form(
        (_EPOCHS, _FACTOR),
        "step:10:0.5",
        lambda lr, time, v: step_decay(lr, every=int(v[0]) * time.steps_per_epoch, factor=v[1]),
    ),
    "exponential": _Form(
        (_FACTOR,),
        "exponential:0.95",
        lambda lr, time, v: exponential(lr, factor=v[0], steps_per_epoch=time.steps_per_epoch),
    ),
    "triangular": _Form(
        (_LOW, _STEPS),
        "triangular:1e-5:500",
        lambda lr, time, v: triangular(lr, low=v[0], half_cycle=int(v[1])),
    ),
    "cosine": _Form(
        (_LOW,),
        "cosine:1e-5",
        lambda lr, time, v: cosine(lr, total_steps=time.total_steps, low=v[0] if v else 0.0),
        optional=1,
    ),
    "one-cycle": _Form(
        (),
        "one-cycle",
        lambda lr, time, _: one_cycle(lr, total_steps=time.total_steps),
    ),
}
"""The kinds of schedule that a text can name."""

_WARMUP_EXAMPLE = "warmup:200,cosine"


class _Text(NamedTuple):
    """A text taken apart: "warmup:200,step:10:0.5" is 200, "step", (10.0, 0.5)."""

    warmup: int
    kind: str
    values: tuple[float, ...]


def parse(text: str, lr: Array | float, *, steps_per_epoch: int, total_steps: int) -> Schedule:
    """The schedule that `--schedule text` names; FORMS lists the kinds, each with an example.

    Args:
        lr: --eta, one number or `(K,)`: the highest rate.
        steps_per_epoch, total_steps: updates an epoch, and in all; at least 1. With a warm-up, what is left
            after it is the other schedule's total.

    Raises UsageError for a text that names none, or that does not fit `lr` or `total_steps`.
    """
    rates = _rates(lr)
    found = _read(text)
    form = FORMS[found.kind]
    if found.warmup >= total_steps:
        raise _refused(text, f"the run has only {counted(total_steps, 'step')}: expected a shorter warm-up")
    for number, value in zip(form.numbers, found.values, strict=False):
        if number is _LOW and value >= rates.min():
            raise _refused(
                text, f"{number.name} is {value:g}: expected a number below --eta, which is {rates.min():g}"
            )
    schedule = form.build(rates, _Time(steps_per_epoch, total_steps - found.warmup), found.values)
    return warmup(schedule, found.warmup) if found.warmup else schedule


def cycle_ends(text: str, *, total_steps: int) -> list[int]:
    """After how many updates a cycle of a triangular schedule is complete, up to `total_steps`.

    There the rate is at its lowest, and a model worth a place in an ensemble. Empty for schedules without
    cycles. Raises UsageError for a text that names no schedule.
    Source: Huang et al., Snapshot ensembles: train 1, get M for free, 2017.
    """
    found = _read(text)
    if found.kind != "triangular":
        return []
    cycle = 2 * int(found.values[1])
    return list(range(found.warmup + cycle, total_steps + 1, cycle))


def _read(text: str) -> _Text:
    before, comma, rest = text.partition(",")
    if comma:
        name, *words = before.split(":")
        if name != "warmup":
            raise _refused(text, f"expected warmup:STEPS before the comma, such as {_WARMUP_EXAMPLE}")
        (steps,) = _numbers(text, before, words, (_STEPS,), _WARMUP_EXAMPLE)
        return _read_kind(text, rest)._replace(warmup=int(steps))
    return _read_kind(text, before)


def _read_kind(text: str, part: str) -> _Text:
    kind, *words = part.split(":")
    if kind not in FORMS:
        examples = ", ".join(form.example for form in FORMS.values())
        raise _refused(text, f"expected one of {examples}; or a warm-up first, such as {_WARMUP_EXAMPLE}")
    form = FORMS[kind]
    return _Text(0, kind, _numbers(text, part, words, form.numbers, form.example, form.optional))


def _numbers(
    text: str, part: str, words: Sequence[str], numbers: Sequence[_Number], example: str, optional: int = 0
) -> tuple[float, ...]:
    if not len(numbers) - optional <= len(words) <= len(numbers):
        pattern = ":".join([part.split(":")[0], *(number.name for number in numbers)])
        raise _refused(
            text, f"expected {pattern}" + (f", such as {example}" if numbers else " and no numbers")
        )
    return tuple(_number(text, word, number) for word, number in zip(words, numbers, strict=False))


def _number(text: str, word: str, number: _Number) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not number.fits(value):
        raise _refused(text, f"{number.name} is {word!r}: expected {number.expected}")
    return value


def _refused(text: str, reason: str) -> UsageError:
    return UsageError(f"--schedule is {text!r}: {reason}")


def depends_on_total(text: str) -> bool:
    """Whether the schedule of this text is stretched over the whole run, and would change with its length."""
    return _read(text).kind in ("cosine", "one-cycle")
