"""Every published search runs, takes the options of a search, and says what its report chose."""

import importlib
from pathlib import Path

import pytest

from linclass.cli.console import call
from linclass.courses.searches import SearchAssignment

pytestmark = pytest.mark.usefixtures("empty_place")

SEARCHES: dict[str, SearchAssignment] = {
    path.stem: importlib.import_module(f"assignments.{path.stem}").ASSIGNMENT
    for path in sorted((Path(__file__).parents[2] / "assignments").glob("[a-z]*.py"))
    if "\nASSIGNMENT = SearchAssignment(" in path.read_text(encoding="utf-8")
}


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", SEARCHES)
def test_searches_run_on_the_sample(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = SEARCHES[name]
    assert found.name == name
    arguments = ["--epochs", "1", "--quiet", "--train-size", "200"]
    if found.random:
        arguments += ["--trials", "2"]
    assert call(found.command(), arguments, prog_name=name) == 0
    out = capsys.readouterr().out
    assert f"the report chose {found.chosen}\n{found.remarks}" in out
    assert "on the bundled sample" in out
    assert Path("result_pics", name, "trials.csv").exists()
    searched = "--lambda" if "l2" in found.random else "--lr"
    assert call(found.command(), [searched, "1"], prog_name=name) == 2
    assert "is searched" in capsys.readouterr().err
