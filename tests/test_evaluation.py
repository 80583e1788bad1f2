"""A report says what is so: against brute force and the trainer's own numbers, in tables and in pictures."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from PIL import Image
from scipy.special import expit, logit
from scipy.special import softmax as scipy_softmax

from linclass import plots
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.errors import UsageError
from linclass.evaluation.report import (
    MISTAKES,
    RegressionReport,
    Report,
    draw,
    log_odds,
    probabilities_of,
    regression_reports,
    report,
    reports,
    scores_of,
)
from linclass.metrics import reliability
from linclass.models.linear import Linear
from linclass.models.losses import make_loss
from linclass.models.mlp import MLP
from linclass.training.evaluate import evaluate

pytestmark = pytest.mark.bits

CLASSES = ("cat", "dog", "a very long name of a class", "ship")
C, D, N = len(CLASSES), 12, 1203


def data(seed: int = 0, n: int = N, noise: float = 1.0) -> Inputs:
    """Rows that a linear model can tell apart now and then."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, C, n)
    return Inputs(Split(rng.normal(0, 1, (C, D))[y] + rng.normal(0, noise, (n, D)), y))


def linear(loss: str = "softmax", seeds: tuple[int, ...] = (1, 2, 3), std: float = 0.4) -> Linear:
    return Linear.create(D, C, seeds=seeds, init_std=std, l2=0.01, loss=make_loss(loss))


def table(of: Report, heading: str) -> list[tuple[str, ...]]:
    return next(rows for words, rows in of.tables() if heading in words)


# --- numbers --------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-800, 800), min_size=3, max_size=3))
def test_probabilities_against_scipy(row: list[float]) -> None:
    scores = np.array([[row]])
    np.testing.assert_allclose(
        probabilities_of("softmax").of(scores.copy()), scipy_softmax(scores, axis=-1), atol=1e-12
    )
    found = probabilities_of("bce").of(scores.copy())
    assert found.sum() == pytest.approx(1)
    if max(row) > -600:
        np.testing.assert_allclose(found, expit(scores) / expit(scores).sum(), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-300, 300), min_size=3, max_size=3))
@example([200.0, 0.0, -30.0])
@example([-290.0, -299.0, -300.0])
def test_log_odds_against_exact_arithmetic(row: list[float]) -> None:
    exact = [Decimal(s).exp() for s in row]
    for loss, weights in {"softmax": exact, "bce": [e / (1 + e) for e in exact]}.items():
        for c in range(3):
            wanted = (weights[c] / sum(w for i, w in enumerate(weights) if i != c)).ln()
            w = probabilities_of(loss).log_weights(np.array([row]))
            assert log_odds(w, np.array([c]))[0] == pytest.approx(float(wanted), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("loss", ["softmax", "bce", "svm"])
def test_mistakes_are_ordered_where_every_probability_rounds_to_one(loss: str) -> None:
    scores = np.array([[-40 - i, 45, -120, -130] for i in np.random.default_rng(1).permutation(60)], float)
    model = Linear.create(C, C, init_std=0.0, loss=make_loss(loss))
    model.W[0] = np.eye(C)
    rows = Inputs(Split(scores, np.zeros(60, int)))
    mistakes = report(model, rows, CLASSES, loss=loss).mistakes
    assert {mistake.probability for mistake in mistakes} == {1.0}
    assert [mistake.row for mistake in mistakes] == np.argsort(scores[:, 0]).tolist()[:MISTAKES]


@pytest.mark.parametrize(("loss", "k"), [("softmax", 0), ("softmax", 2), ("bce", 1), ("svm", 0)])
def test_a_report_by_brute_force(loss: str, k: int) -> None:
    model, rows = linear(loss), data()
    x, y = rows.split.x, rows.split.y
    found = report(model, rows, CLASSES, k=k, loss=loss)
    scores = x @ model.W[k].T + model.b[k]
    P = (
        expit(scores) / expit(scores).sum(1, keepdims=True)
        if loss == "bce"
        else scipy_softmax(scores, axis=1)
    )
    predicted = scores.argmax(1)
    assert found.model == k
    assert found.correct == np.sum(predicted == y)
    assert found.rows == N
    for i in range(C):
        for j in range(C):
            assert found.confusion[i, j] == np.sum((y == i) & (predicted == j))
    top, right = P.max(1), predicted == y
    assert found.calibration.error == pytest.approx(reliability(top, right).error)
    order = sorted(np.flatnonzero(~right), key=lambda i: (-logit(top[i]), i))[:MISTAKES]
    assert [mistake.row for mistake in found.mistakes] == order
    for mistake in found.mistakes:
        assert (mistake.true, mistake.predicted) == (y[mistake.row], predicted[mistake.row])
        assert mistake.probability == pytest.approx(top[mistake.row])
        assert mistake.log_odds == pytest.approx(logit(top[mistake.row]))
    of_true = P[np.arange(N), y]
    np.testing.assert_array_equal(found.right, np.histogram(of_true[right], 20, (0, 1))[0])
    np.testing.assert_array_equal(found.wrong, np.histogram(of_true[~right], 20, (0, 1))[0])


@pytest.mark.parametrize("loss", ["softmax", "bce", "svm"])
def test_loss_and_accuracy_are_the_trainers(loss: str) -> None:
    model, rows = linear(loss), data()
    expected = evaluate(model, rows)
    found = reports(model, rows, CLASSES, loss=loss)
    assert [one.model for one in found] == [0, 1, 2]
    assert [one.loss for one in found] == list(expected.loss)
    assert [one.cost for one in found] == list(expected.loss + model.penalty())
    assert [one.accuracy for one in found] == list(expected.accuracy)


def test_scores_are_those_of_evaluation_mode_in_order() -> None:
    model = MLP.create((D, 5, C), seeds=(1, 2), dropout=0.5, dtype=np.float64)
    rows = data()
    np.testing.assert_allclose(scores_of(model, rows), model.scores(rows.split.x))


def test_certain_models_keep_the_scores_order() -> None:
    """Where two sigmoids round to 1, the larger score still is the prediction."""
    model = linear("bce", seeds=(1,))
    model.W[:], model.b[:] = 0, [1000, 1001, 0, 0]
    found = report(model, data(), CLASSES, loss="bce")
    assert found.confusion[:, 1].sum() == N
    model = linear(seeds=(1,))
    model.W[:], model.b[:] = 0, [0, 1000, 0, 0]
    found = report(model, data(), CLASSES)
    assert (found.right[-1], found.wrong[0]) == (found.correct, N - found.correct)
    assert found.mistakes[0].probability == 1


def test_regression_and_diverged_models_are_refused() -> None:
    model, rows = linear(), data()
    model.W[1, 0, 0] = np.inf
    with np.errstate(invalid="ignore"), pytest.raises(UsageError, match="model 1 has scores"):
        reports(model, rows, CLASSES)
    targets = Inputs(Split(rows.split.x, np.zeros((N, C))))
    with pytest.raises(UsageError, match="a report is on classes"):
        report(model, targets, CLASSES)


# --- tables ---------------------------------------------------------------------------------------


def test_tables_say_the_numbers_and_are_rectangular() -> None:
    rows = data()
    found = report(linear(), rows, CLASSES)
    for _, lines in found.tables():
        assert len({len(line) for line in lines}) == 1
        assert not any("\n" in cell for line in lines for cell in line)
    low, high = found.interval
    assert table(found, "on 1,203 rows")[1][2:4] == (
        f"{100 * found.accuracy:.2f} %",
        f"{100 * low:.2f} to {100 * high:.2f} %",
    )
    cat = table(found, "per class")[1]
    share = found.confusion[0, 0] / found.confusion[0].sum()
    assert cat[0] == "cat"
    assert cat[1].strip().startswith(f"{100 * share:.2f} % (")
    assert [int(n) for n in table(found, "confusion")[1][1:]] == list(found.confusion[0])
    assert "softmax of the scores)" in next(words for words, _ in found.tables() if "calibration" in words)


def test_what_the_probabilities_are_is_said() -> None:
    assert "sigmoids" in probabilities_of("bce").text
    assert "not made for" in probabilities_of("svm").text
    assert "not made for" not in probabilities_of("softmax").text


def test_a_class_that_is_never_predicted_has_no_precision() -> None:
    model = linear(seeds=(1,))
    model.W[:], model.b[:] = 0, [1, 0, 0, 0]
    found = report(model, data(), CLASSES)
    lines = table(found, "per class")
    assert lines[2][3] == "-"
    assert lines[1][1].strip().startswith("100.00 %")


def test_many_classes_list_their_confusions_and_names_obey_no_terminal() -> None:
    rng = np.random.default_rng(0)
    rows = Inputs(Split(rng.normal(0, 1, (500, D)), rng.integers(0, 30, 500)))
    names = ["\x1b[31mred", *(f"class {c}" for c in range(1, 30))]
    found = report(Linear.create(D, 30, init_std=0.4), rows, names)
    lines = table(found, "frequent confusions")
    counts = [int(line[0]) for line in lines[1:]]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == (found.confusion - np.diag(np.diag(found.confusion))).max()
    assert not any("\x1b" in cell for _, table_ in found.tables() for line in table_ for cell in line)


# --- pictures -------------------------------------------------------------------------------------


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_draw_writes_four_pictures(tmp_path: Path) -> None:
    rows = data()
    found = report(linear(), rows, CLASSES)
    paths = draw(found, rows.split.x, (3, 2, 2), tmp_path, split="test", name="test_best", title="t")
    kinds = ("confusion", "calibration", "probabilities", "mistakes")
    names = {f"test_best_{kind}.png" for kind in kinds}
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()} == names
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 300


def test_without_images_or_mistakes_there_is_no_picture_of_them(tmp_path: Path) -> None:
    rows, model = data(), linear()
    found = report(model, rows, CLASSES)
    assert len(draw(found, rows.split.x, None, tmp_path, split="test", name="test", title="t")) == 3
    perfect = Inputs(Split(rows.split.x, scores_of(model, rows)[0].argmax(1)))
    found = report(model, perfect, CLASSES)
    assert found.accuracy == 1
    assert found.mistakes == ()
    assert len(draw(found, rows.split.x, (3, 2, 2), tmp_path, split="train", name="train", title="t")) == 3


@pytest.mark.parametrize("classes", [2, 10, 20, 21, 100])
def test_confusion_numbers_are_all_there_and_can_be_read(classes: int) -> None:
    counts = np.random.default_rng(0).integers(0, 30_000, (classes, classes))
    figure = plots.confusion(counts, [f"class number {c}" for c in range(classes)], title="t")
    figure.draw_without_rendering()
    numbers = [text for text in figure.axes[0].texts if text.get_text()]
    if classes > 20:
        assert not numbers
        return
    assert [int(text.get_text()) for text in numbers] == list(counts.ravel())
    width = figure.axes[0].get_window_extent().width / classes
    assert max(text.get_window_extent().width for text in numbers) < width
    colours = figure.axes[0].images[0]
    for text, value in zip(numbers, colours.get_array().ravel(), strict=True):
        assert contrast(text.get_color(), colours.cmap(colours.norm(value))) > 4


def contrast(one, other) -> float:
    """WCAG 2.1's ratio of two colours' luminances."""
    from matplotlib.colors import to_rgb

    def luminance(colour) -> float:
        rgb = np.array(to_rgb(colour))
        return float(
            np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
        )

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_reliability_points_are_the_tables() -> None:
    stated = np.array([0.31, 0.32, 0.95, 0.96, 0.97])
    bins = reliability(stated, np.array([True, False, True, True, True]), 10)
    figure = plots.reliability_diagram(bins, title="t")
    points = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    np.testing.assert_allclose(points.get_xydata(), [[0.315, 0.5], [0.96, 1.0]])
    assert [bar.get_height() for bar in figure.axes[1].patches] == list(bins.rows)
    assert f"expected calibration error {100 * bins.error:.2f} %" in texts(figure)


def test_mistakes_show_their_pictures_and_captions() -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 3 * 4 * 5), dtype=np.uint8)
    taken = [("cat", "dog", 0.9)] * 6 + [("a very long name of a class", "another very long name", 0.99999)]
    figure = plots.mistakes(images, taken, image_shape=(3, 4, 5), title="t")
    shown = [axes.images[0].get_array() for axes in figure.axes]
    for picture, row in zip(shown, images, strict=True):
        np.testing.assert_allclose(picture, row.reshape(3, 4, 5).transpose(1, 2, 0) / 255)
    captions = [axes.get_title() for axes in figure.axes]
    assert captions[0] == "cat →\ndog, 0.900"
    assert captions[-1].endswith("…, > 0.999")
    assert figure.axes[0].get_title() != ""
    short = plots.mistakes(images[:1, :12], [("4", "9", 1.0)], image_shape=(3, 2, 2), title="t")
    assert short.axes[0].get_title() == "4 → 9, 1.000"
    figure.draw_without_rendering()
    for axes, right in zip(figure.axes[:4], figure.axes[1:5], strict=True):
        assert axes.title.get_window_extent().x1 < right.title.get_window_extent().x0


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 5, 6)])
def test_mistakes_that_are_no_images(shape: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="cannot draw 1 mistakes"):
        plots.mistakes(np.zeros((1, 60)), [("a", "b", 1.0)], image_shape=shape, title="t")


def test_the_histograms_differ_without_colour() -> None:
    edges = np.linspace(0, 1, 5)
    figure = plots.probability_histogram(edges, np.array([0, 1, 5, 900]), np.array([8, 3, 0, 0]), title="t")
    right, wrong = figure.axes[0].patches
    assert (right.get_hatch(), bool(wrong.get_hatch())) == (None, True)
    assert right.get_linestyle() != wrong.get_linestyle()
    np.testing.assert_array_equal(np.round(right.get_data().values), [1, 1, 5, 900])
    assert right.get_data().values[0] < figure.axes[0].get_ylim()[0], "an empty bin lies out of sight"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["predicted right: 906 rows", "predicted wrong: 11 rows"]


def test_pictures_of_what_does_not_fit() -> None:
    with pytest.raises(UsageError, match="confusion matrix of shape"):
        plots.confusion(np.zeros((2, 2)), ["a"], title="t")
    with pytest.raises(UsageError, match="cannot draw histograms"):
        plots.probability_histogram(np.linspace(0, 1, 3), np.zeros(2), np.zeros(3), title="t")


# --- regression -----------------------------------------------------------------------------------


def regression_of_zero(y: list[list[float]]) -> RegressionReport:
    """The report of a model that answers 0 to everything."""
    targets = np.array(y, float)
    n, outputs = targets.shape
    model = Linear.create(1, outputs, init_std=0.0, loss=make_loss("squared"))
    return regression_reports(model, Inputs(Split(np.ones((n, 1)), targets)))[0]


@pytest.mark.parametrize("y", [[[0.1]], [[0.1]] * 7, [[0.1, 3.0]] * 3])
def test_of_targets_that_do_not_vary_nothing_is_explained(y: list[list[float]]) -> None:
    found = regression_of_zero(y)
    assert np.isnan(found.explained)
    assert found.scores()["R^2"] == "-"
    assert found.loss == pytest.approx(np.square(y[0]).sum())


# sums of squares by hand: of the targets over those around their means
@pytest.mark.parametrize(
    ("y", "explained"), [([[1], [2], [4]], 1 - 21 / (14 / 3)), ([[1, 2], [1, 4]], 1 - 22 / 2)]
)
def test_r_squared_by_hand(y: list[list[float]], explained: float) -> None:
    assert regression_of_zero(y).explained == pytest.approx(explained)
