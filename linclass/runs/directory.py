"""The run directory: what is written, what is held, and how a run is found again.

run.json      the resolved settings, their origin, versions, data digest, BLAS, threads
values.csv    one row an epoch (and model), for people and other programs; the state has them too
state.npz     all that `resume` needs        state-1.npz   the state before it, should it be damaged
best.npz      the weights with the lowest validation loss
snapshots/    <epoch>.npz                    status.json   where the run stands, for other programs
*.png, *.gif  the pictures (see pictures.py) .lock      held while a process works here
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linclass import files
from linclass.errors import DataError, RunTakenError, StorageError, UsageError, one_line, quoted
from linclass.models.base import Model
from linclass.params import Array, Params
from linclass.runs import checkpoint, legacy, pictures
from linclass.runs.model import build_model, build_optimizer
from linclass.settings import Experiment
from linclass.training.history import History, Row
from linclass.training.state import TrainState

if TYPE_CHECKING:
    from linclass.plots.images import Scale

RESULTS = Path("result_pics")
STATE, PREVIOUS, LOG = "state.npz", "state-1.npz", "values.csv"
_CSV_LIMIT = 1 << 30
_PICTURES = 500_000
"""Bytes that the pictures of a snapshot take at most, about; measured on CIFAR-10."""
_PICTURE = re.compile(
    r"[0-9]+_(loss|accuracy|difference|weights|function)\.png|weights\.gif|published\.png"
    r"|landscape_(interpolation|plane|trajectory|sensitivity|sharpness)(_.+)?\.png"
    r"|templates_(\w+_)?(class|shared|symmetric)(_replica[0-9]+)?\.(png|gif)"
    r"|(train|validation|test)_([\w-]+_)?(confusion|calibration|mistakes|probabilities)\.png"
)


class Run:
    """One run directory, open for reading; `claim` and `reopen` open it for writing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest_path = path / "run.json"
        if not manifest_path.is_file():
            raise DataError(f"no run in {path}: expected a directory with run.json, such as {_an_example()}")
        self.manifest: dict[str, Any] = files.read_json(manifest_path)
        intact = files.unseal(self.manifest)
        try:
            self.settings = legacy.experiment(self.manifest["settings"], self.manifest["format"])
            self.threads = int(self.manifest["threads"])
            self.numerics = str(self.manifest["numerics"])
            data = self.manifest["data"]
            self.digest = str(data["sha256"])
            self.subject = pictures.Subject(
                data["title"],
                tuple(data["classes"]),
                tuple(data["image_shape"]) if data["image_shape"] else None,
                self.settings,
            )
            self.features = int(data["features"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, UsageError) as error:
            writer = self.manifest.get("linclass") if isinstance(self.manifest, dict) else None
            by = f" (written by linclass {quoted(str(writer))})" if writer else ""
            raise DataError(
                f"{manifest_path}{by} is not a manifest that can be read here: {one_line(error)}"
            ) from error
        if not intact:
            raise DataError(
                f"{manifest_path} is not as linclass wrote it ({self._what_changed()}): put run.json back, "
                "or start a new run"
            )
        self.manifest |= {"format": legacy.FORMAT, "settings": self.settings.to_dict()}
        self.state_file = path / STATE
        self.fell_back = ""
        """Why `load_state` took the state before the last one; empty if it did not."""
        self.lost_log: DataError | None = None
        """Why there is no history, for a state of an earlier version, which has it in values.csv only."""
        self.unwritable: StorageError | None = None
        """Why `reopen` does not hold the directory."""
        self.notes: list[str] = []
        """What status.json has to say in words."""

    def _what_changed(self) -> str:
        for path in (self.path / STATE, self.path / PREVIOUS):
            with contextlib.suppress(DataError):
                changed = checkpoint.changed_settings(checkpoint.saved_settings(path), self.settings)
                return "; ".join(changed.values()) or "its checksum differs"
        return "its checksum differs"

    @property
    def allowed(self) -> list[dict[str, Any]]:
        """What `resume` was told to change: entries of field, was, now, epoch."""
        found = self.manifest.get("allowed", [])
        return found if isinstance(found, list) else []

    def since(self, *fields: str) -> int:
        """The first epoch that is trained under the settings' present values of these fields."""
        return max((entry["epoch"] for entry in self.allowed if entry["field"] in fields), default=1)

    # reading

    def decided(self, settings: Experiment) -> Experiment:
        """`settings` with what this run's training rows decide; see `Experiment.decided`."""
        data = self.manifest["data"]
        rows_of_classes = data.get("rows_of_classes", {})
        if settings.class_weights == "balanced" and not rows_of_classes:
            raise UsageError(
                f"--class-weights balanced: {self.path} was made before runs knew the rows of each class; "
                f"expected {len(self.subject.classes)} numbers, one for each class"
            )
        return settings.decided(data["rows"]["train"], rows_of_classes)

    def blank_model(self, settings: Experiment | None = None) -> Model:
        """A model of this run's shape, before training."""
        return build_model(settings or readable(self.settings), self.features, len(self.subject.classes))

    def load_state(self, *, training: bool = False) -> tuple[TrainState, Model]:
        """The last saved state, with its model and history. Raises DataError where it is damaged.

        training: to go on, with the model and the optimiser that the settings name, and from the state
            before the last one if that is damaged (`fell_back` says why); for reading a PyTorch run its
            numpy twin does.
        """
        # a process that dies between the two renames of a save leaves only the state before it
        found = [path for path in (self.path / STATE, self.path / PREVIOUS) if path.exists()]
        newest, *older = found or [self.path / STATE]
        try:
            return self._load_state(newest, training)
        except DataError as error:
            advice = f"restore it from a copy{self._other_weights()}"
            with contextlib.suppress(DataError, IndexError):
                state, model = self._load_state(older[0], training)
                if training:
                    self.fell_back = f"{error}; going on from the state before it, in epoch {state.epoch + 1}"
                    return state, model
                advice = f"`linclass resume {self.path}` would go on from the state before it"
            raise DataError(f"{error}; {advice}") from error

    def _load_state(self, file: Path, training: bool) -> tuple[TrainState, Model]:
        settings = self.settings if training else readable(self.settings)
        model = self.blank_model(settings)
        state = TrainState.initial(model, build_optimizer(settings), test=settings.test)
        # of the data the digest tells whether they are the same; their file may have moved
        allowed = ["dataset", *(str(entry["field"]) for entry in self.allowed)]
        mark = checkpoint.load_state(file, state, self.settings, allowed)
        self.lost_log = None
        if mark is not None:
            path = self.path / LOG
            try:
                checkpoint.restore_history(state, files.read_capped(path, _CSV_LIMIT), mark, str(path))
            except DataError as error:
                if training:
                    raise
                self.lost_log = error
        self.state_file = file
        return state, model.remade(scaler=state.scaler)

    def _other_weights(self) -> str:
        """What there is to go on with where the state is lost, for a message."""
        best = ["best"] if (self.path / "best.npz").is_file() else []
        found = [*best, *map(str, self.snapshots)]
        return f"; without it there are still --weights {', '.join(found)} to evaluate" if found else ""

    @property
    def history(self) -> History:
        """The rows that belong to the last saved state. Raises DataError where they are lost."""
        state, _ = self.load_state()
        if self.lost_log is not None:
            raise self.lost_log
        return state.history

    @property
    def status(self) -> dict[str, Any]:
        """The contents of status.json. Raises DataError where it is missing or damaged."""
        path = self.path / "status.json"
        status = files.read_json(path)
        if (
            not files.unseal(status)
            or not isinstance(status, dict)
            or not isinstance(status.get("status"), str)
        ):
            raise DataError(f"{path} is not a run's status")
        return status

    @property
    def is_over(self) -> bool:
        """Whether the run came to its end: finished or diverged."""
        try:
            return self.status["status"] in ("finished", "diverged")
        except DataError:
            return False

    @property
    def is_trial(self) -> bool:
        """Whether the run was not trained in its directory; see `experiment.keep_trained`."""
        return re.match(r"trial \d+ of the sweep in ", str(self.manifest.get("origin"))) is not None

    @property
    def snapshots(self) -> list[int]:
        """The epochs there are snapshots of, in order."""
        names = (path.stem for path in (self.path / "snapshots").glob("*.npz"))
        return sorted(int(name) for name in names if name.isascii() and name.isdecimal())

    def model(self, weights: str | int = "last") -> Model:
        """The trained model.

        Args:
            weights: "last", "best" (lowest validation loss), or the epoch of a snapshot.
        """
        if weights == "last":
            return self.load_state()[1]
        if weights == "best":
            return self._best()[0]
        model = self.blank_model()
        if str(weights) in map(str, self.snapshots):
            model, _ = checkpoint.load_weights(self.path / "snapshots" / f"{weights}.npz", model)
        else:
            known = ", ".join(["last", "best", *map(str, self.snapshots)])
            raise UsageError(f"no weights {weights!r} in {self.path}: expected one of {known}")
        return model

    def _best(self) -> tuple[Model, Array]:
        """The models with the lowest validation loss, and their epochs `(K,)`.

        A run that did not come to its end has them in its state only.
        """
        if not (self.path / "best.npz").exists():
            state, model = self.load_state()
            for k in range(model.K):
                state.restore_best(k)
            return model, state.best_epoch
        return checkpoint.load_weights(self.path / "best.npz", self.blank_model())

    def epoch_of(self, weights: str | int, k: int = 0) -> int:
        """The epoch that model k's `weights` are from; the last of a diverged model, and of a trial, are its
        best ones, and one that was stopped has stayed where it was."""
        if weights == "best":
            return int(self._best()[1][k])
        if weights != "last":
            return int(weights)
        state, _ = self.load_state()
        if state.diverged[k] or self.is_trial:
            return int(state.best_epoch[k])
        rows = state.history.of_model(k)
        return int(rows[-1]["epoch"]) if rows else state.epoch

    @property
    def scored_split(self) -> str:
        """The split that is scored unless another is asked for: test, or validation where there is none."""
        return "test" if "test" in self.manifest["data"]["rows"] else "validation"

    def frames(self, k: int = 0) -> list[tuple[int, Array]]:
        """(epoch, W `(C, d)`) of model k at each snapshot."""
        return [(epoch, first_layer(self.model(epoch).params)[k].copy()) for epoch in self.snapshots]

    def draw_templates(
        self,
        weights: str | int = "last",
        *,
        k: int = 0,
        scale: Scale = "class",
        folder: Path | None = None,
    ) -> list[Path]:
        """Draw model k's templates, and the animation if there are two snapshots; returns the files.

        folder: where the files go; None: the run's directory.
        """
        if self.subject.image_shape is None:
            raise UsageError(f"{self.path} was trained on rows of {self.features} numbers, not on images")
        if not 0 <= k < self.settings.seeds:
            raise UsageError(f"--replica is {k}: {self.path} has the replicas 0 to {self.settings.seeds - 1}")
        model = self.model(weights)
        epoch = self.epoch_of(weights, k)
        whose = f"_replica{k}" if self.settings.seeds > 1 else ""
        names = f"templates_{weights}_{scale}{whose}.png", f"templates_{scale}{whose}.gif"
        if folder is not None:
            files.make_directory(folder)
        paths = [(folder or self.path) / name for name in names]
        pictures.draw_weights(paths[0], self.subject, first_layer(model.params)[k], epoch, scale, k)
        pictures.draw_animation(paths[1], self.subject, self.frames(k), scale)
        return [path for path in paths if path.exists()]

    # writing: only while the directory is claimed

    def check_writable(self) -> None:
        """StorageError where the run is in a place that can only be read."""
        if self.unwritable is not None:
            reason = getattr(self.unwritable.__cause__, "strerror", None) or self.unwritable
            raise StorageError(
                f"cannot write {self.path}: {reason}; a run goes on in its own directory: copy it to a place "
                "that can be written, and resume the copy"
            ) from self.unwritable

    def start(self, state: TrainState) -> None:
        """Write the empty values.csv and the state before the first step."""
        files.make_directory(self.path / "snapshots")
        files.write_durably(self.path / LOG, state.history.header().encode())
        self.append(state, [])
        self.write_status("running", state)

    def continue_from(self, state: TrainState) -> None:
        """Sweep up after a killed process; `restore_log` does it for values.csv."""
        files.sweep_temporaries(self.path)
        files.make_directory(self.path / "snapshots")
        if self.state_file != self.path / STATE:
            files.rename(self.state_file, self.path / STATE)  # or the next save would keep the damaged one
            self.state_file = self.path / STATE
        self.write_status("running", state)

    def restore_log(self, state: TrainState) -> str:
        """Make values.csv the rows of `state` again; returns what was done, if it was more than cutting.

        A file that holds something else (what a spreadsheet made of it, remarks) is kept beside it.
        """
        path, rows = self.path / LOG, state.history.to_csv().encode()
        kept = ""
        if path.exists():
            found = b"unreadable"
            with contextlib.suppress(DataError):
                found = files.read_capped(path, _CSV_LIMIT)
            if found.startswith(rows):
                files.truncate(path, len(rows))
                return ""
            text = checkpoint.plain_text(found)
            if not (rows.startswith(text) or text.startswith(rows)):
                kept = f"; what was there is now {_set_aside(path)}"
        files.write_durably(path, rows)
        return f"{path} is written anew, from the state{kept}"

    def append(self, state: TrainState, rows: Sequence[Row]) -> None:
        """Add rows to values.csv, then save the state that knows of them."""
        if rows:
            files.append_durably(self.path / LOG, state.history.lines(rows).encode())
        checkpoint.save_state(self.path / STATE, state, self.settings, self.path / PREVIOUS)

    def snapshot(self, state: TrainState) -> None:
        """Keep the weights and draw the pictures of the last finished epoch."""
        epoch = state.epoch
        path = self.path / "snapshots" / f"{epoch}.npz"
        self._save_weights(path, state, state.params, state.buffers, np.asarray(epoch))
        pictures.draw_curves(self.path, self.subject, state.history)
        picture = self.path / f"{epoch}_weights.png"
        pictures.draw_weights(picture, self.subject, first_layer(state.params)[0], epoch)
        pictures.draw_function(self.path / f"{epoch}_function.png", self.subject, self._predict(state), epoch)
        self.write_status("running", state)

    def _predict(self, state: TrainState) -> Callable[[Array], Array]:
        """x `(n, d)` as the data has it -> scores `(K, n, C)` of the state's models."""

        def predict(x: Array) -> Array:
            model = self.blank_model().remade(scaler=state.scaler)
            for owner, now in ((model.params, state.params), (model.buffers, state.buffers)):
                for name, array in owner.items():
                    array[...] = now[name]
            return model.scores(x)

        return predict

    def note(self, text: str) -> None:
        """Add to the notes what is not in them: an epoch may be trained once more, after a kill."""
        if text not in self.notes:
            self.notes.append(text)

    def finish(self, state: TrainState, word: str) -> None:
        """Write best.npz, the animation and the closing status."""
        self._save_weights(self.path / "best.npz", state, state.best, state.best_buffers, state.best_epoch)
        if word == "diverged" and len(state.history):
            pictures.draw_curves(self.path, self.subject, state.history)
        if word == "finished":
            try:
                pictures.draw_animation(self.path / "weights.gif", self.subject, self.frames())
            except DataError as error:
                self.note(f"no weights.gif: {error}")
        self.write_status(word, state)

    def write_status(self, word: str, state: TrainState) -> None:
        """status.json: `running`, `interrupted`, `finished` or `diverged`, and the last numbers."""
        latest = [{name: row[name] for name in row if name != "seconds"} for row in state.history.latest()]
        status = {
            "status": word,
            "epoch": state.epoch,
            "epochs": self.settings.epochs,
            "active": [bool(a) for a in state.active],
            "diverged": [bool(d) for d in state.diverged],
            "best_epoch": [int(e) for e in state.best_epoch],
            "notes": self.notes,
            "latest": [{name: _plain(value) for name, value in row.items()} for row in latest],
        }
        files.write_sealed(self.path / "status.json", status)

    def write_manifest(self) -> None:
        """run.json, from `manifest`."""
        files.write_sealed(self.path / "run.json", self.manifest)

    def _save_weights(
        self, path: Path, state: TrainState, params: Params, buffers: Params, epoch: Array
    ) -> None:
        l2 = np.asarray(self.settings.l2)
        checkpoint.save_weights(path, params, buffers, state.scaler, epoch, l2)


def readable(settings: Experiment) -> Experiment:
    """The settings of a model with the same parameters that needs no PyTorch."""
    if settings.model != "torch-mlp":
        return settings
    return settings.replace(model="mlp", torch_optim=False)


def first_layer(params: Mapping[str, Array]) -> Array:
    """The weights `(K, units, d)` that look at the input: W of the linear model, W1 of an MLP."""
    return params["W"] if "W" in params else params["W1"]


def load_run(path: str | Path) -> Run:
    """Open a run directory for reading. Raises DataError where there is no run in it."""
    return Run(Path(path))


@contextlib.contextmanager
def claim(
    name: str, out: Path | None, *, overwrite: bool, manifest: dict[str, Any], needed: int = 0
) -> Iterator[Run]:
    """Hold a directory for a new run: `out`, or result_pics/<name>, -2, -3 ... past finished runs.

    needed: bytes that the run will take; see `space_needed`.

    Raises RunTakenError where the directory is locked or holds a run that must not be written over,
    StorageError where it will not fit.
    """
    wanted = out or RESULTS / name
    path, number = wanted, 1
    while out is None and not overwrite and _is_finished(path):
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    files.make_directory(path)
    with files.locked(path / ".lock"):
        if _has_state(path) and not overwrite:
            kind = "a finished run" if _is_finished(path) else "an unfinished run"
            raise RunTakenError(
                f"{path} holds {kind}: `linclass resume {path}` continues it; --overwrite deletes it and "
                "starts afresh"
            )
        is_run = (path / "run.json").exists()
        files.check_space(path, needed, freed=_size(path) if is_run else 0)
        if is_run:
            _clear(path)
        files.write_sealed(path / "run.json", manifest)
        yield Run(path)


@contextlib.contextmanager
def reopen(path: Path) -> Iterator[Run]:
    """Hold an existing run's directory, to continue it; one that cannot be written can only be read.

    `Run.check_writable` says so.
    """
    Run(path)  # so that a wrong path is said before a lock file is made in it
    with contextlib.ExitStack() as held:
        unwritable = None
        try:
            held.enter_context(files.locked(path / ".lock"))
        except StorageError as error:
            unwritable = error
        run = Run(path)
        run.unwritable = unwritable
        with contextlib.suppress(DataError):
            run.notes += map(str, run.status.get("notes", []))
        yield run


def space_needed(state: TrainState, settings: Experiment) -> int:
    """About how many bytes a run takes at most: states, weights, pictures, the rows of values.csv."""
    snapshots = 1 + (settings.epochs // settings.snapshot_every if settings.snapshot_every else 0)
    row = 20 * len(state.history.columns)
    # the state has the rows too, as numbers: the last one, the one before, and the next while it is written
    row += 3 * 8 * len(state.history.columns)
    return (
        3 * checkpoint.state_size(state)
        + (1 + snapshots) * checkpoint.weights_size(state)
        + snapshots * _PICTURES
        + row * settings.epochs * settings.seeds
    )


def _has_state(path: Path) -> bool:
    return (path / STATE).exists() or (path / PREVIOUS).exists()


def _set_aside(path: Path) -> Path:
    """Rename `path` to a name that is free beside it; returns that."""
    names = (
        path.with_stem(f"{path.stem}-changed{number}") for number in ["", *(f"-{n}" for n in range(2, 1000))]
    )
    target = next(name for name in names if not name.exists())
    files.rename(path, target)
    return target


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _is_finished(path: Path) -> bool:
    with contextlib.suppress(DataError):
        return Run(path).is_over
    return False


def _clear(path: Path) -> None:
    """Remove what a run writes, and nothing else that may lie in the directory.

    state.npz and run.json go last: a clearing that is killed half way is still seen as a run.
    """
    files.sweep_temporaries(path)
    shutil.rmtree(path / "snapshots", ignore_errors=True)
    for picture in [*path.glob("*.png"), *path.glob("*.gif")]:
        if _PICTURE.fullmatch(picture.name):
            files.SYSTEM.unlink(picture)
    for name in ("best.npz", LOG, "status.json", PREVIOUS, STATE, "run.json"):
        files.SYSTEM.unlink(path / name)


def _plain(value: Any) -> int | float | None:
    """For JSON, which knows no infinity."""
    if isinstance(value, int):
        return value
    return float(value) if np.isfinite(value) else None


def _an_example() -> str:
    found = sorted(RESULTS.glob("*/run.json")) if RESULTS.is_dir() else []
    return str(found[0].parent) if found else "result_pics/train"
