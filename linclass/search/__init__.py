"""Hyper-parameter search: grid, random and adaptive, on one machine or many.

Modules, each importing only from those above it:

    workers.py     a list of tasks in a few processes
    spaces.py      which values the fields of an experiment may take
    space_file.py  a space in a JSON or TOML file
    trials.py      which settings are tried, and what each came to
    packs.py       trials that are trained together, as one stack
    store.py       the sweep directory
    executors.py   who trains the packs: this process, or several
    cluster.py     the same on the workers of a Dask scheduler
    adaptive.py    trials proposed by Optuna
    found.py       what a search came to
    report.py      what a search is told as: the table, the pictures
    sweep.py       the loop: propose, pack, train, keep; grid_search, random_search
"""

from __future__ import annotations

from linclass.search.adaptive import Sampler
from linclass.search.found import Found
from linclass.search.spaces import Space, space
from linclass.search.sweep import Plan, grid_search, random_search, search

__all__ = ["Found", "Plan", "Sampler", "Space", "grid_search", "random_search", "search", "space"]
