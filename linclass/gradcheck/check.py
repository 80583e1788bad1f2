"""The check: of a model, of a user's own function, and the checks that `linclass gradcheck` runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from linclass import rng
from linclass.errors import UsageError
from linclass.gradcheck.calls import RANDOM_COST, faults_between_calls, stale_gradients
from linclass.gradcheck.diagnosis import diagnose, notes_on
from linclass.gradcheck.own_function import Function, as_float64, value_and_gradient
from linclass.gradcheck.report import Report, full_precision
from linclass.gradcheck.sample import Plan, take_samples
from linclass.gradcheck.slopes import METHODS, Subject, spread_of
from linclass.models.base import Model
from linclass.params import Array


def check_model(
    model: Model,
    x: Array,
    y: Array,
    *,
    methods: Iterable[str] = tuple(METHODS),
    entries: int | None = 200,
    directions: int = 5,
    seed: int = 0,
    step: int = 0,
) -> Report:
    """Check the gradients of J in `model.backpropagate(x, y, step=step)`, all K models at once.

    Args:
        x, y: rows `(n, d)` and labels `(n,)`.
        methods: any of "forward", "centred", "directions".
        entries: sampled entries a tensor; None or a number beyond the tensor's size means every entry.
        directions: random unit directions a tensor, and as many through all parameters.
        seed: names the sample and the directions; the same seed checks the same entries.

    Parameters and buffers are left as they were, bit for bit, and `model.grads` at the analytic values.
    Where the model is exactly at a kink (ReLU at 0: a bias of 0 of a unit without input) there is no gradient
    to compare with, and a little is judged there; `standard_checks` moves the biases first.
    Raises UsageError for a model that is not float64, an unknown method, and counts below one.
    """
    if model.params.dtype != np.float64:
        raise UsageError(
            f"the model is {model.params.dtype}, where rounding drowns the differences; check it in float64"
        )
    held = dict(model.grads)
    buffers = {name: np.array(array) for name, array in model.buffers.items()}
    for gradient in held.values():
        gradient[...] = 0
    l2 = getattr(model, "l2", None)
    subject = Subject(
        theta=model.params,
        evaluate=lambda: (model.backpropagate(x, y, step=step).loss + model.penalty(), model.grads),
        stacked=True,
        l2=None if l2 is None else np.broadcast_to(l2, (model.K,)),
        batch=len(x),
    )
    try:
        report = _check(subject, Plan.checked(methods, entries, directions, seed))
        subject.evaluate()
    finally:
        for name, array in buffers.items():
            model.buffers[name][...] = array
    rebound = [name for name in held if not np.shares_memory(held[name], model.grads[name])]
    findings = [
        f"{name}: grads was rebound to a new array; it must be overwritten in place" for name in rebound
    ]
    return Report(report.rows, [*findings, *report.findings], report.notes)


def check_function(
    function: Function,
    theta: Array,
    *,
    methods: Iterable[str] = tuple(METHODS),
    entries: int | None = 200,
    directions: int = 5,
    seed: int = 0,
) -> Report:
    """Check a user's `function(theta) -> (value, gradient)` at `theta`, a float64 array of any shape.

    The other arguments are those of `check_model`. The function gets a copy: `theta` is never changed.
    Raises UsageError where theta, value or gradient is not float64, a shape is wrong, or the function raises.
    """
    start = as_float64("theta", theta)
    if start.size == 0 or not np.isfinite(start).all():
        raise UsageError(
            f"theta of shape {start.shape} is empty or not finite; start the check from finite numbers"
        )
    stack = np.array(start)[None]

    def evaluate() -> tuple[Array, Mapping[str, Array]]:
        value, gradient = value_and_gradient(function, np.array(stack[0]))
        return np.array([value]), {"theta": gradient[None]}

    subject = Subject({"theta": stack}, evaluate, stacked=False, l2=None, batch=None)
    return _check(subject, Plan.checked(methods, entries, directions, seed))


class Factory(Protocol):
    """Makes the float64 model to check, of these columns of x: one a seed, lambda one number or `(K,)`."""

    def __call__(self, features: Array, *, l2: Array | float, seeds: Sequence[int]) -> Model: ...


def standard_checks(
    create: Factory, x: Array, y: Array, *, seed: int = 0, stacks: bool = True
) -> list[tuple[str, Report]]:
    """(title, Report) pairs: every entry on reduced dimensions, then a sample of entries on all of x.

    Reduced: the first 8 rows of x and the 20 features that vary most in them, lambda 0, 0.1 and 1, one by one
    and, where there are `stacks` of models, as a stack of three.
    Full: all rows and features given (a hundred rows do), 200 entries a tensor and directions.
    Every model's biases are moved at random first, see `_off_the_kinks`.
    """
    few, all_features = varying_features(x[:8], 20), np.arange(x.shape[1])
    n, d = len(x[:8]), len(few)
    strengths = (0.0, 0.1, 1.0)

    def check(
        features: Array, rows: int, l2: Array | float, seeds: Sequence[int], entries: int | None
    ) -> Report:
        model = create(features, l2=l2, seeds=seeds)
        _off_the_kinks(model, seed)
        return check_model(model, x[:rows, features], y[:rows], entries=entries, seed=seed)

    checks = []
    for l2 in strengths:
        report = check(few, n, l2, [seed], None)
        checks.append((f"every entry, d = {d}, n = {n}, lambda = {l2:g}", report))
    if stacks:
        report = check(few, n, np.array(strengths), [seed, seed + 1, seed + 2], None)
        checks.append((f"every entry, d = {d}, n = {n}, K = 3 with lambda = 0, 0.1, 1", report))
    for l2 in (0.0, 1.0):
        report = check(all_features, len(x), l2, [seed], 200)
        checks.append((f"200 entries a tensor, d = {x.shape[1]}, n = {len(x)}, lambda = {l2:g}", report))
    return checks


def varying_features(x: Array, count: int) -> Array:
    """The `count` columns of x `(n, d)` that vary most, in their order; of those that do not, the largest.

    A column of zeros, such as a border pixel, has no gradient that could be wrong.
    """
    order = np.lexsort((-np.abs(x).max(axis=0), -np.ptp(x, axis=0)))
    return np.sort(order[:count])


def _off_the_kinks(model: Model, seed: int) -> None:
    """Adds numbers of up to 0.1 to all arrays of one number a unit: biases, and batch normalisation's.

    With biases of 0 a unit without input (a row that dropout, or dead units, left empty) is exactly at
    ReLU's kink, where the cost has no gradient to compare with.
    """
    for name, theta in model.params.items():
        if theta.ndim == 2:
            theta += rng.generator(seed, "gradcheck biases " + name).uniform(-0.1, 0.1, theta.shape)


def _check(subject: Subject, plan: Plan) -> Report:
    """The whole check; theta is put back whatever happens on the way."""
    start = {name: np.array(theta) for name, theta in subject.theta.items()}

    def put_back() -> None:
        for name, array in start.items():
            subject.theta[name][...] = array

    try:
        # what is not finite becomes a finding, not a warning
        with np.errstate(all="ignore"):
            value, gradients = subject.look()
            if not np.isfinite(value).all():
                sentence = (
                    f"the cost is {full_precision(value)} at the start: there is nothing to compare with"
                )
                return Report([], [sentence])
            findings = faults_between_calls(subject, value, gradients)
            if any(finding.startswith(RANDOM_COST) for finding in findings):
                return Report([], findings)
            subject = subject._replace(spread=spread_of(subject, value, plan.seed))
            put_back()
            findings = findings or stale_gradients(subject, gradients, plan.seed)
            put_back()
            samples = take_samples(subject, plan, gradients)
            put_back()
            findings += diagnose(subject, samples, gradients)
            return Report([sample.row(subject.stacked) for sample in samples], findings, notes_on(samples))
    finally:
        put_back()
