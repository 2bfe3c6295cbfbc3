"""6. Max-pooling, backwards.

y[i, j] is the largest of the four numbers x[2i:2i+2, 2j:2j+2]. Its gradient belongs to the one that was the largest,
and of equals to the first one, row by row. All others get nothing.

Afterwards read `max_unpool2d` in minigrad/kernels/pool.py.
"""

from __future__ import annotations

import numpy as np


def max_pool_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return ∂L/∂x for pooling x (2H, 2W) by windows of 2×2, given g = ∂L/∂y (H, W)."""
    raise NotImplementedError
