"""Diagnosis: what is wrong with a gradient, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from linclass.gradcheck.sample import Sample
from linclass.gradcheck.slopes import Subject
from linclass.params import Array

EXPLAINED = 0.02
"""An explanation holds when at most this share of the difference is left unexplained."""
UNSAMPLED = (
    "entries outside the sample are wrong: the sampled ones agree, directions do not; check every entry"
)
ADDED_UP = "every entry agrees within its tolerance, random directions do not: small differences that add up"
DIRECTIONS = "analytic and numerical slopes along random directions disagree; check by entries to see where"


def diagnose(subject: Subject, samples: Sequence[Sample], gradients: Mapping[str, Array]) -> list[str]:
    """One sentence a fault; tensors and models with the same fault share it."""
    shared: dict[str, dict[str, list[int]]] = {}
    for name in subject.theta:
        mine = {sample.method: sample for sample in samples if sample.tensor == name}
        failed = [mine[m] for m in ("centred", "forward", "directions") if m in mine and mine[m].wrong.any()]
        if not failed:
            continue
        only_directions = len(mine) > 1 and [sample.method for sample in failed] == ["directions"]
        for k in np.flatnonzero(failed[0].wrong.any(axis=0)):
            phrase = _explain(subject, failed[0], gradients[name], int(k))
            if only_directions:
                sampled = max(len(sample.indices) for m, sample in mine.items() if m != "directions")
                if sampled < gradients[name][k].size:
                    phrase = UNSAMPLED
                elif phrase == DIRECTIONS:
                    phrase = ADDED_UP
            shared.setdefault(phrase, {}).setdefault(name, []).append(int(k))
    if not shared and any(sample.wrong.any() for sample in samples):
        return ["directions through all parameters disagree although those within each tensor agree"]
    return [f"{_where(tensors, subject.K)}: {phrase}" for phrase, tensors in shared.items()]


def _explain(subject: Subject, sample: Sample, gradient: Array, k: int) -> str:
    """What relates a to n in model k; the simplest relation that holds for the whole tensor comes first."""
    judged = ~sample.at_kink[:, k]
    a, n, theta = sample.a[judged, k], sample.n[judged, k], sample.theta[judged, k]
    wrong, allowed = sample.wrong[judged, k], sample.allowed[judged, k]
    indices = [index for index, use in zip(sample.indices, judged, strict=True) if use]
    if not np.isfinite(gradient[k]).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(gradient[k]))[0])
        return f"the analytic gradient is not finite: {gradient[k][at]} at {list(at)}"
    if not np.isfinite(n).all():
        return "the cost is not finite a step away: no numerical slope"
    if not gradient[k].any():
        return "the analytic gradient is zero everywhere, the numerical one is not: it is never filled"
    if (np.abs(n) <= sample.absolute[judged, k]).all():
        return "the analytic gradient is not zero, yet the cost does not depend on it"
    weights = gradient[k].ndim > 1
    l2 = 0.0 if subject.l2 is None else float(subject.l2[k])
    if (c := _fit(a - n, n)) is not None:
        return f"the analytic gradient is {_times(1 + c, subject.batch)}"
    if (c := _fit(a - n, theta)) is not None:
        return _penalty(c, l2, weights, subject)
    if l2 and weights and (c := _fit(a - n, n - 2 * l2 * theta)) is not None:
        return (
            f"the penalty's part is right, the loss's part of the gradient is {_times(1 + c, subject.batch)}"
        )
    if sample.method == "directions":
        return DIRECTIONS
    transposed = gradient[k].reshape(gradient[k].shape[::-1]).T
    if weights and (np.abs([transposed[index] for index in indices] - n) <= allowed).all():
        return "the analytic gradient is right but stored transposed"
    return _local(subject, a, n, wrong, indices)


def _fit(difference: Array, cause: Array) -> float | None:
    """The least-squares c of difference = c * cause, None where that leaves too much unexplained."""
    square = float(cause @ cause)
    if square == 0:
        return None
    c = float(cause @ difference) / square
    explained = np.linalg.norm(difference - c * cause) <= EXPLAINED * np.linalg.norm(difference)
    return c if explained and c else None


def _is(c: float, value: float) -> bool:
    return abs(c - value) <= 1e-3 * abs(value)


def _times(c: float, batch: int | None) -> str:
    """c times the numerical gradient, with the usual reason for such a c."""
    if _is(c, 2):
        return "twice the numerical one: a factor 2 too many"
    if _is(c, 0.5):
        return "half the numerical one: a factor 2 was dropped"
    if _is(c, -1):
        return "the numerical one with its sign flipped"
    if batch and _is(c, batch):
        return f"{batch} times the numerical one, the number of rows: a sum where the mean is meant"
    if batch and _is(c, 1 / batch):
        return f"1/{batch} of the numerical one, {batch} the number of rows: divided by it once too often"
    if abs(c) < 1e-6:
        return "zero next to the numerical one"
    return f"{c:.6g} times the numerical one"


def _penalty(c: float, l2: float, weights: bool, subject: Subject) -> str:
    """a - n = c theta: a fault in the gradient 2 lambda theta of the penalty lambda sum(theta^2)."""
    if not l2:
        kind = (
            "added to the gradient but is not in the cost" if c > 0 else "in the cost but not in the gradient"
        )
        return f"analytic - numerical = {c:.6g} theta: a penalty {abs(c) / 2:.6g} sum(theta^2) is {kind}"
    r = c / l2
    if not weights and r > 0:
        return (
            f"the penalty's gradient ({r:.6g} lambda theta) is added to it, but the cost does not penalise it"
        )
    if _is(r, -2):
        return "the penalty's gradient 2 lambda theta is missing"
    if _is(r, -1):
        return "the penalty's gradient is lambda theta: its factor 2 was dropped"
    if _is(r, 2):
        return "the penalty's gradient is 4 lambda theta: a factor 2 too many"
    if _is(r, -4):
        return "the penalty's gradient has its sign flipped"
    if subject.batch and subject.batch > 1 and _is(r, 2 * (1 / subject.batch - 1)):
        return "the penalty's gradient is divided by the number of rows"
    if subject.batch and subject.batch > 1 and _is(r, 2 * (subject.batch - 1)):
        return "the penalty's gradient is multiplied by the number of rows"
    others = (
        [] if subject.l2 is None else [j for j, other in enumerate(subject.l2) if _is(c, 2 * (other - l2))]
    )
    if others:
        return f"the penalty's gradient is made with the lambda of model {others[0]}"
    return f"the penalty's gradient is {2 + r:.6g} lambda theta where 2 lambda theta is meant"


def _local(subject: Subject, a: Array, n: Array, wrong: Array, indices: Sequence[tuple[int, ...]]) -> str:
    """Which rows, columns or entries are wrong, and what is found there."""
    at = np.array(indices)
    bad = at[wrong]
    if len(bad) == len(at):
        return "analytic and numerical gradients differ at every entry checked, in no simple relation"
    place = _lines(at, bad) if at.shape[1] == 2 and len(bad) > 1 else None
    if place is None:
        names = ", ".join(str(list(map(int, index))) for index in bad[:5]) + (", ..." if len(bad) > 5 else "")
        place = (
            f"{len(bad)} of the {len(at)} entries checked {'is' if len(bad) == 1 else 'are'} wrong ({names})"
        )
    if not a[wrong].any():
        return f"only {place}: the analytic gradient is zero there"
    c = _fit((a - n)[wrong], n[wrong])
    there = (
        "in no simple relation" if c is None else f"the analytic gradient is {_times(1 + c, subject.batch)}"
    )
    return f"only {place}: {there}"


def _lines(at: Array, bad: Array) -> str | None:
    """The rows, or else the columns, that hold all the bad entries and few good ones."""
    for axis, word in enumerate(("row", "column")):
        lines, checked = np.unique(bad[:, axis]), np.unique(at[:, axis])
        inside = np.isin(at[:, axis], lines).sum()
        if len(lines) < len(checked) and len(bad) > inside / 2:
            names = ", ".join(map(str, lines[:10])) + (", ..." if len(lines) > 10 else "")
            return f"{word} {names} is wrong" if len(lines) == 1 else f"{word}s {names} are wrong"
    return None


def _where(tensors: Mapping[str, Sequence[int]], K: int) -> str:
    parts = []
    for name, models in tensors.items():
        word = "model" if len(models) == 1 else "models"
        parts.append(name if len(models) == K else f"{name} of {word} {', '.join(map(str, models))}")
    return " and ".join(parts)


def notes_on(samples: Sequence[Sample]) -> list[str]:
    """One sentence for what was excused or judged with a smaller step in a sample."""
    notes = []
    for sample in samples:
        what = "directions" if sample.method == "directions" else "entries"
        if at := int(sample.at_kink.sum()):
            why = "the slopes from left and right differ"
            why += "" if what == "directions" else " and the analytic one lies between them"
            notes.append(f"{sample.tensor}, {sample.method}: {at} {what} at a kink, not judged: {why}")
        if closer := int(sample.closer.sum()):
            notes.append(
                f"{sample.tensor}, {sample.method}: {closer} {what} with a kink or a sharp bend "
                "inside the step, judged with a smaller step"
            )
    return notes
