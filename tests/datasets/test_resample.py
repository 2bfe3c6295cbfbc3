"""Bilinear weights by hand."""

from __future__ import annotations

import numpy as np

from datasets.resample import bilinear_weights


def test_between_two_pixels():
    weights = bilinear_weights(np.array([0.0, 0.25, 2.0]), 3)
    assert weights.dtype == np.float32
    assert weights.tolist() == [[1, 0, 0], [0.75, 0.25, 0], [0, 0, 1]]


def test_fades_to_zero_outside():
    assert bilinear_weights(np.array([[-0.25, -1.0], [1.5, 7.0]]), 2).tolist() == [
        [[0.75, 0], [0, 0]],
        [[0, 0.5], [0, 0]],
    ]
