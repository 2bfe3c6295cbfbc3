"""Matrix products, shared among our threads where they are large; `parallel.py` says why not among those of BLAS."""

from __future__ import annotations

import numpy as np

from minigrad.backend import Array, on_cpu
from minigrad.kernels.parallel import split

# A core multiplies and adds about this often in the time in which it copies a byte; `split` counts bytes.
MULTIPLY_ADDS_PER_BYTE = 8


def matmul(a: Array, b: Array) -> Array:
    """Return a @ b; two matrices on the CPU are multiplied in parts, by rows of `a` or by columns of `b`."""
    if a.ndim != 2 or b.ndim != 2 or not on_cpu(a):
        return a @ b
    (rows, inner), columns = a.shape, b.shape[1]
    product = np.empty((rows, columns), dtype=np.result_type(a, b))
    task_bytes = rows * columns * inner // MULTIPLY_ADDS_PER_BYTE
    if rows >= columns:
        split(lambda part: np.matmul(a[part], b, out=product[part]), rows, a, task_bytes)
    else:
        split(lambda part: np.matmul(a, b[:, part], out=product[:, part]), columns, a, task_bytes)
    return product
