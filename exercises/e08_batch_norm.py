"""8. Batch normalisation, backwards.

For each column of x (N, C): x̂ = (x − μ)·r with r = 1/√(σ² + ε), where μ is the column's mean and σ² its *biased*
variance (divided by N). One x moves its own x̂, and through μ and σ² those of all the others. The three parts together:

    ∂L/∂x = r·(g − mean of g − x̂·mean of g·x̂)

Section 13 of docs/backprop.md derives it. Afterwards read `BatchNorm` in minigrad/ops/norm.py.
"""

from __future__ import annotations

import numpy as np


def batch_norm_backward(g: np.ndarray, x: np.ndarray, eps: float) -> np.ndarray:
    """Return ∂L/∂x (N, C) for y = x̂, given g = ∂L/∂y (N, C)."""
    raise NotImplementedError
