"""matplotlib, imported whatever the environment says of it: pictures here need no window, style or cache.

A notebook's MPLBACKEND names a backend that another Python may not have, which ends `import matplotlib`; a
home that cannot be written makes it warn.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """For the first import of matplotlib; a program that has it already keeps it as it is."""
    if "matplotlib" in sys.modules:
        yield
        return
    logger, named = logging.getLogger("matplotlib"), os.environ.pop("MPLBACKEND", None)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:  # the program may go on to use pyplot
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = named


with _undisturbed():
    import matplotlib
    import matplotlib.font_manager
    from matplotlib.figure import Figure

__all__ = ["Figure"]
