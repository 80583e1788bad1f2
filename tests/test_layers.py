"""The picture in the package docstring is true: a module imports only from lines above its own."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import linclass

ROOT = Path(linclass.__file__).parent


def listed(docstring: str) -> list[str]:
    return re.findall(r"^ {4}(\w+(?:\.py|/)) ", docstring, re.MULTILINE)


def imported(path: Path) -> set[str]:
    """Full names of the linclass modules that a file imports anywhere, typing-only imports included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("linclass.")}


def layer(name: str, package: str, order: list[str]) -> str | None:
    """The line of `order` that an imported name belongs to."""
    head = name.removeprefix(package + ".").split(".")[0]
    return next((line for line in order if line in (f"{head}.py", f"{head}/")), None)


PACKAGES = ["linclass", *sorted(f"linclass.{path.parent.name}" for path in ROOT.glob("*/__init__.py"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_import_only_from_above(package: str) -> None:
    module = importlib.import_module(package)
    folder, order = Path(module.__file__).parent, listed(module.__doc__)
    found = {path.name for path in folder.glob("*.py")} - {"__init__.py", "__main__.py"}
    found |= {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    assert set(order) == found, "the docstring lists every module, and only those"
    for position, line in enumerate(order):
        files = (folder / line).rglob("*.py") if line.endswith("/") else [folder / line]
        for path in files:
            for name in imported(path):
                if name.startswith(package + "."):
                    target = layer(name, package, order)
                    allowed = order[: position + 1] if line.endswith("/") else order[:position]
                    assert target is None or target in allowed, f"{path.name} imports {name} from below"


def test_the_rule_bites() -> None:
    assert layer("linclass.cli.main", "linclass", ["errors.py", "cli.py"]) == "cli.py"
    assert layer("linclass.models.linear", "linclass", ["models/"]) == "models/"


def test_only_plots_imports_matplotlib() -> None:
    users = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.rglob("*.py")
        if re.search(r"^\s*(from|import) matplotlib", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert users == {"plots"}
