"""ReLU; large arrays are shared among threads."""

from __future__ import annotations

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.work import parts, share, worth_sharing


def relu(x: Array) -> Array:
    """Return max(x, 0), in the memory layout of x."""
    xp = array_module(x)
    if not on_cpu(x):
        return xp.maximum(x, 0, out=xp.empty_like(x))
    if not worth_sharing(2 * x.nbytes):
        return xp.maximum(x, 0)
    y = xp.empty_like(x)
    size = 2 * x.nbytes
    share(lambda part, _: xp.maximum(x[part], 0, out=y[part]), parts(len(x), x, size), x, size)
    return y
