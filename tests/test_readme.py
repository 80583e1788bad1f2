"""What the README says is there is there."""

import re
from pathlib import Path

import click

from linclass.cli.main import cli
from linclass.cli.options import markdown_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_options_table_is_the_experiments_fields() -> None:
    table = re.search(r"<!-- options -->\n(.*?)\n<!-- /options -->", README, re.DOTALL)
    assert table
    assert table[1] == markdown_table(), "paste the output of `python -m linclass.cli.options`"


def test_every_command_is_in_the_readme() -> None:
    for name, command in cli.commands.items():
        names = [name]
        if isinstance(command, click.Group):
            names = [f"{name} {sub}" for sub in command.commands]
        for full in names:
            assert f"linclass {full}" in README, f"the README does not show `linclass {full}`"


def test_every_command_in_the_readme_exists() -> None:
    for name in re.findall(r"^linclass ([a-z-]+)", README, re.MULTILINE):
        assert name in cli.commands, name


def test_the_files_it_links_to_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_assignment_is_in_its_table() -> None:
    for path in (ROOT / "assignments").glob("[a-z]*.py"):
        assert f"`{path.stem}`" in README, path.stem


def test_the_reference_figures_are_small() -> None:
    files = [path for path in (ROOT / "result_pics/reference").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 3 << 20


def test_two_command_lines_that_ci_can_find() -> None:
    for marker in ("the train line", "the test line"):
        block = re.search(rf"<!-- {marker} -->\n```\n(.*?)\n```", README, re.DOTALL)
        assert block
        assert len(block[1].splitlines()) == 1
        assert block[1].startswith("python3 -m venv .venv && ")
