"""The command line: a thin skin over the library. It builds, calls and prints; heavy imports are lazy."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from linclass import __version__
from linclass.cli.checks import gradcheck, optimum, parity
from linclass.cli.console import Console, call, print_result, print_table, say, without_pictures
from linclass.cli.data import data
from linclass.cli.help import Group
from linclass.cli.landscape import landscape
from linclass.cli.options import (
    PATH,
    chosen,
    data_dir_option,
    experiment_options,
    field_name,
    moved_option,
    pictures_option,
    profile_option,
    quiet_option,
    replica_option,
    run_options,
    split_option,
    threads_option,
)
from linclass.cli.sweep import sweep
from linclass.errors import StorageError, counted
from linclass.settings import Experiment

TRAIN = Experiment()
TRAIN_LONG = Experiment(
    split="all",
    l2=1.0,
    eta=0.001,
    shuffle="batches",
    epochs=2000,
    snapshot_every=100,
    overfit_threshold=0.5,
    overfit_action="stop",
    test=True,
)
# the report's split is of CIFAR-10; a user's own rows may be sorted by class, and need not have a test split
TRAIN_LONG_OWN = dataclasses.replace(TRAIN_LONG, split="auto", test=False)
RESUME_FIELDS = [
    field.name
    for field in dataclasses.fields(Experiment)
    # epochs may be raised, and which data it is, is seen from the rows themselves
    if field.name not in ("epochs", "dataset")
]

SUMMARY_FIELDS = ("dataset", "model", "hidden", "activation", "dropout", "batch_norm", "seeds")
LR_RANGE_FIELDS = [
    field.name
    for field in dataclasses.fields(Experiment)
    # it is a rate of its own at each of its steps, of one model that is not kept
    if field.name not in ("eta", "schedule", "epochs", "seeds", "snapshot_every", "test", "patience")
    and not field.name.startswith("overfit")
]

WEIGHTS_OPTION = click.option(
    "--weights",
    default="last",
    show_default=True,
    help="weights of the run: last, best, or the epoch of a snapshot",
)
ENSEMBLE_OPTION = click.option(
    "--weights",
    default="last",
    show_default=True,
    help="weights of the run: last, best, the epoch of a snapshot; of an ensemble, epochs such as 4,8,12, or "
    "cycles (their ends)",
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="linclass")
def cli() -> None:
    """Train, check, watch and draw the classifiers that every deep-learning course begins with.

    Start with `linclass train`; `linclass COMMAND --help` lists each command's options.
    """


@cli.command()
@experiment_options(TRAIN)
@run_options
@profile_option
def train(quiet: bool, out: Path | None, overwrite: bool, **given: Any) -> None:
    """Train a classifier into a run directory: CSV, weights, pictures."""
    _train("train", TRAIN, quiet, out, overwrite, given)


@cli.command("train-long")
@experiment_options(TRAIN_LONG)
@run_options
@profile_option
def train_long(quiet: bool, out: Path | None, overwrite: bool, **given: Any) -> None:
    """Train for thousands of epochs, watching for overfitting, with snapshots and pictures on the way.

    On your own data and on functions the default of --split is auto, and that of --test is off.
    """
    from linclass.datasets.load import NAMES

    defaults = TRAIN_LONG if given["dataset"] in (None, *NAMES) else TRAIN_LONG_OWN
    _train("train_longer", defaults, quiet, out, overwrite, given)


def _train(
    name: str, defaults: Experiment, quiet: bool, out: Path | None, overwrite: bool, given: dict[str, Any]
) -> None:
    settings = chosen(defaults, given)
    from linclass.runs import experiment
    from linclass.training.profile import Profile

    profile = Profile() if given["profile"] else None
    result = experiment.run(
        settings,
        name=name,
        out=out,
        overwrite=overwrite,
        data_dir=given["data_dir"],
        threads=given["threads"],
        listener=Console(quiet=quiet),
        origin=shlex.join(["linclass", *sys.argv[1:]]),
        profile=profile,
    )
    print_result(result)
    if profile is not None:
        print_table(profile.table())


@cli.command()
@click.argument("directory", type=PATH)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="total number of epochs, to extend a run [default: the run's own]",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="OPTION",
    help="option (eta, lambda, ..., or data) that may differ from what the run began with; run.json "
    "records it",
)
@experiment_options(None, only=RESUME_FIELDS)
@moved_option
@data_dir_option
@threads_option
@quiet_option
def resume(
    directory: Path,
    epochs: int | None,
    allow: tuple[str, ...],
    quiet: bool,
    dataset: str | None,
    data_dir: Path | None,
    threads: int | None,
    **given: Any,
) -> None:
    """Continue the interrupted run in DIRECTORY, to the bit-identical result of an uninterrupted one.

    Experiment options need not be repeated; one that differs from the run's is refused unless --allow names
    it.
    """
    from linclass.runs import experiment

    result = experiment.resume(
        directory,
        epochs=epochs,
        changes={name: value for name, value in given.items() if value is not None},
        allow=[field_name(text) for text in allow],
        dataset=dataset,
        data_dir=data_dir,
        threads=threads,
        listener=Console(quiet=quiet),
    )
    print_result(result)


@cli.command()
@click.argument("directory", type=PATH)
@split_option
@ENSEMBLE_OPTION
@click.option(
    "--details/--no-details", default=True, show_default=True, help="tables and pictures of replica 0"
)
@click.option("--layers", is_flag=True, help="activations and gradients of the hidden layers of replica 0")
@pictures_option
@moved_option
@data_dir_option
@threads_option
@quiet_option
def evaluate(
    directory: Path,
    on: str | None,
    weights: str,
    details: bool,
    layers: bool,
    out: Path | None,
    quiet: bool,
    **places: Any,
) -> None:
    """Score the run in DIRECTORY on a split.

    Loss, cost, accuracy with its 95 % interval; per-class recall, confusions, calibration, the most confident
    mistakes and the true class's probability, as tables and as pictures in DIRECTORY, or in --out. Of a
    regression loss, cost, R^2 and the largest error.
    """
    from linclass.evaluation import of_run
    from linclass.runs.directory import Run

    split = on or Run(directory).scored_split
    scored = of_run.score_run(
        directory, split=split, weights=weights, listener=Console(quiet=quiet), **places
    )
    reports = scored.reports
    rows = [("replica", *reports[0].scores())]
    rows += [(str(report.model), *report.scores().values()) for report in reports]
    instead = " (it has no test split)" if on is None and split != "test" else ""
    say(f"{directory}, weights {weights}, on {counted(reports[0].rows, f'{split} row')}{instead}:")
    print_table(rows if len(reports) > 1 else [row[1:] for row in rows])
    for heading, table in reports[0].tables()[1:] if details else []:
        say(f"\n{heading}")
        print_table(table)
    if layers:
        from linclass.training import health

        places.pop("threads")
        found = of_run.layers_of_run(directory, weights=weights, **places)
        for one, rows_of_layers in found.items():
            member = f" of epoch {one}" if len(found) > 1 else ""
            say(f"\nhidden layers{member}, on the first 200 training rows")
            print_table(health.table(rows_of_layers))
    if details:
        try:
            scored.draw(out)
        except StorageError as problem:
            without_pictures(problem, given=out)


@cli.command()
@click.argument("directory", type=PATH)
@click.option("--out", type=PATH, required=True, help="CSV file to write")
@click.option(
    "--rows",
    type=PATH,
    help="file of the rows to predict: IDX, a table, npz, an image, or a folder of images, 2.png before "
    "10.png [default: the test split]",
)
@click.option(
    "--sample", type=PATH, help="sample submission, which gives header, ids and order [default: none]"
)
@click.option("--first-id", type=click.IntRange(0), help="id of the first row [default: 0, or the sample's]")
@ENSEMBLE_OPTION
@replica_option
@moved_option
@data_dir_option
@threads_option
def predict(
    directory: Path,
    out: Path,
    rows: Path | None,
    sample: Path | None,
    first_id: int | None,
    **options: Any,
) -> None:
    """Predict classes with the run in DIRECTORY and write them as `Id,Category`, or as --sample has it."""
    from linclass.evaluation import of_run, submission

    predicted = of_run.predict_run(directory, rows, **options)
    submission.write_submission(out, predicted, sample=sample, first_id=first_id)
    say(f"{counted(len(predicted), 'prediction')} in {out}")


@cli.command()
@click.argument("directory", type=PATH)
@click.option(
    "--scale",
    default="class",
    type=click.Choice(["class", "shared", "symmetric"]),
    show_default=True,
    help="scale of the colours: each template's own range, one range for all, or zero as grey",
)
@WEIGHTS_OPTION
@replica_option
@pictures_option
def templates(directory: Path, scale: Any, weights: str, k: int, out: Path | None) -> None:
    """Draw the weight templates of the run in DIRECTORY, and the animation of its snapshots."""
    from linclass.runs.directory import Run

    for path in Run(directory).draw_templates(weights, k=k, scale=scale, folder=out):
        say(str(path))


@cli.command()
@experiment_options(TRAIN, only=SUMMARY_FIELDS)
@data_dir_option
def summary(data_dir: Path | None, **given: Any) -> None:
    """Show the layers of a model and count its parameters."""
    settings = chosen(TRAIN, given).resolved()
    from linclass.models.summary import summary as text
    from linclass.runs.data import load_data, note_data
    from linclass.runs.model import build_model

    dataset = load_data(settings, data_dir)
    note_data(settings, dataset, Console())
    say(text(build_model(settings, dataset.features, len(dataset.classes))))


@cli.command()
@experiment_options(TRAIN)
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2), help="number of folds")
@run_options
def crossval(folds: int, quiet: bool, **given: Any) -> None:
    """Cross-validate: a fresh model for each fold, trained on the others; one run directory each."""
    settings = chosen(TRAIN, given)
    from linclass.analysis import crossval

    options = {key: given[key] for key in ("out", "overwrite", "data_dir", "threads")}
    origin = shlex.join(["linclass", *sys.argv[1:]])
    found = crossval.cross_validate(settings, folds, listener=Console(quiet=quiet), origin=origin, **options)
    print_table(crossval.table(found))
    for remark in crossval.remarks(found):
        say(remark)
    mean = crossval.mean_accuracy(found).text(percent=True)
    say(f"validation accuracy {mean}, mean and 95 % interval over {folds} folds (training rows overlap)")


@cli.command("lr-range")
@experiment_options(TRAIN, only=LR_RANGE_FIELDS)
@click.option("--low", default=1e-6, show_default=True, help="lowest learning rate")
@click.option("--high", default=10.0, show_default=True, help="highest learning rate")
@click.option(
    "--steps", default=200, show_default=True, type=click.IntRange(20), help="number of mini-batches"
)
@click.option("--out", type=PATH, default="lr_range.png", show_default=True, help="picture to write")
@data_dir_option
@quiet_option
def lr_range(
    low: float, high: float, steps: int, out: Path, quiet: bool, data_dir: Path | None, **given: Any
) -> None:
    """Try growing learning rates on one pass of mini-batches, and suggest bounds for --eta."""
    settings = chosen(TRAIN, given).resolved()
    from linclass.analysis import lr_range
    from linclass.runs.build import build
    from linclass.runs.data import load_data, note_data

    lr_range.check_range(low, high, steps)
    dataset = load_data(settings, data_dir)
    note_data(settings, dataset, Console(quiet=quiet))
    job = build(settings, dataset)
    found = lr_range.lr_range_test(
        job.model,
        job.trainer.optimizer,
        job.train,
        low=low,
        high=high,
        steps=steps,
        batch_size=job.trainer.batch_size,
        seed=settings.seed,
        shuffle=settings.shuffle,
        drop_last=settings.drop_last,
        augmentation=job.trainer.augmentation,
    )
    first, last = found.suggestion
    say(f"suggested: --eta {last:.2g}, or --schedule triangular:{first:.2g}:N with --eta {last:.2g}")
    if found.remark:
        say(found.remark)
    lr_range.save_picture(found, out, title=f"Learning-rate range test\n{dataset.title}")
    say(str(out))


for command in (data, gradcheck, landscape, optimum, parity, sweep):
    cli.add_command(command)


def main() -> None:
    """The entry point of `linclass` and of `python -m linclass`."""
    sys.exit(call(cli, prog_name="linclass"))
