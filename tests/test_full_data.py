"""On the full CIFAR-10: what the reports publish, in less than a minute. Run with `pytest -m full_data`."""

from pathlib import Path

import numpy as np
import pytest

from linclass.analysis import checks
from linclass.datasets.load import Full
from linclass.datasets.split import load_dataset
from linclass.runs.build import build
from linclass.runs.data import load_data
from linclass.runs.experiment import run
from linclass.settings import Experiment

pytestmark = pytest.mark.full_data


def test_the_arrays_are_cifar10(full_cifar10: Full) -> None:
    dataset = load_dataset("cifar10", split="all")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (49_000, 1_000, 10_000)
    y = np.concatenate([dataset.train.y, dataset.validation.y])
    np.testing.assert_array_equal(np.bincount(y), np.full(10, 5000))
    np.testing.assert_array_equal(np.bincount(dataset.test.y), np.full(10, 1000))
    means = dataset.train.x.reshape(-1, 3, 1024).mean(axis=(0, 2)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=5e-4)


def test_batch_1_is_a_prefix_of_all(full_cifar10: Full) -> None:
    basic, everything = load_dataset("cifar10", split="batch-1"), load_dataset("cifar10", split="all")
    np.testing.assert_array_equal(basic.train.x, everything.train.x[:10_000])
    np.testing.assert_array_equal(basic.validation.y, everything.train.y[10_000:20_000])


def test_experiment_4_reproduces(full_cifar10: Full, tmp_path: Path) -> None:
    """Published: train J 1.899, validation J 1.958, test 37.38 %; other implementations 36.7 to 37.7 %."""
    settings = Experiment(l2=1.0, eta=0.001, epochs=40, shuffle="batches", test=True)
    result = run(settings, out=tmp_path / "exp4")
    assert not result.is_sample
    assert result.final("train_cost").mean == pytest.approx(1.899, abs=0.006)
    assert result.final("val_cost").mean == pytest.approx(1.958, abs=0.006)
    assert 0.365 < result.final("test_accuracy").mean < 0.380
    assert (tmp_path / "exp4/40_weights.png").exists()


def test_the_first_epoch_of_the_long_run(full_cifar10: Full) -> None:
    """Published after epoch 1: 2.35312, 2.36131, 36.06 %."""
    settings = Experiment(split="all", l2=1.0, shuffle="batches", epochs=1, test=True).resolved()
    history = build(settings, load_data(settings)).fit().history
    assert history.last("train_cost")[0] == pytest.approx(2.353, abs=0.01)
    assert history.last("val_cost")[0] == pytest.approx(2.361, abs=0.01)
    assert history.last("test_accuracy")[0] == pytest.approx(0.3606, abs=0.015)


def test_gradients_on_real_images(full_cifar10: Full) -> None:
    for title, report in checks.gradients_of_experiment(Experiment().resolved()):
        assert report.passed, f"{title}\n{report.text()}"
