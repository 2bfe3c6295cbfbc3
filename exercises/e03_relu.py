"""3. ReLU at its kink.

y = max(x, 0). Where x is positive, y has slope 1; where it is negative, slope 0. At 0 there is no slope, and one is
chosen: 0, as in PyTorch.

Use `np.where`, which selects. A product with a mask would make nan of 0·∞ where an infinite gradient arrives.

Afterwards read `ReLU` in minigrad/ops/activation.py: it looks at y, not at x. Why is that enough, and why is it better?
"""

from __future__ import annotations

import numpy as np


def relu_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return ∂L/∂x for y = max(x, 0), given g = ∂L/∂y."""
    raise NotImplementedError
