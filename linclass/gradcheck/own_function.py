"""A user's own function: loaded from its file, and its results held to the contract."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from linclass.errors import UsageError
from linclass.params import Array

Function = Callable[[Array], tuple[Any, Any]]
"""theta -> (value, gradient of the shape of theta)."""


def load_function(spec: str) -> tuple[Function, Array]:
    """The function and the start point that `FILE.py:NAME` names; the file needs three lines:

        import numpy as np
        theta0 = np.array([1.0, 2.0, 3.0])                       # where to check, any shape
        def cost(theta): return (theta**2).sum(), 2 * theta      # the value and its gradient

    Here `FILE.py:cost`. The file is run with its own folder importable, as `python FILE.py` would.
    Raises UsageError, in one line, for whatever is missing or fails.
    """
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier():
        raise UsageError(f'cannot read "{spec}" as a function; expected FILE.py:NAME, as in softmax.py:cost')
    if not path.is_file():
        raise UsageError(f"no file {path}; give the path of the Python file that defines {name}")
    module = _run_file(path)
    if not hasattr(module, name):
        raise UsageError(f"{path} defines no {name}; it needs: def {name}(theta): return value, gradient")
    function = getattr(module, name)
    if not callable(function):
        raise UsageError(f"{name} in {path} is a {type(function).__name__}, not a function of theta")
    if not hasattr(module, "theta0"):
        raise UsageError(f"{path} has no start point; add a line: theta0 = np.array([...])")
    return function, as_float64(f"theta0 in {path}", module.theta0)


def _run_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"checked_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UsageError(f"cannot run {path}: {_one_line(error)}") from error
    finally:
        sys.path.pop(0)
        del sys.modules[spec.name]
    return module


def value_and_gradient(function: Function, theta: Array) -> tuple[float, Array]:
    """function(theta) with both results held to the contract."""
    name = getattr(function, "__name__", "the function")
    shape = theta.shape
    try:
        result = function(theta)
    except Exception as error:
        raise UsageError(f"{name}(theta) raised {_one_line(error)}") from error
    if not isinstance(result, tuple) or len(result) != 2:
        raise UsageError(
            f"{name}(theta) returned a {type(result).__name__}; expected the pair (value, gradient)"
        )
    value = as_float64(f"the value of {name}", result[0])
    gradient = as_float64(f"the gradient of {name}", result[1])
    if value.shape != ():
        raise UsageError(f"the value of {name} has shape {value.shape}; expected a single number")
    if gradient.shape != shape:
        hint = " (it looks transposed)" if gradient.shape == shape[::-1] else ""
        raise UsageError(
            f"the gradient of {name} has shape {gradient.shape}{hint}; expected theta's, {shape}"
        )
    return float(value), gradient


def as_float64(what: str, value: Any) -> Array:
    """`value` as a float64 array; plain numbers and integers are converted, other precisions refused."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise UsageError(f"{what} is not an array of numbers: {error}") from error
    if array.dtype != np.float64 and array.dtype.kind not in "iu":
        raise UsageError(f"{what} is {array.dtype}; the check needs float64: start from np.float64 arrays")
    return array.astype(np.float64)


def _one_line(error: BaseException) -> str:
    """Type, message and place of the innermost frame, without a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}".split()) + where
