"""Sums that keep their digits, however many numbers are added.

Adding n numbers one after the other rounds n times, each time a total that may already be large: of float32 ones
nothing is counted beyond 16,777,216. NumPy adds in pairs and pairs of pairs, but only along an axis whose numbers are
neighbours in memory; along any other one it adds row after row to a row of totals. CuPy deals them out to the 16 to 512
threads of a block, and each of these adds one number after the other; and where few channels have many numbers each,
only few blocks work.

So rows are cut into strips of ROWS, and the strips' sums are rows again, ROWS times fewer, to be added in the same way:
20 million numbers are at most 128 + 128 + 128 + 9 additions from their sum.

    x (R, K)  seen as  (ROWS, R/ROWS·K):  row 0 of all strips, row 1 of all strips, …       nothing is copied
    sums (R/ROWS·K)  =  a row of ones (1, ROWS) @ x

The product with ones is BLAS's matrix-vector product, which reads memory as quickly as it comes: for wide rows three
times, for narrow ones fifty times as fast as NumPy's sum.

Reference: Higham 1993, "The accuracy of floating point summation", section 3: a number that takes part in m additions
adds at most m roundings to the error.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from itertools import groupby

import numpy as np

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.precision import accumulator

ROWS = 128  # that are added one after the other
AT_ONCE = 4  # strips that are not worth being cut
FEW = 4 * ROWS
NATIVE = {np.dtype(np.float32), np.dtype(np.float64)}  # what NumPy adds up as it is


def total(x: Array, axes: tuple[int, ...], keepdims: bool = False, scale: float | None = None) -> Array:
    """Return Σ x along `axes`, times `scale` if there is one.

    float16 is added up and scaled in float32. Sums of integers and booleans are int64, as in PyTorch (those of uint64,
    which PyTorch lacks, stay uint64).

    Args:
        axes: non-negative and sorted.
        keepdims: whether the axes stay, with length 1.
    """
    if x.size <= FEW and on_cpu(x) and x.dtype in NATIVE:  # as small networks have
        y = np.add.reduce(x, axes, keepdims=keepdims)
        return y if scale is None else y * scale
    return _total_of_many(x, axes, keepdims, scale)


def _total_of_many(x: Array, axes: tuple[int, ...], keepdims: bool, scale: float | None) -> Array:
    if x.dtype.kind != "f":
        return x.sum(axis=axes, keepdims=keepdims, dtype=None if x.dtype == np.uint64 else np.int64)
    dtype = accumulator(x.dtype)
    count = math.prod([x.shape[a] for a in axes])
    if min(count, x.size) <= ROWS:
        y = x.sum(axis=axes, keepdims=keepdims, dtype=dtype)
    elif 0 in x.strides and not x.flags.c_contiguous:
        y = _sum_of_repeated(x, axes, dtype)
        y = y if keepdims else y.squeeze(axes)
    else:
        x_wide = x.astype(dtype, copy=False)
        leading = x.flags.c_contiguous and axes[-1] == len(axes) - 1  # the most common case, without much ado
        y = _sum_rows(x_wide.reshape(1, count, -1)) if leading else _sum_in_memory_order(x_wide, axes)
        y = y.reshape([1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes])
    if scale is not None:
        y = y * scale
    return y if y.dtype == x.dtype else y.astype(x.dtype)


def _sum_of_repeated(x: Array, axes: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return Σ x, axes kept, of what `broadcast_to` returns: the sum of each number once, times how often it is
    there.
    """
    repeated = [step == 0 for step in x.strides]
    once = x[tuple(slice(1) if r else slice(None) for r in repeated)].astype(dtype)
    times = math.prod([n for a, n in enumerate(x.shape) if a in axes and repeated[a]])
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
    return total(once, axes, keepdims=True) * array_module(x).full(shape, times, dtype=dtype)


def _sum_in_memory_order(x: Array, axes: tuple[int, ...]) -> Array:
    """Return Σ x along `axes`, the innermost in memory first; neighbours in memory are summed as one axis."""
    order, sums, shape, axes_back = _plan(x.shape, x.strides, axes)
    x = array_module(x).ascontiguousarray(x.transpose(order))
    for length, inside in sums:
        x = _sum_rows(x.reshape(-1, length, inside))
    return x.reshape(shape).transpose(axes_back)


@lru_cache(1000)
def _plan(shape: tuple[int, ...], strides: tuple[int, ...], axes: tuple[int, ...]) -> tuple:
    """Return the axes in memory order, for each run of them that is summed its length and how many numbers lie beside
    each other within one index of it, and the shape of the result with the order that brings its axes back.
    """
    order = sorted(range(len(shape)), key=lambda a: -abs(strides[a]))
    sums, inside = [], 1
    for summed, some in groupby(reversed(order), lambda a: a in axes):
        length = math.prod([shape[a] for a in some])
        if summed:
            sums.append((length, inside))
        else:
            inside *= length
    kept = [a for a in order if a not in axes]
    return order, sums, [shape[a] for a in kept], [kept.index(a) for a in sorted(kept)]


def _sum_rows(x: Array) -> Array:
    """Return Σ x along the middle axis of an (A, R, K) array, (A, K)."""
    a, length, k = x.shape
    if k == 1 and on_cpu(x):
        return np.add.reduce(x, 1)  # neighbours in memory, which NumPy adds in pairs
    rows, rest = ROWS, None
    while length > AT_ONCE * rows:
        strips = length // rows
        whole = strips * rows
        if whole < length:
            fewer = _added(x[:, whole:])
            rest = fewer if rest is None else rest + fewer
        x, length = _added(x[:, :whole].reshape(a, rows, strips * k)).reshape(a, strips, k), strips
    return _added(x) if rest is None else _added(x) + rest


def _added(x: Array) -> Array:
    """Return the sum of the rows of each (R, K) matrix of a stack, one added to the other."""
    if on_cpu(x):
        return np.matmul(_ones(x.shape[1], x.dtype), x)[:, 0]
    xp = array_module(x)
    return xp.matmul(xp.ones((1, x.shape[1]), dtype=x.dtype), x[0] if len(x) == 1 else x).reshape(len(x), -1)


@cache
def _ones(count: int, dtype: np.dtype) -> np.ndarray:
    return np.ones((1, count), dtype=dtype)
