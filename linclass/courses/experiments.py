"""A published experiment that runs again: its variants trained, published beside measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linclass.cli.console import Console, print_result, print_table, say
from linclass.courses.work import Work
from linclass.errors import DivergedError, TooFewRowsError, decimal
from linclass.settings import changes_told, shown

if TYPE_CHECKING:
    from linclass.metrics import Interval
    from linclass.runs.experiment import Result
    from linclass.training.history import Row


@dataclass(frozen=True, kw_only=True)
class Assignment(Work):
    """A published experiment.

    Attributes:
        variants: label -> the settings that differ, where it compares several runs.
        published: label -> epoch -> column of values.csv -> the published number.
        growth: whether the variants differ in --train-size: their accuracies are drawn against it.
        task: the lab's name for it ("Task1"); if given, each epoch is printed as the lab's log line.
    """

    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})
    published: Mapping[str, Mapping[int, Mapping[str, float]]] = field(default_factory=dict)
    growth: bool = False
    task: str = ""

    def varied(self) -> Iterable[tuple[str, str]]:
        """What the variants differ in, and how; --epochs only is how long each of them is trained."""
        for label, changes in self.variants.items():
            for name, value in changes.items():
                if name != "epochs":
                    yield name, f" ({label}: {shown(value)})"

    def carry_out(self, given: Mapping[str, Any]) -> Sequence[str]:
        """Run every variant, print its numbers, and published beside measured.

        Where several variants are compared, one that is there already under the same settings is not run
        again, and one that was interrupted is continued: the command can simply be given again.
        """
        results = {}
        for label in self.variants:
            if label:
                say(f"{self.name}, {label}:")
            try:
                results[label] = self.run_variant(label, given)
            except DivergedError as error:
                if not label:
                    raise
                say(f"diverged, which is an answer too: {error}")  # the other variants still run
                continue
            except TooFewRowsError as error:
                if not self.growth:
                    raise
                say(f"left out: {error}")
                continue
            print_result(results[label])
            if self.task:
                write_predictions(results[label], given["data_dir"])
        self.compare(results)
        if self.growth and results:
            self.show_growth(results)
        return [note for label, result in results.items() for note in self.notes(label, result)]

    def run_variant(self, label: str, given: Mapping[str, Any]) -> Result:
        """Run one variant, or take up the run of it that is there."""
        from linclass.runs import experiment

        out, quiet = given["out"], given["quiet"]
        return (experiment.run_or_take_up if label else experiment.run)(
            self.experiment(given, self.variants[label]),
            name=f"{self.name}/{label}" if label else self.name,
            out=out / label if out and label else out,
            overwrite=given["overwrite"],
            data_dir=given["data_dir"],
            threads=given["threads"],
            listener=LabLog(self.task) if self.task and not quiet else Console(quiet=quiet),
            origin=f"assignment {self.name} {label}".strip(),
        )

    def compare(self, results: Mapping[str, Result]) -> None:
        """Print published beside measured."""
        rows = [("variant", "epoch", "number", "published", "measured", "difference")]
        for label, by_epoch in self.published.items():
            if label not in results:
                continue
            compared = compare_numbers(by_epoch, results[label])
            rows += [(label, *number.texts()) for number in compared]
            self.draw_comparison(label, compared, results[label])
        if len(rows) > 1:
            say(f"\npublished ({self.source}) beside measured:")
            print_table([row if len(self.variants) > 1 else row[1:] for row in rows])

    def notes(self, label: str, result: Result) -> Iterable[str]:
        """Whether a variant was not trained under its published settings, or on the full data."""
        changed = result.settings.differences(self.settings.replace(**self.variants[label]).resolved())
        if changed.get("batch_size", (0, 0))[1] is None:  # not given: the rows decide
            del changed["batch_size"]
        if result.is_sample:
            changed.pop("dataset", None)
        if changed:
            yield f"{label or self.name}: not the published settings: {changes_told(changed)}"
        if result.is_sample:
            yield f"{label or self.name}: on the bundled sample; the published numbers are of the full data"

    def show_growth(self, results: Mapping[str, Result]) -> None:
        """A table of accuracies against training rows, and `growth.png` beside the variants' directories."""
        from linclass.analysis import learning_curve
        from linclass.runs.directory import Run

        found = learning_curve.points(results.values())
        say("\naccuracy after the last epoch, with its 95 % interval:")
        print_table(learning_curve.table(found))
        any_run = next(iter(results.values()))
        sample = " — on the bundled sample" if any_run.is_sample else ""
        classes = len(Run(any_run.path).manifest["data"]["classes"])
        path = any_run.path.parent / "growth.png"
        learning_curve.save_picture(found, path, title=f"{self.title}{sample}", classes=classes)
        say(str(path))

    def draw_comparison(self, label: str, compared: Sequence[Compared], result: Result) -> None:
        """`published.png` in the run's directory: published and measured accuracies, of the test split
        where the report gives them, else of the validation split."""
        given = [number.column for number in compared]
        column = "test_accuracy" if "test_accuracy" in given else "val_accuracy"
        rows = [
            (f"epoch {number.epoch}", number.published, number.measured.mean, *number.measured.bounds())
            for number in compared
            if number.column == column
        ]
        if not rows:
            return
        from linclass import plots

        sample = " — on the bundled sample" if result.is_sample else ""
        title = f"{self.name} {label}".strip() + f": published and measured{sample}"
        xlabel = "test accuracy" if column == "test_accuracy" else "validation accuracy"
        plots.save(plots.comparison(rows, title=title, xlabel=xlabel), result.path / "published.png")


class LabLog(Console):
    """The labs' log: one line an epoch on stdout, the train columns being averages during the epoch."""

    def __init__(self, task: str) -> None:
        super().__init__(quiet=False)
        self.task = task

    def start(self, directory: str, done: int, epochs: int) -> None:
        self.note(f"training into {directory}")

    def epoch(self, rows: Sequence[Row]) -> None:
        say(lab_line(self.task, rows))


def write_predictions(result: Result, data_dir: Path | None = None) -> None:
    """The labs' `Id,Category` file of the test split, in the run's directory."""
    from linclass.evaluation import of_run, submission

    path = result.path / "submission.csv"
    submission.write_submission(path, of_run.predict_run(result.path, data_dir=data_dir))
    say(f"predictions for the test split in {path}")


def lab_line(task: str, rows: Sequence[Row]) -> str:
    """`Task1 | Epoch: 43 | Train Loss: 0.0000 | Train Acc:100.0000 | Val Loss: 0.2581 | Val Acc:96.5200`,
    means over the models of `rows`."""

    def mean(name: str) -> float:
        return float(sum(row[name] for row in rows)) / len(rows)

    return (
        f"{task} | Epoch: {rows[0]['epoch']} | Train Loss: {decimal(mean('running_loss'), 4)} "
        f"| Train Acc:{100 * mean('running_accuracy'):.4f} | Val Loss: {decimal(mean('val_loss'), 4)} "
        f"| Val Acc:{100 * mean('val_accuracy'):.4f}"
    )


@dataclass(frozen=True)
class Compared:
    """A published number and the measured one: column `column` of values.csv after `epoch` epochs.

    stopped: how many of the `replicas` had stopped before; they are measured at their last epoch.
    """

    epoch: int
    column: str
    published: float
    measured: Interval
    stopped: int
    replicas: int

    def texts(self) -> tuple[str, str, str, str, str]:
        """epoch, column, published, measured, difference."""
        percent = self.column.endswith("accuracy")
        gap = self.measured.mean - self.published
        return (
            f"{self.epoch} ({self.stopped} of {self.replicas} ended before)"
            if self.stopped
            else str(self.epoch),
            self.column,
            f"{100 * self.published:.2f} %" if percent else f"{self.published:g}",
            self.measured.text(percent),
            f"{100 * gap:+.2f} points" if percent else f"{'+' if gap >= 0 else ''}{decimal(gap)}",
        )


def compare_numbers(published: Mapping[int, Mapping[str, float]], result: Result) -> list[Compared]:
    """Each published number of the epochs that were to be trained, with the measured mean over the replicas.

    A replica that stopped before is in the mean with its last value.
    """
    from linclass.metrics import mean_interval

    history = result.history
    return [
        Compared(
            epoch,
            column,
            value,
            mean_interval(history.at(column, epoch)),
            stopped=int((history.last("epoch") < epoch).sum()),
            replicas=history.K,
        )
        for epoch, numbers in published.items()
        for column, value in numbers.items()
        if epoch <= result.settings.epochs and column in history.columns
    ]
