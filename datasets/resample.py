"""Bilinear interpolation as a matrix, so that a whole batch is resampled by two matrix products."""

from __future__ import annotations

import numpy as np


def bilinear_weights(position: np.ndarray, extent: int) -> np.ndarray:
    """Weights `(..., n, extent)`, float32, that interpolate between `extent` pixels at `position` `(..., n)`.

    A position p, in pixels with the centre of the first one at 0, takes pixel j with weight max(0, 1 - |p - j|).
    Beyond the outermost centres the picture fades to 0; clip the positions to continue the outermost pixels instead.
    Rows and columns separate: a picture X becomes Y = R·X·Cᵀ with the weights R of its rows and C of its columns.
    """
    distance = np.abs(position[..., None] - np.arange(extent))
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)
