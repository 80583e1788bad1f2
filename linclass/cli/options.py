"""Command-line options made from the fields of Experiment, and those of the run itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from linclass.cli.help import Option
from linclass.settings import Experiment, option_names, shown

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
SECTIONS = {
    "Data": (
        "dataset",
        "label",
        "split",
        "train_size",
        "val_size",
        "split_seed",
        "fold",
        "label_noise",
        "augment",
    ),
    "Model": (
        "model",
        "hidden",
        "activation",
        "dropout",
        "batch_norm",
        "scaling",
        "init",
        "init_std",
        "dtype",
    ),
    "Loss": ("loss", "l2", "label_smoothing", "class_weights", "reduction"),
    "Optimisation": (
        "optimizer",
        "torch_optim",
        "eta",
        "schedule",
        "momentum",
        "weight_decay",
        "clip",
        "epochs",
        "batch_size",
        "shuffle",
        "drop_last",
    ),
    "Replicas, watching and stopping": (
        "seed",
        "seeds",
        "test",
        "snapshot_every",
        "overfit_threshold",
        "overfit_action",
        "patience",
    ),
}
"""Section of the help -> the fields of Experiment in it, in order."""
RUN = "Run"
"""The section of what is no part of an experiment: places, threads, output."""


def experiment_options(defaults: Experiment | None, only: Collection[str] | None = None) -> Callable[[F], F]:
    """One option for each field of Experiment (or for those in `only`); the help shows `defaults`.

    defaults: None for a run that has its own already.

    What was not given arrives as None: `chosen` overlays what was given on the defaults.
    """

    def decorate(command: F) -> F:
        for section, field in reversed(_by_section()):
            if only is not None and field.name not in only:
                continue
            default = "the run's own" if defaults is None else shown(getattr(defaults, field.name))
            command = _experiment_option(field, default, section)(command)
        return command

    return decorate


def _by_section() -> list[tuple[str, dataclasses.Field[Any]]]:
    fields = {field.name: field for field in dataclasses.fields(Experiment)}
    return [(section, fields[name]) for section, names in SECTIONS.items() for name in names]


def _experiment_option(field: dataclasses.Field[Any], default: str, section: str) -> Callable[[F], F]:
    names = option_names(field)
    # spelled out here, because click puts a default that is only shown in parentheses
    common: dict[str, Any] = {
        "cls": Option,
        "section": section,
        "default": None,
        "help": f"{field.metadata['help']}  [default: {default}]",
    }
    if isinstance(field.default, bool):
        return click.option(f"{names[0]}/--no-{names[0][2:]}", field.name, **common)
    choices = field.metadata["choices"]
    kind = click.Choice(choices) if choices else field.metadata["kind"]
    return click.option(*names, field.name, type=kind, **common)


def field_name(text: str) -> str:
    """The field whose option is `--text`; `text` itself where there is none."""
    names = {
        option[2:]: field.name for field in dataclasses.fields(Experiment) for option in option_names(field)
    }
    return names.get(text, text)


def chosen(defaults: Experiment, given: Mapping[str, Any]) -> Experiment:
    """`defaults` with the options that were given. Raises UsageError for a value that cannot be used."""
    names = {field.name for field in dataclasses.fields(Experiment)}
    return defaults.replace(**{k: v for k, v in given.items() if k in names and v is not None})


def run_option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """An option of the section RUN."""
    return click.option(*names, cls=Option, section=RUN, **attributes)


data_dir_option = run_option(
    "--data-dir",
    type=PATH,
    help="folder of the data, searched alone [default: $LINCLASS_DATA, ./data, the user cache]",
)
pictures_option = run_option("--out", type=PATH, help="folder of the pictures [default: DIRECTORY]")
moved_option = run_option(
    "--dataset", metavar="FILE", help="file that the run's own data are in now [default: looked for]"
)
threads_option = run_option(
    "--threads",
    type=click.IntRange(1),
    help="number of BLAS threads, used where a model's products are wide; another number gives other bits "
    "[default: 1]",
)
profile_option = run_option("--profile", is_flag=True, help="table of where the time went, at the end")
quiet_option = run_option("--quiet", is_flag=True, help="silence on stderr: no progress, no remarks")


split_option = click.option(
    "--on",
    type=click.Choice(["train", "validation", "test"]),
    help="split that is looked at [default: test, or validation where there is none]",
)
replica_option = click.option(
    "--replica",
    "k",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="number of the replica, of --seeds N from 0 to N - 1",
)


def in_order(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator; the help lists them in this order."""

    def decorate(command: F) -> F:
        for add in reversed(options):
            command = add(command)
        return command

    return decorate


run_options = in_order(
    run_option("--out", type=PATH, help="directory of the run [default: result_pics/<name>]"),
    run_option(
        "--overwrite", is_flag=True, help="permission to replace a run that is in the directory already"
    ),
    data_dir_option,
    threads_option,
    quiet_option,
)
"""Of the run, not of the experiment."""


def markdown_table() -> str:
    """The table of all experiment options for the README."""
    lines = ["| option | default | |", "|---|---|---|"]
    for field in dataclasses.fields(Experiment):
        names = " ".join(f"`{name}`" for name in option_names(field))
        choices = field.metadata["choices"]
        help = field.metadata["help"].replace("|", "\\|")
        allowed = "" if all(choice in help for choice in choices) else f" ({', '.join(choices)})"
        lines.append(f"| {names} | {shown(field.default)} | {help}{allowed} |")
    return "\n".join(lines)


if __name__ == "__main__":
    click.echo(markdown_table())
