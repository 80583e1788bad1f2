"""Advice on a missing library: a command that works for whoever reads it."""

import configparser
import shlex
import sys
from pathlib import Path

import pytest

from linclass.errors import REQUIREMENTS, missing

ROOT = Path(__file__).parent.parent
ADVICE = "pip install " + "linclass"


def test_the_requirements_are_those_of_the_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = {name: text.strip() for name, text in config["options.extras_require"].items()}
    assert {name: extras[name] for name in REQUIREMENTS} == REQUIREMENTS


@pytest.mark.parametrize("extra", REQUIREMENTS)
def test_the_command_is_for_this_python_and_survives_a_shell(extra: str) -> None:
    command = str(missing("X is", extra)).partition(": ")[2].partition(" (")[0]
    assert shlex.split(command) == [sys.executable, "-m", "pip", "install", REQUIREMENTS[extra]]
    # unquoted, > would be a redirection and [ ] a pattern of zsh's
    assert f'"{REQUIREMENTS[extra]}"' in command


def test_nobody_is_sent_to_an_index_that_does_not_have_the_package() -> None:
    for folder, pattern in ((".", "*.md"), ("docs", "*.md"), ("linclass", "**/*.py"), ("tests", "*.py")):
        for path in (ROOT / folder).glob(pattern):
            text = path.read_text(encoding="utf-8").replace('"', "")
            assert ADVICE not in text, path
