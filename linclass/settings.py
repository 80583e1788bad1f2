"""Experiment: a small frozen record of what an experiment is.

Each field carries its help text and its check; the command line's options, `run.json` and the README's
table are made from the fields, so a new field appears in all of them together. Standard library only.
The defaults are the baseline of KTH DD2424, assignment 1: CIFAR-10's first batch, lambda 0, eta 0.001.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from linclass.errors import UsageError


def option(
    default: Any,
    help: str,
    *,
    kind: type | None = None,
    flags: Sequence[str] = (),
    choices: Sequence[str] = (),
    minimum: float | None = None,
    above: float | None = None,
) -> Any:
    """A dataclass field with what the command line and the check need to know.

    Args:
        default: also gives the type; None is "not given", which the data or other fields then decide.
        kind: the type where the default is None.
        help: one line.
        flags: the option names if not just `--field-name`.
        choices: the allowed strings, if few.
        minimum: the smallest allowed number. above: the bound that must be exceeded.
    """
    metadata = {
        "help": help,
        "kind": kind or type(default),
        "flags": tuple(flags),
        "choices": tuple(choices),
        "minimum": minimum,
        "above": above,
    }
    return dataclasses.field(default=default, metadata=metadata)


FUNCTION_NAMES = ("square-wave", "saw-sine", "eight-sines", "half-sine")
"""The data sets that are a function to be learnt, a regression; see `datasets.functions`."""


DEFAULT_BATCH_SIZE = 100
DEFAULT_MOMENTUM = 0.9


@dataclass(frozen=True)
class Experiment:
    """One experiment; raises UsageError for a value that cannot be used."""

    dataset: str = option(
        "cifar10",
        "name of the data set: cifar10, mnist, fashion-mnist, cifar10-sample, mnist-sample, or your own "
        "FILE.npz (x_train, y_train, ...), FILE.csv (a table of numbers and a label; also .tsv, .gz, .zip) "
        "or FOLDER/ (a folder of images for each class); with --loss squared one of square-wave, saw-sine, "
        "eight-sines, half-sine",
    )
    label: str = option(
        "", "column of your own table that holds the labels, by name or number from 1 on (empty: found out)"
    )
    split: str = option(
        "auto",
        "split into training and validation rows; batch-1: train on data_batch_1, validate on data_batch_2; "
        "all: train on all but the last --val-size rows; stratified: draw --val-size rows, and --train-size "
        "of the others, of each class its share; auto: batch-1 for CIFAR-10, all for MNIST and functions, "
        "stratified for your own data",
        choices=("auto", "batch-1", "all", "stratified"),
    )
    train_size: int | None = option(
        None,
        "number of training rows, the first N, or N drawn ones of --split stratified (not given: all)",
        kind=int,
        minimum=1,
    )
    val_size: int | None = option(
        None,
        "number of validation rows of --split all and stratified (not given: the data set's own, such as "
        "10,000 of MNIST, or a tenth of your own)",
        kind=int,
        minimum=1,
    )
    fold: str = option(
        "",
        "fold of a cross-validation, such as 2/5: of five parts of the training and validation rows together "
        "(of --train-size of them), validate on the second and train on the others",
    )
    split_seed: int = option(
        0,
        "seed of the draws that belong to the data, of the stratified split, the folds and the label noise: "
        "the same data for every --seed",
        minimum=0,
    )
    model: str = option(
        "linear",
        "architecture; linear: one layer; mlp: a multi-layer perceptron; torch-mlp: the same in PyTorch",
        choices=("linear", "mlp", "torch-mlp"),
    )
    hidden: str = option("", "widths of the MLP's hidden layers, such as 256,128,64", flags=("--hidden",))
    activation: str = option(
        "relu",
        "activation of the MLP's hidden layers",
        choices=("relu", "leaky-relu", "sigmoid", "tanh", "identity"),
    )
    init: str = option(
        "auto",
        "initialisation of the weights; auto: normal for the linear model, he with ReLU kinds, xavier with "
        "the others",
        choices=("auto", "normal", "xavier", "he", "uniform"),
    )
    init_std: float = option(0.01, "standard deviation of the normal initialisation", minimum=0)
    scaling: str = option(
        "auto",
        "scaling of the input, fitted on the training split; auto: unit for MNIST, raw for functions, else "
        "per-pixel",
        choices=("auto", "raw", "unit", "global", "per-pixel"),
    )
    eta: float = option(0.001, "learning rate, per step", flags=("--eta", "--lr"), above=0)
    l2: float = option(
        0.0,
        "lambda, the strength of the L2 penalty: cost = loss + lambda * sum(W^2)",
        flags=("--lambda", "--l2"),
        minimum=0,
    )
    loss: str = option(
        "softmax",
        "loss: softmax cross-entropy, C sigmoids with binary cross-entropy (bce), multi-class SVM, or for "
        "functions the squared error",
        choices=("softmax", "bce", "svm", "squared"),
    )
    label_smoothing: float = option(0.0, "share of the label spread over all classes (softmax)", minimum=0)
    class_weights: str = option(
        "",
        "weights of the classes in the loss, which is sum(w loss) / sum(w) over the rows; "
        "balanced: n / (C n_c) for n_c of n training rows in class c; or one number for each class, "
        "such as 1,2,0.5",
    )
    label_noise: float = option(
        0.0,
        "share of the training labels replaced by random ones (1: they say nothing of the images); "
        "drawn from --split-seed, the same for all replicas",
        minimum=0,
    )
    reduction: str = option(
        "mean", "reduction of a batch's gradients: their mean, or their sum", choices=("mean", "sum")
    )
    dropout: float = option(0.0, "probability that a hidden unit of the MLP is dropped", minimum=0)
    batch_norm: bool = option(False, "batch normalisation before each hidden activation of the MLP")
    optimizer: str = option(
        "sgd",
        "optimiser",
        choices=("sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw"),
    )
    torch_optim: bool = option(False, "optimiser of torch.optim in place of our own, with --model torch-mlp")
    momentum: float | None = option(
        None,
        f"momentum coefficient of momentum and nesterov (not given: {DEFAULT_MOMENTUM})",
        kind=float,
        minimum=0,
    )
    weight_decay: float = option(
        0.0, "weight decay of adamw, decoupled from the gradient; it needs --lambda 0", minimum=0
    )
    clip: float = option(0.0, "largest norm of a model's gradient (0: any)", minimum=0)
    schedule: str = option(
        "constant",
        "schedule of the learning rate: constant, step:10:0.5, exponential:0.95, triangular:1e-5:500, "
        "cosine, one-cycle, each also after a warm-up: warmup:200,cosine",
    )
    batch_size: int | None = option(
        None,
        f"size of a mini-batch, in rows (not given: {DEFAULT_BATCH_SIZE}, or all training rows where there "
        "are fewer)",
        kind=int,
        minimum=1,
    )
    epochs: int = option(40, "number of epochs, passes over the training rows", minimum=1)
    shuffle: Literal["samples", "batches", "none"] = option(
        "samples",
        "order of an epoch: samples permuted; whole batches permuted (membership fixed); none",
        choices=("samples", "batches", "none"),
    )
    drop_last: bool = option(False, "omission of the short last batch of an epoch")
    augment: str = option(
        "",
        "augmentation, random changes of the training images, anew each epoch: mirror, shift:3, rotation:10, "
        "crop:6, brightness:0.2, contrast:0.2, saturation:0.2, noise:0.05, with commas between",
    )
    dtype: str = option(
        "float32", "precision of the parameters and of the arithmetic", choices=("float32", "float64")
    )
    seed: int = option(0, "seed of the first replica; replica k is exactly the run with seed + k", minimum=0)
    seeds: int = option(
        1, "number of independent replicas, each with its own initialisation and order", minimum=1
    )
    snapshot_every: int = option(
        0, "epochs between snapshots, weights and pictures (0: only at the end)", minimum=0
    )
    overfit_threshold: float = option(
        0.5, "threshold of |train cost - validation cost|; see --overfit-action", above=0
    )
    overfit_action: Literal["stop", "warn", "ignore"] = option(
        "warn", "action beyond the overfit threshold", choices=("stop", "warn", "ignore")
    )
    patience: int = option(
        0,
        "number of epochs without a lower validation loss, penalty left out, that stop a model (0: none do)",
        minimum=0,
    )
    test: bool = option(False, "test accuracy of every epoch, in the log as well")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        self._check_together()

    def _check_together(self) -> None:
        """What one field alone cannot know."""
        if not re.fullmatch(r"(\d+(,\d+)*)?", self.hidden) or 0 in self.hidden_sizes:
            raise UsageError(f"--hidden is {self.hidden!r}: expected widths such as 256,128,64")
        if self.fold and (
            not re.fullmatch(r"\d+/\d+", self.fold) or not 1 <= self.folds[0] <= self.folds[1] > 1
        ):
            raise UsageError(f"--fold is {self.fold!r}: expected which of how many, such as 2/5")
        for name in ("dropout", "label_smoothing", "momentum"):
            value = getattr(self, name)
            if value is not None and value >= 1:
                raise UsageError(f"{option_name(name)} is {value}: expected at least 0 and below 1")
        if self.label_noise > 1:
            raise UsageError(f"--label-noise is {self.label_noise}: expected a share, 0 to 1, such as 0.5")
        if self.model != "linear" and not self.hidden:
            raise UsageError(f"--model {self.model}: expected --hidden too, such as --hidden 256,128,64")
        if self.model == "linear" and (self.hidden or self.dropout or self.batch_norm):
            raise UsageError("--hidden, --dropout and --batch-norm are the MLP's: expected --model mlp")
        if self.torch_optim and self.model != "torch-mlp":
            raise UsageError(f"--torch-optim goes with --model torch-mlp, not with {self.model}")
        if self.model == "torch-mlp" and self.seeds > 1:
            raise UsageError(f"--seeds is {self.seeds}: --model torch-mlp trains one alone; try --model mlp")
        if self.label_smoothing and self.loss != "softmax":
            raise UsageError(f"--label-smoothing goes with --loss softmax, not with {self.loss}")
        if self.class_weights and self.loss == "squared":
            raise UsageError("--class-weights goes with classes, not with --loss squared: leave it out")
        if self.class_weights != "balanced" and not all(0 < w < math.inf for w in self.weights_of_classes):
            raise _not_class_weights(self.class_weights)
        if self.is_regression and self.loss != "squared":
            raise UsageError(f"--dataset {self.dataset} is a regression: expected --loss squared")
        if self.loss == "squared" and not self.is_regression:
            names = ", ".join(FUNCTION_NAMES)
            raise UsageError(f"--loss squared is for regression: expected --dataset to be one of {names}")
        if self.optimizer == "adamw" and self.l2:
            raise UsageError("--optimizer adamw has its own --weight-decay: expected --lambda 0")

    def resolved(self) -> Experiment:
        """The same with what stands for `auto` and for a momentum not given: what run.json records."""
        is_mnist = self.dataset.removesuffix("-sample") in ("mnist", "fashion-mnist")
        is_cifar = self.dataset in ("cifar10", "cifar10-sample")
        scaling = self.scaling
        if scaling == "auto":
            scaling = "raw" if self.is_regression else "unit" if is_mnist else "per-pixel"
        init = self._auto_init() if self.init == "auto" else self.init
        split, momentum = self.split, self.momentum
        if split == "auto":
            fixed = is_mnist or self.is_regression
            split = "batch-1" if is_cifar else "all" if fixed else "stratified"
        if momentum is None and self.optimizer in ("momentum", "nesterov"):
            momentum = DEFAULT_MOMENTUM
        return self.replace(scaling=scaling, init=init, split=split, momentum=momentum)

    def _auto_init(self) -> str:
        if self.model == "linear":
            return "normal"
        return "he" if self.activation in ("relu", "leaky-relu") else "xavier"

    def batch_size_for(self, rows: int) -> int:
        """The batch size with so many training rows: as given, or the default, which gives way to them."""
        return min(DEFAULT_BATCH_SIZE, rows) if self.batch_size is None else self.batch_size

    def decided(self, rows: int, rows_of_classes: Mapping[str, int]) -> Experiment:
        """The same with what the training rows decide: the batch size, and balanced class weights as numbers.

        rows_of_classes: class -> number of its rows; empty for a regression, and where it is not known.

        Raises UsageError for class weights that these classes cannot have.
        """
        weights, C = self.class_weights, len(rows_of_classes)
        if weights == "balanced" and C:
            missing = [name for name, of_class in rows_of_classes.items() if not of_class]
            if missing:
                raise UsageError(
                    f"--class-weights balanced: there is no training row of class {missing[0]}, so "
                    "n / (C n_c) is no number; take more rows, or give a number for each class"
                )
            weights = ",".join(repr(rows / (C * of_class)) for of_class in rows_of_classes.values())
        elif weights and C and len(self.weights_of_classes) != C:
            raise UsageError(
                f"--class-weights is {weights}: expected {C} numbers, "
                f"for the classes {', '.join(rows_of_classes)}"
            )
        return self.replace(batch_size=self.batch_size_for(rows), class_weights=weights)

    @property
    def weights_of_classes(self) -> tuple[float, ...]:
        """The numbers in `class_weights`; none where it is empty. Raises UsageError for other words."""
        try:
            return tuple(map(float, self.class_weights.split(","))) if self.class_weights else ()
        except ValueError:
            raise _not_class_weights(self.class_weights) from None

    @property
    def is_regression(self) -> bool:
        """Whether numbers are learnt, not classes."""
        return self.dataset in FUNCTION_NAMES

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """The widths in `hidden`."""
        return tuple(int(width) for width in self.hidden.split(",")) if self.hidden else ()

    @property
    def folds(self) -> tuple[int, int]:
        """(which, of how many) in `fold`; (0, 0) without one."""
        which, count = (int(number) for number in (self.fold or "0/0").split("/"))
        return which, count

    def replace(self, **changes: Any) -> Experiment:
        """A copy with some fields changed; an unknown field is a UsageError."""
        return Experiment.from_dict({**self.to_dict(), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Experiment:
        """The record of these fields; those left out keep their defaults."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
                raise UsageError(f"{name} is not a field of an experiment; {hint}")
        return cls(**values)

    def differences(self, other: Experiment) -> dict[str, tuple[Any, Any]]:
        """Field -> (own value, the other's) where they differ."""
        mine, theirs = self.to_dict(), other.to_dict()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


def option_names(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """The command-line names of a field, the first one preferred in messages."""
    return tuple(field.metadata["flags"]) or ("--" + field.name.replace("_", "-"),)


def option_name(name: str) -> str:
    """The option of the field `name`, as a user types it."""
    return option_names(next(field for field in dataclasses.fields(Experiment) if field.name == name))[0]


def shown(value: Any) -> str:
    """A field's value in words for a person."""
    words = {True: "on", False: "off", None: "not given"}
    return words[value] if value is None or isinstance(value, bool) else str(value) or "none"


def changes_told(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """`Experiment.differences` as a user types them: `--lambda 0.5 instead of 1.0, --batch-norm on ...`."""
    return ", ".join(
        f"{option_name(name)} {shown(own)} instead of {shown(other)}"
        for name, (own, other) in changes.items()
    )


def check_value(name: str, value: Any) -> None:
    """UsageError unless `value` is one that the field `name` can have, whatever the other fields are."""
    _check(next(field for field in dataclasses.fields(Experiment) if field.name == name), value)


def _check(field: dataclasses.Field[Any], value: Any) -> None:
    name, rules = option_names(field)[0], field.metadata
    wanted = rules["kind"]
    if value is None and field.default is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = is_number if wanted is float else type(value) is wanted
    if rules["choices"] and value not in rules["choices"]:
        raise UsageError(f"{name} is {value!r}: expected one of {', '.join(rules['choices'])}")
    if not fits:
        what = f"text: {rules['help']}" if wanted is str else _NOUNS[wanted]
        raise UsageError(f"{name} is {value!r}: expected {what}")
    if is_number and not math.isfinite(value):
        raise UsageError(f"{name} is {value}: expected a finite number")
    if rules["above"] is not None and not value > rules["above"]:
        raise UsageError(f"{name} is {value}: expected a number above {rules['above']}, {_example(field)}")
    if rules["minimum"] is not None and value < rules["minimum"]:
        raise UsageError(
            f"{name} is {value}: expected a number of at least {rules['minimum']}, {_example(field)}"
        )


def _not_class_weights(value: str) -> UsageError:
    return UsageError(
        f"--class-weights is {value!r}: expected balanced, or a positive number for each class, "
        "such as 1,2,0.5"
    )


_NOUNS = {int: "a whole number", float: "a number", bool: "true or false"}


def _example(field: dataclasses.Field[Any]) -> str:
    return "or leave it out" if field.default is None else f"such as {field.default}"
