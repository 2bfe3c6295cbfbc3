"""The figure that every function of this package returns. Imports Matplotlib, so import this only when drawing."""

from __future__ import annotations

import io
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

from minigrad.plots.look import LOOK


def shared_look() -> AbstractContextManager:
    """Settings under which pictures are drawn and written; a user's own matplotlibrc does not change them."""
    return style.context(["default", LOOK])


class Picture(Figure):
    """A Matplotlib figure that notebooks show by themselves, without pyplot.

    Attributes:
        path: the file that it was written to, or None.
    """

    path: Path | None = None

    def savefig(self, fname: Any, **options: Any) -> None:
        with shared_look(), warnings.catch_warnings():
            # `fonts.py` said once what no font here has; Matplotlib before 3.11 also says which scripts it cannot join.
            warnings.filterwarnings("ignore", r"Glyph \d+|Matplotlib currently does not support")
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
