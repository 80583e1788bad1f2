"""The terminal: results on stdout; progress, notes and errors on stderr; errors as exit codes."""

from __future__ import annotations

import codecs
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from linclass.errors import LinclassError, StorageError
from linclass.runs.progress import EpochBar, Listener, byte_bar, is_seen, texts

if TYPE_CHECKING:
    from pathlib import Path

    from linclass.runs.experiment import Result
    from linclass.training.history import Row


def say(text: str) -> None:
    """A line on stdout; a reader that has gone away (`| head`) ends the printing, not the work."""
    _write(text, err=False)


def warn(text: str) -> None:
    """A line on stderr; the same holds for it."""
    _write(text, err=True)


def _write(text: str, *, err: bool) -> None:
    try:
        click.echo(text, err=err)
    except OSError:
        # from here on, what is printed goes nowhere, without another error at exit
        stream = sys.stderr if err else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_SPELT = {"±": "+-", "λ": "lambda", "η": "eta", "ε": "epsilon", "φ": "phi", "²": "^2", "…": "...", "·": "*"}
_SPELT |= dict.fromkeys("‐‑–—−", "-") | dict.fromkeys("‘’“”", "'")


def _spelt(error: UnicodeError) -> tuple[str, int]:
    """In place of what a terminal's encoding lacks: the usual spelling, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_SPELT.get(c, "?") for c in lacking), error.end


codecs.register_error("linclass.spelt", _spelt)


def _print_what_can_be_printed() -> None:
    """From here on no character of a name or a number ends the printing."""
    for stream in (sys.stdout, sys.stderr):
        # surrogateescape, of the C locale, gives a file's name back byte for byte
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "surrogateescape":
            stream.reconfigure(errors="linclass.spelt")


class Console(Listener):
    """A line that is redrawn, with the current numbers; ten plain lines where stderr is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: EpochBar | None = None
        self._epochs = 0

    def start(self, directory: str, done: int, epochs: int) -> None:
        self.note(f"training into {directory}")
        self._epochs = epochs
        if not self.quiet and is_seen():
            self._bar = EpochBar(done, epochs)

    def epoch(self, rows: Sequence[Row]) -> None:
        epoch = int(rows[0]["epoch"])
        if self._bar is not None:
            self._bar.epoch(rows)
        elif not self.quiet and (epoch in (1, self._epochs) or epoch % max(1, self._epochs // 10) == 0):
            warn(f"epoch {epoch}/{self._epochs}  {texts(rows)[0]}")

    def note(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text)
        elif not self.quiet:
            warn(text)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class DownloadBar:
    """The line of a download: the bytes that have come, on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._last = 0

    def __enter__(self) -> DownloadBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def progress(self, done: int, total: int | None) -> None:
        """`done` bytes have come, of `total` where that is known."""
        if self.quiet or total is None or not is_seen():
            return
        if done < self._last:
            self._close()
        if self._bar is None:
            self._bar = byte_bar(total)
        self._bar.update(done - self._last)
        self._last = done

    def note(self, text: str) -> None:
        """A line about a step."""
        self._close()
        if not self.quiet:
            warn(text)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._last = None, 0


def print_result(result: Result) -> None:
    """The final numbers of a run, on stdout: means and 95 % intervals where there are several seeds."""
    history, seeds = result.history, result.settings.seeds
    if not len(history):
        return
    has_accuracy = not result.settings.is_regression
    rows: list[tuple[str, ...]] = [("", "train", "validation")]
    for name in ("loss", "cost", *(["accuracy"] if has_accuracy else [])):
        rows.append(
            (name, *(result.final(f"{split}_{name}").text(name == "accuracy") for split in ("train", "val")))
        )
    several = f", mean ± 95 % interval of {seeds} seeds" if seeds > 1 else ""
    where = " on the bundled sample" if result.is_sample else ""
    say(f"after epoch {history.epochs}{where}{several}:")
    print_table(rows)
    if has_accuracy and "test_accuracy" in history.columns:
        say(f"test accuracy {result.final('test_accuracy').text(percent=True)}")
    for k in range(seeds):
        own = history.of_model(k)
        if not own:
            say(f"model {k} ended in its first epoch and is not in the means")
        elif own[-1]["epoch"] < history.epochs:
            say(f"model {k} ended at epoch {own[-1]['epoch']}: its last numbers are in the means")
    say(f"in {result.path}{os.sep}")


def without_pictures(problem: StorageError, *, given: Path | None) -> None:
    """A run that cannot be written has no place for pictures: said in a line, after the numbers.

    given: the place that --out names; there it is an error.
    """
    if given is not None:
        raise problem
    warn(f"no pictures: {problem}")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def call(command: click.Command, arguments: Sequence[str] | None = None, prog_name: str | None = None) -> int:
    """Run a click command; an error becomes one line on stderr and its documented exit code."""
    _print_what_can_be_printed()
    try:
        code = command.main(
            args=None if arguments is None else list(arguments), prog_name=prog_name, standalone_mode=False
        )
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return 2
    except LinclassError as error:
        warn(f"{prog_name or 'linclass'}: {error}")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        warn("\ninterrupted; what was saved before is intact")
        return 130
    except OSError as error:
        warn(f"{prog_name or 'linclass'}: the system refused: {error}")
        return 6
    except MemoryError:
        warn(f"{prog_name or 'linclass'}: out of memory; try --train-size or fewer --seeds")
        return 6
    except Exception:
        traceback.print_exc()
        warn("this is a bug in linclass; please report it with the lines above")
        return 1
