"""Gradient check: numerical against analytic, for any model and for a user's own function.

Modules, each importing only from those above it:

    report.py         Row and Report: what a check found, and its text
    slopes.py         numerical slopes along lines through the parameters, and what they allow
    sample.py         analytic and numerical slopes side by side, and a second look at those that differ
    calls.py          what is wrong from one call to the next
    diagnosis.py      what is wrong with a gradient, in a sentence
    own_function.py   a user's own function: loaded, called, held to the contract
    check.py          check_model, check_function, standard_checks
"""

from __future__ import annotations

from linclass.gradcheck.check import check_function, check_model, standard_checks
from linclass.gradcheck.own_function import load_function
from linclass.gradcheck.report import Report, Row
from linclass.gradcheck.slopes import METHODS

__all__ = [
    "METHODS",
    "Report",
    "Row",
    "check_function",
    "check_model",
    "load_function",
    "standard_checks",
]
