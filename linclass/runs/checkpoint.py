"""TrainState <-> named arrays: what is inside `state.npz`, `best.npz` and `snapshots/<epoch>.npz`.

Names are `params.W`, `best.W`, `slots.<slot>.W`, `buffers.<name>`, `scaler.gain`, ... A reader knows all the
names before it opens the file, and an array that is missing, extra, or of another shape is an error.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from linclass import npz
from linclass.datasets.scale import Scaler
from linclass.errors import DataError
from linclass.files import write_durably
from linclass.models.base import Model
from linclass.params import Array, Params
from linclass.runs import legacy
from linclass.settings import Experiment
from linclass.training.history import History
from linclass.training.state import TrainState

_SLACK = 1 << 20  # archive headers, counters
_STATE_LIMIT = 1 << 34

Arrays = Mapping[str, Array]


class Mark(NamedTuple):
    """How much of values.csv belongs to a state without rows: its length in bytes and their CRC-32.

    Such states were saved by earlier versions.
    """

    length: int
    crc: int


def save_weights(
    path: Path, params: Params, buffers: Arrays, scaler: Scaler, epoch: Array, l2: Array
) -> None:
    """Write a model by itself: all that is needed to classify with it later."""
    arrays = {"epoch": np.asarray(epoch), "l2": l2, **_scaler_arrays(scaler)}
    write_durably(path, npz.pack({**arrays, **_named("params", params), **_named("buffers", buffers)}))


def load_weights(path: Path, model: Model) -> tuple[Model, Array]:
    """`model` filled from a file of `save_weights`, with its scaler, and its epoch. Raises DataError."""
    expected = {**_named("params", model.params), **_named("buffers", model.buffers)}
    arrays = _read(path, expected, extra=("epoch", "l2", "scaler.gain", "scaler.offset"))
    for name, array in expected.items():
        array[...] = arrays[name]
    return model.remade(scaler=_scaler_from(arrays)), arrays["epoch"]


def save_state(path: Path, state: TrainState, settings: Experiment, previous: Path) -> None:
    """Write everything that a resumed run needs, durably, and the settings it belongs to.

    previous: where the state that was in `path` is kept.
    """
    arrays = {**_state_arrays(state), **_counters(state), **_scaler_arrays(state.scaler)}
    arrays["history"] = state.history.table()
    written = {"format": legacy.FORMAT, **settings.to_dict()}
    arrays["settings"] = np.frombuffer(json.dumps(written).encode(), np.uint8)
    write_durably(path, npz.pack(arrays), previous)


def load_state(
    path: Path, state: TrainState, settings: Experiment, allowed: Collection[str] = ()
) -> Mark | None:
    """Fill `state` (a fresh one of the right shape) from `path`; returns the rows' mark where it has none.

    Raises DataError where the file is damaged, or was written under other settings (but for `epochs`, and
    for those in `allowed`).
    """
    expected = _state_arrays(state)
    extra = ("counters", "scaler.gain", "scaler.offset", "settings")
    rows = settings.epochs * state.history.K * len(state.history.columns) * 8
    arrays = _read(path, expected, extra, optional=("history", "csv"), more=rows)
    _check_settings(path, arrays["settings"], settings, allowed)
    for name, array in expected.items():
        array[...] = arrays[name]
    _restore_counters(path, state, arrays["counters"])
    mark = None
    if "history" in arrays:
        history, label = state.history, f"{path}: history"
        test = "test_accuracy" in history.columns
        state.history = History.from_table(arrays["history"], history.K, test=test, label=label)
        _check_epoch(state.history, state, label)
    else:
        mark = _mark(path, arrays)
    state.scaler = _scaler_from(arrays)
    return mark


def _mark(path: Path, arrays: Arrays) -> Mark:
    try:
        length, crc = (int(n) for n in arrays["csv"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: it holds no rows, and not which part of values.csv is its own") from error
    return Mark(length, crc)


def saved_settings(path: Path) -> dict[str, Any]:
    """The settings a state was written under, by field, with their meaning of today. Raises DataError."""
    return _parse_settings(path, npz.read_one(path, "settings", _STATE_LIMIT))


def changed_settings(own: Mapping[str, Any], settings: Experiment) -> dict[str, str]:
    """Field -> `eta is 0.7, was 0.1`, for the fields of `settings` that are not as in `own`."""
    own, now = {**Experiment().to_dict(), **own}, settings.to_dict()
    changed = (name for name in now if name != "epochs" and own[name] != now[name])
    return {name: f"{name} is {now[name]!r}, was {own[name]!r}" for name in changed}


def _check_settings(path: Path, written: Array, settings: Experiment, allowed: Collection[str]) -> None:
    changed = changed_settings(_parse_settings(path, written), settings)
    texts = [text for name, text in changed.items() if name not in allowed]
    if texts:
        raise DataError(
            f"{path} was written under other settings than run.json now holds ({'; '.join(texts)}): "
            "put run.json back, or start a new run"
        )


def _parse_settings(path: Path, written: Array) -> dict[str, Any]:
    try:
        own = json.loads(written.tobytes())
        if not isinstance(own, dict):
            raise ValueError("not a table of fields")
        return legacy.translated(own, own.pop("format", 1))
    except ValueError as error:
        raise DataError(f"{path}: its settings cannot be read ({error})") from error


def state_size(state: TrainState) -> int:
    """About how many bytes `save_state` writes."""
    return sum(array.nbytes for array in _state_arrays(state).values()) + _SLACK // 64


def weights_size(state: TrainState) -> int:
    """About how many bytes `save_weights` writes."""
    return int(state.params.flat.nbytes + state.buffers.flat.nbytes) + _SLACK // 64


def restore_history(state: TrainState, data: bytes, mark: Mark, label: str) -> None:
    """Give `state` the history in `data`, the CSV text that `mark` is of. Raises DataError.

    Line ends of another system, and a mark of the encoding, are no other text.
    """
    own = plain_text(data)[: mark.length]
    if len(own) != mark.length or zlib.crc32(own) != mark.crc:
        raise DataError(f"{label} is not the file this run wrote")
    history = History.from_csv(own.decode(), state.history.K, label=label)
    if history.columns != state.history.columns:
        raise DataError(f"{label}: its columns are not those of the run")
    _check_epoch(history, state, label)
    state.history = history


def plain_text(data: bytes) -> bytes:
    """A text without what editors and transfers change: line ends, and the mark of its encoding."""
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def _check_epoch(history: History, state: TrainState, label: str) -> None:
    if history.epochs != state.epoch:
        raise DataError(f"{label}: it ends at epoch {history.epochs}, the state at epoch {state.epoch}")


def _state_arrays(state: TrainState) -> dict[str, Array]:
    """The arrays of a state by name; views, so they can be filled."""
    arrays = {**_named("params", state.params), **_named("best", state.best)}
    arrays |= {**_named("buffers", state.buffers), **_named("best_buffers", state.best_buffers)}
    for slot, params in state.slots.items():
        arrays |= _named(f"slots.{slot}", params)
    for name in ("active", "diverged", "running_loss", "running_correct", "best_epoch"):
        arrays[name] = getattr(state, name)
    return arrays


def _counters(state: TrainState) -> dict[str, Array]:
    return {"counters": np.array([state.step, state.epoch, *state.running_rows])}


def _restore_counters(path: Path, state: TrainState, counters: Array) -> None:
    K = state.history.K
    # earlier versions counted the running rows of all models as one
    if counters.dtype != np.int64 or counters.shape not in ((2 + K,), (3,)):
        raise DataError(f"{path}: counters is {counters.dtype} {counters.shape}; expected int64 ({2 + K},)")
    state.step, state.epoch = int(counters[0]), int(counters[1])
    state.running_rows[:] = counters[2:]


def _named(prefix: str, arrays: Arrays) -> dict[str, Array]:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def _scaler_arrays(scaler: Scaler) -> dict[str, Array]:
    return {"scaler.gain": scaler.gain, "scaler.offset": scaler.offset}


def _scaler_from(arrays: Arrays) -> Scaler:
    return Scaler(arrays["scaler.gain"], arrays["scaler.offset"])


def _read(
    path: Path, expected: Arrays, extra: tuple[str, ...], optional: tuple[str, ...] = (), more: int = 0
) -> dict[str, Array]:
    """more: bytes that the arrays beside `expected` take."""
    limit = 2 * sum(array.nbytes for array in expected.values()) + more + _SLACK
    arrays = npz.read(path, required=[*expected, *extra], optional=optional, max_bytes=limit)
    for name, array in expected.items():
        found = arrays[name]
        if found.shape != array.shape or found.dtype != array.dtype:
            raise DataError(
                f"{path}: {name} is {found.dtype} {found.shape}; expected {array.dtype} {array.shape}"
            )
    return arrays
