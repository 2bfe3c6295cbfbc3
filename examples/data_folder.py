"""The folder for data sets, as the command line or the environment names it."""

from __future__ import annotations

import os
from pathlib import Path

from datasets import data_root
from examples.errors import UsageError


def check_data_folder(argument: Path | None = None) -> None:
    """Check the folder for data sets, if one is named: it or its parent is there. A mistyped path is not downloaded to.

    To be called where something is looked for there, because not all work needs it.

    Raises:
        UsageError: it is not.
    """
    named = "--data-dir" if argument else "MINIGRAD_DATA"
    folder = data_root(argument) if argument or os.environ.get("MINIGRAD_DATA") else None
    if folder is None or folder.is_dir():
        return
    if folder.exists() or not folder.parent.is_dir():
        wrong = "it is a file" if folder.exists() else f"neither it nor {folder.parent} is there"
        raise UsageError(f"{named} {folder}: {wrong}; expected a folder, or the name of a new one in a folder")
