"""The loss as a landscape: what it looks like around a model, between two, and along a training.

Modules, each importing only from those above it:

    surface.py      Surface: parameters -> loss and accuracy, at many points at once
    paths.py        the straight path through two models
    planes.py       the loss over a plane; filter-normalised random directions
    pca.py          the plane in which the points of a trajectory differ most
    sensitivity.py  how much a network's answer moves when its input does
    sharpness.py    how far the loss can rise in a small box around a model
    hessian.py      the Hessian by differences of gradients, its eigenvalues, the minimal ratio
    of_runs.py      the landscape of trained runs: paths, planes, trajectories, sensitivity, sharpness
"""
