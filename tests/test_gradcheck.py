"""The gradient checker: right gradients pass, every planted fault is found and named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.optimize
from costs import cost
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linclass import engine, gradcheck
from linclass.errors import UsageError
from linclass.gradcheck import check_function, check_model, load_function, standard_checks
from linclass.gradcheck.check import varying_features
from linclass.gradcheck.diagnosis import ADDED_UP, UNSAMPLED
from linclass.gradcheck.slopes import Subject, entry_line, slopes_along
from linclass.models.linear import Linear
from linclass.models.mlp import MLP

N, D, C = 6, 5, 4


@pytest.fixture
def one_thread():
    """Many tiny products of 3072 features: threads that wait for one another only cost time."""
    with engine.limited(1):
        yield


def data(n=N, d=D, classes=C, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, d)), generator.integers(0, classes, n)


class Faulty(Linear):
    """A linear model whose gradients `spoil(model, x, y)` has a hand in."""

    spoil = staticmethod(lambda model, x, y: None)

    def backpropagate(self, x, y, *, step=0):
        batch = super().backpropagate(x, y, step=step)
        self.spoil(self, x, y)
        return batch


def faulty(spoil, **options):
    model = Faulty.create(
        options.pop("d", D), options.pop("classes", C), **({"l2": 0.1, "init_std": 0.3} | options)
    )
    model.spoil = spoil
    return model


def spoiled_report(spoil, *, seeds=(0,), l2=0.1, d=D, classes=C, n=N, **options):
    report = check_model(
        faulty(spoil, seeds=seeds, l2=l2, d=d, classes=classes), *data(n, d, classes), **options
    )
    assert not report.passed
    assert report.findings
    for sentence in report.findings:
        assert f"wrong: {sentence}" in report.text()
    assert report.text().endswith("FAILED")
    return report


# ---- right gradients -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(
    n=st.integers(1, 6),
    d=st.integers(1, 6),
    classes=st.integers(1, 5),
    K=st.integers(1, 3),
    l2=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
    seed=st.integers(0, 50),
)
@example(n=1, d=1, classes=5, K=1, l2=0.0, scale=30.0, seed=15)  # P_y = 1 - 1e-7
@example(n=1, d=1, classes=3, K=1, l2=0.0, scale=30.0, seed=22)  # 1 - 1e-9
def test_right_gradients_pass_and_nothing_is_left_changed(n, d, classes, K, l2, scale, seed):
    x, y = data(n, d, classes, seed)
    model = Linear.create(d, classes, seeds=range(K), l2=l2, init_std=0.5)
    start = model.params.flat.copy()
    report = check_model(model, scale * x, y, entries=None, seed=seed)
    assert report.passed, report.text()
    assert {(r.tensor, r.method) for r in report.rows} == {
        *((t, m) for t in "Wb" for m in gradcheck.METHODS), ("all", "directions")
    }  # fmt: skip
    assert [r.entries for r in report.rows if r.method == "centred"] == [K * classes * d, K * classes]
    assert model.params.flat.tobytes() == start.tobytes()
    analytic = model.grads.flat.copy()
    cost(model, scale * x, y)
    np.testing.assert_array_equal(analytic, model.grads.flat)


def test_numerical_gradients_are_scipys():
    x, y = data()
    model = Linear.create(D, C, l2=0.1)

    def f(theta):
        model.params.flat[0] = theta
        return float(cost(model, x, y)[0]), model.grads.flat[0].copy()

    theta = model.params.flat[0].copy()
    oracle = scipy.optimize.approx_fprime(theta, lambda t: f(t)[0], 1e-6)
    assert scipy.optimize.check_grad(lambda t: f(t)[0], lambda t: f(t)[1], theta, epsilon=1e-6) < 1e-5
    model.params.flat[0] = theta
    for entry, index in enumerate(np.ndindex(C, D)):
        line = entry_line(model.params["W"], index)
        subject = Subject(model.params, lambda: (cost(model, x, y), model.grads), True, None, None)
        slopes = slopes_along(subject, [line], 1e-6)
        assert slopes.right[0, 0] == pytest.approx(oracle[entry], abs=1e-9)
    np.testing.assert_array_equal(model.params.flat[0], theta)


@settings(deadline=None, max_examples=20)
@given(shape=st.lists(st.integers(1, 4), max_size=3), seed=st.integers(0, 99))
def test_a_users_right_gradient_passes_in_every_shape(shape, seed):
    theta = np.random.default_rng(seed).normal(size=shape)
    weight = np.random.default_rng(seed + 1).normal(size=shape)
    report = check_function(lambda t: (np.sum(weight * np.sin(t)), weight * np.cos(t)), theta)
    assert report.passed, report.text()
    assert {row.tensor for row in report.rows} == {"theta"}
    assert all(len(row.worst) == theta.ndim for row in report.rows if row.method == "centred")


def test_scipys_rosenbrock_passes_and_its_wrong_gradient_does_not():
    theta = np.array([-1.2, 1.0, 0.5, 2.0])
    rosen, slope = scipy.optimize.rosen, scipy.optimize.rosen_der
    assert check_function(lambda t: (rosen(t), slope(t)), theta).passed
    report = check_function(lambda t: (rosen(t), slope(t) + np.eye(4)[2]), theta)
    assert report.findings == [
        "theta: only 1 of the 4 entries checked is wrong ([2]): " + report.findings[0].split("): ")[1]
    ]


@pytest.mark.usefixtures("one_thread")
def test_standard_checks_cover_the_small_and_the_full_problem():
    x, y = data(20, 3072, 10)
    sizes = []

    def create(features, *, l2, seeds):
        d = len(features)
        sizes.append((d, np.array(l2).tolist(), len(seeds)))
        return Linear.create(d, 10, l2=l2, seeds=seeds)

    checks = standard_checks(create, x, y)
    assert all(report.passed for _, report in checks)
    assert (20, [0.0, 0.1, 1.0], 3) in sizes
    assert {(20, 0.0, 1), (20, 0.1, 1), (20, 1.0, 1), (3072, 0.0, 1), (3072, 1.0, 1)} <= {
        s for s in sizes if isinstance(s[1], float)
    }
    assert all(any(str(d) in title for title, _ in checks) for d in (20, 3072))
    small, full = checks[0][1], checks[-1][1]
    assert [r.entries for r in small.rows if r.tensor == "W"] == [200, 200, 5]
    assert [r.entries for r in full.rows if r.tensor == "W"] == [200, 200, 5]
    assert all(r.max_rel < 1e-6 for _, report in checks for r in report.rows if r.method != "forward")


def test_the_sample_is_named_by_the_seed():
    x, y = data(4, 400, 3)
    model = Linear.create(400, 3)
    reports = [check_model(model, x, y, entries=20, seed=seed) for seed in (0, 0, 1)]
    assert reports[0] == reports[1]
    assert reports[0] != reports[2]


# ---- planted faults ------------------------------------------------------------------------------------


def scale_entry(c):
    def spoil(model, x, y):
        model.grads["W"][0, 2, 3] *= c

    return spoil


def scale_all(c):
    def spoil(model, x, y):
        model.grads.flat[:] *= c

    return spoil


def add_theta(c, name="W"):
    """Add c lambda theta, the lambda of each model."""

    def spoil(model, x, y):
        model.grads[name][...] += (
            c * model.l2.reshape(-1, *(1,) * (model.params[name].ndim - 1)) * model.params[name]
        )

    return spoil


def test_a_tenth_of_a_percent_in_one_entry_is_found_and_named():
    report = spoiled_report(scale_entry(1.001), entries=None)
    (sentence,) = report.findings
    assert sentence == (
        "W: only 1 of the 20 entries checked is wrong ([2, 3]): "
        "the analytic gradient is 1.001 times the numerical one"
    )
    for row in report.rows:
        if row.tensor == "W" and row.method in ("forward", "centred"):
            assert not row.passed
            assert row.worst == (0, 2, 3)
            assert row.analytic == pytest.approx(1.001 * row.numeric, rel=1e-4)
    assert all(row.passed for row in report.rows if row.tensor == "b")


@pytest.mark.parametrize("method", list(gradcheck.METHODS))
@pytest.mark.parametrize("name", ["W", "b"])
def test_a_tenth_of_a_percent_in_a_tensor_is_found_by_each_method(method, name):
    def spoil(model, x, y):
        model.grads[name][...] *= 1.001

    (sentence,) = spoiled_report(spoil, methods=[method]).findings
    assert sentence.startswith(f"{name}: the analytic gradient is 1.001 times")


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("d", "l2"), [(20, 0.1), (20, 1.0), (3072, 1.0)])
def test_a_dropped_factor_two_in_the_penalty_is_found_at_every_size(d, l2):
    model = faulty(add_theta(-1), d=d, classes=10, l2=l2, init_std=0.01)
    report = check_model(model, *data(8, d, 10))
    assert report.findings == ["W: the penalty's gradient is lambda theta: its factor 2 was dropped"]


@pytest.mark.parametrize(
    ("c", "says"),
    [
        (2, "twice the numerical one: a factor 2 too many"),
        (0.5, "half the numerical one: a factor 2 was dropped"),
        (-1, "the numerical one with its sign flipped"),
        (N, f"{N} times the numerical one, the number of rows: a sum where the mean is meant"),
        (1 / N, f"1/{N} of the numerical one, {N} the number of rows: divided by it once too often"),
        (1.37, "1.37 times the numerical one"),
        (1e7, "1e+07 times the numerical one"),
    ],
)
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("methods", [tuple(gradcheck.METHODS), ("directions",), ("forward",)])
def test_a_factor_in_the_whole_gradient_is_named(c, says, seeds, methods):
    report = spoiled_report(scale_all(c), seeds=seeds, methods=methods)
    assert report.findings == [f"W and b: the analytic gradient is {says}"]


@pytest.mark.parametrize(
    ("c", "says"),
    [
        (-2, "the penalty's gradient 2 lambda theta is missing"),
        (-1, "the penalty's gradient is lambda theta: its factor 2 was dropped"),
        (2, "the penalty's gradient is 4 lambda theta: a factor 2 too many"),
        (-4, "the penalty's gradient has its sign flipped"),
        (2 / N - 2, "the penalty's gradient is divided by the number of rows"),
        (2 * N - 2, "the penalty's gradient is multiplied by the number of rows"),
        (0.5, "the penalty's gradient is 2.5 lambda theta where 2 lambda theta is meant"),
    ],
)
def test_a_fault_in_the_penalty_is_named(c, says):
    assert spoiled_report(add_theta(c)).findings == [f"W: {says}"]
    stack = spoiled_report(add_theta(c), seeds=[0, 1, 2], l2=np.array([0.0, 0.1, 1.0]))
    assert stack.findings == [f"W of models 1, 2: {says}"]


def test_a_penalty_on_the_biases_is_named():
    report = spoiled_report(add_theta(2, "b"))
    assert report.findings == [
        "b: the penalty's gradient (2 lambda theta) is added to it, but the cost does not penalise it"
    ]


def test_the_lambda_of_another_model_is_named():
    def spoil(model, x, y):
        model.grads["W"][1] += 2 * (model.l2[2] - model.l2[1]) * model.W[1]

    report = spoiled_report(spoil, seeds=[0, 1, 2], l2=np.array([0.3, 0.1, 1.0]))
    assert report.findings == ["W of model 1: the penalty's gradient is made with the lambda of model 2"]


def test_a_sum_for_the_mean_in_the_losss_part_alone_is_named():
    def spoil(model, x, y):
        penalty = 2 * model.l2[0] * model.W
        model.grads["W"][...] = len(x) * (model.grads["W"] - penalty) + penalty

    (sentence,) = spoiled_report(spoil).findings
    assert sentence.startswith(
        f"W: the penalty's part is right, the loss's part of the gradient is {N} times"
    )


def test_a_gradient_never_filled_is_named():
    def spoil(model, x, y):
        model.grads["b"][...] = 0

    (sentence,) = spoiled_report(spoil).findings
    assert (
        sentence
        == "b: the analytic gradient is zero everywhere, the numerical one is not: it is never filled"
    )


@pytest.mark.parametrize(("d", "classes"), [(4, 4), (5, 4)])
def test_a_transposed_gradient_is_named(d, classes):
    def spoil(model, x, y):
        W = model.grads["W"][0]
        W[...] = W.T.copy().reshape(W.shape)

    assert spoiled_report(spoil, d=d, classes=classes).findings == [
        "W: the analytic gradient is right but stored transposed"
    ]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (np.s_[:, 2], "only row 2 is wrong: the analytic gradient is twice the numerical one"),
        (np.s_[:, 1:3], "only rows 1, 2 are wrong: the analytic gradient is twice the numerical one"),
        (np.s_[:, :, 4], "only column 4 is wrong: the analytic gradient is twice the numerical one"),
    ],
)
def test_wrong_rows_and_columns_are_named(place, says):
    def spoil(model, x, y):
        model.grads["W"][place] *= 2

    (sentence,) = spoiled_report(spoil, entries=None).findings
    assert sentence.startswith(f"W: {says}")


def test_a_class_left_out_and_scattered_entries_are_named():
    def without_class(model, x, y):
        model.grads["W"][:, 1] = 0
        model.grads["b"][:, 1] = 0

    assert spoiled_report(without_class).findings == [
        "W: only row 1 is wrong: the analytic gradient is zero there",
        "b: only 1 of the 4 entries checked is wrong ([1]): the analytic gradient is zero there",
    ]

    def scattered(model, x, y):
        model.grads["W"][0, [0, 1, 2, 3], [0, 1, 2, 3]] += [1, -2, 3, 0.5]

    (sentence,) = spoiled_report(scattered).findings
    assert sentence == (
        "W: only 4 of the 20 entries checked are wrong ([0, 0], [1, 1], [2, 2], [3, 3]): "
        "in no simple relation"
    )


def test_one_model_of_a_stack_is_named():
    def spoil(model, x, y):
        model.grads["b"][1] *= 2

    (sentence,) = spoiled_report(spoil, seeds=[0, 1, 2]).findings
    assert sentence.startswith("b of model 1: the analytic gradient is twice")


def test_noise_in_the_gradient_has_no_simple_relation():
    def spoil(model, x, y):
        model.grads["W"][0] += np.random.default_rng(0).normal(size=(C, D))

    (sentence,) = spoiled_report(spoil).findings
    assert sentence.endswith("differ at every entry checked, in no simple relation")


def test_a_fault_outside_the_sample_is_seen_by_directions():
    def spoil(model, x, y):
        model.grads["W"][0, 0, 7] += 1

    report = spoiled_report(spoil, d=400, entries=3)
    assert all(row.passed for row in report.rows if row.method == "centred")
    assert report.findings == [f"W: {UNSAMPLED}"]


def test_where_every_entry_was_checked_and_agrees_none_is_said_to_be_outside():
    weight = np.random.default_rng(0).normal(size=50)
    signs = np.random.default_rng(1).choice([-1.8e-5, 1.8e-5], size=50)
    report = check_function(
        lambda t: (weight @ np.sin(t), (1 + signs) * weight * np.cos(t)), np.ones(50), directions=20
    )
    assert [row.passed for row in report.rows] == [True, True, False]
    assert report.findings == [f"theta: {ADDED_UP}"]

    def slightly_scaled(t):
        return weight @ np.sin(t), 1.00005 * weight * np.cos(t)

    report = check_function(slightly_scaled, np.ones(50), methods=["forward", "directions"])
    assert report.findings == ["theta: the analytic gradient is 1.00005 times the numerical one"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_named(bad):
    def spoil(model, x, y):
        model.grads["W"][0, 1, 2] = bad

    (sentence,) = spoiled_report(spoil).findings
    assert sentence == f"W: the analytic gradient is not finite: {bad} at [1, 2]"


def test_a_cost_that_is_not_finite_leaves_nothing_to_compare():
    model = Linear.create(D, C)
    model.b[0, 0] = np.nan
    report = check_model(model, *data())
    assert not report.passed
    assert report.findings == ["the cost is nan at the start: there is nothing to compare with"]


def test_a_cost_that_is_infinite_a_step_away_is_named():
    (sentence,) = check_function(
        lambda t: (np.where(t > 1, np.inf, t).sum(), np.ones(2)), np.array([1.0, 0])
    ).findings
    assert sentence == "theta: the cost is not finite a step away: no numerical slope"


def test_a_gradient_added_to_its_buffer_is_named():
    kept = np.zeros((1, C))

    def spoil(model, x, y):
        kept[...] += model.grads["b"]
        model.grads["b"][...] = kept

    report = spoiled_report(spoil)
    assert (
        report.findings[0]
        == "b: a second call doubles the gradient: it is added to the buffer, not written over it"
    )


def test_a_gradient_computed_once_and_kept_is_named_stale():
    first = []

    def spoil(model, x, y):
        first.append(model.grads["W"].copy())
        model.grads["W"][...] = first[0]

    report = spoiled_report(spoil)
    assert report.findings == ["W: the gradient is stale: not a bit of it changes when the parameters move"]
    assert all(row.passed for row in report.rows)
    # a linear function's gradient is rightly constant
    assert check_function(lambda theta: (theta.sum(), np.ones_like(theta)), np.ones(3)).passed


def test_rebound_gradients_are_named():
    def spoil(model, x, y):
        model.grads = model.grads.copy()

    # the copies are stale as well, which is named after it
    assert spoiled_report(spoil).findings[:2] == [
        f"{name}: grads was rebound to a new array; it must be overwritten in place" for name in "Wb"
    ]


def test_random_costs_and_random_gradients_are_named():
    generator = np.random.default_rng(0)
    (sentence,) = check_function(lambda t: (t.sum() + generator.normal(), np.ones(2)), np.ones(2)).findings
    assert sentence.startswith("the cost is not deterministic")
    findings = check_function(lambda t: (t.sum(), generator.normal(1, 1e-3, 2)), np.ones(2)).findings
    assert findings[0].startswith(
        "theta: two calls at the same parameters give gradients that differ by up to"
    )


def test_a_gradient_of_what_the_cost_ignores_is_named():
    (sentence,) = check_function(lambda t: (1.0, np.full(3, 2.0)), np.ones(3)).findings
    assert sentence == "theta: the analytic gradient is not zero, yet the cost does not depend on it"


def test_a_users_missing_penalty_is_named():
    cosine = np.arange(1.0, 5.0)
    (sentence,) = check_function(
        lambda t: (cosine @ t + 0.3 * t @ t, cosine), np.array([1.0, -2, 0.5, 3])
    ).findings
    assert sentence.startswith(
        "theta: analytic - numerical = -0.6 theta: a penalty 0.3 sum(theta^2) is in the cost"
    )


# ---- kinks ---------------------------------------------------------------------------------------------


def relu(slope_at_zero):
    def function(theta):
        return np.maximum(theta, 0).sum() + (theta**2).sum(), np.where(theta > 0, 1, 0) + 2 * theta + (
            slope_at_zero * (theta == 0)
        )

    return function


@pytest.mark.parametrize("slope_at_zero", [0.0, 0.5, 1.0])
def test_a_kink_at_the_point_itself_is_noted_not_failed(slope_at_zero):
    report = check_function(relu(slope_at_zero), np.array([-1.0, 0.0, 2.0]), methods=["forward", "centred"])
    assert report.passed, report.text()
    if slope_at_zero != 0.5:  # a half is what the centred difference says too
        assert any("1 entries at a kink" in note for note in report.notes)
        assert "note: theta, centred" in report.text()


def test_a_kink_inside_the_step_is_noted_not_failed():
    report = check_function(relu(0.0), np.array([-1.0, 3e-6, 2.0]), methods=["centred"])
    assert report.passed, report.text()
    assert any("1 entries with a kink or a sharp bend inside the step" in note for note in report.notes)
    assert report.rows[0].entries == 3


@pytest.mark.parametrize("slope_at_zero", [-0.5, 2.0])
def test_a_wrong_slope_at_a_kink_is_a_fault(slope_at_zero):
    report = check_function(relu(slope_at_zero), np.array([-1.0, 0.0, 2.0]), methods=["centred"])
    assert not report.passed
    assert "[1]" in report.findings[0]


def test_a_steep_bend_is_no_kink_and_excuses_nothing():
    theta = np.array([1e-3])
    assert check_function(lambda t: (1e3 * t @ t, 2e3 * t), theta, methods=["centred"]).passed
    assert not check_function(lambda t: (1e3 * t @ t, 1.0004 * 2e3 * t), theta, methods=["centred"]).passed


def test_the_rounding_of_a_large_cost_is_no_fault():
    theta = np.linspace(0, 1, 7)
    for offset in (1e3, 1e6):
        report = check_function(lambda t, c=offset: (c + 1e-3 * np.sin(t).sum(), 1e-3 * np.cos(t)), theta)
        assert report.passed, report.text()


def test_a_fault_elsewhere_is_not_excused_by_the_second_look():
    def spoiled(theta):
        value, gradient = relu(0.0)(theta)
        return value, gradient * [1, 1, 1.001]

    report = check_function(spoiled, np.array([-1.0, 0.0, 2.0]))
    assert not report.passed
    assert any("([2])" in sentence for sentence in report.findings)


# ---- what cannot be checked ----------------------------------------------------------------------------


def test_float32_and_bad_arguments_are_refused():
    with pytest.raises(UsageError, match="float32"):
        check_model(Linear.create(D, C, dtype=np.float32), *data())
    model = Linear.create(D, C)
    with pytest.raises(
        UsageError, match='unknown method "central"; choose from forward, centred, directions'
    ):
        check_model(model, *data(), methods=["central"])
    for options in ({"entries": 0}, {"directions": 0}, {"methods": []}):
        with pytest.raises(UsageError, match="at least one"):
            check_model(model, *data(), **options)


def test_parameters_are_put_back_when_the_model_fails_midway():
    calls = []

    def spoil(model, x, y):
        calls.append(1)
        if len(calls) == 20:
            raise RuntimeError("midway")

    model = faulty(spoil)
    start = model.params.flat.copy()
    with pytest.raises(RuntimeError, match="midway"):
        check_model(model, *data())
    assert model.params.flat.tobytes() == start.tobytes()


def raises(theta):
    raise ZeroDivisionError("by\nzero")


@pytest.mark.parametrize(
    ("function", "theta", "says"),
    [
        (lambda t: (t.sum(), t), np.ones(3, np.float32), "theta is float32"),
        (lambda t: (np.float32(t.sum()), t), np.ones(3), "the value of <lambda> is float32"),
        (lambda t: (t.sum(), t.astype(np.float32)), np.ones(3), "the gradient of <lambda> is float32"),
        (lambda t: (t, t), np.ones(3), r"value of <lambda> has shape \(3,\); expected a single number"),
        (
            lambda t: (t.sum(), t[:2]),
            np.ones(3),
            r"gradient of <lambda> has shape \(2,\); expected theta's, \(3,\)",
        ),
        (lambda t: (t.sum(), t.T), np.ones((3, 2)), "looks transposed"),
        (lambda t: (t.sum(), [t, 1]), np.ones(3), "is not an array of numbers"),
        (lambda t: t.sum(), np.ones(3), "returned a float64; expected the pair"),
        (lambda t: (1j, t), np.ones(3), "complex128"),
        (lambda t: (t.sum(), None), np.ones(3), "the gradient of <lambda> is object"),
        (
            raises,
            np.ones(3),
            r"raises\(theta\) raised ZeroDivisionError: by zero \(test_gradcheck.py, line \d+\)",
        ),
        (raises, np.ones(0), "empty"),
        (raises, np.array([np.nan]), "not finite"),
    ],
)
def test_a_users_function_that_breaks_the_contract_gets_one_clear_line(function, theta, says):
    with pytest.raises(UsageError, match=says) as caught:
        check_function(function, theta)
    assert "\n" not in str(caught.value)


def test_a_users_theta_is_never_changed_and_the_domain_may_be_tight():
    theta = np.array([1e-3, 2.0])

    def function(t):
        if (t <= 0).any():
            raise ValueError("log of a negative number")
        value, gradient = np.log(t).sum(), 1 / t
        t[...] = 0
        return value, gradient

    assert check_function(function, theta).passed
    np.testing.assert_array_equal(theta, [1e-3, 2.0])


# ---- files ---------------------------------------------------------------------------------------------

THREE_LINES = """import numpy as np
theta0 = np.array([1.0, 2.0, 3.0])
def cost(theta): return (theta**2).sum(), 2 * theta
"""


def test_three_lines_in_a_file_are_enough(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(THREE_LINES)
    function, theta = load_function(f"{file}:cost")
    np.testing.assert_array_equal(theta, [1, 2, 3])
    assert check_function(function, theta).passed
    file.write_text(THREE_LINES.replace("2 * theta", "theta"))
    (sentence,) = check_function(*load_function(f"{file}:cost")).findings
    assert sentence == "theta: the analytic gradient is half the numerical one: a factor 2 was dropped"


def test_a_file_may_import_its_neighbour_and_use_whole_numbers(tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("factor = 2\n")
    file = tmp_path / "mine.py"
    file.write_text(
        "from neighbour_of_mine import factor\ntheta0 = [[1, 2], [3, 4]]\n"
        "def cost(t):\n    return (t**2).sum(), factor * t\n"
    )
    function, theta = load_function(f"{file}:cost")
    assert theta.dtype == np.float64
    assert check_function(function, theta).passed


@pytest.mark.parametrize(
    ("text", "spec", "says"),
    [
        (THREE_LINES, "{}", "expected FILE.py:NAME"),
        (THREE_LINES, "cost", "expected FILE.py:NAME"),
        (THREE_LINES, "{}:", "expected FILE.py:NAME"),
        (THREE_LINES, "{}.missing:cost", "no file .*missing"),
        (THREE_LINES, "{}:price", r"defines no price; it needs: def price\(theta\)"),
        (THREE_LINES, "{}:theta0", "is a ndarray, not a function"),
        ("def cost(theta): return 1.0, theta", "{}:cost", "has no start point; add a line: theta0 = "),
        (THREE_LINES.replace("3.0]", "3.0], np.float32"), "{}:cost", "theta0 in .* is float32"),
        (
            "import no_such_thing",
            "{}:cost",
            "ModuleNotFoundError: No module named 'no_such_thing' .mine.py, line 1",
        ),
        ("def cost(:", "{}:cost", "SyntaxError"),
        ("raise SystemExit(3)", "{}:cost", "SystemExit: 3"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_clear_line(tmp_path, text, spec, says):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(UsageError, match=says) as caught:
        load_function(spec.format(file))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_python_is_refused(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text(THREE_LINES)
    with pytest.raises(UsageError, match=r"must end in \.py"):
        load_function(f"{file}:cost")


# ---- the table -----------------------------------------------------------------------------------------


def test_the_table_is_aligned_and_says_ok():
    report = check_model(Linear.create(D, C, seeds=[0, 1]), *data())
    lines = report.text().splitlines()
    assert lines[-1] == "gradient check passed"
    assert lines[0].split()[:3] == ["tensor", "method", "entries"]
    column = lines[0].index("worst")
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in lines[:-1])
    assert all(" ok " in line for line in lines[1:-1])
    failed = dataclasses.replace(report, rows=[dataclasses.replace(report.rows[0], passed=False)])
    assert not failed.passed
    assert "FAILED" in failed.text().splitlines()[1]


BENDS = {
    "sqrt near 0": (np.sqrt, lambda t: 0.5 / np.sqrt(t), [2e-5, 1.0]),
    "sqrt, defined inside the step only": (np.sqrt, lambda t: 0.5 / np.sqrt(t), [1e-7, 1.0]),
    "log near 0": (np.log, lambda t: 1 / t, [2e-5, 1.0]),
    "1/t near 0": (lambda t: 1 / t, lambda t: -1 / t**2, [3e-5, 2.0]),
    "a fast sine": (lambda t: np.sin(1e4 * t), lambda t: 1e4 * np.cos(1e4 * t), [0.3, 1.0, -2.0]),
    "a steep tanh": (lambda t: np.tanh(1e6 * t), lambda t: 1e6 / np.cosh(1e6 * t) ** 2, [0.0, 1e-7]),
    "a rounded corner": (
        lambda t: np.where(np.abs(t) < 1e-6, t**2 / 2e-6, np.abs(t) - 5e-7),
        lambda t: np.clip(t / 1e-6, -1, 1),
        [0.0, 1e-7, -2e-6],
    ),
}


@pytest.mark.parametrize("name", BENDS)
def test_a_sharp_but_smooth_bend_is_judged_by_what_its_slopes_converge_to(name):
    f, slope, theta = BENDS[name]
    right = check_function(lambda t: (f(t).sum(), slope(t)), np.array(theta))
    assert right.passed, right.text()
    assert any("judged with a smaller step" in note for note in right.notes)
    wrong = check_function(lambda t: (f(t).sum(), 1.001 * slope(t)), np.array(theta), methods=["centred"])
    assert wrong.findings == ["theta: the analytic gradient is 1.001 times the numerical one"]
    wrong = check_function(lambda t: (f(t).sum(), 1.001 * slope(t)), np.array(theta), methods=["directions"])
    assert not wrong.passed


def test_a_cost_that_is_a_difference_of_large_numbers_is_as_noisy_as_they_are():
    """f = sum_i c_i (z_i - mean(z)) with z = w x + b: b has no slope, but the rounding of z."""
    generator = np.random.default_rng(0)
    x, c = 1e6 + generator.normal(size=20), generator.normal(size=20)

    def function(fault):
        def f(t):
            z = t[0] * x + t[1]
            return c @ (z - z.mean()), np.array([c @ (x - x.mean()), fault])

        return f

    report = check_function(function(0.0), np.array([0.3, 0.1]))
    assert report.passed, report.text()
    assert not check_function(function(1e-3), np.array([0.3, 0.1])).passed


def test_directions_across_many_kinks_are_not_judged_but_entries_are():
    """At 0, sum_i c_i max(0, t_i) has slope 0 by our rule: it need not lie between the one-sided slopes."""
    c, wrong = np.array([1.0, -2, 3, -0.5, 1]), np.zeros(6)

    def function(t):
        return c @ np.maximum(t[:5], 0) + np.exp(t[5]), np.r_[c * (t[:5] > 0), np.exp(t[5])] + wrong

    theta = np.zeros(6)
    report = check_function(function, theta)
    assert report.passed, report.text()
    assert "note: theta, directions: 5 directions at a kink, not judged" in report.text()
    wrong[5] = 0.001
    assert "1.001 times" in check_function(function, theta).findings[0]
    # a step away from the kinks the directions are judged too
    assert not check_function(function, theta + 1e-7, methods=["directions"]).passed


def test_a_kink_inside_the_step_of_a_direction_is_avoided_by_a_smaller_step():
    generator = np.random.default_rng(0)
    c, theta = generator.normal(size=30), generator.uniform(1e-7, 1e-6, 30)
    report = check_function(
        lambda t: (c @ np.maximum(t, 0), c * (t > 0)), theta, methods=["directions"], directions=20
    )
    assert report.passed, report.text()
    assert report.rows[0].entries == 20, "all are judged"
    assert "with a kink or a sharp bend inside the step" in report.text()


def test_the_reduced_check_takes_the_features_that_vary_most():
    x = np.array([[0.0, 1, 5, 0, 2], [0, 9, 5, 0, 4], [0, 3, 5, 0, 2]])
    assert varying_features(x, 2).tolist() == [1, 4]
    assert varying_features(x, 3).tolist() == [1, 2, 4], "then the largest of those that do not"
    assert varying_features(x[:1], 2).tolist() == [2, 4]
    assert varying_features(x, 20).tolist() == [0, 1, 2, 3, 4]


def test_statistics_are_put_back_when_the_model_fails_midway():
    model = MLP.create((D, 4, C), batch_norm=True)
    before, x, y = model.buffers.flat.copy(), *data()
    add, calls = model._penalty.add_gradient, []

    def fail(grads):
        calls.append(1)
        if len(calls) == 20:
            raise RuntimeError("midway")
        add(grads)

    model._penalty.add_gradient = fail
    with pytest.raises(RuntimeError, match="midway"):
        check_model(model, x, y)
    np.testing.assert_array_equal(model.buffers.flat, before)
