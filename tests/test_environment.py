"""The environment a run is started from: what the program does not need cannot end it or litter it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from linclass.datasets.cifar10_published import CIFAR10
from linclass.datasets.locate import data_dirs, fetch_dir, find

CHILD = """
import sys
from linclass.cli.main import cli
from linclass.cli.console import call
train, evaluate = sys.argv[1:].index("--"), sys.argv[1:]
sys.exit(call(cli, evaluate[:train]) or call(cli, evaluate[train + 1:]))
"""


def python(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        encoding="latin-1",
        check=False,
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's file of 60 images whose name is in a script that matplotlib's font lacks."""
    y = np.arange(60) % 3
    x = np.random.default_rng(0).integers(0, 120, (60, 4, 4)) + 60 * y[:, None, None]
    path = tmp_path / "数据😀.npz"
    np.savez(
        path, x_train=x[:40].astype(np.uint8), y_train=y[:40], x_test=x[40:].astype(np.uint8), y_test=y[40:]
    )
    return path


def test_a_run_in_a_hostile_environment_is_whole_and_silent(own: Path, tmp_path: Path) -> None:
    """A notebook's backend, a home that is not there, an unknown locale, a terminal of another encoding."""
    out = tmp_path / "λ"
    train = ["train", "--dataset", str(own), "--epochs", "1", "--batch-size", "20", "--seeds", "2", "--quiet"]
    done = python(
        CHILD,
        *[*train, "--out", str(out), "--", "evaluate", str(out), "--quiet"],
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        HOME="/dev/null/home",
        # matplotlib's list of fonts, which takes seconds to make, is all that is left of the home
        XDG_CACHE_HOME=str(Path(matplotlib.get_cachedir()).parent),
        LC_ALL="xx_YY.nonsense",
        PYTHONIOENCODING="cp437",
        COLUMNS="x",
        TERM="none",
        TMPDIR="/dev/null/tmp",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "in " in done.stdout
    assert {"1_loss.png", "1_weights.png", "test_last_mistakes.png"} <= {path.name for path in out.iterdir()}


@pytest.mark.parametrize("backend", ["nonsense", "TkAgg"])
def test_a_backend_ends_no_import_and_stays_what_the_program_asked_for(backend: str) -> None:
    program = (
        "import os, linclass.plots, matplotlib; "
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams._get_backend_or_none())"
    )
    done = python(program, MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, "")
    named, taken = done.stdout.split()
    assert named == backend
    assert taken.lower() in ("none", backend.lower())


def test_a_program_that_has_matplotlib_keeps_it_as_it_is() -> None:
    program = (
        "import matplotlib, logging; matplotlib.use('svg'); import linclass.plots; "
        "print(matplotlib.get_backend(), logging.getLogger('matplotlib').level)"
    )
    assert python(program).stdout.split() == ["svg", "0"]


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert data_dirs() == [Path("data")]
    assert fetch_dir() == Path("data")
    monkeypatch.setenv("LINCLASS_DATA", "/somewhere")
    assert fetch_dir() == Path("/somewhere")


def test_a_home_that_may_not_be_read_is_empty_and_a_named_place_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = Path.is_file

    def refused(path: Path) -> bool:
        if tmp_path in path.parents:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert find(CIFAR10, [tmp_path / "linclass"]) is None
    with pytest.raises(Exception, match=r"cannot look for data in .*Permission denied"):
        find(CIFAR10, [tmp_path / "named"])
