"""The look that all pictures share: colours, settings, and the figure that is written when all is drawn.

The colours are those of Okabe and Ito, "Color Universal Design" (2008), which stay apart under all common kinds of
colour blindness.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from minigrad.io.files import atomic_path
from minigrad.plots.fonts import FAMILY, use_fonts_for_all_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from minigrad.plots.picture import Picture

PathLike = str | os.PathLike[str]

COLORS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#595959",  # not theirs; for what stands back, and still 7:1 against white
}

LETTERS = 30  # of a name that are shown
NUMBERS = "{x:.10g}"  # on axes in full, where Matplotlib would write a factor such as 1e6 above them, over the legend

LOOK = {
    "font.family": FAMILY,
    "font.size": 10,
    "text.parse_math": False,  # a class may be called "5$ note"
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.edgecolor": COLORS["grey"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "figure.constrained_layout.h_pad": 0.06,
    "savefig.dpi": 150,
    "savefig.bbox": "tight",  # nothing is cut off, and no margin is wider than the next
    "savefig.pad_inches": 0.15,
}


@contextmanager
def new_figure(path: PathLike | None, width: float, height: float, layout: str = "compressed") -> Iterator[Picture]:
    """Yield an empty figure (inches) in the shared look; when the block ends without an error, write it to ``path``,
    if there is one.

    Args:
        layout: Matplotlib's name of a layout engine; "none" for a figure whose axes are placed by hand.
    """
    from minigrad.plots.picture import Picture, shared_look

    with shared_look():
        figure = Picture(figsize=(width, height), layout=layout)
        yield figure
        use_fonts_for_all_letters(figure)
    if path is not None:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png")
        figure.path = Path(path)


def shorten(name: str, letters: int = LETTERS) -> str:
    """Return a name that takes the room of at most so many letters: "golden retrie…adult", head and tail.

    Names of long lists often differ in their ends only. Letters of East Asian scripts take the room of two.
    """
    if room(name) <= letters:
        return name
    tail = letters // 3
    return f"{_within(name, letters - 1 - tail)}…{_within(name[::-1], tail)[::-1]}"


def room(text: str) -> int:
    """Return how many ordinary letters take the room of `text`."""
    return sum(map(_room_of, text))


def _room_of(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _within(text: str, letters: int) -> str:
    """The longest beginning of `text` that takes no more room than so many letters."""
    end = 0
    while end < len(text) and (letters := letters - _room_of(text[end])) >= 0:
        end += 1
    return text[:end]


def percent(value: float, position: int | None = None) -> str:
    """How shares are written on axes: as few decimals as the value needs."""
    return f"{100 * value:.4g}%"


def hide_frame(ax: Axes) -> None:
    """Take away grid, ticks and spines: for axes that show a picture."""
    ax.grid(False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
