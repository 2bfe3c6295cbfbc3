"""2. Undoing broadcasting.

NumPy repeats the entries of b in `x + b` until the shapes fit: b of shape (3,) is used once in each row of x, of shape
(2, 3). An entry that was used several times gets a share from each use, and its gradient is the sum of them. So a
gradient g of the large shape has to be summed down to the small one: over axes that were added in front, and over axes
of length 1 that were repeated.

Afterwards read `SumTo` in minigrad/ops/broadcasting.py.
"""

from __future__ import annotations

import numpy as np


def sum_to(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return g, summed down to `shape`, which NumPy would broadcast to g's shape.

    sum_to(g, (3,)) of g (2, 3) has shape (3,); sum_to(g, (2, 1)) has shape (2, 1); sum_to(g, ()) is a 0-d array.
    """
    raise NotImplementedError
