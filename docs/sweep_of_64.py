"""64 linear trials on the full CIFAR-10 as stacks, beside the same 64 in PyTorch one after another.

Run from a checkout with PyTorch and the full data: `python docs/sweep_of_64.py`. Both train on the 49,000
rows of `--split all` in batches of 100 and evaluate both splits after every epoch, on one thread. A whole
sweep would take PyTorch an hour, so a few packs and a few models are timed in turn, and the ratio is that
of the times for one model and one epoch.
"""

from __future__ import annotations

import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch
from torch import nn

from linclass import engine
from linclass.runs.build import build
from linclass.runs.data import load_data
from linclass.search import space
from linclass.search.packs import pack
from linclass.search.trials import Trial, draw
from linclass.settings import Experiment

SETTINGS = Experiment(split="all", epochs=1)
SPACE = space({"lr": ([1e-4, 1e-2], "log"), "lambda": ([1e-4, 1.0], "log")})
ROUNDS = 3


def stack_epoch(trials: tuple[Trial, ...], dataset) -> float:
    """Seconds of one epoch of a pack, evaluation included."""
    job = build([trial.settings for trial in trials], dataset)
    started = time.perf_counter()
    with engine.limited(1):
        job.fit()
    return time.perf_counter() - started


def torch_epoch(trial: Trial, x, y, x_valid, y_valid) -> float:
    """Seconds of one epoch of one model, evaluation included, on standardised float32 rows in memory."""
    torch.manual_seed(0)
    model, loss = nn.Linear(3072, 10), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), trial.settings.eta, weight_decay=2 * trial.settings.l2)
    started = time.perf_counter()
    for rows in torch.randperm(len(x)).split(100):
        optimizer.zero_grad()
        loss(model(x[rows]), y[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        for inputs, labels in ((x, y), (x_valid, y_valid)):
            for start in range(0, len(inputs), 500):
                scores = model(inputs[start : start + 500])
                loss(scores, labels[start : start + 500]).item()
                (scores.argmax(1) == labels[start : start + 500]).sum().item()
    return time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    trials = draw(SPACE, SETTINGS, trials=64)
    packs = pack(trials)
    dataset = load_data(trials[0].settings)
    job = build(trials[0].settings, dataset)
    tensors = []
    for split in (dataset.train, dataset.validation):
        scaled = job.model.architecture.scaler.transform(split.x, np.float32)
        tensors += [torch.from_numpy(scaled), torch.from_numpy(split.y.astype(np.int64))]
    ours, theirs = [], []
    for i in range(ROUNDS):
        ours.append(stack_epoch(packs[i], dataset) / len(packs[i]))
        theirs.append(torch_epoch(trials[i], *tensors))
        print(
            f"a model's epoch: {ours[-1]:.3f} s in a stack of {len(packs[i])}, {theirs[-1]:.3f} s in PyTorch"
        )
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    print(
        f"64 models, 40 epochs: {64 * 40 * statistics.median(ours) / 60:.1f} min as stacks, "
        f"{64 * 40 * statistics.median(theirs) / 60:.1f} min in PyTorch one after another; "
        f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main()
