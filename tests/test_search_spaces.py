"""Search spaces and trials: what can be written, what is drawn, what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linclass.errors import DataError, UsageError
from linclass.search.space_file import read_space
from linclass.search.spaces import Dimension, Space, apply, dimension, parse, space
from linclass.search.trials import draw, uniform
from linclass.settings import Experiment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=log:1e-5:1e-3", Dimension("eta", "log", (1e-5, 1e-3))),
        ("--learning-rate=float:0.1:1", Dimension("eta", "float", (0.1, 1))),
        ("reg=log:1e-5:1e-4", Dimension("l2", "log", (1e-5, 1e-4))),
        ("lambda=0,1e-4", Dimension("l2", "item", (0, 1e-4))),
        ("hidden=int:150:400", Dimension("hidden", "int", (150, 400))),
        ("hidden_size=item:100,200", Dimension("hidden", "item", ("100", "200"))),
        ("hidden=256,128|128,64", Dimension("hidden", "item", ("256,128", "128,64"))),
        ("num_layer=2,3", Dimension("layers", "item", (2, 3))),
        ("activation=relu,leaky-relu", Dimension("activation", "item", ("relu", "leaky-relu"))),
        ("batch-norm=on,off", Dimension("batch_norm", "item", (True, False))),
        (
            "schedule=step:10:0.5|warmup:20,cosine",
            Dimension("schedule", "item", ("step:10:0.5", "warmup:20,cosine")),
        ),
    ],
)
def test_a_dimension_is_read(text: str, expected: Dimension) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr", "expected NAME=VALUES"),
        ("lrr=log:1e-5:1e-3", "lrr is not a field of an experiment; did you mean lr"),
        ("lr=log:1e-3:1e-5", "0.001 to 1e-05 is reversed: expected 1e-05 to 0.001"),
        ("lr=log:0:1e-3", "the logarithm needs a number above 0"),
        ("lr=log:-1:1", "the logarithm needs a number above 0"),
        ("lr=float:0.5:0.5", "is empty"),
        ("lr=", "expected at least one value"),
        ("lr=lag:1:2", "mode 'lag': expected one of log, int, float, item"),
        ("lr=log:1e-5", "expected lr=log:LOW:HIGH"),
        ("lr=log:1e-5:1e-3:4", "expected lr=log:LOW:HIGH"),
        ("lr=log:a:1", "'a': expected a number"),
        ("lr=float:0.1:nan", "expected a finite number"),
        ("lr=float:0.1:inf", "expected a finite number"),
        ("lr=float:-1:1", "--eta is -1: expected a number above 0"),
        ("hidden=int:1.5:4", "expected a whole number"),
        ("hidden=log:10:100", "does not fit this field: expected int or item"),
        ("hidden=int:0:4", "--hidden is 0|expected widths"),
        ("epochs=float:1:4", "does not fit this field: expected int or item"),
        ("activation=int:1:4", "does not fit this field: expected item"),
        ("activation=relu,relux", "--activation is 'relux'"),
        ("activation=relu,relu", "there twice"),
        ("epochs=1.5,2", "--epochs is 1.5: expected a whole number"),
        ("layers=0,2", "layers is 0"),
    ],
)
def test_a_bad_space_is_one_clear_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_spaces_in_a_grid() -> None:
    assert parse("lr=log:1e-4:1e-2:3", grid=True).values == (1e-4, 1e-3, 1e-2)
    assert parse("hidden=int:10:20:3", grid=True).values == ("10", "15", "20")
    for text in ("lr=log:1e-4:1e-2", "lr=log:1e-4:1e-2:1", "lr=log:1e-4:1e-2:2.5"):
        with pytest.raises(UsageError, match=r"COUNT"):
            parse(text, grid=True)


def test_from_python_and_from_files(tmp_path: Path) -> None:
    report = {
        "learning_rate": ([1e-5, 1e-3], "log"),
        "hidden_size": ([150, 400], "int"),
        "num_layer": ([2, 3], "item"),
        "activation": ["relu", "leaky-relu"],
    }
    found = space(report)
    assert found.fields == ("eta", "hidden", "layers", "activation")
    path = tmp_path / "space.json"
    path.write_text(json.dumps(report))
    assert read_space(path) == found
    path.write_text(json.dumps({"random": {"lr": [[1e-5, 1e-3], "log"]}, "grid": {"l2": [0, 1]}}))
    assert read_space(path) == Space((found.random[0],), (Dimension("l2", "item", (0, 1)),))
    path.write_text('{"lr": [[1, 2], "lug"]}')
    with pytest.raises(UsageError, match=r"space.json: the space of lr: mode 'lug'"):
        read_space(path)
    for bad in ("[]", '{"grid": 3}', "{"):
        path.write_text(bad)
        with pytest.raises(DataError, match=r"space.json"):
            read_space(path)
    toml = tmp_path / "space.toml"
    toml.write_text('[random]\nlr = [[1e-5, 1e-3], "log"]\n[grid]\nl2 = [0, 1]\n')
    if sys.version_info >= (3, 11):
        assert read_space(toml).fields == ("eta", "l2")
    else:
        with pytest.raises(UsageError, match=r"Python 3.11"):
            read_space(toml)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(UsageError, match="searched twice"):
        space({"lr": [1, 2]}, {"eta": [1, 2]})
    with pytest.raises(UsageError, match="nothing to search"):
        space()
    with pytest.raises(UsageError, match="--model mlp"):
        draw(space(grid={"hidden": [10, 20]}), Experiment(), trials=1)
    with pytest.raises(UsageError, match="one width to repeat"):
        apply(Experiment(model="mlp", hidden="10,5"), {"layers": 3})


def test_layers_repeat_the_width() -> None:
    base = Experiment(model="mlp", hidden="10")
    assert apply(base, {"layers": 2}).hidden == "10"
    assert apply(base, {"layers": 4, "hidden": "7"}).hidden == "7,7,7"


def test_one_layer_is_the_linear_model() -> None:
    base = Experiment(model="mlp", hidden="10", dropout=0.2, batch_norm=True, eta=0.1)
    assert apply(base, {"layers": 1}) == Experiment(eta=0.1)
    assert apply(base, {"layers": 1, "hidden": "7", "dropout": 0.5}) == Experiment(eta=0.1)
    assert apply(Experiment(), {"layers": 1}) == Experiment()
    found = draw(space({"layers": ([1, 3], "int")}, {"hidden": [10, 20]}), base, trials=8)
    for trial in found:
        layers = trial.values["layers"]
        assert len(trial.settings.hidden_sizes) == layers - 1
        assert (trial.settings.model, trial.settings.init) == (
            ("linear", "normal") if layers == 1 else ("mlp", "he")
        )
    assert {trial.values["layers"] for trial in found} == {1, 2, 3}
    with pytest.raises(UsageError, match="layers is 1: --model torch-mlp has at least 2"):
        apply(Experiment(model="torch-mlp", hidden="10"), {"layers": 1})


RANGES = st.tuples(st.floats(1e-8, 1e3), st.floats(1e-8, 1e3)).filter(lambda pair: pair[0] < pair[1] * 0.99)


@settings(deadline=None, max_examples=50)
@given(RANGES, st.sampled_from(["log", "float"]), st.integers(0, 5), st.integers(0, 100))
def test_draws_lie_within_and_are_pure(bounds: tuple[float, float], mode: str, seed: int, i: int) -> None:
    dim = dimension("lr", (list(bounds), mode))
    u = uniform(seed, "eta", 0, i)
    assert 0 <= u < 1
    assert dim.values[0] <= dim.at(u) <= dim.values[1]
    assert dim.at(u) == dim.at(uniform(seed, "eta", 0, i))
    narrow = dim.narrowed(dim.at(u), dim)
    low, high = narrow.values
    assert dim.values[0] <= low <= high <= dim.values[1]
    assert low * (1 - 1e-3) <= dim.at(u) <= high * (1 + 1e-3)


def test_draws_are_spread_as_the_mode_says() -> None:
    draws = [uniform(0, "eta", 0, i) for i in range(2000)]
    below = sum(dimension("lr", ([1e-5, 1e-3], "log")).at(u) < 1e-4 for u in draws)
    assert 900 < below < 1100
    widths = [int(dimension("hidden", ([3, 6], "int")).at(u)) for u in draws]
    assert {width: 400 < widths.count(width) < 600 for width in set(widths)} == dict.fromkeys(
        range(3, 7), True
    )


def test_the_first_trials_of_a_seed_are_these() -> None:
    """Pinned: trial i is the same on every machine, whatever else is searched."""
    base = Experiment()
    alone = draw(space({"lr": ([1e-5, 1e-3], "log")}), base, trials=3, seed=5)
    assert [trial.values["eta"] for trial in alone] == PINNED
    more = draw(space({"momentum": ([0, 0.5], "float"), "lr": ([1e-5, 1e-3], "log")}), base, trials=3, seed=5)
    assert [trial.values["eta"] for trial in more] == PINNED
    assert draw(space({"lr": ([1e-5, 1e-3], "log")}), base, trials=3, seed=6) != alone


PINNED = [0.0001321, 0.0004446, 0.0001496]


def test_every_draw_meets_every_point_of_the_grid() -> None:
    found = draw(
        space({"lr": ([1e-5, 1e-3], "log")}, {"l2": [0, 1], "batch_size": [10, 20]}), Experiment(), trials=2
    )
    assert [trial.number for trial in found] == list(range(8))
    assert [(t.values["l2"], t.values["batch_size"]) for t in found[:4]] == [
        (0, 10),
        (0, 20),
        (1, 10),
        (1, 20),
    ]
    assert len({trial.values["eta"] for trial in found}) == 2


def test_narrowing_keeps_a_quarter_within_the_first_range() -> None:
    first = space(
        {"lr": ([1e-5, 1e-1], "log"), "hidden": ([100, 180], "int"), "activation": ["relu", "tanh"]}
    )
    best: dict[str, Any] = {"eta": 1e-5, "hidden": "120", "activation": "tanh"}
    second = first.narrowed(best, first)
    assert second.random[0].values == (1e-5, 1e-4)
    assert second.random[1].values == (110, 130)
    assert second.random[2].values == ("tanh",)
    third = second.narrowed({**best, "eta": 1e-4}, first)
    assert third.random[0].values == pytest.approx((1e-4 / 10**0.125, 1e-4 * 10**0.125), rel=1e-3)
