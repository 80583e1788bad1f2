"""Analysis: questions asked of one experiment.

Modules, each importing only from those above it:

    optimum.py         L-BFGS on the same gradients: the true minimum, and the gap to it
    parity.py          one training in numpy and PyTorch, on means and sums: where they part
    lr_range.py        the learning-rate range test
    crossval.py        k-fold cross-validation: a run a fold
    learning_curve.py  what more training rows are worth: accuracies against their number
    checks.py          the gradient check and the optimum of an experiment
"""
