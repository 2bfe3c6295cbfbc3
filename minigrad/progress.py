"""Progress bars: a widget in notebooks, a line in terminals, nothing where the output goes to a file."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm


def progress(**options: Any) -> tqdm:
    """Return a `tqdm` bar, in the form that fits where the program runs; it takes tqdm's arguments, by keyword.

    tqdm itself cannot tell a notebook, whose stderr is no terminal either, from a file.
    """
    in_notebook = "ipykernel" in sys.modules
    in_terminal = sys.stderr is not None and sys.stderr.isatty()
    return tqdm(**{"leave": False, "dynamic_ncols": True, **options}, disable=not (in_notebook or in_terminal))
