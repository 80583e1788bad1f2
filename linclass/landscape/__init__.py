"""The loss as a landscape: what it looks like around a model, between two, and along a training.

Modules, each importing only from those above it:

    hessian.py     the Hessian by differences of gradients, its eigenvalues, the minimal ratio
"""
