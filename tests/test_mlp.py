"""The multi-layer perceptron against PyTorch, the linear classifier, and its own models one by one."""

from __future__ import annotations

import numpy as np
import pytest
from costs import cost

from linclass import rng
from linclass.datasets.dataset import Split
from linclass.datasets.inputs import Inputs
from linclass.errors import UsageError
from linclass.models import kernels
from linclass.models.init import KINDS, fans_of, initialise
from linclass.models.linear import Linear
from linclass.models.losses import LOSSES, make_loss
from linclass.models.mlp import MLP
from linclass.models.summary import summary
from linclass.params import Params
from linclass.runs.model import build_model
from linclass.settings import Experiment
from linclass.training.callbacks import BestKeeper
from linclass.training.optim import sgd
from linclass.training.schedules import constant
from linclass.training.trainer import Trainer

pytestmark = pytest.mark.bits

SIZES = (5, 7, 6, 4)
STRENGTHS = np.array([0.0, 0.1, 1.0])


def data(n=9, loss="softmax", seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, SIZES[0]))
    return x, generator.normal(size=(n, 4)) if loss == "squared" else generator.integers(0, 4, n)


def jittered(model):
    """Away from biases of 0, gamma 1 and beta 0, so that a forgotten one is seen."""
    model.params.flat[:] += np.random.default_rng(5).normal(scale=0.1, size=model.params.flat.shape)
    return model


def create(seeds=(0,), **options):
    return jittered(MLP.create(SIZES, seeds=seeds, **({"init": "xavier"} | options)))


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def as_torch(model, activation):
    """Model 0 as a torch.nn.Sequential."""
    torch = torch_module()
    activations = {
        "relu": torch.nn.ReLU,
        "leaky-relu": torch.nn.LeakyReLU,
        "sigmoid": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "identity": torch.nn.Identity,
    }
    layers, number = [], 1
    while f"W{number}" in model.params:
        units, d = model.params[f"W{number}"].shape[1:]
        layer = torch.nn.Linear(d, units, dtype=torch.float64)
        named = {f"W{number}": layer.weight, f"b{number}": layer.bias}
        layers.append(layer)
        if f"W{number + 1}" in model.params:
            if f"gamma{number}" in model.params:
                norm = torch.nn.BatchNorm1d(units, dtype=torch.float64)
                named |= {f"gamma{number}": norm.weight, f"beta{number}": norm.bias}
                layers.append(norm)
            layers.append(activations[activation]())
        for name, tensor in named.items():
            tensor.data.copy_(torch.from_numpy(model.params[name][0]))
        number += 1
    return torch.nn.Sequential(*layers)


def torch_loss(name, scores, y, smoothing=0.0):
    torch = torch_module()
    functional = torch.nn.functional
    y = torch.from_numpy(y)
    if name == "squared":
        return ((scores - y) ** 2).sum(dim=1).mean()
    if name == "svm":
        return scores.shape[1] * functional.multi_margin_loss(scores, y)
    if name == "bce":
        return functional.binary_cross_entropy_with_logits(scores, functional.one_hot(y, 4).double())
    return functional.cross_entropy(scores, y, label_smoothing=smoothing)


# ---- oracles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", kernels.ACTIVATIONS)
def test_costs_and_gradients_are_pytorchs(activation, loss, batch_norm):
    torch = torch_module()
    smoothing = 0.1 if loss == "softmax" else 0.0
    made = make_loss(loss, label_smoothing=smoothing)
    model = create(activation=activation, batch_norm=batch_norm, loss=made, l2=0.1)
    theirs = as_torch(model, activation)
    x, y = data(loss=loss)
    J = cost(model, x, y, step=0)[0]
    theirs_cost = torch_loss(loss, theirs(torch.from_numpy(x)), y, smoothing)
    layers = [layer for layer in theirs if isinstance(layer, torch.nn.Linear)]
    theirs_cost = theirs_cost + 0.1 * sum((layer.weight**2).sum() for layer in layers)
    theirs_cost.backward()
    assert abs(J - float(theirs_cost.detach())) < 1e-12
    gradients = [tensor.grad.numpy() for tensor in theirs.parameters()]
    assert len(gradients) == len(model.grads)
    for name, theirs_g in zip(model.grads, gradients, strict=True):
        np.testing.assert_allclose(model.grads[name][0], theirs_g, rtol=1e-10, atol=1e-13, err_msg=name)


def test_running_statistics_and_evaluation_mode_are_pytorchs_after_several_batches():
    torch = torch_module()
    model = create(batch_norm=True)
    theirs = as_torch(model, "relu")
    for batch in range(5):
        x, y = data(n=9 - batch, seed=batch)
        cost(model, x, y, step=batch)
        theirs(torch.from_numpy(x))
    norms = [layer for layer in theirs if isinstance(layer, torch.nn.BatchNorm1d)]
    for number, norm in enumerate(norms, start=1):
        np.testing.assert_allclose(model.buffers[f"mean{number}"][0], norm.running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(
            model.buffers[f"variance{number}"][0], norm.running_var.numpy(), rtol=1e-12
        )
    theirs.eval()
    x, y = data(n=6, seed=9)
    scores = theirs(torch.from_numpy(x)).detach().numpy()
    before = model.buffers.flat.copy()
    np.testing.assert_allclose(model.scores(x)[0], scores, rtol=1e-11, atol=1e-13)
    # what a row gives does not depend on the others, and evaluating remembers nothing
    np.testing.assert_allclose(model.scores(x[2:3])[0], scores[2:3], rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(model.buffers.flat, before)


def test_twenty_steps_with_batch_norm_are_pytorchs():
    torch = torch_module()
    model = create(batch_norm=True, activation="tanh")
    theirs = as_torch(model, "tanh")
    optimizer, slots = torch.optim.SGD(theirs.parameters(), lr=0.1), sgd().init(model.params)
    for step in range(20):
        x, y = data(seed=step)
        cost(model, x, y, step=step)
        sgd().update(model.params, model.grads, slots, np.array([0.1]), step)
        optimizer.zero_grad()
        torch_loss("softmax", theirs(torch.from_numpy(x)), y).backward()
        optimizer.step()
    for name, tensor in zip(model.params, theirs.parameters(), strict=True):
        np.testing.assert_allclose(model.params[name][0], tensor.detach().numpy(), atol=1e-10, err_msg=name)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("K", [1, 3])
def test_with_no_hidden_layer_it_is_the_linear_classifier(K, loss):
    x, y = data(loss=loss)
    linear = Linear.create(5, 4, seeds=range(K), init_std=0.5, loss=make_loss(loss), l2=STRENGTHS[:K])
    mlp = MLP.create((5, 4), seeds=range(K), loss=make_loss(loss), l2=STRENGTHS[:K])
    mlp.params.flat[:] = linear.params.flat
    np.testing.assert_allclose(cost(mlp, x, y), cost(linear, x, y), rtol=1e-12)
    np.testing.assert_allclose(mlp.grads.flat, linear.grads.flat, rtol=1e-12)
    np.testing.assert_allclose(mlp.scores(x), linear.scores(x), rtol=1e-12)


# ---- the stack -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_a_stack_is_its_models_one_by_one(batch_norm, dropout):
    options = {"batch_norm": batch_norm, "dropout": dropout, "init": "xavier"}
    seeds = [3, 1, 2]
    stack = MLP.create(SIZES, seeds=seeds, l2=STRENGTHS, **options)
    singles = [MLP.create(SIZES, seeds=[s], l2=l2, **options) for s, l2 in zip(seeds, STRENGTHS, strict=True)]
    for step in range(3):
        x, y = data(seed=step)
        loss, correct = stack.backpropagate(x, y, step=step)
        for k, single in enumerate(singles):
            np.testing.assert_array_equal(single.params.flat[0], stack.params.flat[k])
            alone = single.backpropagate(x, y, step=step)
            np.testing.assert_allclose(alone.loss[0], loss[k], rtol=1e-12)
            assert alone.correct[0] == correct[k]
            np.testing.assert_allclose(single.penalty()[0], stack.penalty()[k], rtol=1e-12)
            np.testing.assert_allclose(single.grads.flat[0], stack.grads.flat[k], rtol=1e-10, atol=1e-14)
    x, y = data(seed=9)
    for k, single in enumerate(singles):
        np.testing.assert_allclose(single.scores(x)[0], stack.scores(x)[k], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(single.penalty()[0], stack.penalty()[k], rtol=1e-13)
        for name, array in single.buffers.items():
            np.testing.assert_allclose(array[0], stack.buffers[name][k], rtol=1e-12)


def test_select_is_the_same_memory_with_its_own_dropout():
    x, y = data()
    stack = create(seeds=[0, 1, 2], l2=STRENGTHS, batch_norm=True, dropout=0.5)
    one = stack.select(1)
    assert one.K == 1
    for mine, whole in (
        (one.params, stack.params), (one.grads, stack.grads), (one.buffers, stack.buffers)
    ):  # fmt: skip
        assert [*mine] == [*whole]
        for name, array in mine.items():
            array[...] = 42 if whole is stack.grads else array + 0.01
            np.testing.assert_array_equal(array[0], whole[name][1])
            assert np.shares_memory(array, whole[name])
    J = cost(one, x, y, step=4)
    kept, statistics = stack.grads.flat[1].copy(), stack.buffers.flat[1].copy()
    assert not stack.grads.flat[[0, 2]].any()
    np.testing.assert_allclose(cost(stack, x, y, step=4)[1], J[0], rtol=1e-12)
    np.testing.assert_allclose(stack.grads.flat[1], kept, rtol=1e-10, atol=1e-14)
    assert (stack.buffers.flat[1] != statistics).any()
    assert create().select(0).K == 1


def test_gradients_are_overwritten_never_rebound():
    model = create(seeds=[0, 1], l2=1.0, batch_norm=True, dropout=0.2)
    grads, flat, buffers = model.grads, model.grads.flat, model.buffers
    flat[:] = np.nan
    cost(model, *data(), step=0)
    first = flat.copy()
    assert np.isfinite(first).all()
    cost(model, *data(seed=1), step=1)
    assert model.grads is grads
    assert model.buffers is buffers
    assert grads.flat is flat
    cost(model, *data(), step=0)
    np.testing.assert_array_equal(flat, first)


def test_evaluating_between_forward_and_update_changes_nothing():
    x, y = data()
    model, alone = (create(batch_norm=True, dropout=0.3) for _ in range(2))
    cost(model, x, y, step=0)
    model.loss_sums(*data(n=4, seed=1))
    model.hidden(x)
    cost(alone, x, y, step=0)
    np.testing.assert_array_equal(model.grads.flat, alone.grads.flat)
    np.testing.assert_array_equal(model.buffers.flat, alone.buffers.flat)


def test_the_penalty_is_of_all_weight_matrices_and_of_nothing_else():
    model = create(seeds=[0, 1, 2], l2=STRENGTHS, batch_norm=True)
    W = [model.params[name] for name in ("W1", "W2", "W3")]
    expected = STRENGTHS * sum((w**2).sum(axis=(1, 2)) for w in W)
    np.testing.assert_allclose(model.penalty(), expected, rtol=1e-13)
    for name, theta in model.params.items():
        if not name.startswith("W"):
            theta[...] = 99
    np.testing.assert_allclose(model.penalty(), expected, rtol=1e-13)


# ---- dropout -------------------------------------------------------------------------------------------


def test_dropout_is_a_function_of_seed_step_and_layer():
    x, y = data(n=40)

    def gradient(step, seed=0):
        model = MLP.create(SIZES, seeds=[seed], dropout=0.5)
        model.params.flat[:] = create().params.flat
        cost(model, x, y, step=step)
        return model.grads.flat.copy()

    np.testing.assert_array_equal(gradient(3), gradient(3))
    assert (gradient(3) != gradient(4)).any()
    assert (gradient(3) != gradient(3, seed=1)).any()
    # whatever came between, and however many rows that had
    model = MLP.create(SIZES, seeds=[0], dropout=0.5)
    model.params.flat[:] = create().params.flat
    for step, rows in ((3, 40), (3, 20), (4, 40), (3, 40)):
        cost(model, x[:rows], y[:rows], step=step)
    np.testing.assert_array_equal(model.grads.flat, gradient(3))
    model = create(dropout=0.5)
    masks = [layer for layer in model._rest if hasattr(layer, "_mask")]
    cost(model, x, y, step=0)
    assert len(masks) == 2
    assert (masks[0]._mask[:, :6] != masks[1]._mask).any()


def test_the_expectation_over_dropout_is_the_network_without_it():
    """Exact where the network is linear: identity and one hidden layer."""
    x, y = data(loss="squared")
    options = {"activation": "identity", "init": "xavier", "loss": make_loss("squared")}
    model, plain = MLP.create((5, 300, 4), dropout=0.5, **options), MLP.create((5, 300, 4), **options)
    # the squared error's gradient with respect to b2 is 2 mean(scores - y): linear in the scores
    draws = []
    for step in range(400):
        cost(model, x, y, step=step)
        draws.append(model.grads["b2"][0].copy())
    cost(plain, x, y)
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - plain.grads["b2"][0]) < 5 * error).all()
    np.testing.assert_array_equal(model.scores(x), plain.scores(x))


# ---- initialisation ------------------------------------------------------------------------------------


def filled(kind, seeds=(0,), dtype=np.float64, sizes=(400, 300, 200)):
    return MLP.create(sizes, seeds=seeds, init=kind, init_std=0.03, dtype=dtype, batch_norm=True).params


@pytest.mark.parametrize(
    ("kind", "std", "bias_std"),
    [
        ("normal", 0.03, 0.03),
        ("xavier", (2 / (400 + 300)) ** 0.5, 0),
        ("he", (2 / 400) ** 0.5, 0),
        ("uniform", (1 / 400 / 3) ** 0.5, (1 / 400 / 3) ** 0.5),
    ],
)
def test_each_kind_has_its_spread(kind, std, bias_std):
    params = filled(kind)
    W, b = params["W1"][0], params["b1"][0]
    assert W.std() == pytest.approx(std, rel=0.02)
    assert abs(W.mean()) < 4 * std / W.size**0.5
    assert b.std() == pytest.approx(bias_std, rel=0.2)
    assert (params["gamma1"] == 1).all()
    assert (params["beta1"] == 0).all()
    if kind == "uniform":
        assert max(np.abs(W).max(), np.abs(b).max()) <= 400**-0.5
        assert np.abs(params["b2"]).max() <= 300**-0.5
    assert (W[:200, :300] != params["W2"][0]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_starts_both_precisions_and_every_stack_alike(kind):
    double, single = filled(kind, seeds=[7]), filled(kind, seeds=[5, 7], dtype=np.float32)
    np.testing.assert_array_equal(double.flat[0].astype(np.float32), single.flat[1])
    assert (single["W1"][0] != single["W1"][1]).all()


def test_every_array_has_a_stream_of_its_own_name():
    params = filled("normal", seeds=[4])
    for name in ("W1", "b1", "W2", "b2"):
        expected = rng.generator(4, f"init {name}").normal(0.0, 0.03, params[name].shape[1:])
        np.testing.assert_array_equal(params[name][0], expected)
    linear = Linear.create(6, 3, seeds=[4], init_std=0.01)
    np.testing.assert_array_equal(linear.W[0], rng.generator(4, "init W").normal(0.0, 0.01, (3, 6)))
    np.testing.assert_array_equal(linear.b[0], rng.generator(4, "init b").normal(0.0, 0.01, 3))


def test_fans_and_what_has_none():
    params = Params({"W": (3, 6), "b": (3,), "W12": (4, 2), "b12": (4,)})
    assert fans_of(params, "W") == fans_of(params, "b") == (6, 3)
    assert fans_of(params, "b12") == (2, 4)
    for shapes, name in (({"b": (3,)}, "b"), ({"theta": (2, 2)}, "theta"), ({"W": (3,)}, "W")):
        with pytest.raises(ValueError, match=f"no initialisation for {name}"):
            initialise(Params(shapes), [0], "he")
    with pytest.raises(UsageError, match="--init is 'auto': expected one of normal, xavier, he, uniform"):
        initialise(params, [0], "auto")


# ---- activations, summary, settings --------------------------------------------------------------------


def test_hidden_gives_every_layers_activations_in_evaluation_mode():
    x, _ = data()
    model = create(seeds=[0, 1], activation="tanh", dropout=0.5)
    first, second = model.hidden(x)
    assert first.shape == (2, 9, 7)
    assert second.shape == (2, 9, 6)
    for k in range(2):
        one, two, three = ((model.params[f"W{i}"][k], model.params[f"b{i}"][k]) for i in (1, 2, 3))
        np.testing.assert_allclose(first[k], np.tanh(x @ one[0].T + one[1]), atol=1e-13)
        np.testing.assert_allclose(second[k], np.tanh(first[k] @ two[0].T + two[1]), atol=1e-13)
        scores = second[k] @ three[0].T + three[1]
        np.testing.assert_allclose(model.scores(x)[k], scores, atol=1e-13)


def test_the_summary_of_a_network():
    text = summary(MLP.create((784, 256, 10), seeds=[0, 1], batch_norm=True, dropout=0.2))
    assert text.splitlines() == [
        "layer            units  arrays                     parameters",
        "input              784",
        "affine 1           256  W1 (256, 784), b1 (256)       200,960",
        "batch norm 1       256  gamma1 (256), beta1 (256)         512",
        "relu 1             256",
        "dropout 1 (0.2)    256",
        "affine 2            10  W2 (10, 256), b2 (10)           2,570",
        "total                                                 204,042",
        "and 512 running statistics, which are not trained",
        "2 models side by side: 408,084 parameters in all",
    ]
    assert summary(Linear.create(3072, 10)).splitlines()[1:] == [
        "input   3,072",
        "affine     10  W (10, 3072), b (10)      30,730",
        "total                                    30,730",
    ]


def test_the_model_of_an_experiment():
    settings = Experiment(
        model="mlp", hidden="7,6", activation="tanh", batch_norm=True, dropout=0.1, seed=3, seeds=2, l2=0.5
    )
    model = build_model(settings, 5, 4)
    assert isinstance(model, MLP)
    expected = MLP.create(
        SIZES,
        seeds=[3, 4],
        activation="tanh",
        batch_norm=True,
        dropout=0.1,
        init="xavier",
        l2=0.5,
        dtype="float32",
    )
    np.testing.assert_array_equal(model.params.flat, expected.params.flat)
    x, y = data()
    x = x.astype(np.float32)
    np.testing.assert_array_equal(cost(model, x, y, step=2), cost(expected, x, y, step=2))
    linear = build_model(
        Experiment(loss="svm", reduction="sum", dtype="float64"), 5, 4, seeds=[1, 2], l2=STRENGTHS[:2]
    )
    other = Linear.create(5, 4, seeds=[1, 2], l2=STRENGTHS[:2], loss=make_loss("svm", reduction="sum"))
    np.testing.assert_array_equal(cost(linear, *data(), step=0), cost(other, *data()))
    np.testing.assert_array_equal(linear.grads["W"], other.grads["W"])


def test_what_cannot_be_is_one_sentence():
    with pytest.raises(UsageError, match="--activation is 'swish': expected one of relu, leaky-relu"):
        create(activation="swish")
    with pytest.raises(UsageError, match="--dropout is 1: expected a number of at least 0 and below 1"):
        create(dropout=1)


# ---- training ------------------------------------------------------------------------------------------


def inputs(seed, n=60):
    """The parity of two signs: a linear classifier cannot, a network can."""
    x = np.random.default_rng(seed).normal(size=(n, 5))
    return Inputs(Split(x, (x[:, 0] * x[:, 1] > 0).astype(int)))


def trained(seeds, **options):
    model = MLP.create((5, 20, 10, 2), seeds=seeds, **options)
    trainer = Trainer(model, sgd(), constant(0.1), batch_size=10, seed=seeds, callbacks=[BestKeeper()])
    trainer.fit(inputs(0), epochs=4, valid=inputs(1))
    return trainer


def test_replica_k_is_exactly_the_single_run_with_its_seed():
    options = {"batch_norm": True, "dropout": 0.2, "l2": 1e-3}
    stack = trained([3, 4], **options)
    for k, seed in enumerate([3, 4]):
        single = trained([seed], **options)
        np.testing.assert_array_equal(stack.model.params.flat[k], single.model.params.flat[0])
        np.testing.assert_array_equal(stack.model.buffers.flat[k], single.model.buffers.flat[0])


def test_it_learns_what_a_line_cannot():
    model = MLP.create((5, 20, 10, 2), seeds=[0])
    trainer = Trainer(model, sgd(), constant(0.2), batch_size=10, seed=0)
    history = trainer.fit(inputs(0, 200), epochs=40, valid=inputs(1, 200)).history
    assert history.column("train_accuracy")[-1] > 0.95
    assert history.column("val_accuracy")[-1] > 0.85


def test_float32_follows_float64_for_a_step():
    x, y = data()
    double, single = (
        MLP.create(SIZES, batch_norm=True, dropout=0.2, dtype=dtype, seeds=[0, 1])
        for dtype in (np.float64, np.float32)
    )
    J, J32 = cost(double, x, y, step=1), cost(single, x.astype(np.float32), y, step=1)
    np.testing.assert_allclose(J32, J, rtol=1e-5)
    assert single.grads.dtype == single.buffers.dtype == np.float32
    np.testing.assert_allclose(single.grads.flat, double.grads.flat, rtol=1e-3, atol=1e-5)
