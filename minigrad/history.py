"""What is read from the history of a run: a row for each epoch, such as

{"epoch": 1, "train_loss": 1.9, "train_accuracy": 0.31, "val_loss": 1.7, "val_accuracy": 0.38, "lr": 0.1, …}
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

WIDTH = 100  # columns of what is printed about an epoch


def best_epoch(history: Sequence[Mapping[str, float]], metric: str) -> Mapping[str, float] | None:
    """Return the row of the history where `val_<metric>` is best, the first of equals: largest, or smallest where the
    name ends in "loss". None where no epoch has a number there.
    """
    key, sign = f"val_{metric}", -1 if metric.endswith("loss") else 1
    rows = [row for row in history if math.isfinite(row.get(key, math.nan))]
    return max(rows, key=lambda row: sign * row[key], default=None)


def describe(row: Mapping[str, float], epochs: int) -> str:
    """Return a line of text about an epoch of the history; several, where one would be longer than WIDTH."""
    head, parts = f"epoch {row['epoch']}/{epochs}", []
    for split, title in (("train_", "training"), ("val_", "validation")):
        values = [f"{name.removeprefix(split)} {value:.4f}" for name, value in row.items() if name.startswith(split)]
        if values:
            parts.append(f"{title}: {', '.join(values)}")
    speed = f"{row['seconds']:.1f} s, {row['images_per_second']:.0f} img/s"
    line = "  |  ".join([head, *parts, speed])
    if len(line) <= WIDTH:
        return line
    indented = [textwrap.fill(part, WIDTH, initial_indent="  ", subsequent_indent="      ") for part in parts]
    return "\n".join([f"{head}  |  {speed}", *indented])
