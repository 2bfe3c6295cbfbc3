"""7. The input gradient of a convolution.

y[i, j] = Σ_{u,v} w[u, v]·x[i+u, j+v], for one channel, without padding, with stride 1. In which outputs was the pixel
x[h, k] used, and which entry of w did it meet there? Sum g times w over them. Four nested loops are fine: loop over
i, j, u, v, and ask where each g[i, j]·w[u, v] belongs.

Afterwards read minigrad/kernels/conv/specification.py, which has seven loops, and `turned.py` beside it.
"""

from __future__ import annotations

import numpy as np


def convolution_input_grad(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return ∂L/∂x (OH + kh − 1, OW + kw − 1), given g = ∂L/∂y (OH, OW) and w (kh, kw)."""
    raise NotImplementedError
