"""Runs made by linclass 0.1.0 (`old_runs/make.py`) mean what they meant: numbers, weights, longer trainings.

Bit for bit where this machine's arithmetic is that of the one that made them; else to rounding.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from old_runs.make import GRID, LONGER, RUNS, SWEEP, expected

import linclass
from linclass import Experiment, engine, files, npz
from linclass.errors import DataError, RunTakenError, UsageError
from linclass.runs import checkpoint, legacy
from linclass.search import grid_search

HERE = Path(__file__).parent / "old_runs"
WANTED = npz.read(
    HERE / "expected.npz",
    required=np.load(HERE / "expected.npz").files,
    max_bytes=1 << 22,
)

pytestmark = [
    pytest.mark.usefixtures("no_pictures"),
    pytest.mark.filterwarnings("ignore:this machine's arithmetic is not"),  # where it is another
]


def place(name: str, folder: Path) -> Path:
    """A copy of an old run in `folder`, beside its data, which it knows by the path they once had."""
    path = folder / Path(name).name
    shutil.copytree(HERE / "runs" / name, path)
    shutil.copytree(HERE / "data", folder, dirs_exist_ok=True)
    return path


def rewrite(state: Path, **changes: Any) -> None:
    """Change the settings inside a state, and nothing else."""
    with np.load(state) as archive:
        arrays = dict(archive)
    settings = json.loads(arrays["settings"].tobytes()) | changes
    arrays["settings"] = np.frombuffer(json.dumps(settings).encode(), np.uint8)
    state.write_bytes(npz.pack(arrays))


def same_kernels(path: Path) -> bool:
    with engine.limited(engine.DEFAULT_THREADS):
        return files.read_json(path / "run.json")["numerics"] == engine.fingerprint()


def compare(name: str, path: Path, found: dict[str, np.ndarray]) -> None:
    wanted = {key.split("/")[1]: a for key, a in WANTED.items() if key.startswith(f"{name}/")}
    assert found.keys() == wanted.keys()
    exact = same_kernels(path)
    for key, array in wanted.items():
        if exact or array.dtype.kind != "f":
            np.testing.assert_array_equal(found[key], array, err_msg=key, strict=True)
        else:
            tolerance = 1e-9 if found[key].dtype == np.float64 and name == "nesterov" else 1e-4
            np.testing.assert_allclose(found[key], array, rtol=tolerance, atol=tolerance, err_msg=key)


@pytest.mark.parametrize("name", RUNS)
def test_an_old_run_is_evaluated_resumed_and_extended_as_by_its_own_linclass(
    name: str, tmp_path: Path
) -> None:
    path = place(name, tmp_path)
    compare(name, path, expected(path))


def test_an_old_run_is_only_read_until_it_is_resumed_and_then_has_todays_format(tmp_path: Path) -> None:
    path = place("interrupted", tmp_path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    linclass.load_run(path).model()
    assert before == {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    linclass.resume(path)
    assert files.read_json(path / "run.json")["format"] == legacy.FORMAT
    written = json.loads(npz.read_one(path / "state.npz", "settings", 1 << 20).tobytes())
    assert written.pop("format") == legacy.FORMAT
    assert written == linclass.load_run(path).settings.to_dict()
    linclass.resume(path, epochs=LONGER)
    assert linclass.load_run(path).load_state()[0].epoch == LONGER


def test_an_old_sweep_is_found_again_and_a_pack_that_it_lacks_is_trained_to_the_same(tmp_path: Path) -> None:
    data = shutil.copy(HERE / "data" / "blobs.npz", tmp_path)
    sweep = tmp_path / "sweep"
    shutil.copytree(HERE / "runs" / "sweep", sweep)
    for file in [sweep / "sweep.json", *sweep.glob("packs/*.json")]:
        file.write_text(file.read_text().replace(SWEEP["dataset"], str(data)))
    missing = sweep / "packs" / "0002.json"
    there = json.loads(missing.read_text())
    missing.unlink()
    (sweep / "best").rename(tmp_path / "was")
    with pytest.raises(RunTakenError, match=r"another sweep \(split was all, is auto\)"):
        grid_search(GRID, Experiment(**{**SWEEP, "dataset": str(data)}), out=sweep)
    found = grid_search(GRID, Experiment(**{**SWEEP, "dataset": str(data), "split": "all"}), out=sweep)
    made = json.loads(missing.read_text())
    for old, new in zip(there["results"], made["results"], strict=True):
        assert new["score"].pop("status") == old["score"].pop("status")
        assert new["score"] == pytest.approx(old["score"], rel=0 if same_kernels(tmp_path / "was") else 1e-4)
        assert new["values"] == old["values"]
    assert [row["status"] for row in found.rows()] == ["finished"] * 4
    compare("sweep", tmp_path / "was", expected(sweep / "best"))


def test_an_old_sweep_had_the_default_batch_size(tmp_path: Path) -> None:
    sweep, asked = tmp_path / "sweep", Experiment(dataset="mnist-sample", train_size=200, epochs=1)
    path = grid_search({"eta": [0.1]}, asked, out=sweep).path
    assert json.loads((path / "sweep.json").read_text())["settings"]["batch_size"] == 100
    for file in [sweep / "sweep.json", *sweep.glob("packs/*.json")]:
        file.write_text(file.read_text().replace(f'"format": {legacy.FORMAT}', '"format": 1'))
    before = (sweep / "packs" / "0000.json").stat().st_mtime_ns
    grid_search({"eta": [0.1]}, asked, out=sweep)
    assert (sweep / "packs" / "0000.json").stat().st_mtime_ns == before


def test_the_best_run_of_an_old_sweep_is_evaluated(tmp_path: Path) -> None:
    path = place("sweep/best", tmp_path)
    compare("sweep", path, expected(path))


def test_an_old_sweep_of_other_settings_is_not_taken_for_this_one(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    shutil.copytree(HERE / "runs" / "sweep", sweep)
    data = str(shutil.copy(HERE / "data" / "blobs.npz", tmp_path))
    file = sweep / "sweep.json"
    file.write_text(file.read_text().replace(SWEEP["dataset"], data))
    with pytest.raises(RunTakenError, match=r"another sweep \(epochs was 3, is 4\)"):
        grid_search(GRID, Experiment(**{**SWEEP, "dataset": data, "split": "all", "epochs": 4}), out=sweep)
    file.write_text(file.read_text().replace('"format": 1', f'"format": {legacy.FORMAT + 1}'))
    with pytest.raises(DataError, match=rf"format {legacy.FORMAT + 1}, where 1 to {legacy.FORMAT} are known"):
        grid_search(GRID, Experiment(**{**SWEEP, "dataset": data}), out=sweep)


@pytest.mark.parametrize("format", [0, legacy.FORMAT + 1, "1", 1.0, True, None])
def test_settings_of_an_unknown_format_are_refused(format: Any) -> None:
    with pytest.raises(ValueError, match=f"where 1 to {legacy.FORMAT} are known"):
        legacy.translated({}, format)


def test_a_run_and_a_state_of_a_newer_format_are_refused(tmp_path: Path) -> None:
    path = place("linear", tmp_path)
    rewrite(path / "state.npz", format=legacy.FORMAT + 1)
    with pytest.raises(DataError, match="where 1 to"):
        checkpoint.saved_settings(path / "state.npz")
    manifest = files.read_json(path / "run.json")
    files.unseal(manifest)
    files.write_sealed(path / "run.json", {**manifest, "format": legacy.FORMAT + 1})
    with pytest.raises(DataError, match=r"written by linclass .0\.1\.0.* where 1 to"):
        linclass.load_run(path)


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov"])
def test_momentum_0_stood_for_0_9(optimizer: str) -> None:
    assert legacy.experiment({"optimizer": optimizer, "momentum": 0.0}, 1).momentum == 0.9
    assert legacy.experiment({"optimizer": optimizer}, 1).momentum == 0.9
    assert legacy.experiment({"optimizer": optimizer, "momentum": 0.3}, 1).momentum == 0.3


@pytest.mark.parametrize(
    ("recorded", "split_seed"),
    [({"fold": "1/3"}, 4), ({"label_noise": 0.5}, 4), ({"fold": "", "label_noise": 0.0}, 0), ({}, 0)],
)
def test_folds_and_noise_were_drawn_of_the_seed(recorded: dict[str, Any], split_seed: int) -> None:
    assert legacy.experiment({"seed": 4, **recorded}, 1).split_seed == split_seed


def test_what_format_1_did_not_record_is_not_filled_from_todays_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = {field.name: field for field in Experiment.__dataclass_fields__.values()}
    assert legacy.translated({}, 1).keys() == fields.keys(), "a new field needs its legacy meaning"
    monkeypatch.setattr(fields["batch_size"], "default", 7)
    assert legacy.experiment({}, 1).batch_size == 100


def test_balanced_class_weights_of_an_old_run_are_asked_for_by_number(tmp_path: Path) -> None:
    """It did not record how many rows each class has."""
    path = place("linear", tmp_path)
    with pytest.raises(UsageError, match=r"--class-weights balanced: .* expected 10 numbers, one for each"):
        linclass.resume(path, epochs=9, changes={"class_weights": "balanced"}, allow=["class_weights"])
