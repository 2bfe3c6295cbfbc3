"""ReLU and its gradient: two passes at most, large arrays shared among threads."""

from __future__ import annotations

from typing import Any

from minigrad.backend import Array, array_module
from minigrad.kernels.parallel import share_slices, worth_splitting


def relu(x: Array) -> Array:
    """Return max(x, 0), in the memory layout of x."""
    xp = array_module(x)
    if not worth_splitting(2 * x.nbytes):
        return xp.maximum(x, 0)
    y = xp.empty_like(x)
    share_slices(lambda part: xp.maximum(x[part], 0, out=y[part]), len(x), x, 2 * x.nbytes)
    return y


def keep_positive(g: Array, y: Array) -> Array:
    """Return g where y > 0 and 0 elsewhere, in the memory layout of y."""
    xp = array_module(g)
    kept = xp.empty_like(y)

    def keep(part: Any) -> None:
        xp.greater(y[part], 0, out=kept[part])  # 1 or 0 in the type of y: a mask of booleans would have to be converted
        kept[part] *= g[part]

    if worth_splitting(2 * y.nbytes):
        share_slices(keep, len(y), y, 2 * y.nbytes)
    else:
        keep(...)
    return kept
