"""Arrays -> Figure: training curves, weight templates, the published beside the measured.

The only package that imports matplotlib. It never touches pyplot: no windows, no figure that stays in
memory.

Modules, each importing only from those above it:

    style.py       what all pictures share: settings, a title's lines, saving
    looks.py       a label's colour, line style and marker
    points.py      series over many epochs and seeds -> the points that are drawn
    lines.py       curves: metrics over epochs
    rates.py       learning_rate_range: the loss over a growing learning rate
    images.py      templates: each class's weights as a picture
    movie.py       animation: the templates of several snapshots
    intervals.py   comparison: the published beside the measured
"""

from __future__ import annotations

from linclass.plots.images import templates
from linclass.plots.intervals import comparison
from linclass.plots.lines import curves
from linclass.plots.movie import animation
from linclass.plots.rates import learning_rate_range
from linclass.plots.style import save

__all__ = ["animation", "comparison", "curves", "learning_rate_range", "save", "templates"]
