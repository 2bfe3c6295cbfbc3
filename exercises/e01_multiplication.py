"""1. The backward of a multiplication.

Let y = a·b, entry by entry. The gradient g = ∂L/∂y arrives. If an entry of a grows by a little, y grows by b times as
much, and L by g times that. So what are ∂L/∂a and ∂L/∂b?

Afterwards read `Mul` in minigrad/ops/elementwise.py.
"""

from __future__ import annotations

import numpy as np


def multiplication_backward(g: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ∂L/∂a and ∂L/∂b for y = a·b; all arrays have the same shape."""
    raise NotImplementedError
