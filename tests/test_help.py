"""The help: every command and option has one, in the same form, and nothing of it is cut."""

import dataclasses
import importlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from linclass.cli.main import cli
from linclass.cli.options import SECTIONS
from linclass.courses.claims import Study
from linclass.courses.experiments import Assignment
from linclass.courses.searches import SearchAssignment
from linclass.settings import Experiment

ASSIGNMENTS = sorted(path.stem for path in (Path(__file__).parent.parent / "assignments").glob("[a-z]*.py"))
VERBS = (
    "Check Compare Continue Cross-validate Download Draw Find List Measure Predict Score Search Show Survey "
    "Train Try"
)
NO_NOUNS = (
    "a an the of in on at by for how what where which when with without after no not only each every "
    "give go keep leave log look show stop train try draw check write take make use"
)


def named_commands(
    command: click.Command = cli, name: str = "linclass"
) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for sub, child in command.commands.items():
            yield from named_commands(child, f"{name} {sub}")


def assignments() -> Iterator[tuple[str, click.Command]]:
    for name in ASSIGNMENTS:
        for value in vars(importlib.import_module(f"assignments.{name}")).values():
            if isinstance(value, (Assignment, SearchAssignment, Study)) and value.name.endswith(name):
                yield name, value.command()


COMMANDS = dict(named_commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_begins_with_a_verb(name: str) -> None:
    text = COMMANDS[name].help
    assert text
    assert text.split()[0].rstrip(":,") in VERBS.split()


@pytest.mark.parametrize(("name", "command"), [*COMMANDS.items(), *assignments()])
def test_an_options_help_begins_with_the_noun_that_it_is(name: str, command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option) and option.name not in ("version", "help"):
            assert option.help, f"{name} {option.opts}"
            first = re.split(r"[ ,:;]", option.help)[0]
            assert first not in NO_NOUNS.split(), f"{name} {option.opts}: {option.help}"
            assert first[0].islower() or first.isupper() or first == "BLAS", option.help


@pytest.mark.parametrize(("name", "command"), [*COMMANDS.items(), *assignments()])
def test_an_options_default_is_said(name: str, command: click.Command) -> None:
    for option in command.params:
        # a switch is off, what may be given several times is not given
        if isinstance(option, click.Option) and not (option.is_flag and not option.secondary_opts):
            told = option.show_default or "[default: " in (option.help or "")
            assert told or option.required or option.multiple, f"{name} {option.opts}"


def test_every_field_is_in_one_section() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert Counter(listed) == Counter(field.name for field in dataclasses.fields(Experiment))


def shown(command: click.Command, name: str, width: int) -> str:
    with click.Context(command, info_name=name, terminal_width=width, max_content_width=width) as ctx:
        return command.get_help(ctx)


def test_experiment_options_are_listed_in_sections_and_the_run_comes_last() -> None:
    text = shown(COMMANDS["linclass train"], "train", 80)
    headings = re.findall(r"^(\w.*):$", text, re.MULTILINE)
    assert headings == [*SECTIONS, "Run"]
    below = dict(zip(headings, re.split(r"^\w.*:$", text, flags=re.MULTILINE)[1:], strict=True))
    assert "--dataset" in below["Data"]
    assert "--eta, --lr" in below["Optimisation"]
    assert "--help" in below["Run"]
    assert [option for option in ("--out", "--threads", "--quiet") if option not in below["Run"]] == []


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "name", [name for name, command in COMMANDS.items() if isinstance(command, click.Group)]
)
def test_no_summary_is_cut(name: str, width: int) -> None:
    group = COMMANDS[name]
    assert isinstance(group, click.Group)
    text = " ".join(shown(group, name, width).split())
    assert "..." not in text.replace("[ARGS]...", "")
    for child in group.commands.values():
        assert " ".join(child.get_short_help_str(limit=10_000).split()) in text
