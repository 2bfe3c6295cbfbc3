"""Seeing the same memory with another shape and other steps."""

from __future__ import annotations

import numpy as np

from minigrad.backend import Array, array_module, on_cpu


def strided(x: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Return what lies in the memory of `x`, from its first element on, with this shape and these steps in bytes.

    As `as_strided`, where x has no gaps in a tenth of its time; and on the CPU leaving the memory is an error.

    Raises:
        ValueError: some element would lie outside of the memory.
    """
    if not on_cpu(x):
        return array_module(x).lib.stride_tricks.as_strided(x, shape, strides)
    memory, offset = x, 0
    if not x.flags.c_contiguous and x.base is not None:
        if not isinstance(x.base, np.ndarray) or not x.base.flags.forc:
            return np.lib.stride_tricks.as_strided(x, shape, strides)
        memory, offset = x.base, _address(x) - _address(x.base)
    return np.ndarray(shape, x.dtype, memory, offset, strides)


def _address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]
