"""float16 numbers are for storing, float32 ones for adding up.

float16 has eleven binary digits and ends at 65504: from 2048 on, adding 1 changes nothing, and the squares of 300
numbers may already overflow. So whatever adds up many float16 numbers does so in float32, and rounds once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

HALF, SINGLE, DOUBLE = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
FEW = 128


def accumulator(dtype: np.dtype) -> np.dtype:
    """Return the dtype in which numbers of `dtype` are added up: float32 for float16, else their own."""
    return SINGLE if dtype == HALF else dtype


def running_total(dtype: np.dtype, count: int) -> np.dtype:
    """Return the dtype in which `count` numbers of `dtype` are added one after the other, where they cannot be added in
    pairs: float64 for many, because a float32 total of 16,777,216 grows by no more ones.
    """
    return DOUBLE if count > FEW else accumulator(dtype)


def in_float32(compute: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function of arrays, or of Tensors, compute in float32 where they are float16.

    If the first one is float16 and no other is of a wider floating type, all of them are converted, and the result is
    converted back. NumPy's numbers, and arrays beside a Tensor, have no say in this: they follow it.

    Args:
        compute: the function; its result is one array or Tensor.
    """

    @wraps(compute)
    def run(*args: Any, **options: Any) -> Any:
        first = args[0] if args else next(iter(options.values()), None)
        dtype = getattr(first, "dtype", None)
        if dtype is SINGLE:  # nearly always
            return compute(*args, **options)
        if dtype is None:  # a method's `self`, or an option
            first = next((x for x in (*args, *options.values()) if hasattr(x, "dtype")), None)
            dtype = getattr(first, "dtype", None)
        if dtype != HALF:
            return compute(*args, **options)
        if any(_is_wider(x, first) for x in (*args, *options.values())):
            return compute(*args, **options)  # which has a wider result
        args, options = tuple(map(_single, args)), {name: _single(x) for name, x in options.items()}
        return compute(*args, **options).astype(HALF)

    return run


def _is_wider(x: Any, first: Any) -> bool:
    """Whether `x` is, as `first` is, a Tensor or else an array, of a floating type other than float16."""
    alike = hasattr(x, "dtype") and hasattr(x, "node") == hasattr(first, "node") and not isinstance(x, np.generic)
    return alike and x.dtype.kind == "f" and x.dtype != HALF


def _single(x: Any) -> Any:
    return x.astype(SINGLE) if getattr(x, "dtype", None) == HALF else x
