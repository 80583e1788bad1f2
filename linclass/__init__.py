"""linclass: the classifiers that every deep-learning course begins with, trained, checked, watched, drawn.

Layers: a module imports only from lines above its own (`tests/test_layers.py` reads this list).

    errors.py       the few exception classes, each with its exit code
    words.py        words of messages: a number with its noun
    extras.py       libraries that may be missing, and how they are installed
    rng.py          every random stream is named by its purpose
    files.py        durable write, lock, size-capped reading
    npz.py          reading and writing .npz without trust
    blas.py         threads, and what this machine's arithmetic is
    workers.py      a list of tasks in a few processes
    settings.py     Experiment: what an experiment is; the command line's options come from it
    legacy.py       what settings meant to earlier versions
    params.py       Params: named views (K, ...) into one flat buffer
    history.py      History: one row an epoch, the only place metrics go
    listener.py     what a run tells while it goes
    progress.py     one line that is redrawn, or a notebook's bar; what Python programs see by default
    schedules.py    step -> learning rate
    metrics.py      scores -> numbers, and how sure they are
    kernels.py      in-place forward/backward pairs
    datasets/       Dataset, readers, fetch, split, scale, batches, the bundled sample
    optim.py        optimisers: constants and (init, update)
    losses.py       value and d(loss)/d(scores), in place
    models/         the protocol, the linear classifier, the MLP, ensembles
    health.py       why a network does not learn: dead units, vanished gradients
    gradcheck/      numerical against analytic gradients, and what is wrong with them
    optimum.py      L-BFGS on the same gradients: the true minimum, and the gap to it
    landscape/      the loss around a model: Hessian, minimal ratio, gradient norms
    plots/          arrays -> Figure (the only place that imports matplotlib)
    gallery.py      which pictures a run has, and what they say
    train_state.py  TrainState: all that a resumed run needs
    whole_splits.py  loss and accuracy on whole splits
    replicas.py     the models that share their batches, and one step of them
    training.py     Callback, Trainer
    profile.py      where the time of a training went
    callbacks.py    overfit monitor, best keeper, snapshots, recorder, progress
    checkpoint.py   TrainState <-> named arrays in files
    runs.py         the run directory: claim, resume, load_run
    evaluation.py   what a trained classifier gets right and wrong, and whether its probabilities hold
    submission.py   rows to predict, and the file of the predicted classes
    run_data.py     the data set of an experiment: loaded, named, compared with what a run began with
    job.py          settings and data -> model, inputs and trainer, ready to train
    resuming.py     what a run goes on under: more epochs, changed settings, other data
    experiment.py   settings -> a trained run
    growth.py       what more training rows are worth: accuracies against their number
    crossval.py     k-fold cross-validation: a run a fold
    lr_range.py     the learning-rate range test
    parity.py       one training in numpy and PyTorch, on means and sums: where they part
    search/         grid, random and adaptive search, on one machine or many
    scoring.py      what is done with a trained run: score it, predict
    survey.py       the landscape of trained runs: paths, planes, trajectories, sensitivity, sharpness
    checks.py       the gradient check and the optimum of an experiment
    help.py         what `--help` looks like: options in sections, whole summaries
    options.py      command-line options from Experiment
    console.py      progress, tables, errors as exit codes
    data_command.py     `linclass data`
    check_commands.py   `linclass gradcheck`, `optimum` and `parity`
    sweep_command.py    `linclass sweep`
    landscape_command.py  `linclass landscape`
    courses/        published experiments, searches and claims, each of which runs again with one command
    cli.py          the command line
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Experiment", "Run", "load_run", "resume", "run"]

if TYPE_CHECKING:
    from linclass.experiment import resume, run
    from linclass.runs import Run, load_run
    from linclass.settings import Experiment

_HOMES = {
    "Experiment": "settings",
    "Run": "runs",
    "load_run": "runs",
    "resume": "experiment",
    "run": "experiment",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for: `linclass --help` needs none of them."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"linclass.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'linclass' has no attribute {name!r}")
