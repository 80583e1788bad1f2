"""Arrays -> Figure: training curves, weight templates, the published beside the measured.

The only package that imports matplotlib. It never touches pyplot: no windows, no figure that stays in
memory.

Modules, each importing only from those above it:

    backend.py     matplotlib itself, whatever the environment says of it
    style.py       what all pictures share: settings, a title's lines, saving
    looks.py       a label's colour, line style and marker
    points.py      series over many epochs and seeds -> the points that are drawn
    lines.py       curves: metrics over epochs
    fits.py        fits: a function, and what models make of it
    rates.py       learning_rate_range: the loss over a growing learning rate
    panels.py      panels: several measures over the same numbers, side by side
    plane.py       plane: the loss over two directions, and the paths of trainings in it
    parting.py     trainings that began alike: losses, and how far they have parted
    images.py      templates: each class's weights as a picture
    movie.py       animation: the templates of several snapshots
    intervals.py   comparison: the published beside the measured
    scatter.py     scatter: one number of many models against another
    matrix.py      confusion: which class is taken for which
    calibration.py reliability_diagram: how often predictions of a stated probability are right
    examples.py    mistakes: wrongly classified images
    samples.py     samples: images of a data set, and what augmentation makes of them
    trials.py      scores, parallel: the trials of a search
    growth.py      growth: accuracy against the number of training rows
    histogram.py   probability_histogram: of the true class, where the prediction is right and wrong
"""

from __future__ import annotations

from linclass.plots.backend import Figure
from linclass.plots.calibration import reliability_diagram
from linclass.plots.examples import mistakes
from linclass.plots.fits import fits
from linclass.plots.growth import growth
from linclass.plots.histogram import probability_histogram
from linclass.plots.images import templates
from linclass.plots.intervals import comparison
from linclass.plots.lines import curves
from linclass.plots.matrix import confusion
from linclass.plots.movie import animation
from linclass.plots.panels import Panel, panels
from linclass.plots.parting import parting
from linclass.plots.plane import Relief, Track, plane
from linclass.plots.rates import learning_rate_range
from linclass.plots.samples import samples
from linclass.plots.scatter import scatter
from linclass.plots.style import save
from linclass.plots.trials import parallel, scores

__all__ = [
    "Figure",
    "Panel",
    "Relief",
    "Track",
    "animation",
    "comparison",
    "confusion",
    "curves",
    "fits",
    "growth",
    "learning_rate_range",
    "mistakes",
    "panels",
    "parallel",
    "parting",
    "plane",
    "probability_histogram",
    "reliability_diagram",
    "samples",
    "save",
    "scatter",
    "scores",
    "templates",
]
