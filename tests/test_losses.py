"""The losses: values and gradients against the formula a row at a time, scipy, and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.errors import UsageError
from linclass.models.kernels import stacked
from linclass.models.losses import LOSSES, make_loss

pytestmark = pytest.mark.bits

K, N, C = 3, 7, 4
ROWS = [("softmax", 0.0), ("softmax", 0.3), ("bce", 0.0), ("svm", 0.0), ("squared", 0.0)]


def data(name="softmax", n=N, classes=C, models=K, seed=0, scale=2.0):
    generator = np.random.default_rng(seed)
    scores = scale * generator.normal(size=(models, n, classes))
    if name == "squared":
        return scores, generator.normal(size=(n, classes))
    return scores, generator.integers(0, classes, n)


def of_a_row(name, s, y, smoothing=0.0):
    """The loss of one row of scores, straight from its definition."""
    if name == "squared":
        return np.sum((s - y) ** 2)
    if name == "svm":
        return sum(max(0.0, s_c - s[y] + 1) for c, s_c in enumerate(s) if c != y)
    Y = np.eye(len(s))[y]
    if name == "bce":
        p = scipy.special.expit(s)
        return -np.mean(Y * np.log(p) + (1 - Y) * np.log1p(-p))
    Y = (1 - smoothing) * Y + smoothing / len(s)
    return -Y @ scipy.special.log_softmax(s)


def test_every_loss_of_the_table_is_tested():
    assert {name for name, _ in ROWS} == LOSSES.keys()


@pytest.mark.parametrize(("name", "smoothing"), ROWS)
@settings(deadline=None, max_examples=10)
@given(
    n=st.integers(1, 5),
    classes=st.integers(1, 5),
    models=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_values_are_the_definitions_and_counts_the_argmax(name, smoothing, n, classes, models, seed):
    scores, y = data(name, n, classes, models, seed)
    expected = [sum(of_a_row(name, s, t, smoothing) for s, t in zip(S, y, strict=True)) for S in scores]
    correct = np.zeros(models) if name == "squared" else (scores.argmax(axis=2) == y).sum(axis=1)
    for gradient in (False, True):
        sums = make_loss(name, label_smoothing=smoothing)(scores.copy(), y, gradient=gradient)
        assert sums.loss.dtype == np.float64
        np.testing.assert_allclose(sums.loss, expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(sums.correct, correct)


@pytest.mark.parametrize(("name", "smoothing"), ROWS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_values_and_gradients_are_pytorchs(name, smoothing, reduction):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional

    def theirs(s, y):
        if name == "squared":
            return functional.mse_loss(s, y, reduction="sum")
        if name == "svm":
            return C * functional.multi_margin_loss(s, y, reduction="sum")
        if name == "bce":
            Y = functional.one_hot(y, C).double()
            return functional.binary_cross_entropy_with_logits(s, Y, reduction="sum") / C
        return functional.cross_entropy(s, y, label_smoothing=smoothing, reduction="sum")

    scores, y = data(name)
    loss = make_loss(name, label_smoothing=smoothing, reduction=reduction)
    dS = scores.copy()
    sums = loss(dS, y, gradient=True)
    for k in range(K):
        s = torch.tensor(scores[k], requires_grad=True)
        value = theirs(s, torch.from_numpy(y))
        value.backward()
        gradient = s.grad.numpy() / (N if reduction == "mean" else 1)
        np.testing.assert_allclose(sums.loss[k], float(value.detach()), rtol=1e-12)
        np.testing.assert_allclose(dS[k], gradient, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("name", "smoothing"), ROWS)
def test_the_gradient_is_the_values_slope(name, smoothing):
    scores, y = data(name)
    loss = make_loss(name, label_smoothing=smoothing)
    dS, v, h = scores.copy(), np.random.default_rng(1).normal(size=scores.shape), 1e-6
    loss(dS, y, gradient=True)
    up, down = (loss(scores + t * v, y, gradient=False).loss / N for t in (h, -h))
    np.testing.assert_allclose((dS * v).sum(axis=(1, 2)), (up - down) / (2 * h), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("name", "smoothing"), ROWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_columns_of_a_wide_buffer_are_written_in_place(name, smoothing, dtype):
    scores, y = data(name)
    loss = make_loss(name, label_smoothing=smoothing)
    expected = scores.copy()
    sums = loss(expected, y, gradient=True)
    wide = np.ascontiguousarray(scores.transpose(1, 0, 2).reshape(N, K * C)).astype(dtype)
    found = loss(stacked(wide, K), y, gradient=True)
    np.testing.assert_allclose(stacked(wide, K), expected, atol=1e-6)
    np.testing.assert_allclose(found.loss, sums.loss, rtol=1e-5)
    assert wide.dtype == dtype


@pytest.mark.parametrize(("name", "smoothing"), ROWS)
def test_the_sum_is_n_times_the_mean_and_the_value_stays(name, smoothing):
    scores, y = data(name)
    mean, total = scores.copy(), scores.copy()
    values = [
        make_loss(name, label_smoothing=smoothing, reduction=reduction)(buffer, y, gradient=True).loss
        for reduction, buffer in (("mean", mean), ("sum", total))
    ]
    np.testing.assert_array_equal(*values)
    np.testing.assert_allclose(total, N * mean, rtol=1e-13)


@pytest.mark.parametrize(("name", "smoothing"), ROWS)
def test_parts_of_a_split_add_up(name, smoothing):
    scores, y = data(name, n=50)
    loss = make_loss(name, label_smoothing=smoothing)
    whole = loss(scores.copy(), y, gradient=False)
    parts = [loss(scores[:, rows].copy(), y[rows], gradient=False) for rows in (slice(0, 13), slice(13, 50))]
    np.testing.assert_allclose(parts[0].loss + parts[1].loss, whole.loss, rtol=1e-13)
    np.testing.assert_array_equal(parts[0].correct + parts[1].correct, whole.correct)


@pytest.mark.parametrize(("name", "smoothing"), ROWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_scores_give_finite_values_and_gradients(name, smoothing, dtype):
    scores = np.array([[[1e30, 0, -1e30], [-1e30, -1e30, 1e30], [1e4, 1e4, 1e4]]], dtype)
    y = np.zeros((3, 3)) if name == "squared" else np.array([0, 1, 2])
    sums = make_loss(name, label_smoothing=smoothing)(scores, y, gradient=True)
    assert np.isfinite(sums.loss).all()
    assert np.isfinite(scores).all()


def test_the_tail_of_the_binary_cross_entropy_keeps_its_digits():
    scores = np.array([[[40.0, -40.0]]])
    sums = make_loss("bce")(scores, np.array([0]), gradient=True)
    tail = np.exp(-40.0)
    np.testing.assert_allclose(sums.loss, [np.log1p(tail)], rtol=1e-14)
    np.testing.assert_allclose(scores[0, 0], [-tail / 2, tail / 2], rtol=1e-14)


def test_ties_go_to_the_lower_class():
    for name in ("softmax", "bce", "svm"):
        sums = make_loss(name)(np.zeros((2, 3, C)), np.array([0, 1, 0]), gradient=False)
        np.testing.assert_array_equal(sums.correct, [2, 2])


def test_what_cannot_be_is_one_sentence():
    with pytest.raises(UsageError, match="--loss is 'hinge': expected one of softmax, bce, svm, squared"):
        make_loss("hinge")
    with pytest.raises(UsageError, match=r"--label-smoothing is 0\.1, which --loss svm does not have"):
        make_loss("svm", label_smoothing=0.1)
    with pytest.raises(UsageError, match="below 1"):
        make_loss(label_smoothing=1.0)
    with pytest.raises(UsageError, match="--reduction is 'max': expected mean or sum"):
        make_loss(reduction="max")
    scores, y = data()
    with pytest.raises(UsageError, match=r"expected targets of shape \(7, 4\), the data has \(7,\)"):
        make_loss("squared")(scores, y, gradient=False)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint64"])
@pytest.mark.parametrize("models", [1, 3])
def test_labels_of_any_integer_type_are_the_same(dtype, models):
    scores, y = data(n=600, classes=10, models=models)
    loss, again = make_loss(), scores.copy()
    expected = loss(scores, y, gradient=True)
    found = loss(again, y.astype(dtype), gradient=True)
    np.testing.assert_array_equal(again, scores)
    np.testing.assert_array_equal(found.loss, expected.loss)


@pytest.mark.parametrize("label", [-1, C, 1000])
@pytest.mark.parametrize("models", [1, 3])
def test_a_label_that_is_no_class_is_refused(label, models):
    scores, y = data(models=models)
    y[2] = label
    for name in ("softmax", "bce", "svm"):
        with pytest.raises(IndexError, match=rf"{label}.*expected integers in \[0, {C}\)"):
            make_loss(name)(scores.copy(), y, gradient=False)


def test_no_rows_have_no_loss():
    sums = make_loss()(np.empty((K, 0, C)), np.empty(0, np.int64), gradient=False)
    assert sums.loss.tolist() == sums.correct.tolist() == [0] * K


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_nearly_certain_prediction_keeps_its_small_loss_and_gradient(dtype, smoothing):
    """log(1 + e^-60) = e^-60 to all digits, which 1 + e^-60 = 1 would lose."""
    gap = 60.0
    scores = np.array([[[gap, 0.0], [0.0, gap]]], dtype)
    rest, s = np.exp(-gap), smoothing
    sums = make_loss(label_smoothing=s)(scores, np.array([0, 1]), gradient=True)
    np.testing.assert_allclose(sums.loss, 2 * (rest + s / 2 * gap), rtol=1e-6)
    own = -(1 - s) * rest + s / 2  # of d(loss)/d(scores), times n: P_y - Y_y
    np.testing.assert_allclose(2 * scores[0], [[own, -own], [-own, own]], rtol=1e-6)


# ---- class weights -----------------------------------------------------------------------------------------

WEIGHTS = (1.0, 2.0, 0.5, 3.0)
CLASSIFIERS = [row for row in ROWS if row[0] != "squared"]


@pytest.mark.parametrize(("name", "smoothing"), CLASSIFIERS)
def test_weighted_values_are_the_definitions(name, smoothing):
    scores, y = data(name, n=20)
    loss = make_loss(name, label_smoothing=smoothing, class_weights=WEIGHTS)
    expected = [
        sum(WEIGHTS[t] * of_a_row(name, s, t, smoothing) for s, t in zip(S, y, strict=True)) for S in scores
    ]
    for gradient in (False, True):
        sums = loss(scores.copy(), y, gradient=gradient)
        np.testing.assert_allclose(sums.loss, expected, rtol=1e-12)
        np.testing.assert_array_equal(sums.correct, (scores.argmax(axis=2) == y).sum(axis=1))
    assert loss.total_weight(y) == sum(WEIGHTS[t] for t in y)


@pytest.mark.parametrize("name", ["softmax", "svm", "bce"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weighted_values_and_gradients_are_pytorchs(name, reduction, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional, w = torch.nn.functional, torch.tensor(WEIGHTS, dtype=torch.float64)

    def theirs(s, y):
        if name == "softmax":
            return functional.cross_entropy(s, y, weight=w, reduction=reduction)
        if name == "svm":
            total = C * functional.multi_margin_loss(s, y, weight=w, reduction="sum")
        else:
            Y = functional.one_hot(y, C).double()
            total = (
                functional.binary_cross_entropy_with_logits(s, Y, weight=w[y][:, None], reduction="sum") / C
            )
        return total / w[y].sum() if reduction == "mean" else total

    scores, y = data(name)
    loss = make_loss(name, class_weights=WEIGHTS, reduction=reduction)
    dS = scores.astype(dtype)
    value = loss(dS, y, gradient=True).loss / (loss.total_weight(y) if reduction == "mean" else 1)
    rounding = 1e-5 if dtype == np.float32 else 1e-12
    for k in range(K):
        s = torch.tensor(scores[k], requires_grad=True)
        expected = theirs(s, torch.from_numpy(y))
        expected.backward()
        np.testing.assert_allclose(value[k], float(expected.detach()), rtol=rounding)
        np.testing.assert_allclose(dS[k], s.grad.numpy(), rtol=rounding, atol=rounding / 10)


@pytest.mark.parametrize(("name", "smoothing"), CLASSIFIERS)
def test_the_weighted_gradient_is_the_weighted_means_slope_whatever_the_weights_add_up_to(name, smoothing):
    scores, y = data(name)
    v, h, gradients = np.random.default_rng(1).normal(size=scores.shape), 1e-6, []
    for factor in (1.0, 10.0):
        loss = make_loss(name, label_smoothing=smoothing, class_weights=[factor * w for w in WEIGHTS])
        dS = scores.copy()
        loss(dS, y, gradient=True)
        up, down = (loss(scores + t * v, y, gradient=False).loss / loss.total_weight(y) for t in (h, -h))
        np.testing.assert_allclose((dS * v).sum(axis=(1, 2)), (up - down) / (2 * h), rtol=1e-7, atol=1e-8)
        gradients.append(dS)
    np.testing.assert_allclose(*gradients, rtol=1e-12)


@pytest.mark.parametrize(("name", "smoothing"), CLASSIFIERS)
def test_equal_weights_are_none(name, smoothing):
    scores, y = data(name)
    plain, weighted = scores.copy(), scores.copy()
    one = make_loss(name, label_smoothing=smoothing)(plain, y, gradient=True)
    other = make_loss(name, label_smoothing=smoothing, class_weights=[1] * C)(weighted, y, gradient=True)
    np.testing.assert_allclose(other.loss, one.loss, rtol=1e-14)
    np.testing.assert_allclose(weighted, plain, rtol=1e-14)


def test_class_weights_that_cannot_be_are_refused():
    scores, y = data()
    with pytest.raises(UsageError, match="there are 3 class weights for 4 classes"):
        make_loss(class_weights=[1, 2, 3])(scores, y, gradient=False)
    with pytest.raises(UsageError, match="there are 4 class weights for a regression"):
        make_loss("squared", class_weights=WEIGHTS)(*data("squared"), gradient=False)
    for weights in ([1, 0, 1, 1], [1, -1, 1, 1], [1, np.nan, 1, 1], [1, np.inf, 1, 1]):
        with pytest.raises(UsageError, match="expected positive numbers"):
            make_loss(class_weights=weights)
