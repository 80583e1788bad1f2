"""House: how much of the code a reader must open. Counted, not judged: a test and the reader do that.

What is counted: the entries at the top of the package; the modules, their lines and their users; the cycles
among them; and the functions that run, with their files and lines, when the linear model makes one step.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

import linclass
from linclass.datasets.scale import Scaler
from linclass.models.linear import Linear
from linclass.training.optim import sgd
from linclass.training.schedules import constant
from linclass.training.trainer import Trainer

ROOT = Path(linclass.__file__).parent


class Step(NamedTuple):
    """What runs in `Replicas.step` of the linear model: functions, their files, the lines of them."""

    functions: int
    files: int
    lines: int
    names: tuple[str, ...]


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> file, of every module of the package."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(found: Mapping[str, Path]) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, anywhere in it."""
    graph: dict[str, set[str]] = {}
    for name, path in found.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
            elif isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            else:
                continue
            graph[name] |= (names & found.keys()) - {name}
    return graph


def single_users(graph: Mapping[str, set[str]]) -> list[str]:
    """The modules, packages left out, that exactly one other module imports."""
    users: dict[str, set[str]] = defaultdict(set)
    packages = {name.rpartition(".")[0] for name in graph}
    for name, imported in graph.items():
        for other in imported:
            users[other].add(name)
    return sorted(name for name in graph if name not in packages and len(users[name] - packages) == 1)


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; [] if there are none. A package is what its modules are."""
    packages = {name.rpartition(".")[0] for name in graph}
    plain = {name: {other for other in graph[name] if other not in packages} for name in graph}
    try:
        graphlib.TopologicalSorter(plain).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def step(d: int = 12, C: int = 3, n: int = 60) -> Step:
    """Trace one step of the linear model on n rows of d bytes."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (n, d), dtype=np.uint8), generator.integers(0, C, n)
    model = Linear.create(d, C, l2=0.1, scaler=Scaler.fit(x, "per-pixel"), batch_size=n, dtype="float32")
    (replicas,) = Trainer(model, sgd(), constant(0.01), batch_size=n).replicas
    replicas.step(x, y, np.array([0.01]))  # buffers are made at the first
    seen: set[CodeType] = set()

    def watch(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and Path(frame.f_code.co_filename).is_relative_to(ROOT):
            seen.add(frame.f_code)

    sys.setprofile(watch)
    try:
        replicas.step(x, y, np.array([0.01]))
    finally:
        sys.setprofile(None)
    named = [code for code in seen if not code.co_name.startswith("<")]
    lines = sum(len({line for *_, line in code.co_lines() if line}) for code in seen)
    names = sorted(f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_name}" for code in named)
    return Step(len(named), len({code.co_filename for code in named}), lines, tuple(names))


def table() -> list[tuple[str, ...]]:
    """A row for each count, the first one the heading."""
    found = modules()
    graph = imports(found)
    top = [path for path in ROOT.iterdir() if path.name not in ("__pycache__", "py.typed")]
    taken, alone = step(), single_users(graph)
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in found.values())
    trainer = len((ROOT / "training" / "trainer.py").read_text(encoding="utf-8").splitlines())
    return [
        ("what", "count"),
        ("entries at the top", f"{len(top)}"),
        ("modules", f"{len(found)}"),
        ("modules with a single user", f"{len(alone)}"),
        ("cycles", " -> ".join(cycle(graph)) or "none"),
        ("lines in the package", f"{lines:,}"),
        ("lines of trainer.py", f"{trainer}"),
        ("functions in one step", f"{taken.functions}"),
        ("files in one step", f"{taken.files}"),
        ("lines of those functions", f"{taken.lines}"),
    ]
