"""The pictures hold what they claim: asked of the figures' own data and of the pixels, not of an eye."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from linclass import plots
from linclass.errors import StorageError, UsageError
from linclass.plots.looks import looks_of
from linclass.plots.points import starts_of, summary
from linclass.plots.style import wrap

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LONG_TITLE = (
    "cifar10 (bundled sample): lambda = 1, eta = 0.001, batch 100 — difference |train cost - validation cost|"
)


def weights(C: int = 10, d: int = 3072, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.01, (C, d))


def simple(values, epochs=None, **options) -> Figure:
    """One train curve."""
    epochs = np.arange(1, len(values) + 1) if epochs is None else epochs
    return plots.curves(epochs, {"train": values}, **{"title": "t", "ylabel": "cost J", **options})


def line(figure: Figure, label: str = "train") -> Line2D:
    return next(line for line in figure.axes[0].lines if line.get_label() == label)


def band(figure: Figure) -> tuple[np.ndarray, np.ndarray]:
    """The band's lower and upper edge."""
    (polygon,) = figure.axes[0].collections
    x, y = polygon.get_paths()[0].vertices.T
    edges = [(y[x == value].min(), y[x == value].max()) for value in np.unique(x)]
    return tuple(np.array(edges).T)


def note(figure: Figure) -> str:
    return figure.legends[0].get_title().get_text()


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def png(figure: Figure, tmp_path: Path, name: str = "figure.png") -> bytes:
    plots.save(figure, tmp_path / name)
    return (tmp_path / name).read_bytes()


# --- curves ---------------------------------------------------------------------------------------


def test_each_role_has_its_own_line_style_marker_and_colour():
    series = {"train": [3, 2, 1], "validation": [3, 2.5, 2], "test": [3, 2.6, 2.2]}
    figure = plots.curves([1, 2, 3], series, title="a title", ylabel="cost J")
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["train", "validation", "test"]
    assert lines[0].is_dashed() is False
    assert lines[1].is_dashed()
    assert lines[2].is_dashed()
    for look in (Line2D.get_marker, Line2D.get_color, lambda line: str(line._unscaled_dash_pattern)):
        assert len({look(line) for line in lines}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(series)
    assert figure.axes[0].get_title() == "a title"
    assert figure.axes[0].get_xlabel() == "epoch"
    assert figure.axes[0].get_ylabel() == "cost J"
    np.testing.assert_array_equal(line(figure, "test").get_xydata(), [[1, 3], [2, 2.6], [3, 2.2]])


def test_a_second_training_curve_keeps_the_style_and_changes_the_colour():
    labels = ["train cost", "validation cost", "train loss", "validation loss", "|train - validation|"]
    figure = plots.curves([1, 2], {label: [1, 2] for label in labels}, title="t", ylabel="y")
    looks = {line.get_label(): line for line in figure.axes[0].lines}
    for role in ("train", "validation"):
        cost, loss = looks[f"{role} cost"], looks[f"{role} loss"]
        assert cost._unscaled_dash_pattern == loss._unscaled_dash_pattern
        assert cost.get_color() != loss.get_color()
        assert cost.get_marker() != loss.get_marker()
    assert len({(line.get_color(), line.get_marker()) for line in looks.values()}) == len(labels)


@pytest.mark.parametrize(
    "labels", [[str(i) for i in range(30)], ["train", "test", "a", "b", "c", "d", "e", "f"]]
)
def test_no_two_labels_look_the_same(labels: list[str]) -> None:
    looks = looks_of(labels)
    assert len({(look.color, look.marker) for look in looks}) == len(labels)
    assert len({look.color for look in looks[:8]}) == 8


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("panel_count", [1, 2])
def test_a_legend_of_panels_is_within_the_picture(count: int, panel_count: int) -> None:
    series = {f"d probabilities / dx, {i}": np.arange(1.0, 4.0) for i in range(count)}
    panels = [plots.Panel("y", series)] * panel_count
    figure = plots.panels(np.arange(3), panels, title="t", xlabel="epoch")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0
    assert box.x1 <= whole.x1
    assert np.all(figure.axes[0].get_xticks() % 1 == 0)


def test_seeds_are_a_mean_line_in_a_min_to_max_band():
    values = np.random.default_rng(0).random((7, 5))
    figure = simple(values)
    np.testing.assert_allclose(line(figure).get_ydata(), values.mean(axis=1))
    low, high = band(figure)
    np.testing.assert_allclose(low, values.min(axis=1))
    np.testing.assert_allclose(high, values.max(axis=1))
    assert note(figure) == "mean of 5 seeds, band: min to max"


@pytest.mark.parametrize("values", [[3.0, 2.0, 1.0], np.array([[3.0], [2.0], [1.0]])])
def test_one_seed_has_no_band_and_no_note(values):
    figure = simple(values)
    assert not figure.axes[0].collections
    assert note(figure) == ""


def test_one_epoch_is_a_marker_with_a_bar_over_the_seeds(tmp_path):
    values = np.array([[0.3, 0.4, 0.35]])
    figure = simple(values, percent=True)
    assert line(figure).get_marker() == "o"
    assert line(figure).get_markevery() == [0]
    np.testing.assert_allclose(line(figure).get_xydata(), [[1, 35]])
    (bar,) = figure.axes[0].collections
    np.testing.assert_allclose(bar.get_segments()[0], [[1, 30], [1, 40]])
    assert figure.axes[0].get_xlim() == (0, 2)
    assert len(png(figure, tmp_path)) > 1000


@settings(deadline=None, max_examples=15)
@given(
    E=st.sampled_from([1, 2, 299, 300, 301, 2000]),
    K=st.integers(1, 3),
    log_epochs=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_grouping_neighbours_loses_no_extreme_and_no_mean(E, K, log_epochs, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(E, K))
    values[rng.random((E, K)) < 0.1] = np.nan
    epochs = np.arange(1.0, E + 1)
    starts = starts_of(np.log(epochs) if log_epochs else epochs)
    points = summary(epochs, values, starts)
    assert starts[0] == 0
    assert len(starts) <= 300
    groups = np.split(values, starts[1:])
    expected = [group[np.isfinite(group)] for group in groups if np.isfinite(group).any()]
    np.testing.assert_allclose(points.mean, [group.mean() for group in expected], atol=1e-14)
    np.testing.assert_array_equal(points.low, [group.min() for group in expected])
    np.testing.assert_array_equal(points.high, [group.max() for group in expected])
    assert np.all(np.diff(points.epoch) > 0)


@pytest.mark.parametrize("log_epochs", [False, True])
def test_a_long_run_is_drawn_in_few_points_its_start_exactly(log_epochs):
    values = 2 + 1 / np.arange(1, 2001)
    values[777] = 9.0
    figure = simple(values, log_epochs=log_epochs)
    x, y = line(figure).get_data()
    assert len(x) < 300
    assert (x[0], y[0]) == (1, values[0])
    np.testing.assert_array_equal(y[:10], values[:10])
    assert band(figure)[1].max() == 9.0  # one bad epoch is not averaged away
    assert note(figure) == "mean of neighbouring epochs, band: min to max"
    assert figure.axes[0].get_xscale() == ("log" if log_epochs else "linear")
    assert len(line(figure).get_markevery()) <= 12


@pytest.mark.parametrize("log_epochs", [False, True])
@pytest.mark.parametrize("epochs", [301, 1000, 2000])
def test_the_last_point_is_a_mean_of_as_many_epochs_as_its_neighbour(epochs, log_epochs):
    position = np.arange(1.0, epochs + 1)
    starts = starts_of(np.log(position) if log_epochs else position)
    sizes = np.diff(starts, append=epochs)
    assert sizes[-1] >= sizes[-2] - 1
    assert sizes.sum() == epochs


def test_logarithmic_epochs_are_written_plainly():
    figure = simple(np.linspace(2, 1, 2000), log_epochs=True)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    labels = [text.get_text() for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high]
    assert labels == ["1", "2", "5", "10", "20", "50", "100", "200", "500", "1000", "2000"]


def test_logarithmic_epochs_need_an_epoch_of_at_least_one():
    assert simple([3, 2, 1], epochs=[0, 1, 2], log_epochs=True).axes[0].get_xscale() == "linear"


def test_epochs_are_labelled_with_whole_numbers():
    figure = simple([3, 2, 1])
    assert np.all(figure.axes[0].get_xticks() % 1 == 0)


def test_log_y_only_on_request():
    assert simple([3, 2, 1]).axes[0].get_yscale() == "linear"
    assert simple([3, 2, 1], log_y=True).axes[0].get_yscale() == "log"
    assert simple([0, 0, 0], log_y=True).axes[0].get_yscale() == "linear"


def test_values_that_are_not_finite_are_skipped_and_infinite_ones_reported():
    figure = simple([3, np.nan, 2, np.inf, -np.inf, 1])
    np.testing.assert_array_equal(line(figure).get_xydata(), [[1, 3], [3, 2], [6, 1]])
    assert note(figure) == "infinite values left out"
    assert note(simple([3, np.nan, 1])) == ""  # an epoch without a value is not a failure


def test_a_seed_that_ended_is_reported():
    figure = simple(np.array([[1.0, 2.0], [1.0, np.nan]]))
    np.testing.assert_array_equal(line(figure).get_ydata(), [1.5, 1])
    assert note(figure) == "mean of 2 seeds, band: min to max; a seed that ended is left out from there on"
    assert "infinite values left out" in note(simple(np.array([[1.0, np.inf], [1.0, np.nan], [1.0, 2.0]])))


def test_a_diverged_run_shows_how_long_it_went_on(tmp_path):
    figure = simple([2, 1e3, 1e200, 1e307, np.inf, np.nan], percent=True)
    assert len(line(figure).get_xdata()) == 2
    assert figure.axes[0].get_xlim()[1] > 6
    png(figure, tmp_path)


def test_nothing_finite_is_said_in_the_picture(tmp_path):
    figure = simple([np.nan, np.inf], threshold=0.5, log_y=True)
    assert "no finite values" in texts(figure)
    png(figure, tmp_path)


def test_percent_multiplies_values_and_threshold():
    figure = simple([0.25, 0.5], percent=True, ylabel="accuracy", threshold=0.4)
    np.testing.assert_array_equal(line(figure).get_ydata(), [25, 50])
    assert figure.axes[0].get_ylabel() == "accuracy (%)"
    assert "threshold 40" in texts(figure)


def test_a_threshold_within_reach_is_a_line():
    figure = simple([0.1, 0.2, 0.3], threshold=0.5)
    np.testing.assert_array_equal(figure.axes[0].lines[-1].get_ydata(), [0.5, 0.5])
    assert "threshold 0.5" in texts(figure)
    low, high = figure.axes[0].get_ylim()
    assert low < 0.5 < high


def test_a_threshold_far_above_does_not_press_the_curve_flat():
    figure = simple([0.005, 0.01, 0.02], threshold=0.5)
    assert "threshold 0.5: above this picture, 25 times the largest value" in texts(figure)
    assert len(figure.axes[0].lines) == 1
    assert figure.axes[0].get_ylim()[1] < 0.03
    logarithmic = simple([0.005, 0.01, 0.02], threshold=0.5, log_y=True)
    assert len(logarithmic.axes[0].lines) == 2


@pytest.mark.parametrize(
    ("epochs", "series", "message"),
    [
        ([], {"train": []}, "at least one number"),
        ([2, 1], {"train": [1, 2]}, "rising"),
        ([1, np.nan], {"train": [1, 2]}, "rising"),
        ([1, 2], {}, "no series"),
        ([1, 2], {"train": [1, 2], "validation": [1]}, r"'validation'.*\(1,\).*\(2,\)"),
        ([1], {"train": np.zeros((1, 0))}, "'train'"),
        ([1], {"train": np.zeros((1, 2, 3))}, "'train'"),
        ([1], {"train": 3.0}, "'train'"),
    ],
)
def test_curves_that_do_not_fit_are_refused(epochs, series, message):
    with pytest.raises(UsageError, match=message):
        plots.curves(epochs, series, title="t", ylabel="y")


# --- templates ------------------------------------------------------------------------------------


def by_hand(W: np.ndarray, scale: str) -> np.ndarray:
    """The pictures (C, 32, 32, 3), pixel by pixel from the definition."""
    out = np.empty((len(W), 32, 32, 3))
    for c, row, column, channel in itertools.product(range(len(W)), range(32), range(32), range(3)):
        low, high = {
            "class": (W[c].min(), W[c].max()),
            "shared": (W.min(), W.max()),
            "symmetric": (-abs(W).max(), abs(W).max()),
        }[scale]
        out[c, row, column, channel] = (W[c, channel * 1024 + row * 32 + column] - low) / (high - low)
    return out


@pytest.mark.parametrize("scale", ["class", "shared", "symmetric"])
def test_template_pixels_against_the_definition(scale):
    W = weights(3) * np.array([[1], [2], [3]]) + 0.001
    figure = plots.templates(W, CLASSES[:3], scale=scale, title="epoch 7")
    drawn = np.stack([axes.images[0].get_array() for axes in figure.axes])
    np.testing.assert_allclose(drawn, by_hand(W, scale), rtol=1e-13, atol=1e-15)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert [axes.get_title() for axes in figure.axes] == list(CLASSES[:3])
    assert f"scale: {scale}" in figure.get_suptitle()
    assert "epoch 7" in figure.get_suptitle()
    assert {axes.images[0].get_interpolation() for axes in figure.axes} == {"nearest"}


def test_the_symmetric_scale_draws_zero_as_mid_grey():
    W = weights(2)
    W[:, 100] = 0
    figure = plots.templates(W, ["a", "b"], scale="symmetric", title="t")
    assert figure.axes[1].images[0].get_array()[100 // 32, 100 % 32, 0] == 0.5


@pytest.mark.parametrize("scale", ["class", "shared", "symmetric"])
def test_a_template_without_contrast_is_mid_grey(scale):
    figure = plots.templates(np.zeros((2, 3072)), ["a", "b"], scale=scale, title="t")
    assert np.all(figure.axes[0].images[0].get_array() == 0.5)


def test_one_constant_template_leaves_the_others_alone():
    W = weights(2)
    W[0] = 3.0
    figure = plots.templates(W, ["a", "b"], title="t")
    assert np.all(figure.axes[0].images[0].get_array() == 0.5)
    assert figure.axes[1].images[0].get_array().max() == 1


def test_one_channel_is_drawn_in_grey():
    W = weights(2, 6)
    figure = plots.templates(W, ["a", "b"], image_shape=(1, 2, 3), title="t")
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (2, 3, 3)
    expected = (W[0] - W[0].min()) / (W[0].max() - W[0].min())
    for channel in range(3):
        np.testing.assert_allclose(image[..., channel].ravel(), expected)


def test_ten_classes_stand_in_two_rows_of_five():
    figure = plots.templates(weights(), CLASSES, title="t")
    boxes = [axes.get_position() for axes in figure.axes]
    assert len({round(box.y0, 6) for box in boxes}) == 2
    assert len({round(box.x0, 6) for box in boxes}) == 5
    assert boxes[0].y0 > boxes[5].y0
    assert boxes[0].x0 < boxes[1].x0


@pytest.mark.parametrize("size", [1e-300, 1.7e308])
@pytest.mark.parametrize("scale", ["class", "shared", "symmetric"])
def test_templates_of_numbers_of_any_size_look_alike(scale, size):
    W = np.random.default_rng(5).uniform(-1, 1, (2, 3072))
    W[:, :2] = [-1, 1]
    found, wanted = (plots.templates(a, ["a", "b"], scale=scale, title="t") for a in (size * W, W))
    for axes, other in zip(found.axes, wanted.axes, strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), other.images[0].get_array(), atol=1e-12)


def test_saved_templates_show_every_weight_as_a_square_of_its_exact_colour(tmp_path):
    W = weights(2)
    figure = plots.templates(W, ["a", "b"], title="t")
    picture = np.asarray(Image.open(io.BytesIO(png(figure, tmp_path))))
    height = picture.shape[0]
    for axes, expected in zip(figure.axes, by_hand(W, "class"), strict=True):
        box = axes.get_position()
        x, y = round(box.x0 * picture.shape[1]), round((1 - box.y1) * height)
        tile = picture[y : y + 192, x : x + 192].reshape(32, 6, 32, 6, 3).astype(int)
        assert np.all(tile == tile[:, :1, :, :1])
        assert abs(tile[:, 0, :, 0] - expected * 255).max() <= 1


@pytest.mark.parametrize(
    ("W", "classes", "options", "message"),
    [
        (weights(2, 3071), ["a", "b"], {}, "3072"),
        (weights(2), ["a", "b"], {"image_shape": (1, 28, 28)}, "784"),
        (weights(2), ["a", "b"], {"image_shape": None}, "None"),
        (weights(2, 2048), ["a", "b"], {"image_shape": (2, 32, 32)}, "1 or 3 channels"),
        (weights(2)[None], ["a", "b"], {}, r"\(1, 2, 3072\)"),
        (weights(2), ["a"], {}, "2 rows of weights with 1 class names"),
        (weights(0), [], {}, "0 rows"),
        (weights(2), ["a", "b"], {"scale": "loud"}, r"'loud'.*class, shared, symmetric"),
    ],
)
def test_weights_that_are_no_pictures_are_refused(W, classes, options, message):
    with pytest.raises(UsageError, match=message):
        plots.templates(W, classes, title="t", **options)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_class_name(bad):
    W = weights()
    W[3, 5] = bad
    with pytest.raises(UsageError, match=r"'cat'.*diverged.*--eta"):
        plots.templates(W, CLASSES, title="t")


# --- animation ------------------------------------------------------------------------------------


def test_the_animation_has_a_frame_for_each_snapshot_and_rests_on_the_last(tmp_path):
    frames = [(epoch, weights(2, seed=epoch)) for epoch in (0, 100, 200)] + [(300, weights(2, seed=200))]
    for name in ("a.gif", "b.gif"):
        plots.animation(frames, ["a", "b"], tmp_path / name, title="t", fps=5)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 4
        durations = []
        for frame in range(4):
            gif.seek(frame)
            durations.append(gif.info["duration"])
        assert durations == [200, 200, 200, 2000]
        assert gif.info["loop"] == 0
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_shared_scale_spans_all_the_snapshots(tmp_path):
    small, large = weights(1), weights(1) * 100
    plots.animation([(0, small), (1, large)], ["a"], tmp_path / "a.gif", scale="symmetric")
    with Image.open(tmp_path / "a.gif") as gif:
        first = np.asarray(gif.convert("RGB"), int)
        gif.seek(1)
        second = np.asarray(gif.convert("RGB"), int)
    tile = np.s_[-100:-12, 140:230]
    assert first[tile].std() < 0.2 * second[tile].std()


def test_a_frame_takes_a_twentieth_of_a_megabyte_at_most(tmp_path):
    frames = [(epoch, weights(seed=epoch)) for epoch in range(5)]  # noise compresses worst of all
    plots.animation(frames, CLASSES, tmp_path / "a.gif")
    assert (tmp_path / "a.gif").stat().st_size < 5 * (1 << 20) / 20


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        ([], 4, "0 snapshots"),
        ([(1, weights(2))], 0, "at 0 a second"),
        ([(1, weights(2))], 51, "at 51 a second"),
        ([(1, weights(2)), (2, np.full((2, 3072), np.nan))], 4, "not finite"),
    ],
)
def test_an_animation_that_cannot_be_is_refused_and_writes_nothing(frames, fps, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        plots.animation(frames, ["a", "b"], tmp_path / "a.gif", fps=fps)
    assert not list(tmp_path.iterdir())


# --- comparison -----------------------------------------------------------------------------------

ROWS = [
    ("exp1: lambda 0, eta 0.1", 0.2784, 0.285, 0.2731, 0.2969),
    ("exp3: lambda 0.1, eta 0.001", None, 0.3917, 0.3905, 0.3929),
    ("one seed", 0.3786, 0.377, np.nan, np.nan),
]


def test_comparison_shows_published_and_measured_in_per_cent():
    figure = plots.comparison(ROWS, title="t")
    axes = figure.axes[0]
    published = line(figure, "published")
    assert published.get_marker() == "D"
    assert published.get_fillstyle() == "none"
    np.testing.assert_allclose(published.get_xdata(), [27.84, np.nan, 37.86])
    np.testing.assert_allclose(
        line(figure, "measured; bar: 95 % interval of the mean").get_xdata(), [28.5, 39.17, 37.7]
    )
    segments = axes.collections[0].get_segments()[:2]
    np.testing.assert_allclose([segment[:, 0] for segment in segments], [[27.31, 29.69], [39.05, 39.29]])
    assert "measured 28.50 [27.31, 29.69]" in " ".join(texts(figure))
    assert "none published\nmeasured 39.17" in "\n".join(texts(figure))
    assert "(%)" in axes.get_xlabel()


def test_nothing_to_compare_is_refused():
    with pytest.raises(UsageError, match="at least one"):
        plots.comparison([], title="t")


# --- what all pictures share ----------------------------------------------------------------------


def examples(title: str) -> dict[str, Figure]:
    values = np.random.default_rng(0).random((400, 5)) * 0.02
    return {
        "curves": plots.curves(
            np.arange(1, 401),
            {f"{role}, lambda = {value:g}": values for role in ("train", "validation") for value in (0, 1)},
            title=title,
            ylabel="|train cost - validation cost|",
            threshold=0.5,
            log_epochs=True,
        ),
        "threshold": simple(values * 20, threshold=0.5, title=title),
        "templates": plots.templates(weights(), ["a very long class name", *CLASSES[1:]], title=title),
        "one template": plots.templates(weights(1), CLASSES[:1], title=title),
        "comparison": plots.comparison(ROWS * 2, title=title),
    }


def lettering(figure: Figure) -> list[Text]:
    """Everything that can be read in a drawn figure."""
    found = [figure._suptitle, *(text for legend in figure.legends for text in legend.findobj(Text))]
    for axes in figure.axes:
        found += [axes.title, *axes.texts]
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label]
            for axis, coordinate in ((axes.xaxis, 0), (axes.yaxis, 1)):
                low, high = sorted(axis.get_view_interval())
                found += [t for t in axis.get_ticklabels() if low <= t.get_position()[coordinate] <= high]
        found += [text for child in axes.child_axes for text in child.get_yticklabels()]
    return [text for text in found if text is not None and text.get_text()]


@pytest.mark.parametrize(
    "title", ["t", LONG_TITLE, LONG_TITLE * 2, "x" * 150], ids=["short", "long", "longer", "one word"]
)
def test_no_text_is_cut_and_no_title_overlaps(title):
    for name, figure in examples(title).items():
        figure.draw_without_rendering()
        for text in lettering(figure):
            box = text.get_window_extent()
            inside = 0 <= box.x0 < box.x1 <= figure.bbox.x1 and 0 <= box.y0 < box.y1 <= figure.bbox.y1
            assert inside, f"{name}: {text.get_text()!r} is cut"
        if figure.legends:
            legend = figure.legends[0].get_window_extent()
            assert not any(axes.get_tightbbox().overlaps(legend) for axes in figure.axes), name
        if figure._suptitle:
            heading = figure._suptitle.get_window_extent()
            assert not any(axes.get_tightbbox().overlaps(heading) for axes in figure.axes), name
        else:
            heading = figure.axes[0].title.get_window_extent()
            remarks = [text.get_window_extent() for text in figure.axes[0].texts]
            assert not any(heading.overlaps(remark) for remark in remarks), name


def test_a_long_title_is_broken_into_even_lines_but_not_at_an_equals_sign():
    title = simple([3, 2, 1], title=LONG_TITLE).axes[0].get_title()
    lines = title.split("\n")
    assert " ".join(lines) == LONG_TITLE
    assert len(lines) == 2
    assert min(map(len, lines)) > 0.8 * max(map(len, lines))
    for width in range(1, 8):
        for text in ("eta = 0.001, batch 100", "λ = 1, η = 0.001"):
            assert "\n=" not in wrap(text, width / 4)
            assert "=\n" not in wrap(text, width / 4)


def test_same_data_same_bytes_whatever_the_users_style(tmp_path):
    def draw() -> list[bytes]:
        curve = simple([3, 2.5, 1], threshold=2)
        return [png(curve, tmp_path), png(plots.templates(weights(2), ["a", "b"], title="t"), tmp_path)]

    first = draw()
    with matplotlib.rc_context(
        {"axes.facecolor": "black", "font.size": 30, "image.interpolation": "bicubic"}
    ):
        second = draw()
        assert matplotlib.rcParams["font.size"] == 30  # and the user's style is left as it was
    assert first == second
    for data in first:
        assert not any(chunk in data for chunk in (b"Software", b"tEXt", b"tIME"))


def test_pictures_are_small(tmp_path):
    sizes = {name: len(png(figure, tmp_path)) for name, figure in examples(LONG_TITLE).items()}
    assert max(sizes.values()) < 100_000, sizes  # white noise: the worst there can be
    rng = np.random.default_rng(0)
    costs = {
        role: 2 + 1 / np.arange(1, 2001) + rng.normal(0, 0.004, 2000) for role in ("train", "validation")
    }
    converging = plots.curves(np.arange(1, 2001), costs, title=LONG_TITLE, ylabel="cost J", log_epochs=True)
    assert len(png(converging, tmp_path)) < 60_000


def test_saving_at_another_resolution_changes_the_size(tmp_path):
    plots.save(simple([3, 2, 1]), tmp_path / "a.png", dpi=50)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (350, 225)


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path):
    target = tmp_path / "missing" / "a"
    with pytest.raises(StorageError, match="missing"):
        plots.save(simple([3, 2, 1]), target.with_suffix(".png"))
    with pytest.raises(StorageError, match="missing"):
        plots.animation([(1, weights(1))], ["a"], target.with_suffix(".gif"))


def test_names_with_dollars_and_line_breaks_are_only_text(tmp_path):
    odd = "price in $x_{$ or \\frac"  # as mathematics, a parse error
    png(simple([3, 2, 1], title=odd, ylabel=odd), tmp_path)
    figure = plots.templates(weights(2, 3), ["a\nb", "$x^{$"], image_shape=(3, 1, 1), title=odd)
    assert figure.axes[0].get_title() == "a b"
    png(figure, tmp_path)
    png(plots.comparison([(odd, 0.1, 0.2, 0.1, 0.3)], title=odd), tmp_path)


def test_drawing_needs_no_pyplot(tmp_path):
    program = (
        "import sys; from pathlib import Path; from linclass import plots\n"
        "plots.save(plots.curves([1, 2], {'train': [2, 1]}, title='t', ylabel='y'), Path(sys.argv[1]))\n"
        "sys.exit('pyplot was imported' if 'matplotlib.pyplot' in sys.modules else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ([[1.0, 1.0], [1.0, np.nextafter(1.0, 2)]], "the loss is the same everywhere"),
        ([[1e300, 1e300 * (1 + 1e-12)], [1e300, 1e300]], "the loss is the same everywhere"),
        ([[np.inf, np.nan], [np.inf, np.inf]], "there is no finite loss above 0"),
        ([[0.0, 0.0], [0.0, 0.0]], "there is no finite loss above 0"),
        ([[2.0, np.inf], [np.nan, np.inf]], ""),
        ([[1e-300, 1.0], [1e300, np.inf]], ""),
    ],
)
def test_a_plane_of_any_losses_is_drawn(tmp_path, loss, words):
    relief = plots.Relief(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array(loss))
    figure = plots.plane({"": relief}, title="t")
    assert words in " ".join(text.get_text() for text in figure.axes[0].texts)
    assert png(figure, tmp_path)
