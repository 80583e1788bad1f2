"""The commands of `reliability/` pass, and see the faults that are planted in the writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from linclass.errors import DataError
from reliability.kills import Harness, Tally
from reliability.subject import Outcome

ROOT = Path(__file__).parent.parent


def reliability(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "reliability", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def numbers(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """What it counted, by the first words of the line."""
    lines = [line.split("  ", 1) for line in map(str.strip, done.stdout.splitlines())]
    return {text.split(":")[0]: int(number.replace(",", "")) for number, text in lines}


BROKEN = (
    "runs that lost a saved epoch",
    "states that could not be read, or resumes that failed",
    "missing or doubled rows of values.csv",
    "files too many or too few",
    "locks left behind",
    "runs that ended with other bits",
)


def test_runs_survive_100_random_kills_every_fault_point_and_10_kills_of_the_command() -> None:
    done = reliability("kills", "100", "--commands", "10")
    assert done.returncode == 0, done.stdout + done.stderr
    counted = numbers(done)
    assert counted["kills at random times, each after a new epoch"] >= 100
    assert counted["kills at named fault points"] > 150
    assert counted["kills of the real command"] == 10
    assert counted["runs brought to their end and compared"] > 10
    assert [counted[what] for what in BROKEN] == [0] * 6


def test_a_run_that_cannot_be_read_at_its_end_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(path: Path) -> Outcome:
        raise DataError("values.csv is not the file this run wrote")

    monkeypatch.setattr(Outcome, "of", of)
    harness = Harness.__new__(Harness)  # without its folder and the run that others are compared with
    harness.tally = Tally()
    harness._compare(tmp_path, None, Outcome("", "", "", "", (), ()))
    assert len(harness.tally.corrupt) == 1
    assert harness.tally.runs == 0


def test_a_writer_that_does_not_cut_the_csv_back_is_seen() -> None:
    done = reliability("kills", "30", "--no-points", "--commands", "0", "--plant", "no-truncation")
    assert done.returncode == 7, done.stdout + done.stderr
    counted = numbers(done)
    assert any(counted[what] for what in BROKEN)


def test_power_loss_leaves_the_old_or_the_new_state() -> None:
    done = reliability("power", "--resume-every", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    counted = numbers(done)
    assert counted["operations of a run, a kill and its resume, with power lost after each"] > 150
    assert counted["disks that power loss may have left, each read"] > 500
    assert counted["of them resumed to the end and compared"] >= 8
    assert counted["without the old or the new state"] == 0


@pytest.mark.parametrize("call", ["fsync", "fsync_directory"])
def test_a_writer_that_forgets_to_sync_is_seen(call: str) -> None:
    done = reliability("power", "--forget", call)
    assert done.returncode == 7, done.stdout + done.stderr
    assert numbers(done)["without the old or the new state"] == 1
