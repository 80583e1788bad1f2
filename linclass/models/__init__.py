"""Models: functions of one flat parameter buffer.

Modules, each importing only from those above it:

    kernels.py   in-place forward/backward pairs
    losses.py    value and d(loss)/d(scores), in place
    architecture.py  what a network is: sizes, activation, loss, seeds ...
    base.py      the Model protocol and the shape conventions
    init.py      normal, Xavier, He, uniform
    penalty.py   lambda * sum(W^2) and its gradient
    layers.py    affine, batch normalisation, activation, dropout
    network.py   a chain of layers with a loss and a penalty: what every numpy model is
    linear.py    one layer: scores = x W^T + b
    mlp.py       the multi-layer perceptron
    torch_net.py the same perceptron in PyTorch; the only file that imports torch
    ensemble.py  several classifiers that decide together
    widths.py    hidden widths for a budget of parameters
    summary.py   layers, shapes, parameter counts
"""
