"""The profile: every part is measured, nothing twice, and what is trained stays the same."""

import time

import numpy as np

from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.models.mlp import MLP
from linclass.training.optim import sgd
from linclass.training.profile import PARTS, Profile
from linclass.training.schedules import constant
from linclass.training.trainer import Callback, Trainer


class Slow(Callback):
    """Output that takes 10 ms an epoch."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        time.sleep(0.01)


def inputs() -> Inputs:
    generator = np.random.default_rng(0)
    return Inputs(Split(generator.normal(size=(90, 5)), generator.integers(0, 3, 90)))


def make() -> Trainer:
    model = MLP.create((5, 4, 3), seeds=[0, 1])
    return Trainer(model, sgd(), constant(0.1), batch_size=20, seed=[0, 1], callbacks=[Slow()])


def test_every_part_is_measured_once_and_the_numbers_stay_the_same() -> None:
    plain, watched, profile, train = make(), make(), Profile(), inputs()
    watched.time_with(profile.timer)
    plain.fit(inputs(), epochs=3, valid=inputs())
    started = time.perf_counter()
    watched.fit(train, epochs=3, valid=inputs())
    took = time.perf_counter() - started
    np.testing.assert_array_equal(plain.state.params.flat, watched.state.params.flat)
    assert all(seconds > 0 for seconds in profile.seconds.values())
    assert profile.seconds["output"] >= 0.03
    assert sum(profile.seconds.values()) <= took
    assert sum(profile.seconds.values()) > 0.5 * took


def test_the_table_names_every_part_and_adds_up() -> None:
    profile = Profile()
    profile.seconds["forward"], profile.seconds["data"] = 3.0, 1.0
    rows = profile.table()
    assert [row[0] for row in rows] == ["part", *PARTS, "all"]
    assert rows[2][1:3] == ("   3.000", " 75.0 %")
    assert rows[-1][1] == "   4.000"
    assert Profile().table()[-1][1] == "   0.000"
