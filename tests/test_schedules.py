"""Schedules against PyTorch's schedulers and the assignment's formulas; the text form and its refusals."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.errors import UsageError
from linclass.settings import Experiment
from linclass.training.schedules import (
    FORMS,
    constant,
    cosine,
    cycle_ends,
    exponential,
    one_cycle,
    parse,
    step_decay,
    triangular,
    warmup,
)

ETA, N, T = 0.1, 7, 60
EXAMPLES = [form.example for form in FORMS.values()] + [
    "cosine",
    "warmup:20,cosine",
    "warmup:5,triangular:0:9",
]


def values(schedule, steps: int = T) -> np.ndarray:
    return np.array([schedule(t)[0] for t in range(steps)])


def torch_rates(make, steps: int = T) -> np.ndarray:
    """The rates that `make(torch.optim.lr_scheduler, optimizer)` gives in `steps` updates."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle here, and is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=ETA)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (step_decay(ETA, every=8, factor=0.5), lambda s, o: s.StepLR(o, 8, 0.5)),
        (exponential(ETA, factor=0.9, steps_per_epoch=1), lambda s, o: s.ExponentialLR(o, 0.9)),
        (exponential(ETA, factor=0.9, steps_per_epoch=N), lambda s, o: s.ExponentialLR(o, 0.9 ** (1 / N))),
        (cosine(ETA, total_steps=T), lambda s, o: s.CosineAnnealingLR(o, T)),
        (cosine(ETA, total_steps=T, low=0.01), lambda s, o: s.CosineAnnealingLR(o, T, eta_min=0.01)),
        (
            triangular(ETA, low=1e-3, half_cycle=N),
            lambda s, o: s.CyclicLR(o, 1e-3, ETA, N, cycle_momentum=False),
        ),
        (
            one_cycle(ETA, total_steps=T),
            lambda s, o: s.OneCycleLR(o, ETA, total_steps=T, cycle_momentum=False),
        ),
        (
            one_cycle(ETA, total_steps=N),
            lambda s, o: s.OneCycleLR(o, ETA, total_steps=N, cycle_momentum=False),
        ),
        (warmup(constant(ETA), 9), lambda s, o: s.LinearLR(o, start_factor=1 / 10, total_iters=9)),
    ],
    ids=[
        "step",
        "exponential",
        "a smooth exponential",
        "cosine",
        "cosine to a rate",
        "triangular",
        "one-cycle",
        "a short one-cycle",
        "warm-up",
    ],
)
def test_rates_are_pytorchs(ours, theirs) -> None:
    steps = N if ours(N - 1)[0] < 1e-6 else T
    np.testing.assert_allclose(values(ours, steps), torch_rates(theirs, steps), rtol=1e-11, atol=1e-15)


def test_triangular_is_the_assignments() -> None:
    """KTH DD2424, assignment 2, equations 14 and 15."""
    low, high, n_s = 1e-5, 1e-1, 500
    schedule = triangular(high, low=low, half_cycle=n_s)
    for t in range(0, 3000, 7):
        cycle = t // (2 * n_s)
        if t <= (2 * cycle + 1) * n_s:
            expected = low + (t - 2 * cycle * n_s) / n_s * (high - low)
        else:
            expected = high - (t - (2 * cycle + 1) * n_s) / n_s * (high - low)
        assert schedule(t)[0] == pytest.approx(expected, rel=1e-12)
    assert [schedule(t)[0] for t in (0, n_s, 2 * n_s, 3 * n_s)] == [low, high, low, high]


def test_triangular_is_smiths() -> None:
    """Smith 2015, section 3.2: cycle = floor(1 + t / 2n), x = |t / n - 2 cycle + 1|."""
    schedule = triangular(ETA, low=0.01, half_cycle=N)
    for t in range(5 * N):
        x = abs(t / N - 2 * math.floor(1 + t / (2 * N)) + 1)
        assert schedule(t)[0] == pytest.approx(0.01 + (ETA - 0.01) * max(0, 1 - x), rel=1e-12)


def test_ends_are_kept() -> None:
    assert cosine(ETA, total_steps=T, low=0.01)(T)[0] == pytest.approx(0.01)
    assert cosine(ETA, total_steps=T, low=0.01)(2 * T)[0] == 0.01
    assert cosine(ETA, total_steps=T)(0)[0] == ETA
    last = one_cycle(ETA, total_steps=T)
    assert last(T - 1)[0] == last(9 * T)[0] == pytest.approx(ETA / 250_000)
    assert values(last).max() == pytest.approx(ETA)


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5])
def test_one_cycle_of_a_few_updates_stays_within_its_bounds(total: int) -> None:
    rates = values(one_cycle(ETA, total_steps=total), total + 2)
    assert np.isfinite(rates).all()
    assert (rates > 0).all()
    assert rates.max() <= ETA * (1 + 1e-12)


def test_a_warm_up_delays_the_other_schedule() -> None:
    inner = triangular(ETA, low=0.01, half_cycle=N)
    schedule = warmup(inner, 4)
    np.testing.assert_allclose(values(schedule, 4), 0.01 * np.arange(1, 5) / 5)
    np.testing.assert_array_equal(values(schedule)[4:], values(inner)[: T - 4])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(EXAMPLES), st.lists(st.integers(0, T), max_size=5), st.integers(1, 4))
def test_a_schedule_has_no_memory_and_one_rate_a_model(text: str, asked: list[int], K: int) -> None:
    lr = np.linspace(0.1, 0.3, K)
    schedule = parse(text, lr, steps_per_epoch=N, total_steps=T)
    for t in asked:
        schedule(t)
    rates = schedule(17)
    assert rates.shape == (K,)
    assert rates.dtype == np.float64
    np.testing.assert_array_equal(rates, parse(text, lr, steps_per_epoch=N, total_steps=T)(17))
    for k in range(K):
        single = parse(text, float(lr[k]), steps_per_epoch=N, total_steps=T)
        np.testing.assert_array_equal(single(17), rates[k : k + 1])
    every = np.array([schedule(t) for t in range(T)])
    assert (every >= 0).all()
    assert (every <= lr * (1 + 1e-12)).all()


def test_rates_do_not_change_with_what_they_were_made_from() -> None:
    lr = np.array([0.1, 0.2])
    schedule = constant(lr)
    lr[:] = 9
    np.testing.assert_array_equal(schedule(0), [0.1, 0.2])
    with pytest.raises(ValueError, match="read-only"):
        schedule(0)[0] = 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant", constant(ETA)),
        ("step:2:0.5", step_decay(ETA, every=2 * N, factor=0.5)),
        ("exponential:0.95", exponential(ETA, factor=0.95, steps_per_epoch=N)),
        ("triangular:1e-5:10", triangular(ETA, low=1e-5, half_cycle=10)),
        ("triangular:0:10", triangular(ETA, low=0, half_cycle=10)),
        ("cosine", cosine(ETA, total_steps=T)),
        ("cosine:1e-3", cosine(ETA, total_steps=T, low=1e-3)),
        ("one-cycle", one_cycle(ETA, total_steps=T)),
        ("warmup:20,cosine", warmup(cosine(ETA, total_steps=T - 20), 20)),
        ("warmup:20,step:2:0.5", warmup(step_decay(ETA, every=2 * N, factor=0.5), 20)),
    ],
)
def test_texts_mean_their_schedules(text: str, expected) -> None:
    found = parse(text, ETA, steps_per_epoch=N, total_steps=T)
    np.testing.assert_array_equal(values(found), values(expected))


def test_step_and_exponential_count_epochs() -> None:
    half = parse("step:2:0.5", ETA, steps_per_epoch=N, total_steps=T)
    np.testing.assert_array_equal(values(half)[: 4 * N], np.repeat([ETA, ETA / 2], 2 * N))
    smooth = parse("exponential:0.9", ETA, steps_per_epoch=N, total_steps=T)
    assert smooth(3 * N)[0] == pytest.approx(ETA * 0.9**3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one of constant, step:10:0.5, exponential:0.95, triangular:1e-5:500, cosine"),
        ("cosin", "expected one of constant"),
        ("Cosine", "expected one of constant"),
        ("step", "expected step:EPOCHS:FACTOR, such as step:10:0.5"),
        ("step:10", "expected step:EPOCHS:FACTOR"),
        ("step:10:0.5:1", "expected step:EPOCHS:FACTOR"),
        ("step:0:0.5", "EPOCHS is '0': expected a whole number of at least 1"),
        ("step:2.5:0.5", "EPOCHS is '2.5': expected a whole number"),
        ("step:-1:0.5", "EPOCHS is '-1'"),
        ("step:10:0", "FACTOR is '0': expected a number above 0 and at most 1"),
        ("step:10:1.5", "FACTOR is '1.5'"),
        ("step:10:nan", "FACTOR is 'nan'"),
        ("step:inf:0.5", "EPOCHS is 'inf'"),
        ("step::0.5", "EPOCHS is ''"),
        ("exponential:-0.9", "FACTOR is '-0.9'"),
        ("exponential:x", "FACTOR is 'x'"),
        ("triangular:-1:500", "ETA_MIN is '-1': expected a number of at least 0"),
        ("triangular:0:0", "STEPS is '0'"),
        ("triangular:0.1:500", "ETA_MIN is 0.1: expected a number below --eta, which is 0.1"),
        ("cosine:0.2", "ETA_MIN is 0.2: expected a number below --eta"),
        ("constant:1", "expected constant and no numbers"),
        ("one-cycle:5", "expected one-cycle and no numbers"),
        ("warmup:200", "expected one of constant"),
        ("warmup,cosine", "expected warmup:STEPS, such as warmup:200,cosine"),
        ("warmup:0,cosine", "STEPS is '0'"),
        ("warmup:60,cosine", "the run has only 60 steps: expected a shorter warm-up"),
        ("cosine,warmup:200", "expected warmup:STEPS before the comma"),
        ("warmup:5,warmup:5,cosine", "expected one of constant"),
        ("warmup:5,", "expected one of constant"),
    ],
)
def test_other_texts_are_refused_with_an_example(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^--schedule is {text!r}: .*{message}"):
        parse(text, ETA, steps_per_epoch=N, total_steps=T)


def test_the_lowest_rate_must_be_below_every_models() -> None:
    with pytest.raises(UsageError, match=r"ETA_MIN is 0\.01: expected a number below --eta, which is 0\.001"):
        parse("cosine:0.01", np.array([0.1, 0.001]), steps_per_epoch=N, total_steps=T)


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="constepcilyrgwmu:,.0123456789e-+ ", max_size=30))
def test_any_text_is_a_schedule_or_a_usage_error(text: str) -> None:
    try:
        schedule = parse(text, ETA, steps_per_epoch=N, total_steps=T)
    except UsageError:
        return
    assert np.isfinite(values(schedule)).all()


def test_every_form_has_an_example_that_works_and_is_in_the_help() -> None:
    for form in FORMS.values():
        assert np.isfinite(values(parse(form.example, ETA, steps_per_epoch=N, total_steps=T))).all()

    fields = {field.name: field for field in dataclasses.fields(Experiment)}
    named = re.findall(r"[a-z-]+", fields["schedule"].metadata["help"])
    assert {*FORMS, "warmup"} <= set(named)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("triangular:0:10", [20, 40, 60]),
        ("triangular:0:25", [50]),
        ("triangular:0:31", []),
        ("warmup:15,triangular:0:10", [35, 55]),
        ("cosine", []),
        ("constant", []),
    ],
)
def test_cycle_ends(text: str, ends: list[int]) -> None:
    assert cycle_ends(text, total_steps=T) == ends
    schedule = parse(text, ETA, steps_per_epoch=N, total_steps=T)
    for end in ends:  # the next update would be at the lowest rate again, and both neighbours are higher
        assert schedule(end)[0] < min(schedule(end - 1)[0], schedule(end + 1)[0])
    with pytest.raises(UsageError, match="--schedule is 'cycle'"):
        cycle_ends("cycle", total_steps=T)
