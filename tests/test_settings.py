import dataclasses
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from linclass.errors import UsageError
from linclass.models.init import KINDS
from linclass.models.kernels import ACTIVATIONS
from linclass.models.losses import LOSSES
from linclass.settings import Experiment, option_names
from linclass.training.optim import OPTIMIZERS


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
        ({"shuffle": 3}, "samples, batches, none"),
        ({"seeds": True}, "whole number"),
        ({"test": 1}, "true or false"),
        ({"dataset": 3}, "--dataset is 3: expected text: name of the data set: cifar10, mnist"),
        ({"model": "mlp"}, "--hidden 256,128,64"),
        ({"hidden": "30"}, "expected --model mlp"),
        ({"model": "mlp", "hidden": "30,x"}, "--hidden is '30,x'"),
        ({"model": "mlp", "hidden": "30,0"}, "--hidden is '30,0'"),
        ({"model": "mlp", "hidden": "30", "dropout": 1.0}, "--dropout is 1.0"),
        ({"dropout": 0.5}, "--model mlp"),
        ({"momentum": 1.0}, "--momentum is 1.0"),
        ({"val_size": 0}, "--val-size is 0: expected a number of at least 1, or leave it out"),
        ({"train_size": 0}, "--train-size is 0: expected a number of at least 1, or leave it out"),
        ({"loss": "svm", "label_smoothing": 0.1}, "--loss softmax"),
        ({"class_weights": "even"}, "--class-weights is 'even': expected balanced, or a positive number"),
        ({"class_weights": "1,,2"}, "--class-weights is '1,,2'"),
        ({"class_weights": "1,0"}, "for each class, such as 1,2,0.5"),
        ({"class_weights": "1,nan"}, "for each class, such as 1,2,0.5"),
        ({"class_weights": "1,inf"}, "for each class, such as 1,2,0.5"),
        (
            {"dataset": "half-sine", "loss": "squared", "class_weights": "balanced"},
            "--class-weights goes with classes",
        ),
        ({"optimizer": "adamw", "l2": 1.0}, "--lambda 0"),
        ({"model": "mlp", "hidden": (256, 128)}, "--hidden is (256, 128): expected text: widths of"),
    ],
)
def test_a_bad_value_is_one_clear_line(change: dict, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Experiment(**change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_given_is_no_value_that_can_be() -> None:
    """So a value that is given is what it says, and the two can be told apart."""
    assert Experiment(optimizer="momentum").resolved().momentum == 0.9
    assert Experiment(optimizer="momentum", momentum=0.0).resolved().momentum == 0
    assert Experiment(optimizer="sgd").resolved().momentum is None
    for field in dataclasses.fields(Experiment):
        if field.default is None:
            with pytest.raises(UsageError):
                Experiment(**{field.name: -1})


def test_balanced_class_weights_are_scikit_learns() -> None:
    weights = pytest.importorskip("sklearn.utils.class_weight", reason="scikit-learn is not installed")
    y = np.repeat([0, 1, 2], [5, 1, 24])
    expected = weights.compute_class_weight("balanced", classes=np.arange(3), y=y)
    settings = Experiment(class_weights="balanced").decided(30, {"cat": 5, "dog": 1, "frog": 24})
    np.testing.assert_allclose(settings.weights_of_classes, expected, rtol=1e-15)
    assert settings.decided(30, {"cat": 1, "dog": 1, "frog": 28}) == settings  # numbers stay
    assert Experiment(class_weights="2,1").weights_of_classes == (2.0, 1.0)
    assert Experiment().weights_of_classes == ()


def test_class_weights_fit_the_classes() -> None:
    with pytest.raises(UsageError, match="no training row of class dog"):
        Experiment(class_weights="balanced").decided(5, {"cat": 5, "dog": 0})
    with pytest.raises(UsageError, match="is 1,2,3: expected 2 numbers, for the classes cat, dog"):
        Experiment(class_weights="1,2,3").decided(5, {"cat": 4, "dog": 1})
    unknown = Experiment(class_weights="balanced").decided(5, {})
    assert unknown.class_weights == "balanced"
    assert unknown.batch_size == 5


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


@pytest.mark.parametrize(
    ("dataset", "split", "scaling"),
    [
        ("cifar10", "batch-1", "per-pixel"),
        ("cifar10-sample", "batch-1", "per-pixel"),
        ("mnist", "all", "unit"),
        ("fashion-mnist", "all", "unit"),
        ("mnist-sample", "all", "unit"),
    ],
)
def test_auto_depends_on_the_data_set(dataset: str, split: str, scaling: str) -> None:
    resolved = Experiment(dataset=dataset).resolved()
    assert (resolved.split, resolved.scaling) == (split, scaling)


@pytest.mark.parametrize(
    ("changes", "init"),
    [
        ({}, "normal"),
        ({"activation": "relu"}, "he"),
        ({"activation": "tanh"}, "xavier"),
        ({"init": "uniform"}, "uniform"),
    ],
)
def test_auto_initialisation_depends_on_the_activation(changes: dict, init: str) -> None:
    model = {"model": "mlp", "hidden": "5"} if changes else {}
    assert Experiment(**model, **changes).resolved().init == init


def choices(name: str) -> tuple[str, ...]:
    return next(field.metadata["choices"] for field in dataclasses.fields(Experiment) if field.name == name)


def test_the_choices_are_what_there_is() -> None:
    assert choices("optimizer") == tuple(OPTIMIZERS)
    assert choices("activation") == tuple(ACTIVATIONS)
    assert set(choices("loss")) == set(LOSSES)
    assert set(choices("init")) - {"auto"} == set(KINDS)


def test_a_field_whose_type_lists_its_values_has_just_these_choices() -> None:
    hints = get_type_hints(Experiment).items()
    listed = {name: get_args(hint) for name, hint in hints if get_origin(hint) is Literal}
    assert {"shuffle", "overfit_action"} <= set(listed)
    assert {name: choices(name) for name in listed} == listed


def test_every_field_has_help_and_a_name() -> None:
    for field in dataclasses.fields(Experiment):
        assert field.metadata["help"]
        assert all(name.startswith("--") for name in option_names(field))


@pytest.mark.parametrize(("given", "rows", "wanted"), [(None, 5000, 100), (None, 30, 30), (64, 30, 64)])
def test_a_default_batch_size_gives_way_to_few_rows_and_a_given_one_does_not(
    given: int | None, rows: int, wanted: int
) -> None:
    assert Experiment(batch_size=given).batch_size_for(rows) == wanted
