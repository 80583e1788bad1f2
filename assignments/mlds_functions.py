"""Simulate functions: three networks of equal size, three functions; does depth help?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from linclass import plots
from linclass.courses.claims import DEPENDS, Claim, Findings, Study, is_above, is_below, trained, verdict
from linclass.datasets.functions import DOMAIN, FUNCTIONS, grid
from linclass.metrics import Interval, mean_interval
from linclass.models.widths import widths
from linclass.params import Array
from linclass.plots import Figure
from linclass.runs.progress import Listener
from linclass.settings import Experiment

NETWORKS = {"1 hidden layer": (1006, 1), "4 hidden layers": (1004, 4), "10 hidden layers": (1002, 10)}
"""Name -> parameters and hidden layers, as published; the widths are the most even that have so many."""
SHALLOW, MIDDLE, DEEP = NETWORKS
NAMES = ("square-wave", "saw-sine", "eight-sines")
EARLY = 0.05
"""The share of the epochs that is called early."""
WINDOW = 0.01
"""The share of the epochs within which a drop is called sudden."""
POINTS = 1000

Losses = dict[str, dict[str, Array]]
"""Function -> network -> `(epochs, seeds)` training losses."""


def find(settings: Experiment, *, data_dir: Path | None, listener: Listener) -> Findings:
    """Train the nine pairs, a stack of seeds each, and compare the losses of networks of equal size."""
    losses: Losses = {name: {} for name in NAMES}
    fits: dict[str, dict[str, Array]] = {name: {} for name in NAMES}
    x = grid(POINTS)
    for name in NAMES:
        for network, (budget, layers) in NETWORKS.items():
            hidden = ",".join(map(str, widths(budget, layers)))
            changed = settings.replace(dataset=name, hidden=hidden)
            job = trained(changed, data_dir=data_dir, listener=listener, label=f"{name}, {network}")
            losses[name][network] = job.trainer.state.history.matrix("train_loss")
            scores = job.model.scores(x[:, None].astype(settings.dtype))
            fits[name][network] = np.array(scores[:, :, 0].T)
    pictures: dict[str, Figure] = {}
    for name in NAMES:
        pictures[f"{name}_loss"] = _curves(losses[name], name, settings)
        pictures[f"{name}_fits"] = plots.fits(
            x, FUNCTIONS[name](x), fits[name], title=f"{name}: the function and what is learnt of it"
        )
    claims = [_better(losses), _faster(losses), _early(losses), _drops(losses)]
    return Findings(claims, pictures, {"final training loss, mean of the seeds": _table(losses)})


def _curves(losses: dict[str, Array], name: str, settings: Experiment) -> Figure:
    epochs = np.arange(1, settings.epochs + 1)
    title = f"{name} on {DOMAIN[0]:g} to {DOMAIN[1]:g}: networks of about 1000 parameters\n"
    title += f"Adam, η = {settings.eta:g}, full batches of {settings.train_size} points"
    return plots.curves(epochs, losses, title=title, ylabel="training loss (mean squared error)", log_y=True)


def _compared(
    losses: Losses, measure: Callable[[Array], Array], network: str = DEEP
) -> tuple[list[Interval], str]:
    """A number `(seeds,)` of the losses, a network's minus the shallow one's, by function; and as text."""
    found = [mean_interval(measure(losses[name][network]) - measure(losses[name][SHALLOW])) for name in NAMES]
    texts = (f"{name} {one.mean:+.2f} ± {one.half_width:.2f}" for name, one in zip(NAMES, found, strict=True))
    return found, f"{network.split()[0]} layers minus 1: {', '.join(texts)}"


def _lower(losses: Losses, claim: str, number: str, measure: Callable[[Array], Array]) -> Claim:
    """Whether both deeper networks have the lower number on every function; on some it depends on which."""
    (middle, first), (deep, second) = (_compared(losses, measure, network) for network in (MIDDLE, DEEP))
    holds = [is_below(difference) for difference in (*middle, *deep)]
    word = verdict(all(holds)) if len(set(holds)) == 1 else DEPENDS
    return Claim(claim, word, f"{number}, {first}; {second}")


def _better(losses: Losses) -> Claim:
    claim, number = "deeper networks of equal size fit better", "log10 of the final loss"
    return _lower(losses, claim, number, lambda loss: np.log10(loss[-1]))


def _faster(losses: Losses) -> Claim:
    claim, number = "deeper networks of equal size fit faster", "log10 of the loss, mean of all epochs"
    return _lower(losses, claim, number, lambda loss: np.log10(loss).mean(axis=0))


def _early(losses: Losses) -> Claim:
    def early(loss: Array) -> Array:
        return np.asarray(loss[: max(1, round(EARLY * len(loss)))].mean(axis=0))

    found, text = _compared(losses, early)
    numbers = f"mean loss of the first {100 * EARLY:g} % of the epochs, {text}"
    claim = "on the third function the deeper network is worse early on"
    return Claim(claim, verdict(is_above(found[NAMES.index("eight-sines")])), numbers)


def _drops(losses: Losses) -> Claim:
    """The largest fall of log10(loss) within WINDOW of the epochs, after the early ones."""

    def largest(loss: Array) -> Array:
        start, width = round(EARLY * len(loss)), max(1, round(WINDOW * len(loss)))
        level = np.log10(loss[start:])
        falls = level[:-width] - level[width:]
        return np.asarray(falls.max(axis=0)) if len(falls) else np.full(loss.shape[1], np.nan)

    found, text = _compared(losses, largest)
    numbers = f"largest fall of log10(loss) within {100 * WINDOW:g} % of the epochs, {text}"
    holds = is_above(found[NAMES.index("eight-sines")])
    return Claim(
        "on the third function the deeper network's loss falls in sudden drops", verdict(holds), numbers
    )


def _table(losses: Losses) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("function", *NETWORKS)]
    for name, by_network in losses.items():
        rows.append((name, *(mean_interval(loss[-1]).text() for loss in by_network.values())))
    return rows


STUDY = Study(
    name="mlds_functions",
    title="Simulate functions: networks with 1, 4 and 10 hidden layers and 1006, 1004 and 1002 parameters.",
    source="NTU MLDS homework 1; widths, periods, learning rate and batch are not stated: choices here",
    settings=Experiment(
        dataset="square-wave",
        loss="squared",
        model="mlp",
        hidden="335",
        init="uniform",
        optimizer="adam",
        eta=0.002,
        train_size=250,
        val_size=50,
        batch_size=250,
        epochs=2000,
        overfit_action="ignore",
        seeds=10,
    ),
    find=find,
    varies=("dataset", "hidden"),
)

if __name__ == "__main__":
    STUDY.main()
