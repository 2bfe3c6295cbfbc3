"""Checks of what data sets and loaders are given."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from minigrad import backend, rng


def check_batch(source: str, arrays: Any, size: int) -> None:
    """Refuse all but a tuple of numeric arrays of `size` items; `source` says who made them."""
    if not isinstance(arrays, tuple):
        raise TypeError(f"{source}: expected a tuple of arrays, got {type(arrays).__name__}")
    for array in arrays:
        if not isinstance(array, np.ndarray) or not backend.is_numeric(array.dtype):
            found = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"{source}: expected numeric NumPy arrays of at most 64 bits, got {found}")
        if array.shape[:1] != (size,):
            raise ValueError(f"{source}: expected arrays of {size} items, got shape {array.shape}")


def checked_seed(name: str, seed: int | None) -> int:
    """Return the seed, or one drawn from `mg.manual_seed`'s generator; `name` says whose it is."""
    if seed is None:
        return int(rng.generator().integers(2**63))
    return checked_int(f"{name}: seed", seed, minimum=0)


def checked_int(name: str, value: Any, minimum: int) -> int:
    """Return `value`, which may be any kind of integer, as an int of at least `minimum`; `name` says whose it is."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an int >= {minimum}, got {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name}: expected an int >= {minimum}, got {value!r}")
    return number
