"""`python -m fuzz pickle --runs 100000`: see docs/hostile-files.md."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

NAMES = ["pickle", "bin", "mat", "idx", "idx-rows", "csv", "table", "image-folder", "own-data", "npz"]
NAMES += ["sample", "history", "manifest", "archive", "sprite"]
SHARES = {
    "csv": 0.2,
    "table": 0.5,
    "pickle": 1.8,
}  # of what each would get: pandas takes 5 ms a table, the pickle matters most


def main() -> int:
    """The exit code: 0, or 7 where an input did harm."""
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description="Hostile files for one reader, or for all."
    )
    parser.add_argument("target", choices=[*NAMES, "all"])
    parser.add_argument(
        "--runs", type=int, default=100_000, help="inputs; with `all` shared among the readers"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="mutate valid files, without atheris")
    parser.add_argument("--report", type=Path, help="a file for the tally, as JSON")
    given = parser.parse_args()
    if not given.plain and importlib.util.find_spec("atheris") is None:
        print('atheris is not installed: run pip install "atheris>=2.3", or give --plain', file=sys.stderr)
        return 2
    if given.target == "all":
        return every_target(given)
    if given.plain:
        from fuzz.campaign import plain

        tally = plain(given.target, given.runs, given.seed)
        print(tally.line(), flush=True)
        if given.report:
            tally.save(given.report)
        return 7 if tally.crashes else 0
    from fuzz.guided import guided

    guided(given.target, given.runs, given.seed, given.report)
    return 0  # not reached: atheris ends the process


def every_target(given: argparse.Namespace) -> int:
    """Each reader in a process of its own, one after the other."""
    total = crashes = 0
    for name in NAMES:
        with tempfile.TemporaryDirectory() as directory:
            report = Path(directory) / "tally.json"
            runs = math.ceil(given.runs / len(NAMES) * SHARES.get(name, 1))
            command = [sys.executable, "-m", "fuzz", name, "--runs", str(runs), "--seed", str(given.seed)]
            command += ["--report", str(report), *(["--plain"] if given.plain else [])]
            subprocess.run(command, check=False, stderr=None if given.plain else subprocess.DEVNULL)
            tally: dict[str, Any] = {"read": 0, "refused": 0, "crashes": [name]}  # if even the process died
            if report.exists():
                tally = json.loads(report.read_text())
            total += tally["read"] + tally["refused"] + len(tally["crashes"])
            crashes += len(tally["crashes"])
    print(f"{total:,} inputs, {crashes} crashed")
    return 7 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
