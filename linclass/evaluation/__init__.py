"""Evaluation: what a trained classifier gets right and wrong.

Modules, each importing only from those above it:

    report.py       accuracy, confusions, calibration, the most confident mistakes
    submission.py   rows to predict, and the file of the predicted classes
    of_run.py       the same of a run directory: evaluate, predict
"""
