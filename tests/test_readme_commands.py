"""The README's commands, one after the other, on a machine that has nothing but the bundled sample."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from linclass.cli.console import call
from linclass.cli.main import cli
from linclass.errors import RunWarning

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?:<!-- ([^>\n]*) -->\n)?```(\w*)\n(.*?)```", README, re.DOTALL)
"""(marker, language, text) of each fenced block."""
NOT_RUN = {"needs the network", "needs other machines", "the test line", "needs PyTorch"}


def test_every_command_is_run_here_or_says_what_it_needs() -> None:
    for marker, _, text in BLOCKS:
        assert marker in NOT_RUN | {"in order", "the train line", "mine.py"}, text


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of each `linclass` line; of the train line, of its last part."""
    for line in text.splitlines():
        words = shlex.split(line.rpartition(" && ")[2], comments=True)
        assert words[0].removeprefix(".venv/bin/") == "linclass", line
        yield words[1:]


@pytest.fixture
def fresh_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LINCLASS_DATA", raising=False)


@pytest.mark.usefixtures("fresh_machine")
def test_every_command_works_after_those_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    """On a fresh machine, so on the bundled sample."""
    done = 0
    for marker, language, text in BLOCKS:
        if marker == "mine.py":
            Path("mine.py").write_text(text)
        elif marker == "in order" and language == "python":
            with pytest.warns(RunWarning, match="bundled sample"):
                exec(compile(text, "README.md", "exec"), {})
        elif marker in ("in order", "the train line"):
            for arguments in commands(text):
                code = call(cli, arguments, prog_name="linclass")
                assert code == 0, f"linclass {shlex.join(arguments)}: {capsys.readouterr().err}"
                done += 1
    assert done > 20


@pytest.mark.usefixtures("fresh_machine", "no_pictures")
def test_every_command_with_pytorch_works(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    for marker, _, text in BLOCKS:
        if marker == "needs PyTorch":
            for arguments in commands(text):
                code = call(cli, arguments, prog_name="linclass")
                assert code == 0, f"linclass {shlex.join(arguments)}: {capsys.readouterr().err}"
