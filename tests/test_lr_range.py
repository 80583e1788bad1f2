"""The range test: what it tries, what it leaves untouched, what it concludes; its picture."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from costs import cost
from matplotlib.figure import Figure

from linclass import plots
from linclass.analysis.lr_range import FEWEST_STEPS, TOO_HIGH, RangeTest, lr_range_test, save_picture
from linclass.datasets import batches
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.errors import DivergedError, UsageError
from linclass.models.linear import Linear
from linclass.training.optim import OPTIMIZERS, Optimizer, make, sgd

D, C, N = 20, 4, 300


def inputs(seed: int = 0) -> Inputs:
    generator = np.random.default_rng(seed)
    y = generator.integers(0, C, N)
    x = generator.normal(size=(N, D)) + 2 * np.eye(C, D)[y]
    return Inputs(Split(x, y))


def run(optimizer: Optimizer | None = None, model: Linear | None = None, **options) -> RangeTest:
    model = model or Linear.create(D, C)
    return lr_range_test(
        model, optimizer or sgd(), inputs(), **{"low": 1e-5, "high": 1e3, "batch_size": 20, **options}
    )


class Watched:
    """An optimiser that remembers the rates and steps it was given."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.steps: list[int] = []
        inner = sgd()

        def update(params, grads, slots, lr, step):
            assert lr.shape == (1,)
            self.rates.append(float(lr[0]))
            self.steps.append(step)
            inner.update(params, grads, slots, lr, step)

        self.optimizer = Optimizer(inner.init, update)


def test_the_rate_grows_exponentially_one_update_each() -> None:
    watched = Watched()
    found = run(watched.optimizer, low=1e-4, high=1e-1, steps=40)
    np.testing.assert_allclose(watched.rates, 1e-4 * 1000 ** (np.arange(40) / 39), rtol=1e-12)
    np.testing.assert_array_equal(found.learning_rates, watched.rates)
    assert watched.steps == list(range(40))
    assert found.losses.shape == found.smoothed.shape == (40,)


def test_losses_are_those_of_the_same_training_by_hand() -> None:
    found = run(low=1e-3, high=1.0, steps=30, seed=3)
    x, y = inputs().split.x, inputs().split.y
    orders = [*batches.batches(N, 20, seed=3, epoch=1), *batches.batches(N, 20, seed=3, epoch=2)]
    model = Linear.create(D, C)
    for i, rows in enumerate(orders):
        loss = model.loss(x[rows], y[rows])[0]
        assert found.losses[i] == pytest.approx(loss, rel=1e-12)
        cost(model, x[rows], y[rows])
        for name, theta in model.params.items():
            theta -= found.learning_rates[i] * model.grads[name]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_parameters_are_left_bit_for_bit(name: str, dtype: str) -> None:
    model = Linear.create(D, C, dtype=dtype)
    before, buffer = model.params.flat.tobytes(), model.params.flat
    lr_range_test(model, make(name), Inputs(inputs().split), low=1e-5, batch_size=20)
    assert model.params.flat is buffer
    assert buffer.tobytes() == before


class WithBuffers(Linear):
    """Counts its batches in a buffer, as batch normalisation does, and fails at batch `fail_at`."""

    fail_at = -1

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.buffers = {"seen": np.zeros(1)}

    def backpropagate(self, x, y, *, step=0):
        self.buffers["seen"] += 1
        if step == self.fail_at:
            raise RuntimeError("stopped from outside")
        return super().backpropagate(x, y, step=step)


@pytest.mark.parametrize("fail_at", [-1, 7])
def test_buffers_are_restored_too_and_after_an_error(fail_at: int) -> None:
    model = WithBuffers.create(D, C)
    model.fail_at = fail_at
    before = model.params.flat.copy()
    if fail_at < 0:
        run(model=model)
    else:
        with pytest.raises(RuntimeError, match="stopped"):
            run(model=model)
    assert model.buffers["seen"][0] == 0
    np.testing.assert_array_equal(model.params.flat, before)


def test_same_seed_same_test_another_seed_another_order() -> None:
    np.testing.assert_array_equal(run().losses, run().losses)
    assert not np.array_equal(run().losses[:50], run(seed=1).losses[:50])


@pytest.mark.parametrize("shuffle", ["batches", "none"])
def test_the_batches_are_those_of_training(shuffle: batches.Shuffle) -> None:
    """40 updates on 300 rows: batches of 70 leave a short one of 20, which drop_last leaves out."""
    for drop_last in (False, True):
        model, train, losses = Linear.create(D, C), inputs(), list[float]()
        epochs = (
            batches.batches(N, 70, seed=5, epoch=epoch, shuffle=shuffle, drop_last=drop_last)
            for epoch in itertools.count(1)
        )
        for rate, rows in zip(
            np.geomspace(1e-4, 1e-2, 40), itertools.chain.from_iterable(epochs), strict=False
        ):
            x, y = train.rows(rows)
            losses.append(float(cost(model, x, y)[0]))
            model.params.flat[...] -= rate * model.grads.flat
        found = run(
            low=1e-4, high=1e-2, steps=40, batch_size=70, seed=5, shuffle=shuffle, drop_last=drop_last
        )
        np.testing.assert_allclose(found.losses, losses, rtol=1e-12)


def test_it_ends_where_the_loss_has_grown_fourfold() -> None:
    found = run()
    assert len(found.losses) < 200
    window = 21
    means = np.convolve(found.losses, np.ones(window) / window, mode="valid")
    assert means[-1] > TOO_HIGH * means.min()
    assert means[-2] <= TOO_HIGH * means.min()


def test_the_suggestion_can_be_trained_with_and_ten_times_its_upper_bound_cannot() -> None:
    found = run()
    low, high = found.suggestion
    assert (low, high) == (found.lowest / 10, found.lowest)
    assert found.remark == ""
    assert found.steepest <= found.lowest
    assert found.smoothed.argmin() == np.flatnonzero(found.learning_rates == found.lowest)[0]

    def loss_after_training(rate: float) -> float:
        model, data = Linear.create(D, C), inputs()
        for step in range(60):
            x, y = data.rows(slice(20 * (step % 15), 20 * (step % 15) + 20))
            cost(model, x, y)
            sgd().update(model.params, model.grads, {}, np.array([rate]), step)
        return float(model.loss(data.split.x, data.split.y)[0])

    losses = {rate: loss_after_training(rate) for rate in (low / 100, low, high, 30 * high)}
    assert min(losses, key=losses.__getitem__) in (low, high)


@pytest.mark.parametrize(
    ("options", "remark"),
    [
        (
            {"low": 1e-5, "high": 1e-2, "steps": 100},
            "still falling at the highest rate: raise it, such as --high 1",
        ),
        ({"low": 3.0, "high": 100.0, "steps": 100}, "did not fall: begin .* lower rate, such as --low 0.003"),
    ],
)
def test_a_test_in_the_wrong_place_says_so(options: dict[str, float], remark: str) -> None:
    assert re.search(remark, run(**options).remark)


def test_rates_that_are_all_too_high_are_an_error_without_warnings() -> None:
    model = Linear.create(D, C, dtype="float32", l2=1.0)
    data = Inputs(inputs().split)
    with pytest.raises(DivergedError, match=r"the loss blew up after \d+ updates, .* --low 1e\+27"):
        lr_range_test(model, sgd(), data, low=1e30, high=1e35, batch_size=20)
    assert np.isfinite(model.params.flat).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0.0}, r"--low is 0 and --high is 1000: expected 0 < low < high"),
        ({"low": -1.0}, "--low is -1"),
        ({"low": 1.0, "high": 1.0}, "--low is 1 and --high is 1"),
        ({"high": np.inf}, "--high is inf"),
        ({"low": np.nan}, "--low is nan"),
        ({"steps": FEWEST_STEPS - 1}, "--steps is 19: expected at least 20"),
        ({"batch_size": N + 1}, "--batch-size is 301"),
        ({"model": Linear.create(D, C, seeds=[0, 1])}, "one model, not a stack .K = 2.: use --seeds 1"),
    ],
)
def test_what_cannot_be_tested_is_said(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(**options)


def test_the_fewest_steps_are_enough() -> None:
    found = run(low=1e-3, high=1.0, steps=FEWEST_STEPS)
    assert len(found.smoothed) == FEWEST_STEPS


# --- the picture


def pixels(drawn: Figure) -> bytes:
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="rgba")
    return buffer.getvalue()


def figure(test: RangeTest) -> Figure:
    return plots.learning_rate_range(
        test.learning_rates,
        test.losses,
        test.smoothed,
        test.suggestion,
        steepest=test.steepest,
        title="a title",
    )


def test_the_picture_is_written(tmp_path: Path) -> None:
    found = run()
    save_picture(found, tmp_path / "range.png", title="a title")
    plots.save(figure(found), tmp_path / "same.png")
    assert (tmp_path / "range.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def test_the_picture_holds_the_test() -> None:
    found = run()
    drawn = figure(found)
    (axes,) = drawn.axes
    assert axes.get_xscale() == "log"
    assert axes.get_title() == "a title"
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(
        lines["each batch"].get_xydata(), np.column_stack([found.learning_rates, found.losses])
    )
    np.testing.assert_array_equal(
        lines["smoothed"].get_xydata(), np.column_stack([found.learning_rates, found.smoothed])
    )
    low, high = found.suggestion
    (span,) = axes.patches
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((low, high))
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert f"suggested: {low:.2g} to {high:.2g}" in labels
    assert f"steepest: {found.steepest:.2g}" in labels


def test_the_way_down_fills_the_picture_and_the_legend_fits() -> None:
    found = run()
    drawn = figure(found)
    pixels(drawn)
    bottom, top = drawn.axes[0].get_ylim()
    assert bottom < found.losses.min()
    assert found.losses[:20].max() < top < found.losses.max()
    assert (found.losses[:20].mean() - found.smoothed.min()) > 0.4 * (top - bottom)
    box = drawn.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= drawn.bbox.x1


@pytest.mark.parametrize("value", [0.0, 2.3])
def test_a_flat_loss_can_be_drawn(value: float) -> None:
    rates, flat = np.geomspace(1e-6, 1, 30), np.full(30, value)
    pixels(plots.learning_rate_range(rates, flat, flat, (1e-3, 1e-2), title="t"))


@pytest.mark.parametrize(
    ("rates", "losses"),
    [([1e-3], [1.0]), ([1e-3, 1e-2], [1.0]), ([1e-2, 1e-3], [1.0, 2.0]), ([0.0, 1e-3], [1.0, 2.0])],
)
def test_shapes_that_do_not_fit_are_refused(rates: list[float], losses: list[float]) -> None:
    with pytest.raises(UsageError, match="cannot draw the range test"):
        plots.learning_rate_range(
            np.array(rates), np.array(losses), np.array(losses), (1e-3, 1e-2), title="t"
        )
