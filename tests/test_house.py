"""The counts of the house: what is counted is there, and a planted circle and a planted detour are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from linclass.models.network import Network
from reliability import house


def test_one_step_runs_the_functions_that_it_is_made_of() -> None:
    names = house.step().names
    assert {
        "training/replicas.py:step",
        "models/network.py:backpropagate",
        "models/linear.py:forward",
    } <= set(names)
    assert not any(name.startswith(("runs/", "cli/", "plots/")) for name in names)


def test_a_detour_of_the_step_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    before, penalty = house.step(), Network.penalty
    monkeypatch.setattr(Network, "penalty", lambda self: (self.layers(), penalty(self))[1])
    after = house.step()
    assert after.functions >= before.functions
    assert (
        any(name.endswith(":layers") for name in set(after.names) - set(before.names))
        or after.lines > before.lines
    )


def test_users_and_circles_are_read_from_the_imports(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    for name, text in (
        ("a", "from p.b import x"),
        ("b", "import p.c"),
        ("c", "x = 1"),
        ("d", "from p import c"),
    ):
        (package / f"{name}.py").write_text(text)
    graph = house.imports(house.modules(package))
    assert graph == {"p.a": {"p.b"}, "p.b": {"p.c"}, "p.c": set(), "p.d": {"p.c"}}
    assert house.single_users(graph) == ["p.b"]
    assert house.cycle(graph) == []
    (package / "c.py").write_text("from p.a import y")
    assert set(house.cycle(house.imports(house.modules(package)))) == {"p.a", "p.b", "p.c"}


def test_there_is_no_circle() -> None:
    assert house.cycle(house.imports(house.modules())) == []
