"""When the gradient is almost zero: minimal ratio and loss of 100 networks that learn half a sine."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from scipy import stats

from linclass import plots
from linclass.courses.claims import (
    DEPENDS,
    NOT_SUPPORTED,
    SUPPORTED,
    Claim,
    Findings,
    Study,
    fit,
    prepared,
    verdict,
)
from linclass.landscape.hessian import (
    descend_gradient_norm,
    eigenvalues,
    gradient_norm,
    hessian,
    ratio_of_eigenvalues,
    ratio_of_neighbours,
)
from linclass.metrics import wilson_interval
from linclass.params import Array
from linclass.runs.progress import Listener
from linclass.settings import Experiment
from linclass.training.trainer import Callback, Trainer

FIRST_EPOCHS = 150
SMALL_NORM = 0.03
PLATEAUS = {"one bend: 0.0609": 0.0609, "a constant: 0.0947": 0.5 - (2 / np.pi) ** 2}
NEAR = 0.002
"""How near a plateau a loss is counted as on it."""


class UntilSmall(Callback):
    """From epoch FIRST_EPOCHS on, a model whose gradient norm is below SMALL_NORM has ended."""

    def __init__(self, x: Array, y: Array) -> None:
        self.x, self.y = x, y

    def on_epoch_end(self, trainer: Trainer) -> None:
        if trainer.state.epoch >= FIRST_EPOCHS:
            norm = gradient_norm(trainer.model, self.x, self.y)
            trainer.state.active[norm < SMALL_NORM] = False


def find(
    settings: Experiment,
    *,
    data_dir: Path | None,
    listener: Listener,
    neighbours: int = 500,
    radius: float = 0.01,
    minimise_gradient: int = 0,
) -> Findings:
    """Train, measure each network's minimal ratio in both definitions, and judge what was published."""
    job = prepared(settings, data_dir=data_dir, listener=listener)
    model, x, y = job.model, job.dataset.train.x, job.dataset.train.y
    fit(job, UntilSmall(x, y), listener=listener)
    if minimise_gradient:
        descend_gradient_norm(model, x, y, steps=minimise_gradient)
    loss, norm = model.loss(x, y), gradient_norm(model, x, y)
    H = hessian(model, x, y)
    by_eigenvalues = ratio_of_eigenvalues(eigenvalues(H))
    by_neighbours = ratio_of_neighbours(model, x, y, samples=neighbours, radius=radius, seed=settings.seed)
    ratios = {
        "by the Hessian's eigenvalues": by_eigenvalues,
        f"by {neighbours} neighbours at {radius:g}": by_neighbours,
    }
    small = norm < SMALL_NORM
    figure = plots.scatter(
        ratios,
        loss,
        {f"gradient norm below {SMALL_NORM:g}": small, "not so small": ~small},
        title=f"Minimal ratio and loss of {len(loss)} networks 1-{settings.hidden.replace(',', '-')}-1 "
        f"({H.shape[1]} parameters) after at most {settings.epochs} epochs",
        xlabel="minimal ratio",
        ylabel="loss (mean squared error)",
        lines=PLATEAUS,
    )
    claims = [
        *_counts(loss, by_eigenvalues, by_neighbours),
        _plateaus(loss),
        _dependence(loss, by_eigenvalues, by_neighbours),
    ]
    return Findings(claims, {"minimal_ratio": figure}, {"of the networks": _table(loss, norm, ratios)})


def _share(mask: Array) -> tuple[str, float, float]:
    """A count in words, and its 95 % Wilson interval as a share."""
    low, high = wilson_interval(int(mask.sum()), len(mask))
    return f"{int(mask.sum())} of {len(mask)} ({100 * low:.0f} to {100 * high:.0f} %)", low, high


def _counts(loss: Array, by_eigenvalues: Array, by_neighbours: Array) -> list[Claim]:
    text, low, high = _share(loss > 0.08)
    eigen, e_low, e_high = _share(by_eigenvalues < 0.01)
    sampled, n_low, n_high = _share(by_neighbours < 0.01)
    agree = [e_low <= 0.29 <= e_high, n_low <= 0.29 <= n_high]
    both = SUPPORTED if all(agree) else DEPENDS if any(agree) else NOT_SUPPORTED
    return [
        Claim("38 of 100 runs end with a loss above 0.08", verdict(low <= 0.38 <= high), text),
        Claim(
            "29 of 100 runs end with a minimal ratio below 0.01",
            both,
            f"by eigenvalues {eigen}, by neighbours {sampled}",
        ),
    ]


def _plateaus(loss: Array) -> Claim:
    high = loss[loss > 0.01]
    on = {name: np.abs(high - at) < NEAR for name, at in PLATEAUS.items()}
    texts = ", ".join(f"{int(mask.sum())} at {name}" for name, mask in on.items())
    low, _ = wilson_interval(int(np.sum([*on.values()])), max(len(high), 1))
    return Claim(
        "the high losses lie on two plateaus, 0.06 and 0.095 (printed 0.95)",
        verdict(low > 0.5 and all(mask.any() for mask in on.values())),
        f"of the {len(high)} losses above 0.01, within {NEAR:g}: {texts}",
    )


def _dependence(loss: Array, *ratios: Array) -> Claim:
    """Spearman's rank correlation, its interval by Fisher's transformation (Bonett and Wright, 2000)."""
    signs, texts = [], []
    for name, ratio in zip(("by eigenvalues", "by neighbours"), ratios, strict=True):
        rho = float(np.nan_to_num(stats.spearmanr(ratio, loss).statistic)) if np.ptp(ratio) > 0 else 0.0
        half = 1.96 * np.sqrt((1 + rho**2 / 2) / max(len(loss) - 3, 1))
        low, high = np.tanh(np.arctanh(np.clip(rho, -0.999, 0.999)) + np.array([-half, half]))
        signs.append(-1 if high < 0 else 1 if low > 0 else 0)
        texts.append(f"{name} {rho:.2f} ({low:.2f} to {high:.2f})")
    same = signs[0] == signs[1]
    word = verdict(signs[0] < 0) if same else DEPENDS
    return Claim(
        "the lower the minimal ratio, the higher the loss", word, "rank correlation " + ", ".join(texts)
    )


def _table(loss: Array, norm: Array, ratios: dict[str, Array]) -> list[tuple[str, ...]]:
    rows = [("loss", "networks", "gradient norm below 0.03", *ratios)]
    for low, high in ((0, 0.01), (0.01, 0.08), (0.08, np.inf)):
        mask = (loss >= low) & (loss < high)
        if mask.any():
            own = [ratio[mask] for ratio in ratios.values()]
            cells = [f"{r.mean():.3f} ({r.min():.3f} to {r.max():.3f})" for r in own]
            count = str(int((norm[mask] < SMALL_NORM).sum()))
            rows.append((f"{low:g} to {high:g}", str(int(mask.sum())), count, *cells))
    return rows


STUDY = Study(
    name="mlds_minimal_ratio",
    title="When the gradient is almost zero: is it a minimum?",
    source="NTU MLDS homework 1; network, learning rate and batch are not stated: choices here",
    settings=Experiment(
        dataset="half-sine",
        loss="squared",
        model="mlp",
        hidden="5,5,5,5",
        init="uniform",
        optimizer="adam",
        eta=0.01,
        train_size=50,
        val_size=50,
        batch_size=50,
        epochs=750,
        dtype="float64",
        seeds=100,
    ),
    find=find,
    options=[
        click.option(
            "--neighbours",
            type=click.IntRange(1),
            help="number of neighbours sampled around each network  [default: 500]",
        ),
        click.option("--radius", type=float, help="radius, the neighbours' distance  [default: 0.01]"),
        click.option(
            "--minimise-gradient",
            type=click.IntRange(0),
            help="number of steps that minimise the gradient norm itself in the end  [default: 0]",
        ),
    ],
)

if __name__ == "__main__":
    STUDY.main()
