import dataclasses

import pytest

from linclass.errors import UsageError
from linclass.settings import Experiment, option_names


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eta": 0.0}, "--eta is 0.0: expected a number above 0"),
        ({"eta": -1.0}, "--eta is -1.0"),
        ({"eta": float("nan")}, "finite"),
        ({"l2": -0.1}, "--lambda is -0.1: expected a number of at least 0"),
        ({"l2": float("inf")}, "finite"),
        ({"epochs": 0}, "--epochs is 0: expected a number of at least 1"),
        ({"batch_size": 0}, "--batch-size"),
        ({"batch_size": 2.5}, "whole number"),
        ({"shuffle": "sometimes"}, "samples, batches, none"),
        ({"seeds": True}, "whole number"),
        ({"test": 1}, "true or false"),
        ({"dataset": 3}, "a word"),
    ],
)
def test_a_bad_value_is_one_clear_line(change: dict, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Experiment(**change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_field_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean batch_size"):
        Experiment.from_dict({"batchsize": 3})


def test_round_trip_and_differences() -> None:
    experiment = Experiment(l2=1, eta=0.01)
    again = Experiment.from_dict(experiment.to_dict())
    assert again == experiment
    assert experiment.differences(Experiment()) == {"l2": (1, 0.0), "eta": (0.01, 0.001)}
    assert experiment.resolved().scaling == "per-pixel"
    assert experiment.scaling == "auto"


def test_every_field_has_help_and_a_name() -> None:
    for field in dataclasses.fields(Experiment):
        assert field.metadata["help"]
        assert all(name.startswith("--") for name in option_names(field))
