"""Selection by a mask; large arrays are shared among threads.

A mask of ones and zeros multiplies the *bits* of a number, read as an integer. That is as quick as multiplying the
number, but 0 times an infinity or a nan is 0.
"""

from __future__ import annotations

import numpy as np

from minigrad.backend import Array, array_module, on_cpu
from minigrad.kernels.work import parts, share, worth_sharing

SMALL = 1 << 12  # numbers, for which a line of NumPy is quicker than care for memory
BITS = {2: np.dtype(np.int16), 4: np.dtype(np.int32), 8: np.dtype(np.int64)}  # as many as a number has
ZERO = {size: np.zeros((), f"f{size}") for size in BITS}


def keep(g: Array, mask: Array) -> Array:
    """Return g where `mask` is not 0, and 0 elsewhere; in the memory layout of the mask.

    Args:
        g: floating point numbers.
        mask: booleans, which may have to be broadcast; or numbers of the type and shape of g, such as the result of a
            ReLU, whose zeros are the gaps (nan is not 0).
    """
    if g.ndim and g.size <= SMALL and on_cpu(g) and g.flags.c_contiguous and mask.flags.c_contiguous:
        return np.where(mask, g, ZERO[g.itemsize])
    alike, size = mask.shape == g.shape, 2 * g.nbytes
    kept = array_module(g).empty_like(mask if alike else g, dtype=g.dtype)
    if alike and g.ndim and worth_sharing(size):
        share(lambda part, _: keep_into(kept[part], g[part], mask[part]), parts(len(g), g, size), g, size)
    else:
        keep_into(kept, g, mask)
    return kept


def keep_into(kept: Array, g: Array, mask: Array) -> None:
    """Write what `keep` returns to `kept`."""
    xp, bits = array_module(g), BITS[g.itemsize]
    if mask.dtype == bool:
        xp.multiply(g.view(bits), mask, out=kept.view(bits))
    else:
        ones = xp.not_equal(mask, 0, out=kept.view(bits))
        ones *= g.view(bits)
