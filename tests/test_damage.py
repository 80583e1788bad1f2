"""Damaged files of a run: detected, or loaded identical; and the state before the last one to go on from."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linclass.errors import DataError
from linclass.runs.directory import Run, load_run
from linclass.runs.experiment import resume, run
from linclass.runs.progress import Listener
from linclass.settings import Experiment

FLIPS = 1000


pytestmark = pytest.mark.usefixtures("no_pictures_in_module")


@pytest.fixture(scope="module")
def trained(no_pictures_in_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 6 epochs, with a snapshot, on 60 rows."""
    folder = tmp_path_factory.mktemp("damage")
    generator = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = generator.normal(size=(60, 4)) + np.eye(3, 4)[y]
    np.savez(folder / "own.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    wanted = Experiment(dataset=str(folder / "own.npz"), epochs=6, batch_size=20, eta=0.1, snapshot_every=4)
    run(wanted, out=folder / "r")
    return folder / "r"


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "r")
    return tmp_path / "r"


def state_of(path: Path) -> tuple[Any, ...]:
    """All that a reader gets of a run's last state, as values that can be compared."""
    found = load_run(path)
    state, _ = found.load_state()
    arrays = [state.params, state.best, state.buffers, state.best_buffers, *state.slots.values()]
    counters = (
        state.step,
        state.epoch,
        *state.running_rows,
        *state.active,
        *state.diverged,
        *state.best_epoch,
    )
    scaler = state.scaler
    return (
        [params.flat.tobytes() for params in arrays],
        counters,
        scaler.gain.tobytes() + scaler.offset.tobytes(),
        state.history.to_csv(),
    )


def weights_of(path: Path, weights: str | int) -> bytes:
    found = load_run(path)
    model = found.model(weights)
    return b"".join(
        a.tobytes() for a in (model.params.flat, model.buffers.flat, model.architecture.scaler.gain)
    )


MANIFEST = [
    "format",
    "linclass",
    "created",
    "origin",
    "settings",
    "data",
    "versions",
    "machine",
    "blas",
    "threads",
    "numerics",
]


def manifest_of(path: Path) -> list[Any]:
    # by name: a flip in the checksum's own name leaves one entry more, and no other harm
    manifest = load_run(path).manifest
    return [manifest[key] for key in MANIFEST]


READERS: dict[str, Callable[[Path], Any]] = {
    "state.npz": state_of,
    "run.json": manifest_of,
    "best.npz": lambda path: weights_of(path, "best"),
    "snapshots/4.npz": lambda path: weights_of(path, 4),
}


def damaged(data: bytes, number: int) -> dict[str, bytes]:
    """`number` single flipped bits at random places, and truncations at as many points as fit."""
    generator = np.random.default_rng(1)
    found = {}
    for bit in generator.choice(8 * len(data), min(number, 8 * len(data)), replace=False):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        found[f"bit {bit}"] = bytes(flipped)
    for kept in range(0, len(data), max(1, len(data) // 200)):
        found[f"first {kept} bytes"] = data[:kept]
    return found


@pytest.mark.parametrize("name", READERS)
def test_every_damage_is_detected_or_harmless(copy: Path, name: str) -> None:
    read, path, refusals = READERS[name], copy / name, []
    whole = read(copy)
    cases = damaged(path.read_bytes(), FLIPS)
    for what, data in cases.items():
        path.write_bytes(data)
        try:
            assert read(copy) == whole, f"{name}, {what}: something else was loaded"
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > len(cases) / 2, "the damage was seen at all"
    assert not any("\n" in text for text in refusals)


def test_every_damaged_status_is_detected_or_harmless(copy: Path) -> None:
    path = copy / "status.json"
    whole = load_run(copy).status
    for what, data in damaged(path.read_bytes(), FLIPS).items():
        path.write_bytes(data)
        try:
            status = load_run(copy).status
        except DataError:
            assert not load_run(copy).is_over
        else:
            status.pop("brc32", None)
            assert {**status, **whole} == status, what


class Notes(Listener):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_resume_goes_on_from_the_state_before_a_damaged_one(copy: Path, damage: str) -> None:
    whole, best = state_of(copy), weights_of(copy, "best")
    state = copy / "state.npz"
    data = state.read_bytes()
    with zipfile.ZipFile(state) as archive:
        member = archive.getinfo("params.W.npy")
    at = member.header_offset + member.file_size  # among the last numbers of W: a header is before them
    flipped = data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :]
    state.write_bytes({"flipped": flipped, "truncated": data[:-100], "empty": b""}[damage])
    with pytest.raises(DataError, match=r"`linclass resume .*` would go on from the state before it"):
        load_run(copy).load_state()
    listener = Notes()
    resume(copy, listener=listener)
    assert "going on from the state before it, in epoch" in listener.notes[0]
    again = state_of(copy)
    assert again[:3] == whole[:3]
    assert weights_of(copy, "best") == best
    seconds = load_run(copy).history.columns.index("seconds")
    for one, other in zip(again[3].splitlines(), whole[3].splitlines(), strict=True):
        cells, wanted = one.split(","), other.split(",")
        assert cells[:seconds] + cells[seconds + 1 :] == wanted[:seconds] + wanted[seconds + 1 :]


def test_a_state_lost_between_the_renames_of_a_save_is_the_one_before(copy: Path) -> None:
    (copy / "state.npz").rename(copy / "state-1.npz")
    found = Run(copy)
    assert found.load_state()[0].epoch == 6
    assert not found.fell_back
    resume(copy, epochs=8)
    assert load_run(copy).load_state()[0].epoch == 8


def test_both_states_damaged_is_said_of_the_newer_and_what_is_whole_is_named(copy: Path) -> None:
    best = weights_of(copy, "best")
    for name in ("state.npz", "state-1.npz"):
        (copy / name).write_bytes(b"")
    with pytest.raises(
        DataError, match=r"state\.npz .*restore it from a copy; .*--weights best, 4, 6 "
    ) as caught:
        resume(copy, epochs=8)
    assert "overwrite" not in str(caught.value)
    assert weights_of(copy, "best") == best
    assert load_run(copy).epoch_of("best") > 0


def test_a_lost_best_npz_is_in_the_state(copy: Path) -> None:
    best, epoch = weights_of(copy, "best"), load_run(copy).epoch_of("best")
    (copy / "best.npz").unlink()
    assert weights_of(copy, "best") == best
    assert load_run(copy).epoch_of("best") == epoch


def test_a_damaged_snapshot_does_not_keep_a_run_from_ending(copy: Path) -> None:
    (copy / "snapshots/4.npz").write_bytes(b"")
    resume(copy, epochs=8)
    assert load_run(copy).status["status"] == "finished"
