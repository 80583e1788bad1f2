"""The sweep directory: what is written, how a sweep is found again.

sweep.json       what is searched: space, settings, seeds, the data's digest
packs/           <number>.json and .npz: the results of each finished pack, and its best model's weights
trials.csv       the table of all finished trials
best/            the best trial as a run directory, for `linclass evaluate`, `predict`, `templates`
*.png            the pictures        .lock   held while a process works here

A pack's JSON file is written last: where it is, the pack is finished and is never trained again.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from linclass import files, npz
from linclass.datasets.load import NAMES
from linclass.errors import DataError, RunTakenError, one_line
from linclass.runs import legacy
from linclass.search.packs import PackResult, Weights
from linclass.search.trials import Result, Score, Trial
from linclass.settings import Experiment
from linclass.training.history import Row

_LIMIT = 1 << 30
_PICTURE = re.compile(r"(score_\w+|parallel|curves)\.png")
_ANY = ("format", "linclass", "classes", "settings", "study")
"""What in sweep.json may be another's: the version that wrote it, the name of its study, and the classes,
which a sweep that goes on takes from there; the settings are compared by field."""


class Store:
    """A sweep directory that this process holds. study: the name of its adaptive search's study."""

    def __init__(self, path: Path, study: str) -> None:
        self.path, self.study = path, study

    def pack_path(self, number: int) -> Path:
        """Of a finished pack."""
        return self.path / "packs" / f"{number:04d}.json"

    def save(self, number: int, result: PackResult) -> None:
        """Keep a finished pack, durably."""
        path = self.pack_path(number)
        arrays = {f"params.{name}": array for name, array in result.weights.params.items()}
        arrays |= {f"buffers.{name}": array for name, array in result.weights.buffers.items()}
        files.write_durably(path.with_suffix(".npz"), npz.pack(arrays))
        record = {
            "format": legacy.FORMAT,
            "results": [_to_json(one) for one in result.results],
            "best": result.best,
            "replica": result.replica,
            "arrays": sorted(arrays),
            "seconds": result.seconds,
        }
        files.write_json(path, record)

    def load(self, number: int, trials: Sequence[Trial]) -> PackResult | None:
        """The finished pack of these trials; None where it is not finished.

        Nor is one that lacks its best replica's epochs: format 1 kept the first replica's only.
        Raises DataError where the files are damaged or belong to other trials.
        """
        path = self.pack_path(number)
        if not path.exists():
            return None
        try:
            record = files.read_json(path, _LIMIT)
            format, pairs = record.get("format", 1), zip(record["results"], trials, strict=True)
            results = tuple(_from_json(one, trial, format) for one, trial in pairs)
            arrays = npz.read(path.with_suffix(".npz"), required=record["arrays"], max_bytes=_LIMIT)
            best, replica, seconds = int(record["best"]), int(record["replica"]), float(record["seconds"])
            if len(results[best].histories) <= replica:
                return None
        except (AttributeError, LookupError, TypeError, ValueError, DataError) as error:
            raise DataError(
                f"{path} is not a pack of this sweep ({error}): delete it, to train its trials again"
            ) from error
        weights = Weights(_below("params.", arrays), _below("buffers.", arrays))
        return PackResult(results, best, replica, weights, seconds)

    def write_table(self, results: Sequence[Mapping[str, Any]]) -> None:
        """trials.csv; numbers read back exactly."""
        columns = list(results[0])
        lines = [columns, *([_cell(row[name]) for name in columns] for row in results)]
        files.write_durably(
            self.path / "trials.csv", "".join(",".join(line) + "\n" for line in lines).encode()
        )


@contextlib.contextmanager
def claim(path: Path, plan: Mapping[str, Any], *, overwrite: bool) -> Iterator[Store]:
    """Hold `path` for the sweep that `plan` describes; its finished packs, if there are any, count.

    The data are the same where their digest is: a sweep is found again after its own file has moved.

    Raises RunTakenError where another process works there, or where another sweep or a run is there.
    """
    files.make_directory(path / "packs")
    with files.locked(path / ".lock"):
        files.sweep_temporaries(path)
        study = _study_of(path) or f"linclass-{secrets.token_hex(8)}"
        if overwrite:
            _clear(path)
        if (path / "run.json").exists():
            raise RunTakenError(f"{path} holds a run: give the sweep another place with --out")
        _check_same(path, plan)
        files.make_directory(path / "packs")
        files.write_json(path / "sweep.json", {**plan, "study": study})
        yield Store(path, study)


def _study_of(path: Path) -> str:
    """The name in the sweep.json that is there; empty where there is none."""
    with contextlib.suppress(DataError):
        there = files.read_json(path / "sweep.json")
        if isinstance(there, dict) and isinstance(there.get("study"), str):
            return str(there["study"])
    return ""


def classes_of(path: Path, settings: Experiment, found: Sequence[str]) -> tuple[str, ...] | None:
    """The classes that the sweep in `path` gives a user's own data; None where none is on these data.

    found: the labels that occur there.
    """
    with contextlib.suppress(DataError, KeyError, TypeError, ValueError):
        there = files.read_json(path / "sweep.json")
        if there["settings"]["dataset"] == settings.dataset and settings.dataset not in NAMES:
            return legacy.classes(found) if there["format"] == 1 else tuple(map(str, there["classes"]))
    return None


def _check_same(path: Path, plan: Mapping[str, Any]) -> None:
    if not (path / "sweep.json").exists():
        return
    there, own = files.read_json(path / "sweep.json"), json.loads(json.dumps(plan))
    try:
        settings = legacy.translated(there["settings"], there["format"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path / 'sweep.json'} is not a sweep's ({one_line(error)}): put it back from a copy; "
            "--overwrite deletes the finished trials and starts afresh"
        ) from error
    for was, now in ((settings, own["settings"]), (there, own)):
        for name in {**now, **was}:
            if name not in (*_ANY, "dataset") and now.get(name) != was.get(name):
                raise RunTakenError(
                    f"{path} holds another sweep ({name} was {was.get(name)}, is {now.get(name)}): "
                    "--out names another place; --overwrite deletes the finished trials and starts afresh"
                )


def _clear(path: Path) -> None:
    """Remove what a sweep writes, and nothing else; sweep.json last, so that a half-cleared sweep is seen."""
    shutil.rmtree(path / "packs", ignore_errors=True)
    if (path / "sweep.json").exists():
        shutil.rmtree(path / "best", ignore_errors=True)
    for picture in path.glob("*.png"):
        if _PICTURE.fullmatch(picture.name):
            picture.unlink()
    for name in ("trials.csv", "study.journal", "study.journal.lock", "sweep.json"):
        (path / name).unlink(missing_ok=True)


def _to_json(result: Result) -> dict[str, Any]:
    trial = result.trial
    return {
        "trial": trial.number,
        "round": trial.round,
        "values": dict(trial.values),
        "settings": trial.settings.to_dict(),
        "score": {name: _plain(value) for name, value in asdict(result.score).items()},
        "histories": [
            [{name: _plain(value) for name, value in row.items()} for row in history]
            for history in result.histories
        ],
    }


def _from_json(record: Mapping[str, Any], trial: Trial, format: Any) -> Result:
    settings = legacy.experiment(record["settings"], format).replace(dataset=trial.settings.dataset)
    own = Trial(record["trial"], record["round"], record["values"], settings)
    if own != trial:
        raise ValueError(f"it holds trial {own.number} with {dict(own.values)}")
    kept = record["histories"] if "histories" in record else [record["history"]]
    histories: list[list[Row]] = [
        [{name: _number(value) for name, value in row.items()} for row in history] for history in kept
    ]
    score = {name: _number(value) for name, value in record["score"].items()}
    return Result(own, Score(**score), histories)


def _plain(value: Any) -> Any:
    """For JSON, which knows no infinity: a number as it is, others as text."""
    if isinstance(value, (str, bool, int)):
        return value
    value = float(value)
    return value if math.isfinite(value) else str(value)


def _number(value: Any) -> Any:
    return float(value) if value in ("inf", "-inf", "nan") else value


def _below(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def _cell(value: Any) -> str:
    text = repr(float(value)) if isinstance(value, float) else str(value)
    return f'"{text}"' if "," in text else text
