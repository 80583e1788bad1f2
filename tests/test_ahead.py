"""An epoch that begins while the last one is evaluated: nothing else comes out, whatever happens."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np
import pytest

from linclass import ahead
from linclass.callbacks import BestKeeper, EarlyStop, OverfitMonitor
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.errors import DivergedError
from linclass.models.linear import Linear
from linclass.models.mlp import MLP
from linclass.optim import adam
from linclass.schedules import constant
from linclass.training import Callback, Trainer
from linclass.whole_splits import Evaluations, evaluate_all

D, C, N, BATCH, EPOCHS = 5, 3, 80, 10, 6
CONSTANT = constant(0.05)


def no_note(text: str) -> None: ...


@pytest.fixture(params=[0.0, 0.01], ids=["evaluates at once", "evaluates longer than an epoch takes"])
def evaluation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often it was evaluated on the second core."""
    calls: list[int] = []

    def slow(*arguments: Any) -> Evaluations:
        calls.append(1)
        time.sleep(request.param)
        return evaluate_all(*arguments)

    monkeypatch.setattr(ahead, "evaluate_all", slow)
    return calls


class Witness(Callback):
    """What the ends of epochs look like."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def on_epoch_end(self, trainer: Trainer) -> None:
        state = trainer.state
        slots = b"".join(slot.flat.tobytes() for slot in state.slots.values())
        flats = state.params.flat.tobytes(), state.buffers.flat.tobytes(), slots
        rows = [{**row, "seconds": 0} for row in state.history.latest()]
        last_batch = trainer.model.grads.flat.tobytes(), trainer.model.batch.loss.tobytes()
        self.seen.append((state.epoch, state.step, *state.running_rows, rows, *flats, *last_batch))


def inputs(seed: int) -> Inputs:
    generator = np.random.default_rng(seed)
    return Inputs(Split(generator.normal(size=(N, D)), generator.integers(0, C, N)), None, "float64")


def make(
    threads: int, *callbacks: Callback, schedule: Any = CONSTANT, state: Any = None, **options: Any
) -> Trainer:
    model = MLP.create((D, 6, C), seeds=[0, 1], l2=0.01, **options)
    if state is not None:
        model = MLP(state.params, seeds=[0, 1], l2=0.01, buffers=state.buffers, **options)
    return Trainer(
        model, adam(), schedule, batch_size=BATCH, threads=threads, callbacks=callbacks, state=state
    )


def both(*callbacks: type[Callback] | Any, **options: Any) -> tuple[Trainer, Trainer, list[Any], list[Any]]:
    """The same training on one core and on two."""
    trainers, witnesses = [], []
    for threads in (1, 2):
        witness = Witness()
        made = [callback() for callback in callbacks]
        trainer = make(threads, BestKeeper(), *made, witness, **options)
        with contextlib.suppress(DivergedError):
            trainer.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
        trainers.append(trainer)
        witnesses.append(witness)
    return trainers[0], trainers[1], witnesses[0].seen, witnesses[1].seen


def assert_the_same(one: Trainer, two: Trainer) -> None:
    for name in ("params", "buffers", "best", "best_buffers"):
        a, b = getattr(one.state, name), getattr(two.state, name)
        np.testing.assert_array_equal(a.flat, b.flat, err_msg=name)
    for name in ("step", "epoch", "active", "diverged", "best_epoch", "running_loss", "running_rows"):
        np.testing.assert_array_equal(getattr(one.state, name), getattr(two.state, name), err_msg=name)


@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"dropout": 0.3}], ids=str)
def test_every_epochs_end_is_the_same_to_the_bit(evaluation: list[int], options: dict[str, Any]) -> None:
    one, two, seen, seen_ahead = both(**options)
    assert seen == seen_ahead
    assert_the_same(one, two)
    # the last epoch has nothing to go ahead with
    assert len(evaluation) == EPOCHS - 1


@pytest.mark.parametrize(
    "stopper", [lambda: EarlyStop(1, no_note), lambda: OverfitMonitor(0.02, "stop", no_note)]
)
def test_models_that_stop_stop_where_they_would_have(evaluation: list[int], stopper: Any) -> None:
    one, two, seen, seen_ahead = both(stopper)
    assert not one.state.active.all()
    assert seen == seen_ahead
    assert_the_same(one, two)


def test_a_divergence_in_the_batches_ahead_waits_for_the_best_weights(evaluation: list[int]) -> None:
    # in the fourth batch of the third epoch
    one, two, seen, seen_ahead = both(schedule=lambda step: 0.05 if step < 2 * N // BATCH + 3 else 1e200)
    assert one.state.diverged.all()
    assert one.state.epoch == 2
    assert seen == seen_ahead
    assert_the_same(one, two)


def test_a_training_that_is_stopped_anywhere_goes_on_to_the_same_bits(evaluation: list[int]) -> None:
    whole = make(1)
    whole.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
    for stop_at in range(0, EPOCHS * N // BATCH, 3):
        trainer = make(2)
        train_batch = trainer._train_batch

        def stopping(
            *arguments: Any, trainer: Any = trainer, call: Any = train_batch, at: int = stop_at
        ) -> None:
            trainer.stop_requested |= trainer.state.step == at
            call(*arguments)

        trainer._train_batch = stopping
        trainer.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
        assert trainer.state.step == stop_at + 1
        assert trainer.state.history.epochs == trainer.state.epoch == stop_at // (N // BATCH)
        again = make(2, state=trainer.state)
        again.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
        np.testing.assert_array_equal(again.state.params.flat, whole.state.params.flat)
        np.testing.assert_array_equal(
            again.state.history.column("val_loss", 1), whole.state.history.column("val_loss", 1)
        )


def test_an_end_that_fails_is_told_and_the_epoch_is_in_the_history(evaluation: list[int]) -> None:
    class Full(Callback):
        def on_epoch_end(self, trainer: Trainer) -> None:
            if trainer.state.epoch == 2:
                raise OSError("no space left")

    trainer = make(2, Full())
    with pytest.raises(OSError, match="no space"):
        trainer.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
    assert trainer.state.epoch == trainer.state.history.epochs == 2
    assert trainer.state.step == 2 * N // BATCH


@pytest.mark.parametrize(("K", "is_idle"), [(1, True), (4, False)])
def test_the_second_core_is_idle_beside_one_linear_model_and_not_beside_replicas(
    K: int, is_idle: bool
) -> None:
    model = Linear.create(3072, 10, seeds=range(K))
    trainer = Trainer(model, adam(), CONSTANT, batch_size=100, seed=list(range(K)), threads=2)
    assert trainer._has_idle_core() == is_idle


def test_an_evaluation_that_fails_is_told_and_done_again_by_the_next_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*arguments: Any) -> Evaluations:
        raise MemoryError

    trainer = make(2)
    with monkeypatch.context() as patch:
        patch.setattr(ahead, "evaluate_all", failing)
        with pytest.raises(MemoryError):
            trainer.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
    assert (trainer.state.epoch, trainer.state.step) == (0, N // BATCH)
    trainer.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
    whole = make(1)
    whole.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
    assert_the_same(whole, trainer)
    assert trainer.state.history.epochs == EPOCHS


def test_a_request_to_stop_at_an_epochs_end_stops_there(evaluation: list[int]) -> None:
    class Stopper(Callback):
        def on_epoch_end(self, trainer: Trainer) -> None:
            trainer.stop_requested = trainer.state.epoch == 2

    one, two, seen, seen_ahead = both(Stopper)
    assert one.state.epoch == 2
    assert seen == seen_ahead
    assert_the_same(one, two)


def test_a_stopped_model_of_infinite_cost_voids_nothing(evaluation: list[int]) -> None:
    counts = []
    for threads in (1, 2):
        trainer = make(threads)
        for theta in (trainer.state.params, trainer.state.best):
            theta["W1"][1] = np.inf
        train_batch, count = trainer._train_batch, [0]

        def counted(*arguments: Any, call: Any = train_batch, count: list[int] = count) -> None:
            count[0] += 1
            call(*arguments)

        trainer._train_batch = counted
        trainer.fit(inputs(1), epochs=EPOCHS, valid=inputs(2))
        counts.append(count[0])
    assert counts[0] == counts[1]
