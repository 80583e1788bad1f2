"""Models: functions of one flat parameter buffer.

Modules, each importing only from those above it:

    base.py      the Model protocol and the shape conventions
    linear.py    one layer: scores = x W^T + b
    build.py     from settings to a model
"""
