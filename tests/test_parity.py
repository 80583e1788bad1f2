"""numpy and PyTorch side by side: where they agree, what makes them part, and that a fault would be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from costs import cost
from PIL import Image

from linclass import plots
from linclass.analysis import parity
from linclass.analysis.parity import EQUIVALENT, LIBRARIES, SAME, Pair, Variant, compare, save_picture
from linclass.errors import UsageError
from linclass.models.architecture import Architecture
from linclass.models.mlp import MLP
from linclass.training.optim import adam

SIZES = (20, 16, 12, 5)


@pytest.fixture(autouse=True)
def torch(request: pytest.FixtureRequest) -> None:
    if "without_pytorch" not in request.node.name:
        pytest.importorskip("torch", reason="PyTorch is not installed")


def data(n: int = 230) -> tuple[np.ndarray, np.ndarray]:
    """Five noisy clusters in [0, 1]."""
    generator = np.random.default_rng(0)
    centres = generator.random((SIZES[-1], SIZES[0]))
    y = generator.integers(0, SIZES[-1], n)
    return np.clip(centres[y] + generator.normal(scale=0.2, size=(n, SIZES[0])), 0, 1), y


def run(*, steps: int = 100, batch_size: int = 20, lr: float = 0.005, **options: Any) -> parity.Parity:
    return compare(Architecture(SIZES, **options), *data(), steps=steps, batch_size=batch_size, lr=lr)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_in_float64_numpy_and_pytorch_agree_to_1e_10_after_100_steps(activation: str, l2: float) -> None:
    seen = run(activation=activation, init="xavier", l2=l2)
    assert [pair.label for pair in seen.of(LIBRARIES)] == ["sgd, mean", "sgd, sum", "adam, mean", "adam, sum"]
    for pair in seen.of(LIBRARIES):
        assert pair.distance.shape == (100,)
        assert pair.distance.max() < 1e-10, pair.label
        np.testing.assert_allclose(seen.losses[pair.a], seen.losses[pair.b], rtol=1e-10)


def test_the_equivalent_settings_are_equivalent_and_the_same_settings_are_not() -> None:
    seen = run(l2=0.01)
    assert len(seen.of(EQUIVALENT)) == 2
    assert all(pair.first_above(1e-10) is None for pair in seen.of(EQUIVALENT))
    assert all(pair.first_above(1e-10) is not None for pair in seen.of(SAME))
    assert seen.of(SAME)[0].first_above(1e-4) == 1


def test_the_first_step_parts_sum_and_mean_as_the_formulas_say() -> None:
    x, y = data(20)
    lr, n, eps = 0.005, 20, parity.EPS
    seen = compare(Architecture(SIZES), x, y, steps=1, batch_size=n, lr=lr)
    model = MLP.create(SIZES)
    cost(model, x, y)
    g = np.abs(model.grads.flat)
    sgd_same, adam_same, _ = seen.of(SAME)
    np.testing.assert_allclose(sgd_same.distance[0], lr * (n - 1) * g.max(), rtol=1e-9)
    apart = lr * (n * g / (n * g + eps) - g / (g + eps))
    np.testing.assert_allclose(adam_same.distance[0], apart.max(), rtol=1e-5)


def test_as_sum_and_as_mean_undo_each_other() -> None:
    for optimizer in ("sgd", "adam"):
        mean = Variant("numpy", optimizer, "mean", 0.25, 0.5)
        assert mean.as_sum(8).as_mean(8) == mean
    assert Variant("numpy", "sgd", "mean", 0.25, 0.5).as_sum(4) == Variant("numpy", "sgd", "sum", 0.0625, 2.0)


def test_all_trainings_see_the_same_first_loss_and_sgd_learns() -> None:
    seen = run()
    first = {round(float(losses[0]), 12) for losses in seen.losses.values()}
    assert len(first) == 1
    assert all(losses[-10:].mean() < losses[:10].mean() for losses in seen.losses.values())


@pytest.mark.parametrize(
    ("faulty", "label"),
    [
        (lambda eps: adam(beta2=0.9, eps=eps), "adam, mean"),
        (lambda eps: adam(beta1=0.9, beta2=0.9, eps=eps), "adam, sum"),
        (lambda eps: adam(eps=100 * eps), "adam, mean"),
    ],
)
def test_a_fault_in_adam_is_seen(monkeypatch: pytest.MonkeyPatch, faulty, label: str) -> None:
    monkeypatch.setattr("linclass.training.optim.adam", faulty)
    seen = run(steps=10)
    assert {pair.label: pair for pair in seen.of(LIBRARIES)}[label].first_above(1e-10) is not None
    assert {pair.label: pair for pair in seen.of(LIBRARIES)}["sgd, mean"].first_above(1e-10) is None


def test_float32_parts_by_rounding_at_once_but_not_visibly() -> None:
    pair = run(dtype="float32", steps=20).of(LIBRARIES)[0]
    assert pair.first_above(1e-10) is not None
    assert pair.first_above(1e-4) is None


def test_what_is_no_number_counts_as_parted() -> None:
    a = Variant("numpy", "sgd", "mean", 0.1)
    pair = Pair(LIBRARIES, "", a, a, np.array([0.0, 1e-11, np.nan, 1.0]))
    assert pair.first_above(1e-10) == 3
    assert pair.first_above(0.0) == 2
    assert Pair(LIBRARIES, "", a, a, np.zeros(3)).first_above(1e-10) is None


def test_a_divergence_is_compared_without_a_warning(tmp_path: Path) -> None:
    seen = run(lr=1e4, steps=30)
    assert seen.of(SAME)[0].first_above(1e-4) == 1
    save_picture(seen, tmp_path / "diverged.png")


def test_the_table_and_the_equivalents_are_text_in_even_rows() -> None:
    seen = run(steps=5, l2=0.01)
    table, equivalents = seen.table(), seen.equivalents()
    assert len(table) == 1 + len(seen.pairs) == 10
    assert {len(row) for row in table} == {7}
    assert table[1][:2] == ("numpy | torch", "sgd, mean")
    assert "never" in table[1]
    assert equivalents[1] == ("sgd", "lr 0.005, lambda 0.01", "lr 0.1, lambda 0.0005")
    assert equivalents[2][2] == "lr 0.005, eps 5e-10, lambda 0.0005"


def test_more_steps_than_an_epoch_has_go_on_with_the_next() -> None:
    assert len(run(steps=25).losses) == 10  # 11 full batches an epoch


def test_the_picture_is_written_and_the_same_twice(tmp_path: Path) -> None:
    seen = run(steps=12)
    for name in ("a.png", "b.png"):
        save_picture(seen, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert min(picture.size) > 1000


def test_every_line_is_inside_its_panel() -> None:
    high, low = np.geomspace(1e-3, 10, 9), np.geomspace(1e-16, 1e-12, 9)
    figure = plots.parting(
        {"sgd": (high, high)},
        {"libraries": {"sgd": low}, "settings": {"sgd: mean | sum": high, "nothing": np.zeros(9)}},
        title="t",
        twins=("numpy", "torch"),
    )
    for axes in figure.axes[1:]:
        bottom, top = axes.get_ylim()
        for line in axes.get_lines():
            assert all(bottom <= value <= top for value in line.get_ydata())
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert labels == ["sgd: mean | sum", "nothing: none"]
    with pytest.raises(UsageError, match="as many steps"):
        plots.parting({"a": (high,)}, {"d": {"a": low[:3]}}, title="t", twins=("numpy",))


def test_values_that_cannot_be_used_are_said() -> None:
    x, y = data()
    with pytest.raises(UsageError, match=r"sizes are \(19, 5\): expected 20"):
        compare(Architecture((19, 5)), x, y)
    with pytest.raises(UsageError, match=r"labels are 0 to 4: expected 0 to 2"):
        compare(Architecture((20, 3)), x, y)
    with pytest.raises(UsageError, match=r"--steps is 0"):
        run(steps=0)
    with pytest.raises(UsageError, match=r"--eta is nan"):
        run(lr=float("nan"))
    with pytest.raises(UsageError, match=r"--batch-size is 1,000"):
        run(batch_size=1000)


def test_without_pytorch_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(UsageError, match=r"PyTorch is not installed"):
        run()
