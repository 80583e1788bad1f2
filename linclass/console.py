"""The terminal: results on stdout; progress, notes and errors on stderr; errors as exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from linclass.errors import LinclassError
from linclass.listener import Listener

if TYPE_CHECKING:
    from linclass.experiment import Result
    from linclass.history import Row


class Console(Listener):
    """A progress bar with the current numbers and the time left; plain lines where stderr is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._epochs = 0
        self._done = 0

    def start(self, directory: str, done: int, epochs: int) -> None:
        self.note(f"training into {directory}")
        self._epochs, self._done = epochs, done
        if not self.quiet and sys.stderr.isatty():
            # counted from here, not from epoch 1, so that the time left of a resumed run is right
            self._bar = click.progressbar(
                length=max(epochs - done, 1),
                file=sys.stderr,
                show_pos=False,
                item_show_func=lambda text: text,
            )
            self._bar.render_progress()

    def epoch(self, rows: Sequence[Row]) -> None:
        epoch = int(rows[0]["epoch"])
        text = f"epoch {epoch}/{self._epochs}  {_numbers(rows)}"
        if self._bar is not None:
            self._bar.update(1, text)
        elif not self.quiet and (epoch in (1, self._epochs) or epoch % max(1, self._epochs // 10) == 0):
            click.echo(text, err=True)

    def note(self, text: str) -> None:
        if self.quiet:
            return
        if self._bar is not None:
            click.echo("", err=True)
        click.echo(text, err=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None


class DownloadBar:
    """A progress bar over the bytes of a download, on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._last = 0

    def __enter__(self) -> DownloadBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()

    def progress(self, done: int, total: int | None) -> None:
        """`done` bytes have come, of `total` where that is known."""
        if self.quiet or total is None or not sys.stderr.isatty():
            return
        if self._bar is None or done < self._last:
            self._finish()
            self._last = 0
            self._bar = click.progressbar(length=total, file=sys.stderr, label=f"{total / 1e6:.0f} MB")
        self._bar.update(done - self._last)
        self._last = done

    def note(self, text: str) -> None:
        """A line about a step."""
        self._finish()
        if not self.quiet:
            click.echo(text, err=True)

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None


def _numbers(rows: Sequence[Row]) -> str:
    def mean(name: str) -> float:
        return float(sum(row[name] for row in rows)) / len(rows)

    return (
        f"cost {mean('train_cost'):.4f} train {mean('val_cost'):.4f} val  "
        f"accuracy {100 * mean('train_accuracy'):.2f} {100 * mean('val_accuracy'):.2f} %"
    )


def print_result(result: Result) -> None:
    """The final numbers of a run, on stdout: means and 95 % intervals where there are several seeds."""
    if not len(result.history):
        return
    rows: list[tuple[str, ...]] = [("", "train", "validation", "test")]
    for name, columns in (("loss", "loss"), ("cost", "cost"), ("accuracy", "accuracy")):
        cells = [f"{split}_{columns}" for split in ("train", "val", "test")]
        texts = [
            result.final(cell).text(percent=name == "accuracy") if cell in result.history.columns else ""
            for cell in cells
        ]
        rows.append((name, *texts))
    several = f", mean ± 95 % interval of {result.settings.seeds} seeds" if result.settings.seeds > 1 else ""
    where = " on the bundled sample" if result.is_sample else ""
    click.echo(f"after epoch {result.history.epochs}{where}{several}:")
    print_table(rows)
    click.echo(f"in {result.path}{os.sep}")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def call(command: click.Command, arguments: Sequence[str] | None = None, prog_name: str | None = None) -> int:
    """Run a click command; an error becomes one line on stderr and its documented exit code."""
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
        click.echo(f"{prog_name or 'linclass'}: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("\ninterrupted; what was saved before is intact", err=True)
        return 130
    except BrokenPipeError:
        # the reader of our output has gone; nothing of the run is lost
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        click.echo(f"{prog_name or 'linclass'}: the system refused: {error}", err=True)
        return 6
    except MemoryError:
        click.echo(f"{prog_name or 'linclass'}: out of memory; try --train-size or fewer --seeds", err=True)
        return 6
    except Exception:
        traceback.print_exc()
        click.echo("this is a bug in linclass; please report it with the lines above", err=True)
        return 1
