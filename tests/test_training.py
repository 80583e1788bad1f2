"""The trainer: the loop against a textbook loop, replicas, exact continuation, stopping."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from linclass.datasets import batches
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.datasets.scale import KINDS, Scaler
from linclass.errors import DivergedError, UsageError
from linclass.models.base import Batch
from linclass.models.linear import Linear
from linclass.models.losses import make_loss
from linclass.models.mlp import MLP
from linclass.params import Array
from linclass.training.callbacks import BestKeeper, OverfitMonitor, Recorder
from linclass.training.evaluate import evaluate
from linclass.training.history import Row
from linclass.training.optim import adam, momentum, sgd
from linclass.training.schedules import constant
from linclass.training.state import TrainState
from linclass.training.trainer import Callback, Trainer

pytestmark = pytest.mark.bits

D, C, N = 7, 3, 53


def inputs(seed: int = 0, n: int = N, dtype: str = "float64") -> Inputs:
    generator = np.random.default_rng(seed)
    y = generator.integers(0, C, n)
    x = generator.normal(size=(n, D)) + 2 * np.eye(C, D)[y]
    return Inputs(Split(x.astype(dtype), y))


def trainer(seeds=(0,), *, l2=0.1, eta=0.05, shuffle="samples", callbacks=(), state=None, model=None, **more):
    model = model or Linear.create(D, C, seeds=seeds, l2=l2)
    return Trainer(
        model,
        sgd(),
        constant(eta),
        batch_size=10,
        seed=seeds,
        shuffle=shuffle,
        callbacks=callbacks,
        state=state,
        **more,
    )


def textbook(seed: int, epochs: int, l2: float, eta: float, shuffle: str) -> tuple[np.ndarray, np.ndarray]:
    """Mini-batch gradient descent as in the lecture notes, one sample's formula at a time."""
    model = Linear.create(D, C, seeds=[seed])
    W, b, data = model.W[0].copy(), model.b[0].copy(), inputs().split
    for epoch in range(1, epochs + 1):
        for rows in batches.batches(N, 10, seed=seed, epoch=epoch, shuffle=shuffle):
            x, y = data.x[rows], data.y[rows]
            s = x @ W.T + b
            P = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
            G = P - np.eye(C)[y]
            W, b = W - eta * (G.T @ x / len(x) + 2 * l2 * W), b - eta * G.mean(axis=0)
    return W, b


@pytest.mark.parametrize("shuffle", ["samples", "batches", "none"])
def test_the_loop_is_the_textbooks(shuffle: str) -> None:
    t = trainer([5], shuffle=shuffle)
    t.fit(inputs(), epochs=3, valid=inputs(1))
    W, b = textbook(5, 3, 0.1, 0.05, shuffle)
    np.testing.assert_allclose(t.state.params["W"][0], W, atol=1e-13)
    np.testing.assert_allclose(t.state.params["b"][0], b, atol=1e-13)


def test_replica_k_is_exactly_the_single_run_with_its_seed() -> None:
    stack = trainer([3, 4, 5])
    stack.fit(inputs(), epochs=3, valid=inputs(1))
    for k, seed in enumerate([3, 4, 5]):
        single = trainer([seed])
        single.fit(inputs(), epochs=3, valid=inputs(1))
        np.testing.assert_array_equal(stack.state.params.flat[k], single.state.params.flat[0])
        np.testing.assert_array_equal(
            stack.state.history.column("train_cost", k), single.state.history.column("train_cost")
        )


def regression(n: int, seed: int, dtype: str) -> Inputs:
    generator = np.random.default_rng(seed)
    return Inputs(Split(generator.normal(size=(n, 2)), generator.normal(size=(n, 1))))


@pytest.mark.parametrize(
    ("shuffle", "optimizer", "dtype", "hidden", "options"),
    [
        ("samples", adam, "float32", (7,), {}),
        ("samples", adam, "float64", (5, 1, 4), {"activation": "tanh", "dropout": 0.3}),
        ("samples", sgd, "float32", (18, 17, 18, 16), {"l2": 0.01}),
        ("batches", sgd, "float32", (9,), {"batch_norm": True}),
        ("none", momentum, "float64", (300,), {"activation": "sigmoid"}),
    ],
)
def test_replicas_beside_others_are_exactly_the_single_runs(
    shuffle, optimizer, dtype, hidden, options
) -> None:
    train, valid, seeds = regression(75, 0, dtype), regression(30, 1, dtype), [3, 4, 5]

    def fitted(seeds: list[int]) -> TrainState:
        model = MLP.create((2, *hidden, 1), seeds=seeds, loss=make_loss("squared"), dtype=dtype, **options)
        t = Trainer(model, optimizer(), constant(0.01), batch_size=20, seed=seeds, shuffle=shuffle)
        return t.fit(train, epochs=3, valid=valid)

    together = fitted(seeds)
    for k, seed in enumerate(seeds):
        single = fitted([seed])
        np.testing.assert_array_equal(together.params.flat[k], single.params.flat[0])
        for name in set(single.history.columns) - {"model", "seconds"}:
            np.testing.assert_array_equal(together.history.column(name, k), single.history.column(name))


def test_replicas_go_on_when_one_diverges() -> None:
    train = regression(75, 0, "float64")
    model = MLP.create((2, 6, 1), seeds=[0, 1, 2], loss=make_loss("squared"))
    t = Trainer(model, sgd(), constant(np.array([0.01, 1e200, 0.02])), batch_size=20, seed=[0, 1, 2])
    t.fit(train, epochs=3, valid=train)
    assert list(t.state.active) == [True, False, True]
    alone = MLP.create((2, 6, 1), seeds=[2], loss=make_loss("squared"))
    single = Trainer(alone, sgd(), constant(0.02), batch_size=20, seed=[2])
    single.fit(train, epochs=3, valid=train)
    np.testing.assert_array_equal(t.state.params.flat[2], single.state.params.flat[0])


def test_replicas_have_their_own_order_and_a_sweep_shares_one() -> None:
    same_start = Linear.create(D, C, seeds=[0, 0])
    sweep = Trainer(same_start, sgd(), constant(0.05), batch_size=10, seed=7)
    sweep.fit(inputs(), epochs=1, valid=inputs(1))
    np.testing.assert_array_equal(*sweep.state.params.flat)
    replicas = trainer([1, 2], model=Linear.create(D, C, seeds=[0, 0]))
    replicas.fit(inputs(), epochs=1, valid=inputs(1))
    assert not np.array_equal(*replicas.state.params.flat)


def test_a_stack_on_common_batches_takes_lambda_and_eta_per_model() -> None:
    settings = [(0.0, 0.01), (0.5, 0.1)]
    l2, eta = (np.array(column) for column in zip(*settings, strict=True))
    stack = Trainer(Linear.create(D, C, seeds=[0, 0], l2=l2), sgd(), constant(eta), batch_size=10, seed=0)
    stack.fit(inputs(), epochs=2, valid=inputs(1))
    for k, (l2_k, eta_k) in enumerate(settings):
        single = trainer([0], l2=l2_k, eta=eta_k)
        single.fit(inputs(), epochs=2, valid=inputs(1))
        np.testing.assert_allclose(stack.state.params.flat[k], single.state.params.flat[0], atol=1e-12)


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.state.step == self.step:
            trainer.stop_requested = True


@pytest.mark.parametrize("step", [1, 5, 6, 7, 12, 17])
def test_stopping_after_any_batch_and_going_on_gives_the_same_bits(step: int) -> None:
    whole = trainer([1, 2], callbacks=[BestKeeper()])
    whole.fit(inputs(), epochs=3, valid=inputs(1))
    part = trainer([1, 2], callbacks=[BestKeeper(), StopAt(step)])
    part.fit(inputs(), epochs=3, valid=inputs(1))
    assert part.state.step == step
    rest = trainer([1, 2], callbacks=[BestKeeper()], state=part.state, model=part.model)
    rest.fit(inputs(), epochs=3, valid=inputs(1))
    for name in whole.state.params:
        np.testing.assert_array_equal(whole.state.params[name], rest.state.params[name])
        np.testing.assert_array_equal(whole.state.best[name], rest.state.best[name])
    for name in set(whole.state.history.columns) - {"seconds"}:
        np.testing.assert_array_equal(whole.state.history.matrix(name), rest.state.history.matrix(name))


class BreakAt(Callback):
    """Throws model k out of the finite numbers after update `step`."""

    def __init__(self, step: int, k: int) -> None:
        self.step, self.k = step, k

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.state.step == self.step:
            trainer.state.params["W"][self.k] = np.inf


@pytest.mark.parametrize("step", [2, 3, 4, 5])
def test_shuffled_batches_of_which_one_is_short_are_averaged_by_each_replicas_own_rows(step: int) -> None:
    """Each meets the short one at another time, and the last of them breaks down on the way."""

    def made(step: int, **more: object) -> Trainer:
        return trainer([1, 2, 7], shuffle="batches", callbacks=[BreakAt(1, 2), StopAt(step)], **more)

    whole, part = made(999), made(step)
    whole.fit(inputs(), epochs=2, valid=inputs(1))
    part.fit(inputs(), epochs=2, valid=inputs(1))
    assert part.state.step == step
    rest = made(999, state=part.state, model=part.model)
    rest.fit(inputs(), epochs=2, valid=inputs(1))
    for k, seed in enumerate([1, 2]):
        single = trainer([seed], shuffle="batches")
        single.fit(inputs(), epochs=2, valid=inputs(1))
        for name in ("running_loss", "running_accuracy"):
            for t in (whole, rest):
                np.testing.assert_array_equal(
                    t.state.history.column(name, k), single.state.history.column(name)
                )


def test_rows_hold_what_they_say() -> None:
    t = trainer([0], l2=0.3)
    train, valid = inputs(), inputs(1, n=31)
    t.fit(train, epochs=2, valid=valid)
    row = t.state.history.rows[-1]
    penalty = 0.3 * float(np.sum(t.state.params["W"] ** 2))
    for prefix, data in (("train", train), ("val", valid)):
        scores = t.model.scores(data.split.x)[0]
        log_P = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        loss = -log_P[np.arange(len(data)), data.split.y].mean()
        assert row[f"{prefix}_loss"] == pytest.approx(loss, abs=1e-12)
        assert row[f"{prefix}_cost"] == pytest.approx(loss + penalty, abs=1e-12)
        assert row[f"{prefix}_accuracy"] == np.mean(scores.argmax(axis=1) == data.split.y)
    assert row["difference"] == abs(row["train_cost"] - row["val_cost"])
    assert row["learning_rate"] == 0.05


def test_running_columns_are_the_averages_during_the_epoch() -> None:
    seen: list[tuple[float, int, int]] = []

    class Spy(Linear):
        def backpropagate(self, x: Array, y: Array, *, step: int = 0) -> Batch:
            batch = super().backpropagate(x, y, step=step)
            seen.append((batch.loss[0], batch.correct[0], len(x)))
            return batch

    t = trainer([0], model=Spy.create(D, C, l2=0.1))
    t.fit(inputs(), epochs=1, valid=inputs(1))
    losses, correct, sizes = (np.array(column) for column in zip(*seen, strict=True))
    assert sizes.sum() == N
    row = t.state.history.rows[0]
    assert row["running_loss"] == pytest.approx((losses * sizes).sum() / N)
    assert row["running_accuracy"] == pytest.approx(correct.sum() / N)


def test_gradients_are_overwritten_never_rebound_during_training() -> None:
    t = trainer([0, 1])
    buffers = dict(t.model.grads)
    t.fit(inputs(), epochs=1, valid=inputs(1))
    assert all(t.model.grads[name] is buffer for name, buffer in buffers.items())


def test_divergence_stops_within_one_batch_and_keeps_good_weights() -> None:
    t = trainer([0], eta=1e200, l2=1.0)
    with pytest.raises(DivergedError, match=r"epoch 1, batch \d+, with eta = 1e\+200.*--eta 1e\+199"):
        t.fit(inputs(), epochs=3, valid=inputs(1))
    assert t.state.step <= 4
    assert np.isfinite(t.state.params.flat).all()


def test_a_unit_that_is_off_for_good_is_found_within_the_batch() -> None:
    """Its weights are -inf, which no loss shows: max(0, -inf) = 0."""

    class Planted(Callback):
        def on_batch_end(self, trainer: Trainer) -> None:
            if trainer.state.step == 2:
                trainer.state.params["b1"][0, 0] = -np.inf

    model = MLP.create((D, 4, C), seeds=[0])
    t = Trainer(model, sgd(), constant(0.01), batch_size=10, callbacks=[Planted()])
    with pytest.raises(DivergedError, match=r"parameters are no longer finite after epoch 1, batch 3"):
        t.fit(inputs(), epochs=3, valid=inputs(1))
    assert t.state.epoch == 0
    assert np.isfinite(t.state.params.flat).all()


def test_a_diverging_model_does_not_stop_the_others() -> None:
    told: list[int] = []

    class Listening(Callback):
        def on_diverged(self, trainer: Trainer, k: int, message: str) -> None:
            told.append(k)

    eta = np.array([0.05, 1e200])
    model = Linear.create(D, C, seeds=[0, 1], l2=1.0)
    t = Trainer(model, sgd(), constant(eta), batch_size=10, seed=[0, 1])
    t.callbacks.append(Listening())
    t.fit(inputs(), epochs=2, valid=inputs(1))
    assert told == [1]
    np.testing.assert_array_equal(t.state.active, [True, False])
    assert [row["model"] for row in t.state.history.rows] == [0, 0]
    single = trainer([0], l2=1.0)
    single.fit(inputs(), epochs=2, valid=inputs(1))
    np.testing.assert_array_equal(t.state.params.flat[0], single.state.params.flat[0])


@pytest.mark.parametrize(("action", "stopped"), [("stop", True), ("warn", False), ("ignore", False)])
def test_the_overfit_monitor(action: str, stopped: bool) -> None:
    notes: list[str] = []
    t = trainer([0], eta=0.5, l2=0.0, callbacks=[OverfitMonitor(1e-3, action, notes.append)])
    t.fit(inputs(), epochs=6, valid=inputs(1, n=10))
    assert t.state.active[0] != stopped
    assert len(notes) == (action != "ignore")
    if notes:
        first = int(np.argmax(t.state.history.column("difference") > 1e-3))
        assert f"epoch {first + 1}:" in notes[0]
        assert f"{t.state.history.column('difference')[first]:.5f}" in notes[0]
        assert not stopped or t.state.epoch == first + 1


def test_the_best_weights_are_of_the_lowest_validation_loss() -> None:
    kept: list[np.ndarray] = []

    class Keep(Callback):
        def on_epoch_end(self, trainer: Trainer) -> None:
            kept.append(trainer.state.params.flat.copy())

    t = trainer([0], eta=1.0, callbacks=[Keep(), BestKeeper()])
    state = t.fit(inputs(), epochs=8, valid=inputs(1))
    best = int(state.history.column("val_loss").argmin())
    assert state.best_epoch[0] == best + 1
    np.testing.assert_array_equal(state.best.flat, kept[best])


def test_a_batch_larger_than_the_data_is_one_line() -> None:
    with pytest.raises(UsageError, match="--batch-size is 10: expected 1 to 8"):
        trainer().fit(inputs(n=8), epochs=1, valid=inputs(1))


def test_evaluation_adds_up_over_chunks() -> None:
    model, data = Linear.create(D, C, seeds=[0, 1]), inputs(n=1203)
    found = evaluate(model, data)
    np.testing.assert_allclose(found.loss, model.loss(data.split.x, data.split.y))


def test_one_model_of_a_stack_is_trained_by_itself() -> None:
    stack, alone = Linear.create(D, C, seeds=[0, 1], l2=0.1), Linear.create(D, C, seeds=[1], l2=0.1)
    first = stack.params.flat[0].copy()
    trainer([1], model=stack.select(1)).fit(inputs(), epochs=1, valid=inputs(1))
    trainer([1], model=alone).fit(inputs(), epochs=1, valid=inputs(1))
    np.testing.assert_array_equal(stack.params.flat, [first, alone.params.flat[0]])


def test_short_last_batch_is_kept_unless_dropped() -> None:
    kept, dropped = trainer([0]), trainer([0], drop_last=True)
    kept.fit(inputs(), epochs=2, valid=inputs(1))
    dropped.fit(inputs(), epochs=2, valid=inputs(1))
    assert (kept.state.step, dropped.state.step) == (12, 10)


def byte_rows(n: int, seed: int = 0) -> Inputs:
    generator = np.random.default_rng(seed)
    split = Split(generator.integers(0, 256, (n, D), dtype=np.uint8), generator.integers(0, C, n))
    return Inputs(split)


@pytest.mark.parametrize("kind", [*KINDS])
@pytest.mark.parametrize("batch_size", [0, 10_000])
def test_a_model_that_scales_is_a_model_of_scaled_rows(kind: str, batch_size: int) -> None:
    """Whichever of rows and weights it scales: what is trained on scaled rows by hand is the same."""
    data = byte_rows(300)
    scaler = Scaler.fit(data.split.x, kind)
    by_hand = Inputs(Split(scaler.transform(data.split.x, np.float64), data.split.y))
    for seeds in ([0], [0, 1]):
        plain = Linear.create(D, C, seeds=seeds, l2=0.1)
        scaling = Linear.create(D, C, seeds=seeds, l2=0.1, scaler=scaler, batch_size=batch_size)
        for model, rows in ((plain, by_hand), (scaling, data)):
            trainer(seeds, model=model, eta=0.1 if kind != "raw" else 1e-5).fit(rows, epochs=2, valid=rows)
        np.testing.assert_allclose(scaling.params.flat, plain.params.flat, rtol=0, atol=1e-10)
        np.testing.assert_allclose(
            evaluate(scaling, data).loss, evaluate(plain, by_hand).loss, rtol=0, atol=1e-10
        )
        np.testing.assert_allclose(scaling.grads.flat, plain.grads.flat, rtol=0, atol=1e-10)


def test_parameters_that_break_in_a_batch_are_never_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cost is finite, its step is not; and a stop is asked for before the next batch would show it."""
    monkeypatch.setattr(Recorder, "LONGEST_WAIT", 0.0)
    saved: list[bool] = []

    class Stopper(Callback):
        def on_batch_end(self, trainer: Trainer) -> None:
            trainer.stop_requested = True

    class Kept:
        def append(self, state: TrainState, rows: Sequence[Row]) -> None:
            saved.append(bool(np.isfinite(state.params.flat).all()))

        def snapshot(self, state: TrainState) -> None: ...

    model = Linear.create(D, C, seeds=[0], loss=make_loss(reduction="sum"))
    t = trainer(model=model, eta=1e308, callbacks=[Recorder(Kept()), Stopper()])
    with pytest.raises(DivergedError, match=r"parameters are no longer finite after epoch 1, batch 1"):
        t.fit(inputs(), epochs=3, valid=inputs(1))
    assert t.state.step == 1
    assert saved == [True, True]


@pytest.mark.parametrize("scale", [1e160, 1e30])
def test_an_infinite_penalty_stops_in_the_first_batch(scale: float) -> None:
    dtype = "float64" if scale > 1e100 else "float32"
    model = Linear.create(D, C, seeds=[0], l2=1.0, dtype=dtype)
    model.params["W"][0, :, 0] = scale
    data = inputs(dtype=dtype)
    data.split.x[:, 0] = 0  # so that the loss does not show it
    with pytest.raises(DivergedError, match=r"the cost is inf at epoch 1, batch 1.*--init-std and --lambda"):
        trainer(model=model).fit(data, epochs=1, valid=inputs(1, dtype=dtype))


@pytest.mark.parametrize(
    ("l2", "batch"), [(1.0, 2), (30.0, 1)], ids=["the sum of squares", "lambda times it"]
)
def test_a_penalty_that_grows_infinite_stops_in_that_batch(l2: float, batch: int) -> None:
    model = Linear.create(D, C, seeds=[0], l2=l2)
    data = inputs()
    data.split.x[:, 0] = 0
    model.params["W"][0, :, 0] = 1e152
    with pytest.raises(DivergedError, match=rf"the penalty is inf after epoch 1, batch {batch}"):
        trainer(model=model, eta=20 / l2).fit(data, epochs=1, valid=inputs(1))


def test_a_stopped_replica_costs_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]
    backpropagate = Linear.backpropagate

    def counted(self: Linear, *arguments: Any, **options: Any) -> Batch:
        calls[0] += 1
        return backpropagate(self, *arguments, **options)

    monkeypatch.setattr(Linear, "backpropagate", counted)
    model = Linear.create(D, C, seeds=[0, 1], l2=1.0)
    model.params["W"][1] = np.nan
    t = Trainer(model, sgd(), constant(0.05), batch_size=10, seed=[0, 1])
    t.fit(inputs(), epochs=1, valid=inputs(1))
    assert calls[0] == 6 + 1
