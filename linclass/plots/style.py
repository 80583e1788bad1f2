"""What all pictures share: settings, a title's lines, saving.

Never the user's own style: every picture is drawn with the settings of this file and in matplotlib's own
font, so the same numbers give the same bytes.
"""

from __future__ import annotations

import functools
import io
import math
import textwrap
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from PIL import Image

from linclass.files import write_durably

# Names come from users: "$" is a dollar, not mathematics.
_STYLE: dict[str, Any] = {
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "axes.labelsize": 11,
    "legend.frameon": False,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.06,
}
TITLE_SIZE = 11.5

P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` with this file's settings, whatever the user's matplotlibrc says."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with style.context(["default", _STYLE]), warnings.catch_warnings():
            # a class's name in another script: the box in its place says it
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            return function(*args, **kwargs)

    return wrapper


def new_figure(width: float, height: float, **options: Any) -> Figure:
    figure = Figure(figsize=(width, height), **options)
    FigureCanvasAgg(figure)
    return figure


def wrap(text: str, width: float) -> str:
    """Break a title into even lines of at most `width` inches; a letter is about 0.58 of its size wide.

    Characters that the font cannot draw are left out.
    """
    letters = max(8, int(width * 72 / (0.58 * TITLE_SIZE)))
    lines = []
    text = "".join(c for c in text if ord(c) in _glyphs() or c.isspace())
    for part in text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}").splitlines():
        needed = len(textwrap.wrap(part, letters))
        even = next(n for n in range(1, letters + 1) if len(textwrap.wrap(part, n)) <= needed)
        lines += textwrap.wrap(part, even)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


@functools.lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    """The characters that the font of all pictures can draw."""
    return frozenset(FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf").get_charmap())


def legend_columns(labels: Collection[str], width: float) -> int:
    """Columns of a legend with long handles that fit into `width` inches, in rows of even length."""
    n = len(labels)
    fitting = max(1, int(width / (0.95 + 0.085 * max(map(len, labels)))))
    return math.ceil(n / math.ceil(n / fitting))


def raster(figure: Figure, dpi: int) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    return Image.open(buffer).convert("RGB")


@styled
def save(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write `figure` as PNG, durably; without a program's name or a date, so same numbers, same bytes.

    Raises StorageError if `path` cannot be written.
    """
    picture = raster(figure, dpi)
    if not any(axes.images for axes in figure.axes):  # lines need few colours: a third of the bytes
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", dpi=(dpi, dpi))
    write_durably(path, buffer.getvalue())
