"""A space in a file: JSON, or TOML where this Python reads it (3.11 and later).

    {"random": {"eta": [[1e-5, 1e-3], "log"], "hidden": [[150, 400], "int"]}, "grid": {"l2": [0, 1e-4]}}

Without "random" and "grid" the whole file is the random part, as the course's dictionaries are.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from linclass.errors import DataError, UsageError
from linclass.files import read_capped, read_json
from linclass.search.spaces import Space, space

_LIMIT = 1 << 20


def read_space(path: Path) -> Space:
    """The space in `path`. Raises DataError for a file that cannot be read, UsageError for a bad space."""
    content = _read_toml(path) if path.suffix == ".toml" else read_json(path, _LIMIT)
    if not isinstance(content, dict):
        raise DataError(f'{path}: expected names and values, such as {{"eta": [[1e-5, 1e-3], "log"]}}')
    if not set(content) <= {"random", "grid"}:
        content = {"random": content}
    for part, dims in content.items():
        if not isinstance(dims, dict):
            raise DataError(f"{path}: {part} is {dims!r}: expected names and values")
    try:
        return space(content.get("random"), content.get("grid"))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _read_toml(path: Path) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib

        try:
            return tomllib.loads(read_capped(path, _LIMIT).decode())
        except ValueError as error:
            raise DataError(f"cannot read {path}: it is not valid TOML ({error})") from error
    raise UsageError(f"{path}: reading TOML needs Python 3.11; write the space as JSON")
