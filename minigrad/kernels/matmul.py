"""Matrix products, shared among our threads where they are large; `threads.py` says why not among those of BLAS."""

from __future__ import annotations

import numpy as np

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.precision import HALF, SINGLE
from minigrad.kernels.threads import may_have_help
from minigrad.kernels.work import Scratch, parts, products, share, slices, worth_sharing

# BLAS copies both matrices before it multiplies them, and the second one less quickly. With few rows in the first, most
# of the time is lost there, and (bᵀaᵀ)ᵀ is faster by a fifth.
FEW_ROWS = 64
# OpenBLAS multiplies without these copies up to a million multiply-adds: with few rows, these many columns at once.
SOME_COLUMNS = 128


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a @ b, as `numpy.matmul`. On the CPU two matrices are multiplied in parts, by rows of `a` or by columns of
    `b`, and two stacks of as many matrices (k, M, K) and (k, K, N) by matrices or by columns of all `b`.
    """
    if a.itemsize == 2 and a.dtype == b.dtype == HALF:  # BLAS knows no float16, and a GPU may add up in it
        product = matmul(a.astype(SINGLE), b.astype(SINGLE))
        if out is None:
            return product.astype(HALF)
        out[...] = product
        return out
    if not on_cpu(a):
        return array_module(a).matmul(a, b, out=out)
    size = products(a.size * b.shape[-1])
    narrow = a.ndim == 3 and a.shape[1] < FEW_ROWS and b.shape[-1] >= 2 * SOME_COLUMNS
    if not worth_sharing(size) or not _alike(a, b) or not (narrow or may_have_help()):
        matrices = a.ndim == b.ndim == 2 and out is None
        return a.dot(b) if matrices else np.matmul(a, b, out=out)  # the same, begun in half the time
    *stack, rows, _ = a.shape
    columns = b.shape[-1]
    product = np.empty((*stack, rows, columns), dtype=np.result_type(a, b)) if out is None else out

    def by_rows(part: slice, _: Scratch) -> None:  # or by matrices
        np.matmul(a[part], b[part] if stack else b, out=product[part])

    def by_columns(part: slice, _: Scratch) -> None:
        np.matmul(a, b[..., part], out=product[..., part])

    def by_columns_turned(part: slice, _: Scratch) -> None:
        product[:, part] = (b.T[part] @ a.T).T

    if narrow:
        share(by_columns, slices(columns, columns // SOME_COLUMNS), a, size)
    elif stack:
        share(by_rows, parts(len(a), a, size), a, size)
    elif rows >= columns:
        share(by_rows, parts(rows, a, size, each=1), a, size)
    else:
        turned = rows < FEW_ROWS and b.T.flags.c_contiguous
        share(by_columns_turned if turned else by_columns, parts(columns, a, size, each=1), a, size)
    return product


def _alike(a: Array, b: Array) -> bool:
    """Whether these are two matrices, or two stacks of as many."""
    return a.ndim == b.ndim and a.ndim in (2, 3) and a.shape[:-2] == b.shape[:-2]


def add_product(total: Array | None, a: Array, b: Array, scratch: Scratch) -> Array:
    """Return total + a @ b, in place; the product alone if there is no total yet."""
    if total is None:
        return matmul(a, b)
    total += matmul(a, b, scratch("product", total.shape))
    return total
