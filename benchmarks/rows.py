"""What a row of a table is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.frameworks import Framework

# A step without arguments. Where only a part of what it does is to be timed, it returns that part's seconds itself.
Step = Callable[[], float | None]

ALL = ("minigrad", "torch", "torch-channels-last")
AND_PLAIN = (*ALL, "minigrad-plain")  # and what the layers take one by one
WITHOUT_PICTURES = ("minigrad", "torch")  # where the order of a picture's axes makes no difference


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: what `--filter` and `worker.py` call it.
        title: what it does, for the reader of the table.
        prepare: builds everything in one framework and returns the step that is timed.
        frameworks: in which it is measured, where they are installed.
        items: what a step's time is divided by in the table: pictures, operations.
        flops: floating-point operations of a step, two for each multiply-add; 0 where nobody asks.
        threads: how many the process may use; None for as many as the framework takes by itself.
    """

    name: str
    title: str
    prepare: Callable[[Framework], Step]
    frameworks: tuple[str, ...] = ALL
    items: int = 1
    flops: int = 0
    threads: int | None = None


def noise(*shape: int) -> np.ndarray:
    """Return normally distributed float32 numbers, the same ones every time."""
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def classes(n: int, count: int) -> np.ndarray:
    """Return n class numbers below `count`, the same ones every time."""
    return np.random.default_rng(0).integers(count, size=n)
