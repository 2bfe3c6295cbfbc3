"""float16 numbers are for storing, float32 ones for adding up.

float16 has eleven binary digits and ends at 65504: from 2048 on, adding 1 changes nothing, and the squares of 300
numbers may already overflow. So whatever adds up many float16 numbers does so in float32, and rounds once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from minigrad.backend import on_cpu

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)


def accumulator(dtype: np.dtype) -> np.dtype:
    """Return the dtype in which numbers of `dtype` are added up: float32 for float16, else their own."""
    return SINGLE if dtype == HALF else dtype


def in_float32(compute: Callable[..., Any], also_on_gpu: bool = True) -> Callable[..., Any]:
    """Have a function of arrays, or of Tensors, compute in float32 where they are float16.

    If the first array is float16 and no other is of a wider floating type, all of them are converted, and the result is
    converted back.

    Args:
        compute: the function; its result is one array or Tensor.
        also_on_gpu: whether arrays on a GPU are converted, too. Its matrix products of float16 accumulate in float32
            by themselves, and in half the memory.
    """

    @wraps(compute)
    def run(*args: Any, **options: Any) -> Any:
        first = args[0] if args else next(iter(options.values()), None)
        if getattr(first, "dtype", None) != HALF or not (also_on_gpu or on_cpu(first)):
            return compute(*args, **options)
        dtypes = {x.dtype for x in (*args, *options.values()) if hasattr(x, "dtype")}
        if any(dtype.kind == "f" and dtype != HALF for dtype in dtypes):
            return compute(*args, **options)  # which has a wider result
        args, options = tuple(map(_single, args)), {name: _single(x) for name, x in options.items()}
        return compute(*args, **options).astype(HALF)

    return run


def _single(x: Any) -> Any:
    return x.astype(SINGLE) if getattr(x, "dtype", None) == HALF else x
