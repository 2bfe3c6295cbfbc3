"""What is read from the history of a run: a row for each epoch, such as

{"epoch": 1, "train_loss": 1.9, "train_accuracy": 0.31, "val_loss": 1.7, "val_accuracy": 0.38, "lr": 0.1, …}
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

WIDTH = 100  # columns of what is printed about an epoch


Metric = str | tuple[str, str]  # its name, or the name and "min" or "max"
LESS_IS_BETTER = ("loss", "error", "mae", "mse", "rmse")


def direction(metric: Metric) -> tuple[str, int]:
    """Return the name of a metric, and 1 where more of it is better, -1 where less is: as `("miles", "min")` says, or
    a name alone by its end.

    Raises:
        ValueError: `metric` is neither.
    """
    if isinstance(metric, str):
        return metric, -1 if metric.lower().endswith(LESS_IS_BETTER) else 1
    if not (isinstance(metric, tuple) and len(metric) == 2 and metric[1] in ("min", "max")):
        raise ValueError(f'expected a metric as "name", ("name", "min") or ("name", "max"), got {metric!r}')
    return metric[0], -1 if metric[1] == "min" else 1


def column(row: Mapping[str, float], name: str) -> str | None:
    """Return where a row has the metric `name`: the validation's, or else what has just this name; None if nowhere."""
    return next((key for key in (f"val_{name}", name) if key in row), None)


def best_epoch(history: Sequence[Mapping[str, float]], metric: Metric) -> Mapping[str, float] | None:
    """Return the row of the history where `metric`, with or without `val_`, is best, the first of equals; see
    `direction`. None where no epoch has a number there.
    """
    name, sign = direction(metric)
    rows = [(row, row.get(column(row, name) or "", math.nan)) for row in history]
    finite = [(row, value) for row, value in rows if math.isfinite(value)]
    return max(finite, key=lambda pair: sign * pair[1], default=(None,))[0]


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
