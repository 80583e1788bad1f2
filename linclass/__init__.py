"""linclass: the classifiers that every deep-learning course begins with, trained, checked, watched, drawn.

Layers: a module imports only from lines above its own (`tests/test_layers.py` reads this list, and the one in
each package's docstring).

    errors.py       the few exception classes, each with its exit code; words of messages
    rng.py          every random stream is named by its purpose
    files.py        durable write, lock, size-capped reading
    npz.py          reading and writing .npz without trust
    engine.py       BLAS threads, and what this machine's arithmetic is
    settings.py     Experiment: what an experiment is; the command line's options come from it
    params.py       Params: named arrays (K, ...) in one flat buffer
    metrics.py      scores -> numbers, and how sure they are
    datasets/       names -> rows: readers, fetch, splits, scaling, batches, the bundled samples
    models/         functions of the parameter buffer: kernels, losses, layers, networks
    training/       batches -> steps -> epochs: the trainer, its state, optimisers, callbacks
    gradcheck/      numerical against analytic gradients, and what is wrong with them
    plots/          arrays -> Figure (the only place that imports matplotlib)
    runs/           settings -> a run directory, and on from there
    evaluation/     what a trained classifier gets right and wrong; predictions
    analysis/       questions asked of one experiment: optimum, parity, learning rates, folds
    landscape/      the loss around and between models
    search/         grid, random and adaptive search, on one machine or many
    cli/            the command line: a thin skin
    courses/        published experiments, searches and claims, each of which runs again with one command
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Experiment", "Run", "load_run", "resume", "run"]

if TYPE_CHECKING:
    from linclass.runs.directory import Run, load_run
    from linclass.runs.experiment import resume, run
    from linclass.settings import Experiment

_HOMES = {
    "Experiment": "settings",
    "Run": "runs.directory",
    "load_run": "runs.directory",
    "resume": "runs.experiment",
    "run": "runs.experiment",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for: `linclass --help` needs none of them."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"linclass.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'linclass' has no attribute {name!r}")
