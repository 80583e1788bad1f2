"""The network in PyTorch against the one in numpy: numbers, memory, resuming; and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from costs import cost

from linclass.analysis import checks
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.datasets.scale import Scaler
from linclass.errors import UsageError
from linclass.models import kernels, torch_net
from linclass.models.mlp import MLP
from linclass.models.summary import summary
from linclass.models.torch_net import LOSSES, TorchMLP
from linclass.settings import Experiment
from linclass.training import optim
from linclass.training.optim import OPTIMIZERS
from linclass.training.schedules import constant
from linclass.training.torch_optim import torch_optimizer
from linclass.training.trainer import Trainer

SIZES = (5, 7, 6, 4)
OPTIONS = {"momentum": {"momentum": 0.8}, "nesterov": {"momentum": 0.8}, "adamw": {"weight_decay": 0.1}}
optimizers = pytest.mark.parametrize("name", OPTIMIZERS)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def data(n=9, seed=0, dtype="float64"):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, SIZES[0])).astype(dtype), generator.integers(0, SIZES[-1], n)


WEIGHTS = (1.0, 0.2, 3.0, 2.0)


def both(
    *, loss="softmax", label_smoothing=0.0, class_weights=None, reduction="mean", sizes=SIZES, **options
):
    """The network in torch and in numpy, from the same options, away from biases of 0 and gammas of 1."""
    options = {"init": "xavier"} | options
    rule = {"label_smoothing": label_smoothing, "class_weights": class_weights, "reduction": reduction}
    models = (
        TorchMLP.create(sizes, loss=loss, **rule, **options),
        MLP.create(sizes, loss=loss, **rule, **options),
    )
    for model in models:
        model.params.flat[:] += np.random.default_rng(5).normal(scale=0.1, size=model.params.flat.shape)
    return models


def assert_same(theirs, ours, atol=1e-13):
    assert list(theirs) == list(ours)
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-10, atol=atol, err_msg=name)


# ---- the model against numpy's --------------------------------------------------------------------------


@pytest.mark.parametrize("init", ["normal", "xavier", "he", "uniform"])
def test_it_starts_from_the_weights_of_the_mlp_to_the_bit(torch, init):
    for dtype in ("float32", "float64"):
        options = {"seeds": (3,), "init": init, "dtype": dtype, "batch_norm": True}
        theirs, ours = TorchMLP.create(SIZES, **options), MLP.create(SIZES, **options)
        assert theirs.params.shapes == ours.params.shapes
        assert theirs.params.flat.tobytes() == ours.params.flat.tobytes()


@pytest.mark.parametrize(
    "options",
    [
        *({"activation": name} for name in kernels.ACTIVATIONS),
        *({"loss": name} for name in LOSSES),
        {"label_smoothing": 0.2},
        *({"loss": name, "class_weights": WEIGHTS} for name in LOSSES),
        {"class_weights": WEIGHTS, "label_smoothing": 0.1, "reduction": "sum"},
        {"reduction": "sum"},
        {"batch_norm": True},
        {"dropout": 0.4},
        {
            "batch_norm": True,
            "dropout": 0.4,
            "label_smoothing": 0.1,
            "reduction": "sum",
            "activation": "tanh",
        },
        {"sizes": (5, 4)},
        {"scaler": Scaler(np.linspace(0.5, 2, 5), np.linspace(-1, 1, 5))},
    ],
    ids=str,
)
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_costs_gradients_scores_and_statistics_are_numpys(torch, options, l2):
    theirs, ours = both(l2=l2, **options)
    for step in range(3):
        x, y = data(n=9 - step, seed=step)
        batches = [model.backpropagate(x, y, step=step) for model in (theirs, ours)]
        losses, correct = zip(*batches, strict=True)
        assert losses[0].dtype == np.float64
        np.testing.assert_allclose(*losses, rtol=1e-13)
        np.testing.assert_array_equal(*correct)
        np.testing.assert_allclose(theirs.penalty(), ours.penalty(), rtol=1e-13)
        assert_same(theirs.grads, ours.grads)
        assert_same(theirs.buffers, ours.buffers)
    x, y = data(seed=9)
    np.testing.assert_allclose(theirs.scores(x), ours.scores(x), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(theirs.loss(x, y), ours.loss(x, y), rtol=1e-13)
    np.testing.assert_array_equal(theirs.loss_sums(x, y)[1], ours.loss_sums(x, y)[1])
    assert theirs.penalty() == ours.penalty()
    assert summary(theirs) == summary(ours)
    np.testing.assert_allclose(
        *(np.concatenate([h.ravel() for h in m.hidden(x)] or [[0]]) for m in (theirs, ours))
    )


def test_a_wrong_gradient_would_be_seen(torch):
    theirs, ours = both(l2=0.1)
    x, y = data()
    cost(theirs, x, y, step=0)
    cost(ours, x, y, step=0)
    # a penalty of lambda / 2 W^2, as in PyTorch's own weight_decay
    ours.grads["W2"][:] -= 0.1 * ours.params["W2"]
    with pytest.raises(AssertionError, match="W2"):
        assert_same(theirs.grads, ours.grads)


def test_parameters_are_shared_both_ways_and_gradients_stay_where_they_are(torch):
    model, _ = both(batch_norm=True)
    x, y = data()
    before, grads = model.scores(x).copy(), model.grads
    model.params["b3"][:] += 1
    np.testing.assert_allclose(model.scores(x), before + 1, rtol=1e-12)
    for name, tensor in model._tensors.items():
        assert tensor.data_ptr() == model.params[name].ctypes.data
    memory = model.grads.flat
    cost(model, x, y, step=0)
    assert model.grads is grads
    assert model.grads.flat is memory
    assert memory.any()
    assert model.select(0) is model
    assert model.K == 1


def test_rows_that_may_not_be_written_and_strided_ones_are_taken(torch):
    model, _ = both()
    x, y = data()
    wanted = model.scores(x).copy()
    x.flags.writeable = y.flags.writeable = False
    np.testing.assert_array_equal(model.scores(x), wanted)
    np.testing.assert_array_equal(model.scores(np.asfortranarray(x)), wanted)
    cost(model, x, y.astype(np.uint8), step=0)
    wide = np.zeros((9, 10))
    wide[:, ::2] = x
    np.testing.assert_array_equal(model.scores(wide[:, ::2]), wanted)


def test_ties_go_to_the_lower_class(torch):
    model = TorchMLP.create(SIZES)
    model.params.flat[:] = 0
    x, _ = data()
    assert model.loss_sums(x, np.zeros(9, int))[1] == 9
    assert model.loss_sums(x, np.ones(9, int))[1] == 0


def test_one_thread_is_used(torch):
    torch.set_num_threads(2)
    TorchMLP.create(SIZES)
    assert torch.get_num_threads() == 1


PRODUCTS = """
import sys
import numpy as np
from linclass.models.torch_net import TorchMLP
from linclass.params import Params

def moved(array, shift):
    buffer = np.zeros(array.size + 16)
    first = -buffer.ctypes.data % 64 // 8 + shift
    buffer[first : first + array.size] = array.ravel()
    return buffer[first : first + array.size].reshape(array.shape)

generator = np.random.default_rng(0)
results = set()
for d, hidden in ((784, 256), (257, 33)):
    x, y = generator.normal(size=(100, d)), generator.integers(0, 10, 100)
    made = TorchMLP.create((d, hidden, 64, 10))
    start = made.params
    for shift in range(8):
        for other in (0, 1, 2, 4):
            model = TorchMLP(made.architecture, Params(start.shapes, 1, "float64", moved(start.flat, shift)))
            cost(model, moved(x, other), y, step=0)
            results.add(model.grads.flat.tobytes())
sys.exit(len(results) - 1)  # two networks
"""


def test_the_bits_do_not_depend_on_the_address_of_the_parameters(torch):
    # in a process of its own: MKL reads its mode at its first call
    assert subprocess.run([sys.executable, "-c", PRODUCTS], check=False).returncode == 1


# ---- torch.optim ----------------------------------------------------------------------------------------


def train(model, optimizer, steps, slots, dtype="float64"):
    for step in steps:
        x, y = data(seed=step, dtype=dtype)
        cost(model, x, y, step=step)
        optimizer.update(model.params, model.grads, slots, np.array([0.05 / (1 + step)]), step)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_momentum_zero_is_gradient_descent_in_torch_too(torch, name):
    theirs, ours = both(l2=0.01)
    for model, rule in ((theirs, torch_optimizer(name, momentum=0.0)), (ours, optim.sgd())):
        train(model, rule, range(5), rule.init(model.params))
    assert_same(theirs.params, ours.params, atol=1e-11)


@optimizers
@pytest.mark.parametrize("clip", [0.0, 0.3])
def test_fifty_steps_of_torch_optim_are_those_of_optim(torch, name, clip):
    theirs, ours = both(l2=0.01)
    options = {**OPTIONS.get(name, {}), "clip": clip}
    rules = torch_optimizer(name, **options), optim.make(name, **options)
    slots = [rule.init(model.params) for rule, model in zip(rules, (theirs, ours), strict=True)]
    for rule, model, own in zip(rules, (theirs, ours), slots, strict=True):
        train(model, rule, range(50), own)
    assert_same(theirs.params, ours.params, atol=1e-11)
    assert list(slots[0]) == list(slots[1])
    for slot in slots[0]:
        assert_same(slots[0][slot], slots[1][slot], atol=1e-11)


@optimizers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_after_a_stop_at_any_step_the_slots_are_all_that_is_needed(torch, name, dtype):
    options = OPTIONS.get(name, {})
    whole, _ = both(dropout=0.3, dtype=dtype)
    rule = torch_optimizer(name, **options)
    slots = rule.init(whole.params)
    stops = []
    for step in range(8):
        stops.append((whole.params.flat.copy(), {n: s.flat.copy() for n, s in slots.items()}))
        train(whole, rule, range(step, step + 1), slots, dtype)
    for stop, (params, saved) in enumerate(stops):
        again, _ = both(dropout=0.3, dtype=dtype)
        fresh = torch_optimizer(name, **options)
        own = fresh.init(again.params)
        again.params.flat[:] = params
        for slot, flat in saved.items():
            own[slot].flat[:] = flat
        train(again, fresh, range(stop, 8), own, dtype)
        assert again.params.flat.tobytes() == whole.params.flat.tobytes(), f"stopped after {stop}"
        assert all(own[n].flat.tobytes() == slots[n].flat.tobytes() for n in slots)


@pytest.mark.parametrize("name", ["momentum", "rmsprop", "adam"])
def test_a_slot_that_was_not_restored_would_be_seen(torch, name):
    whole, cut = both()[0], both()[0]
    rule = torch_optimizer(name)
    slots = rule.init(whole.params)
    train(whole, rule, range(6), slots)
    for steps in (range(3), range(3, 6)):
        train(cut, rule, steps, rule.init(cut.params))
    assert not np.allclose(cut.params.flat, whole.params.flat, rtol=0, atol=1e-6)


def test_gradients_are_left_as_they_are(torch):
    model, _ = both()
    rule = torch_optimizer("adamw", weight_decay=0.1, clip=0.01)
    slots = rule.init(model.params)
    cost(model, *data(), step=0)
    before = model.grads.flat.copy()
    rule.update(model.params, model.grads, slots, np.array([0.1]), 0)
    np.testing.assert_array_equal(model.grads.flat, before)


def test_the_trainer_goes_on_to_the_same_bits_and_keeps_to_numpys_history(torch):
    x, y = data(n=40)
    split = Inputs(Split(x, y))

    def trainer(model, rule, state=None):
        return Trainer(model, rule, constant(0.01), batch_size=9, seed=1, state=state)

    whole, cut = (both(dropout=0.2)[0] for _ in range(2))
    straight = trainer(whole, torch_optimizer("adam")).fit(split, epochs=4, valid=split)
    half = trainer(cut, torch_optimizer("adam")).fit(split, epochs=2, valid=split)
    trainer(cut, torch_optimizer("adam"), half).fit(split, epochs=4, valid=split)
    assert cut.params.flat.tobytes() == whole.params.flat.tobytes()
    numpys = trainer(both(dropout=0.2)[1], optim.adam()).fit(split, epochs=4, valid=split)
    for column in ("train_loss", "val_cost", "running_loss", "val_accuracy"):
        np.testing.assert_allclose(straight.history.last(column), numpys.history.last(column), rtol=1e-9)


# ---- refusals -------------------------------------------------------------------------------------------


def test_what_it_cannot_do_is_said(torch):
    with pytest.raises(UsageError, match=r"one model at a time, not 2: use --seeds 1"):
        TorchMLP.create(SIZES, seeds=(0, 1))
    with pytest.raises(UsageError, match=r"--loss is 'squared': --model torch-mlp has softmax, bce, svm"):
        TorchMLP.create(SIZES, loss="squared")
    with pytest.raises(UsageError, match=r"--activation is 'gelu'"):
        TorchMLP.create(SIZES, activation="gelu")
    with pytest.raises(UsageError, match=r"--reduction is 'max'"):
        TorchMLP.create(SIZES, reduction="max")
    with pytest.raises(UsageError, match=r"--label-smoothing is 0.1, which --loss svm does not have"):
        TorchMLP.create(SIZES, loss="svm", label_smoothing=0.1)
    with pytest.raises(UsageError, match=r"a batch of one row"):
        cost(TorchMLP.create(SIZES, batch_norm=True), *data(n=1), step=0)
    with pytest.raises(UsageError, match=r"--optimizer is 'lion'"):
        torch_optimizer("lion")
    with pytest.raises(UsageError, match=r"--momentum is 0.9, but --optimizer adam has none"):
        torch_optimizer("adam", momentum=0.9)
    stack = MLP.create(SIZES, seeds=(0, 1))
    with pytest.raises(UsageError, match=r"one learning rate, for one model, not 2"):
        torch_optimizer("sgd").update(stack.params, stack.grads, {}, np.array([0.1, 0.1]), 0)


@pytest.mark.parametrize("make", [lambda: TorchMLP.create(SIZES), lambda: torch_optimizer("adam")])
def test_without_torch_the_module_imports_and_says_how_to_get_it(monkeypatch, make):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError, match=r'^PyTorch is not installed: .* -m pip install "torch>=2.2"'):
        make()


def test_importing_the_module_does_not_import_torch():
    code = f"import sys, {torch_net.__name__}, linclass.analysis.parity; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_its_gradients_are_checked_one_model_at_a_time(torch, tmp_path):
    x, y = data(30)
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    settings = Experiment(
        dataset=str(tmp_path / "own.npz"),
        val_size=5,
        model="torch-mlp",
        hidden="4",
        batch_norm=True,
        dropout=0.2,
    )
    reports = checks.gradients_of_experiment(settings.resolved())
    assert len(reports) == 5
    assert all(report.passed for _, report in reports)
