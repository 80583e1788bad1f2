"""Augmentation: each operation against a slow reference, image by image; what is random and what is not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

import linclass
from linclass.analysis.lr_range import lr_range_test
from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.datasets import augment, image_ops
from linclass.datasets.batches import batches
from linclass.datasets.dataset import Dataset, Split
from linclass.datasets.inputs import Inputs
from linclass.errors import UsageError
from linclass.runs.build import build
from linclass.runs.data import load_data
from linclass.training.trainer import Callback, Trainer

EVERYTHING = "mirror,shift:3,rotation:10,crop:6,brightness:0.2,contrast:0.2,saturation:0.2,noise:0.05"
SHAPES = [(3, 32, 32), (1, 28, 28), (3, 7, 12)]


def pictures(shape: tuple[int, int, int], n: int = 6, seed: int = 0) -> np.ndarray:
    """Smooth enough that interpolation means something, with full contrast."""
    x = np.random.default_rng(seed).normal(size=(n, *shape))
    x = ndimage.gaussian_filter(x, (0, 0, 1, 1))
    x = (x - x.min()) / np.ptp(x) * 255
    return np.rint(x).astype(np.uint8)


def dataset(shape: tuple[int, int, int] | None = (3, 32, 32), n: int = 40, dtype: str = "uint8") -> Dataset:
    x = pictures(shape or (3, 8, 8), n).reshape(n, -1).astype(dtype)
    split = Split(x, np.arange(n) % 4)
    return Dataset("made", split, split, split, ("a", "b", "c", "d"), shape, "made")


@pytest.mark.parametrize("shape", SHAPES)
def test_mirror_reverses_the_columns_of_the_chosen_images(shape) -> None:
    images, chosen = pictures(shape), np.array([1, 0, 1, 1, 0, 0], bool)
    for image, flipped, out in zip(images, chosen, image_ops.mirror(images, chosen), strict=True):
        np.testing.assert_array_equal(
            out, np.fliplr(image.transpose(1, 2, 0)).transpose(2, 0, 1) if flipped else image
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_shift_is_scipys(shape) -> None:
    images = pictures(shape)
    down, right = np.array([0, 3, -3, 1, -2, 0]), np.array([0, -3, 2, 2, -1, 3])
    for image, i, j, out in zip(images, down, right, image_ops.shift(images, down, right), strict=True):
        np.testing.assert_array_equal(out, ndimage.shift(image, (0, i, j), order=0, mode="nearest"))


@pytest.mark.parametrize("shape", SHAPES)
def test_rotation_is_scipys(shape) -> None:
    images, degrees = pictures(shape), np.array([0, 10, -10, 45, 90, -123.4])
    for image, angle, out in zip(images, degrees, image_ops.rotate(images, degrees), strict=True):
        wide = image.astype(np.float64)
        expected = ndimage.rotate(wide, angle, axes=(2, 1), reshape=False, order=1, mode="nearest")
        np.testing.assert_allclose(out, expected, atol=0.51)  # half a level, by rounding


@pytest.mark.parametrize("shape", SHAPES)
def test_crop_is_pillows(shape) -> None:
    images, (_, h, w) = pictures(shape), shape
    cut, top, left = np.array([0, 1, 4, 6, 6, 3]), np.array([0, 1, 2, 0, 6, 1]), np.array([0, 0, 4, 6, 0, 2])
    for image, c, i, j, out in zip(
        images, cut, top, left, image_ops.crop(images, cut, top, left), strict=True
    ):
        for channel, got in zip(image, out, strict=True):
            window = Image.fromarray(channel[i : i + h - c, j : j + w - c].astype(np.float32))
            expected = np.asarray(window.resize((w, h), Image.Resampling.BILINEAR))
            np.testing.assert_allclose(got, expected, atol=0.51)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_are_changed_by_the_formulas_of_one_image(shape) -> None:
    images, factors = pictures(shape), np.array([0.0, 0.5, 1.0, 1.3, 1.8, 0.9])
    grey = images if shape[0] == 1 else np.tensordot(images, [0.299, 0.587, 0.114], (1, 0))[:, None]
    z = np.random.default_rng(1).normal(size=images.shape).astype(np.float32)
    for k, (image, f) in enumerate(zip(images.astype(float), factors, strict=True)):
        for changed, expected in (
            (image_ops.brightness(images, factors), f * image),
            (image_ops.contrast(images, factors), grey[k].mean() + f * (image - grey[k].mean())),
            (image_ops.saturation(images, factors), grey[k] + f * (image - grey[k])),
            (image_ops.noise(images, z, 12.75), image + 12.75 * z[k]),
        ):
            assert changed.dtype == np.uint8
            np.testing.assert_allclose(changed[k], expected.clip(0, 255), atol=0.51)


def test_saturation_and_contrast_are_pillows() -> None:
    from PIL import ImageEnhance

    images = pictures((3, 32, 32))
    for f in (0.4, 1.5):
        factors = np.full(len(images), f)
        for ours, enhance in (
            (image_ops.saturation(images, factors), ImageEnhance.Color),
            (image_ops.contrast(images, factors), ImageEnhance.Contrast),
            (image_ops.brightness(images, factors), ImageEnhance.Brightness),
        ):
            for image, out in zip(images, ours, strict=True):
                expected = np.asarray(enhance(Image.fromarray(image.transpose(1, 2, 0))).enhance(f))
                np.testing.assert_allclose(out.transpose(1, 2, 0), expected.astype(int), atol=2)


@pytest.mark.parametrize("text", [*EVERYTHING.split(","), EVERYTHING])
def test_a_batch_is_a_function_of_seed_epoch_and_batch_and_leaves_the_rows_alone(text: str) -> None:
    made = dataset()
    change, x = augment.parse(text, made), made.train.x
    before = x.copy()
    assert change is not None
    out = change(x, seed=1, epoch=2, batch=3)
    np.testing.assert_array_equal(out, change(x, seed=1, epoch=2, batch=3))
    assert out.dtype == np.uint8
    assert out.shape == x.shape
    assert not np.shares_memory(out, x)
    for other in ({"seed": 2}, {"epoch": 1}, {"batch": 4}):
        assert (out != change(x, **{"seed": 1, "epoch": 2, "batch": 3, **other})).any()
    np.testing.assert_array_equal(x, before)


@given(st.sampled_from(SHAPES), st.integers(0, 99), st.integers(1, 9))
@settings(max_examples=10, deadline=None)
def test_what_is_drawn_stays_within_its_bounds_and_reaches_them(shape, seed: int, N: int) -> None:
    N = min(N, min(shape[1:]) - 1)
    made = dataset(shape, 400)
    images = np.zeros((400, *shape), np.uint8)
    images[:, :, shape[1] // 2, shape[2] // 2] = 255  # a dot: where does it go?
    change = augment.parse(f"shift:{N}", made)
    assert change is not None
    out = change(images.reshape(400, -1), seed=seed, epoch=1, batch=1).reshape(images.shape)
    found = [np.argwhere(image[0] == 255) - (shape[1] // 2, shape[2] // 2) for image in out]
    moves = np.concatenate([move for move in found if len(move) == 1])  # elsewhere it left, or was smeared
    assert np.abs(moves).max() <= N
    assert len(moves) < 200 or len(np.unique(moves, axis=0)) > N


def test_half_of_the_images_are_mirrored_and_factors_fill_their_range() -> None:
    made = dataset(n=40)
    x = np.tile(np.arange(32, dtype=np.uint8) + 100, (2000, 96))
    changed = augment.parse("mirror", made)(x, seed=0, epoch=1, batch=1)
    assert 0.45 < (changed != x).any(axis=1).mean() < 0.55
    changed = augment.parse("brightness:0.3", made)(np.full_like(x, 100), seed=0, epoch=1, batch=1)
    assert (changed.min(), changed.max()) == (70, 130)
    assert abs(changed.mean() - 100) < 1.5
    changed = augment.parse("noise:0.05", made)(np.full_like(x, 128), seed=0, epoch=1, batch=1)
    assert abs(changed.std() - 0.05 * 255) < 0.1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mirrr", "'mirrr' is no operation; expected some of mirror, shift:3"),
        ("mirror,", "'' is no operation"),
        ("mirror:2", "mirror takes no number"),
        ("shift", "the number of shift is ''"),
        ("shift:0", "expected whole pixels, fewer than an image has: shift:3"),
        ("shift:1.5", "whole pixels"),
        ("shift:32", "fewer than an image has"),
        ("crop:32", "fewer than an image has"),
        ("rotation:181", "at most 180"),
        ("brightness:two", "'two': expected a number above 0 and at most 1"),
        ("noise:nan", "'nan'"),
        ("contrast:-1", "above 0"),
    ],
)
def test_a_text_that_cannot_be_used_is_said_so(text: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        augment.parse(text, dataset())
    assert f"--augment is {text!r}" in str(error.value)
    assert words in str(error.value)


def test_data_that_cannot_be_augmented_is_said_so() -> None:
    for made, text, words in (
        (dataset(None), "mirror", "are not images"),
        (dataset((1, 28, 28)), "mirror,saturation:0.5", "have no colours"),
        (dataset(dtype="float32"), "mirror", "are float32, expected uint8"),
    ):
        with pytest.raises(UsageError, match=words):
            augment.parse(text, made)
    assert augment.parse("", dataset(None)) is None


def test_inputs_change_the_rows_and_the_labels_not_at_all() -> None:
    made = dataset()
    inputs, rows = Inputs(made.train), np.array([5, 3, 8])
    x, y = inputs.rows(rows, lambda raw: 255 - raw)
    np.testing.assert_array_equal(x, 255 - made.train.x[rows])
    np.testing.assert_array_equal(y, made.train.y[rows])


SMALL = linclass.Experiment(
    dataset="cifar10-sample",
    train_size=130,
    model="mlp",
    hidden="8",
    batch_size=40,
    epochs=3,
    augment="mirror,shift:2,brightness:0.1",
)


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, trainer: Trainer) -> None:
        trainer.stop_requested = trainer.state.step == self.step


@pytest.mark.parametrize("step", [2, 4, 7])
def test_interrupted_and_resumed_is_uninterrupted(step: int) -> None:
    data = load_data(SMALL.resolved())
    whole = build(SMALL.resolved(), data).fit()
    part = build(SMALL.resolved(), data)
    part.trainer.callbacks.append(StopAt(step))
    state = part.fit()
    assert state.step == step
    rest = build(SMALL.resolved(), data, model=part.model, state=state).fit()
    np.testing.assert_array_equal(whole.params.flat, rest.params.flat)


def test_replica_k_is_the_single_run_with_its_seed() -> None:
    data = load_data(SMALL.resolved())
    stack = build(SMALL.replace(seeds=2).resolved(), data).fit().params.flat
    for k in range(2):
        single = build(SMALL.replace(seed=k).resolved(), data).fit().params.flat
        np.testing.assert_array_equal(stack[k], single[0])
    assert np.abs(stack[0] - stack[1]).max() > 0.01


def test_training_sees_changed_rows_and_evaluation_does_not() -> None:
    """Gradient descent on the images that `augment` makes, one batch at a time, by hand."""
    settings = SMALL.replace(model="linear", hidden="", dtype="float64", epochs=2).resolved()
    data = load_data(settings)
    job = build(settings, data)
    W, b = job.model.params["W"][0].copy(), job.model.params["b"][0].copy()
    change = augment.parse(settings.augment, data)
    assert change is not None
    x, y, scaler = data.train.x, data.train.y, job.model.architecture.scaler
    state = job.fit()
    for epoch in (1, 2):
        for batch, rows in enumerate(batches(len(x), 40, seed=0, epoch=epoch), start=1):
            seen = scaler.transform(change(x[rows], seed=0, epoch=epoch, batch=batch), "float64")
            P = np.exp(seen @ W.T + b)
            G = (P / P.sum(1, keepdims=True) - np.eye(10)[y[rows]]) / len(rows)
            W, b = W - settings.eta * G.T @ seen, b - settings.eta * G.sum(0)
    np.testing.assert_allclose(state.params["W"][0], W, atol=1e-12)
    plain = scaler.transform(x, "float64")
    assert state.history.last("train_accuracy")[0] == np.mean((plain @ W.T + b).argmax(1) == y)


def test_the_command_draws_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "samples.png"
    arguments = ["data", "show", "--dataset", "mnist-sample", "--augment", "shift:2", "--out", str(path)]
    assert call(cli, arguments) == 0
    assert np.ptp(np.asarray(Image.open(path))) == 255
    once = path.read_bytes()
    assert call(cli, arguments) == 0
    assert path.read_bytes() == once
    assert call(cli, [*arguments[:-4], "--out", str(path)]) == 0  # the originals alone
    assert path.read_bytes() != once
    arguments[5] = "saturation:0.2"
    assert call(cli, arguments) == 2
    assert "have no colours" in capsys.readouterr().err


def test_the_range_test_sees_what_training_sees() -> None:
    settings = SMALL.resolved()
    job = build(settings, load_data(settings))
    plain, changed = (
        lr_range_test(job.model, job.trainer.optimizer, job.train, steps=20, batch_size=40, augmentation=a)
        for a in (None, job.trainer.augmentation)
    )
    assert (plain.losses[:5] != changed.losses[:5]).any()
