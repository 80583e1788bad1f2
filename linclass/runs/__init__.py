"""Runs: settings -> a run directory, and on from there.

Modules, each importing only from those above it:

    legacy.py       what settings meant to earlier versions
    progress.py     what a run tells while it goes: one line that is redrawn, or a notebook's bar
    pictures.py     which pictures a run has, and what they say
    model.py        settings -> model and optimiser
    checkpoint.py   TrainState <-> named arrays in files
    directory.py    Run: the run directory; claim, load_run
    data.py         the data set of an experiment: loaded, named, found again, compared
    build.py        settings and data -> model, inputs and trainer, ready to train
    resuming.py     what a run goes on under: more epochs, changed settings, other data
    experiment.py   settings -> a trained run: run, resume
"""
